import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import soundfile as sf
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils import estimator_checks
from tones import RATE, clip, write_clips

from fewshot import bundle
from fewshot.errors import InputError
from osc import OpenSetClassifier
from osc.config import KIND, VERSION

TESTS = [("high", 10), ("low", 11), ("noise", 12), ("low", 13)]
EXPECTED = ["high", "low", "unknown", "low"]


@pytest.fixture(scope="module")
def tests():
    return [clip(*which) for which in TESTS]


def small(**parameters):
    clips = [clip(name, seed) for name in ("high", "low") for seed in range(2)]
    return OpenSetClassifier(**parameters).fit(clips, ["high", "high", "low", "low"])


def test_what_was_learnt_is_known_again_and_noise_is_not(fitted, tests):
    assert fitted.classes_.tolist() == ["high", "low"]
    assert fitted.predict(tests).tolist() == EXPECTED
    cosines = fitted.decision_function(tests)
    assert cosines.shape == (4, 2) and np.abs(cosines).max() <= 1
    assert cosines[0].argmax() == 0 and cosines[1].argmax() == 1
    scores = fitted.score_samples(tests)
    assert scores[2] < -1 < fitted.threshold_ <= min(scores[[0, 1, 3]])
    np.testing.assert_allclose(scores[[0, 1, 3]], cosines.max(axis=1)[[0, 1, 3]])
    assert fitted.score(tests, EXPECTED) == 1.0 and is_classifier(fitted)


@pytest.mark.parametrize("rejection", ["similarity", "margin"])
@pytest.mark.parametrize("decision", ["nearest", "centre", "softmax"])
@pytest.mark.parametrize("unknowns", [0, 2])
def test_answers_scores_and_probabilities_agree(decision, rejection, unknowns, tests):
    names = ["high", "high", "low", "low", "sweep", "noise"][: 4 + unknowns]
    labels = [name if name in ("high", "low") else "unknown" for name in names]
    model = OpenSetClassifier(decision=decision, rejection=rejection)
    model.fit([clip(name, seed) for seed, name in enumerate(names)], labels)
    sounds = [*tests, clip("sweep", 20), np.zeros(RATE, np.float32)]
    answers, scores = model.predict(sounds), model.score_samples(sounds)
    np.testing.assert_array_equal(answers != "unknown", scores >= model.threshold_)
    shares = model.predict_proba(sounds)
    assert shares.shape == (6, 2) and (shares >= 0).all() and (shares.sum(axis=1) <= 1).all()
    columns = np.column_stack([shares, 1 - shares.sum(axis=1)])
    likeliest = np.array([*model.classes_, "unknown"])[columns.argmax(axis=1)]
    np.testing.assert_array_equal(likeliest, answers)
    assert answers[-1] == "unknown", "silence is no known sound"
    one_by_one = np.concatenate([model.score_samples([sound]) for sound in sounds])
    np.testing.assert_allclose(one_by_one, scores, atol=1e-5)


def test_clips_may_be_files_waveforms_pairs_or_rows(fitted, tests, tmp_path):
    expected = fitted.score_samples(tests)
    paths = [tmp_path / f"{i}.wav" for i in range(4)]
    for path, samples in zip(paths, tests, strict=True):
        sf.write(path, samples, RATE, subtype="FLOAT")
    pairs = [(samples, RATE) for samples in tests]
    stereo = [np.stack([samples, samples], axis=1) for samples in tests]
    for given in (paths, list(map(str, paths)), pairs, stereo, np.stack(tests), np.array(paths)):
        np.testing.assert_allclose(fitted.score_samples(given), expected, atol=1e-6)
    twice = [(np.repeat(samples, 2), 2 * RATE) for samples in tests]
    np.testing.assert_array_equal(fitted.predict(twice), fitted.predict(tests))


def test_one_shot_and_one_class():
    model = OpenSetClassifier().fit([clip("low", 0)], ["low"])
    assert model.classes_.tolist() == ["low"] and 0 < model.threshold_ < 1
    assert model.predict([clip("low", 0)]).tolist() == ["low"]
    names = ["high", "low", "noise", "sweep"]
    one_shot = OpenSetClassifier().fit([clip(name, 0) for name in names], names)
    assert one_shot.predict([clip(name, 6) for name in names]).tolist() == names


def test_groups_tell_known_unknowns_apart():
    names = ["low", "noise", "noise", "sweep"]
    clips = [clip(name, seed) for seed, name in enumerate(names)]
    labels = ["low", "unknown", "unknown", "unknown"]
    apart = OpenSetClassifier(decision="centre").fit(clips, labels)
    grouped = OpenSetClassifier(decision="centre").fit(clips, labels, groups=names)
    assert (apart.examples_.n_classes, grouped.examples_.n_classes) == (4, 3)
    assert grouped.similarities(clips).shape == (4, 3)
    with pytest.raises(InputError, match="4 clips, but 1 groups"):
        OpenSetClassifier().fit(clips, labels, groups=["a"])


def test_whole_numbers_are_labels_too(tests, tmp_path):
    names = ["high", "high", "low", "low", "noise", "noise"]
    clips = [clip(name, seed) for seed, name in enumerate(names)]
    model = OpenSetClassifier(unknown_label=-1).fit(clips, [7, 7, 3, 3, -1, -1], groups=names)
    assert model.predict(tests).tolist() == [7, 3, -1, 3]
    model.add_class(5, [clip("sweep", 0)]).add_class(-1, [clip("sweep", 9, 0.3)])
    assert model.classes_.tolist() == [3, 5, 7] and model.examples_.n_classes == 5
    model.save(tmp_path / "m.osc")
    loaded = OpenSetClassifier.load(tmp_path / "m.osc")
    np.testing.assert_array_equal(loaded.predict(tests), model.predict(tests))


def test_classes_are_added_without_training_again():
    model = small()
    before, threshold = model.representation_.means_["timbre"], model.threshold_
    sweeps = [clip("sweep", seed) for seed in range(3)]
    assert model.add_class("sweep", sweeps[:1]) is model
    assert model.classes_.tolist() == ["high", "low", "sweep"]
    assert model.predict([sweeps[0], clip("low", 0)]).tolist() == ["sweep", "low"]
    assert model.representation_.means_["timbre"] is before and model.threshold_ != threshold
    model.add_class("unknown", [clip("noise", 0)], groups=["hiss"])
    assert model.predict([clip("noise", 0)]).tolist() == ["unknown"]
    model.add_class("sweep", sweeps[1:])
    assert np.count_nonzero(model.examples_.labels == "sweep") == 3
    fixed = small(threshold=0.25).add_class("sweep", sweeps)
    assert fixed.threshold_ == 0.25


def test_thresholds_are_given_or_estimated(tests):
    model = small()
    found = {}
    for method in ("auto", "foreign", "hp", "gdp", "sdx2", 0.3, np.float32(0.5)):
        assert model.set_threshold(method) is model
        found[method] = model.threshold_
    assert found[0.3] == 0.3 and len(set(found.values())) == len(found)
    assert (model.set_threshold(1.5).predict(tests) == "unknown").all()
    for wrong in ("nonsense", np.nan, None):
        with pytest.raises(InputError, match="threshold is"):
            small(threshold=wrong)


def test_saved_and_loaded_it_is_the_same(fitted, tests, tmp_path):
    path = tmp_path / "m.osc"
    fitted.save(path)
    loaded = OpenSetClassifier.load(path)
    np.testing.assert_array_equal(loaded.similarities(tests), fitted.similarities(tests))
    np.testing.assert_array_equal(loaded.predict(tests), EXPECTED)
    assert loaded.threshold_ == fitted.threshold_
    with pytest.raises(InputError, match="exists; use --force"):
        fitted.save(path)
    loaded.add_class("sweep", [clip("sweep", 0)]).save(path, force=True)
    assert OpenSetClassifier.load(path).classes_.tolist() == ["high", "low", "sweep"]
    clone(loaded)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda tensors, header: tensors.pop("embeddings"), "damaged model"),
        (lambda tensors, header: header.pop("labels"), "damaged model"),
        (lambda tensors, header: header["labels"].pop(), "damaged model"),
        (lambda tensors, header: header["classes"].append("x"), "damaged model"),
        (lambda tensors, header: header["parameters"].update(decision="x"), "decision is 'x'"),
        (lambda tensors, header: header["representation"].update(name="x"), "'x', which is not"),
        (
            lambda tensors, header: tensors.update(
                copies=tensors["embeddings"][:1], copied=np.array([99])
            ),
            "not there",
        ),
        (lambda tensors, header: tensors.pop("representation.timbre.mean"), "damaged model"),
        (lambda tensors, header: header.update(threshold="nan"), "threshold is not a number"),
        (lambda tensors, header: header.update(threshold=10**400), "threshold is not a number"),
        (lambda tensors, header: header.update(labels=[["a"]] * 6), "neither texts nor whole"),
        (lambda tensors, header: header["labels"].__setitem__(0, 2**70), "neither texts nor"),
        (lambda tensors, header: header["parameters"].update(unknown_label=3), "another type"),
        (lambda tensors, header: header["parameters"].update(unknown_label="low"), "is a class"),
        (lambda tensors, header: header["parameters"].update(length_s=1e308), "length_s is"),
        (lambda tensors, header: header["parameters"].update(seed=-1), "seed is -1"),
        (
            lambda tensors, header: tensors.update(
                {part: tensors[part][:, :3].copy() for part in ("embeddings", "copies")}
            ),
            "damaged model",
        ),
        (
            lambda tensors, header: tensors.update(
                embeddings=tensors["embeddings"].astype(float) * 1e300
            ),
            "damaged model",
        ),
    ],
)
def test_a_damaged_model_is_refused_in_a_line(fitted, tmp_path, damage, message):
    fitted.save(tmp_path / "m.osc")
    tensors, header = bundle.load(tmp_path / "m.osc", kind=KIND, version=VERSION)
    damage(tensors, header)
    own = {k: v for k, v in header.items() if k not in bundle.OWN_FIELDS}
    bundle.save(tmp_path / "n.osc", tensors, own, kind=KIND, version=VERSION)
    with pytest.raises(InputError, match=message) as raised:
        OpenSetClassifier.load(tmp_path / "n.osc")
    assert str(raised.value).startswith(str(tmp_path / "n.osc"))


def test_files_that_are_no_model_are_refused(tmp_path):
    (tmp_path / "m.osc").write_bytes(np.random.default_rng(0).bytes(4096))
    for name in ("m.osc", "nowhere.osc"):
        with pytest.raises(InputError, match=name):
            OpenSetClassifier.load(tmp_path / name)


def test_the_contract_of_scikit_learn():
    for check in (
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_estimator_cloneable,
    ):
        check("OpenSetClassifier", OpenSetClassifier())
    model = OpenSetClassifier(decision="centre", options={"a": 1}, seed=3)
    assert clone(model).get_params() == model.get_params()
    for method in ("predict", "decision_function", "score_samples", "predict_proba"):
        with pytest.raises(NotFittedError):
            getattr(OpenSetClassifier(), method)([clip("low", 0)])
    with pytest.raises(NotFittedError):
        OpenSetClassifier().save("nowhere.osc")


def test_fitting_again_forgets_and_repeats(tests):
    model = small()
    first = model.similarities(tests)
    refitted = clone(model).fit([clip("sweep", 0), clip("noise", 0)], ["a", "b"])
    assert refitted.classes_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(small().similarities(tests), first)


def test_one_clip_of_each_of_two_classes_is_known_again_by_softmax():
    clips = [clip("high", 0), clip("low", 0)]
    model = OpenSetClassifier("mfcc", "softmax").fit(clips, ["high", "low"])
    assert 0.5 < model.threshold_ < 1 and model.predict(clips).tolist() == ["high", "low"]


def test_a_network_sees_the_length_that_counts(tmp_path):
    options = {"epochs": 1, "batch_size": 2}
    model = OpenSetClassifier("two-branch", length_s=0.5, options=options)
    model.fit([clip("high", 0), clip("low", 0)], ["high", "low"]).save(tmp_path / "m.osc")
    loaded = OpenSetClassifier.load(tmp_path / "m.osc")
    assert loaded.representation_.length_s == 0.5
    assert (loaded.representation, loaded.options) == ("two-branch", options)


def test_grid_search_on_paths_and_waveforms(tmp_path):
    paths = write_clips(tmp_path, ("high", "low", "noise"), range(4))
    labels = ["unknown" if "noise" in path.parts else path.parent.name for path in paths]
    grid = {"decision": ["nearest", "centre"], "threshold": ["auto", 2.0]}
    search = GridSearchCV(OpenSetClassifier("mfcc"), grid, cv=2).fit(paths, labels)
    assert search.best_params_["threshold"] == "auto" and search.best_score_ == 1.0
    waveforms = [clip(path.parent.name, int(path.stem)) for path in paths]
    again = GridSearchCV(OpenSetClassifier("mfcc"), grid, cv=2).fit(waveforms, labels)
    assert again.best_score_ == 1.0


def test_it_travels_to_other_processes(fitted, tests):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.score_samples(tests), fitted.score_samples(tests))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(type(fitted).predict, fitted, tests).result().tolist() == EXPECTED


def fit(clips, labels=None, **parameters):
    labels = ["a"] * len(clips) if labels is None else labels
    return OpenSetClassifier(**parameters).fit(clips, labels)


LOW = clip("low", 0)
UNUSABLE = {
    "all 2 clips are 'unknown'": lambda: fit([LOW, clip("low", 1)], ["unknown"] * 2),
    "clip 1: silent": lambda: fit([LOW, np.zeros(RATE)]),
    "clip 0: silent; record": lambda: fit([np.full(RATE, 0.5)]),
    "clip 1: the same sound as clip 0": lambda: fit([LOW, LOW.copy()], ["a", "b"]),
    "clip 1: the same sound as clip 0, which": lambda: fit([LOW, LOW], ["a", "unknown"]),
    "clip 0: 0.062 s is shorter than 0.1 s": lambda: fit([LOW[:1000]]),
    "clip 0: has NaN": lambda: fit([np.full(RATE, np.nan)]),
    "nowhere.wav: no such file": lambda: fit(["nowhere.wav"]),
    "no clips": lambda: fit([]),
    "is one path": lambda: fit("a.wav"),
    "a row per clip": lambda: fit(LOW, ["a"]),
    "are a int; give a list": lambda: fit(3, ["a"]),
    "clip 0: not a clip": lambda: fit([None]),
    "clip 0: has the shape": lambda: fit([np.zeros((2, 2, 2))]),
    "2 clips, but labels of the shape": lambda: fit([LOW, clip("low", 1)], ["a"]),
    "a label is empty": lambda: fit([LOW], [" "]),
    "different types; set unknown_label": lambda: fit([LOW], [1]),
    "of type float64": lambda: fit([LOW], [0.5]),
    "several types": lambda: fit([LOW, LOW], np.array(["a", 1], dtype=object)),
    "decision is 'x'; use centre, nearest or softmax": lambda: fit([LOW], decision="x"),
    "rejection is 'x'": lambda: fit([LOW], rejection="x"),
    "length_s is 0": lambda: fit([LOW], length_s=0),
    "no representation 'x'": lambda: fit([LOW], representation="x"),
    "three-views has no option epochs": lambda: fit([LOW], options={"epochs": 3}),
}


@pytest.mark.parametrize("message", UNUSABLE)
def test_what_cannot_be_used_is_said_in_a_line(message):
    with pytest.raises(InputError) as raised:
        UNUSABLE[message]()
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_a_class_cannot_be_added_from_what_another_has(fitted):
    model = pickle.loads(pickle.dumps(fitted))
    with pytest.raises(InputError, match="the same sound as clip 0"):
        model.add_class("new", [clip("high", 0)])
    with pytest.raises(InputError, match="different types"):
        model.add_class(5, [clip("sweep", 0)])
    assert model.classes_.tolist() == ["high", "low"], "a refused class changes nothing"


@pytest.mark.parametrize("duration_s", [0.1, 0.3, 5.0, 70.0])
def test_clips_of_any_length(fitted, duration_s):
    sound = np.tile(clip("low", 3), 71)[: round(duration_s * RATE)]
    assert fitted.predict([sound]).tolist() == ["low"]


def test_an_example_may_be_an_hour_long_and_only_its_loud_part_counts(tmp_path):
    path = tmp_path / "hour.wav"
    with sf.SoundFile(path, "w", 8000, 1, subtype="PCM_16") as file:
        quiet = 0.001 * np.random.default_rng(0).standard_normal(8000 * 60)
        for minute in range(60):
            loud = np.sin(2 * np.pi * 300 * np.arange(8000 * 4) / 8000)
            file.write(np.concatenate([quiet[32000:], 0.2 * loud]) if minute == 37 else quiet)
    model = fit([path, clip("high", 0)], ["low", "high"], length_s=2.0)
    assert model.predict([clip("low", 1)]).tolist() == ["low"]
