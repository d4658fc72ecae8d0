"""Training, scoring, thresholds and files of machine models."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
from machines import RATE, clips_in

import asd
from asd.back_ends import Nearest
from asd.config import BACK_END_NAMES, STATISTIC_NAMES, SYSTEM_NAMES, TRAINING_FREE_NAMES
from asd.dataset import read_dataset
from asd.decisions import Decision, decision_for
from asd.model import MachineModel
from asd.representations.statistics import Statistics
from asd.section import ScoredSection
from asd.sounds import read_sound
from asd.statistics import STATISTICS, clip_statistics
from asd.synthesis import write_dataset
from asd.systems import SYSTEMS, View, system_of, trained_for
from asd.systems.training_free import BACK_ENDS
from fewshot import bundle, thresholds
from fewshot.errors import InputError
from fewshot.metrics import auc


@pytest.fixture(scope="module")
def dcase(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dcase")
    return write_dataset(
        folder, machines=("fan", "gearbox"), n_source=12, n_target=3, n_test=4, duration_s=1.0
    )


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return clips_in(tmp_path_factory.mktemp("own") / "pump", 12)


def clips_to_test(folder, machine):
    return [c for c in read_dataset(folder).clips if (c.machine, c.split) == (machine, "test")]


def test_names_that_commands_know_are_those_that_exist():
    assert tuple(SYSTEMS) == SYSTEM_NAMES
    assert tuple(STATISTICS) == STATISTIC_NAMES and tuple(BACK_ENDS) == BACK_END_NAMES


@pytest.mark.parametrize("system", ["statistics", "mfcc-nearest", "percentiles-gaussian"])
def test_anomalous_clips_score_higher(dcase, system):
    model = asd.train(dcase, system=system)
    assert list(model.sections) == [("fan", "00"), ("gearbox", "00")]
    areas = []
    for machine in ("fan", "gearbox"):
        clips = clips_to_test(dcase, machine)
        scores = model.score([clip.path for clip in clips], machine)
        areas.append(auc([clip.condition == "anomaly" for clip in clips], scores))
    assert np.mean(areas) > 0.6


def test_a_system_of_one_view_scores_as_its_back_end(own):
    model = asd.train(own, system="log-mel-nearest")
    vectors = np.array(
        [clip_statistics(read_sound(own / f"{i}.wav"), "log-mel") for i in range(12)]
    )
    z = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    distances = np.sqrt(((z[:, None] - z) ** 2).sum(axis=2)) + np.diag([np.inf] * 12)
    (section,) = model.sections.values()
    expected = np.sort(distances.min(axis=1))
    assert np.sort(section.left_out) == pytest.approx(expected, rel=1e-4)
    assert model.score([own / "3.wav"]) == pytest.approx([0], abs=1e-3)


def test_several_views_are_standardised_and_what_they_find_is_averaged(own):
    views = ("cepstrum-standardised", "mfcc-gaussian")
    both = tuple(system_of(name)[0] for name in views)
    sounds = [read_sound(own / f"{i}.wav") for i in range(12)]
    vectors = [np.array([clip_statistics(x, v.representation.name) for x in sounds]) for v in both]
    target = np.zeros(12, bool)
    fused = ScoredSection.fit(both, vectors, target).score(both, [v[:4] for v in vectors])
    expected = []
    for view, own_vectors in zip(both, vectors, strict=True):
        single = ScoredSection.fit((view,), [own_vectors], target)
        scores = single.score((view,), [own_vectors[:4]])
        expected.append((scores - single.left_out.mean()) / single.left_out.std())
    assert fused == pytest.approx(np.mean(np.log1p(np.exp(expected)), axis=0))


def test_arrays_and_files_of_any_rate_and_channels_get_the_same_scores(own, tmp_path):
    model = asd.train(own)
    samples, _ = soundfile.read(own / "5.wav")
    soundfile.write(tmp_path / "stereo.wav", np.stack([samples, samples], axis=1), RATE, "FLOAT")
    one, other = model.score([own / "5.wav", tmp_path / "stereo.wav"])
    assert one == pytest.approx(other, abs=1e-6)
    assert model.score([samples]) == pytest.approx(one, abs=1e-6)
    assert model.score([]).shape == (0,)


def test_the_defaults_of_thresholds_depend_on_the_layout(own, dcase):
    assert asd.train(own).decision == decision_for(None, None, own_data=True)
    assert asd.train(own).decision.false_alarm_rate == 0.01
    model = asd.train(dcase)
    assert model.decision == Decision("gdp")
    for key, section in model.sections.items():
        assert model.thresholds[key] == thresholds.gamma_percentile(section.left_out)


def test_many_clips_of_ones_own_get_a_network(own, dcase, monkeypatch):
    monkeypatch.setattr("asd.systems.auto.FEWEST_CLIPS", 12)
    assert asd.train(own).system == "statistics"
    monkeypatch.setattr("asd.systems.auto.FEWEST_CLASSES", 1)
    assert asd.train(dcase).system == "statistics"
    model = asd.train(own, epochs=1, device="cpu")
    assert model.system == "auto" and model.views == trained_for(SYSTEMS["auto"], 1)
    assert np.isfinite(model.score([own / "3.wav"])).all()
    monkeypatch.setattr("asd.systems.auto.FEWEST_CLIPS", 13)
    assert asd.train(own).system == "statistics"


@pytest.mark.parametrize("method", thresholds.ESTIMATORS)
def test_every_estimator_can_be_asked_for(own, method):
    model = asd.train(own, threshold=method, system="mfcc-nearest")
    (section,) = model.sections.values()
    with np.errstate(all="ignore"):
        expected = Decision(method).of_section(section)[0]
    assert list(model.thresholds.values()) == [expected]


def test_a_lower_rate_of_false_alarms_gives_a_higher_threshold(own):
    model = asd.train(own, false_alarm_rate=0.5)
    values = []
    for rate in (0.5, 0.2, 0.05, 0.01):
        model.set_decision(replace(model.decision, false_alarm_rate=rate))
        values += model.thresholds.values()
    assert values == sorted(values) and values[0] < values[-1]
    assert any("12 clips tell little of a rate of 0.01, 100 tell more" in n for n in model.notes)


def test_a_rate_of_false_alarms_is_one_of_new_recordings(tmp_path):
    rng = np.random.default_rng(0)
    recordings = 3 * rng.standard_normal((60, 6))
    clips = [one + 0.1 * rng.standard_normal((3, 6)) for one in recordings]
    known, new = np.concatenate(clips[:40]), np.stack([some[0] for some in clips[40:]])
    views = (View(Statistics("mfcc"), Nearest()),)
    section = ScoredSection.fit(views, [known], np.zeros(len(known), bool), hold_out=True)
    above = {
        rate: np.mean(section.score(views, [new]) > Decision("hp", rate).of_section(section)[0])
        for rate in (None, 0.1, 0.5)
    }
    assert above[None] == 1 and above[0.1] <= 0.2 and 0.3 <= above[0.5] <= 0.8


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"system": "magic"}, "no system 'magic'; use one of auto, statistics, "),
        ({"threshold": "magic"}, "no threshold 'magic'; use one of gdp"),
        ({"false_alarm_rate": 0.7}, "the rate of false alarms is 0.7; give 0 < rate <= 0.5"),
        ({"false_alarm_rate": 0.1, "threshold": "mad"}, "mad takes no rate of false alarms"),
    ],
)
def test_wrong_settings_are_named(own, arguments, message):
    with pytest.raises(InputError, match=message):
        asd.train(own, **arguments)


def test_a_single_clip_is_cut_up_and_a_short_one_refused(tmp_path):
    folder = clips_in(tmp_path / "pump", 1, duration_s=2.0)
    model = asd.train(folder)
    assert model.notes[0].startswith("pump 00: a single clip, cut into 4; record more")
    (section,) = model.sections.values()
    assert len(section.left_out) == 4
    assert np.isfinite(model.score([folder / "0.wav"])).all()
    short = clips_in(tmp_path / "short", 1, duration_s=0.3)
    with pytest.raises(InputError, match="short 00: a single clip, too short to be cut up"):
        asd.train(short)


@pytest.mark.parametrize(
    "system", [name for name in TRAINING_FREE_NAMES if "percentiles" not in name]
)
def test_a_domain_without_clips_and_lengths_that_differ(tmp_path, system):
    for domain, n in (("source", 5), ("target", 0 if "nearest" in system else 1)):
        for i in range(n):
            clips_in(tmp_path / "x", 1, seed=i, duration_s=0.5 + 0.3 * i)
            (tmp_path / "fan" / "train").mkdir(parents=True, exist_ok=True)
            name = f"section_00_{domain}_train_normal_{i:04d}.wav"
            (tmp_path / "x" / "0.wav").rename(tmp_path / "fan" / "train" / name)
    (tmp_path / "x").rmdir()
    model = asd.train(tmp_path, system=system)
    scores = model.score([np.random.default_rng(0).standard_normal(n) for n in (1600, 30000)])
    assert np.isfinite(scores).all() and np.isfinite(list(model.thresholds.values())).all()


def test_bad_clips_are_named_and_left_out(tmp_path):
    folder = clips_in(tmp_path / "pump", 4)
    soundfile.write(folder / "silent.wav", np.zeros(8000), RATE)
    soundfile.write(folder / "short.wav", np.full(100, 0.1), RATE)
    (folder / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"broken\.wav: "):
        asd.train(folder)
    problems, done = [], []
    model = asd.train(folder, on_problem=problems.append, on_clip=lambda: done.append(1))
    names = [str(p).split(": ")[0].rsplit("/")[-1] for p in problems]
    assert names == ["broken.wav", "short.wav", "silent.wav"]
    assert len(done) == 7 and len(next(iter(model.sections.values())).target) == 4
    with pytest.raises(InputError, match=r"short\.wav: 0\.006 s is shorter"):
        model.score([folder / "short.wav"])
    with pytest.raises(InputError, match="NaN or infinite"):
        model.score([np.full(16000, np.nan)])


def test_nothing_to_train_on_is_an_error(tmp_path, dcase):
    for clip in clips_to_test(dcase, "fan"):
        (tmp_path / "fan" / "test").mkdir(parents=True, exist_ok=True)
        (tmp_path / "fan" / "test" / clip.path.name).write_bytes(clip.path.read_bytes())
    with pytest.raises(InputError, match="no training clips"):
        asd.train(tmp_path)


def test_sections_are_told_by_name(dcase):
    model = asd.train(dcase, system="mfcc-nearest")
    assert model.key_of("fan") == model.key_of("fan", "00") == ("fan", "00")
    with pytest.raises(InputError, match=r"of which machine and section\? .* fan 00, gearbox 00"):
        model.key_of()
    with pytest.raises(InputError, match="does not know fan 07; it knows fan 00, gearbox 00"):
        model.key_of("fan", "07")


@pytest.mark.parametrize("system", TRAINING_FREE_NAMES)
def test_models_come_back_from_their_files_as_they_were(own, tmp_path, system):
    model = asd.train(own, system=system, false_alarm_rate=0.1)
    model.save(tmp_path / "m.asd")
    again = MachineModel.load(tmp_path / "m.asd")
    assert (again.system, again.views, again.decision) == (system, model.views, model.decision)
    assert again.thresholds == model.thresholds
    sounds = [read_sound(own / f"{i}.wav")[:9000] for i in range(3)]
    np.testing.assert_array_equal(again.score(sounds), model.score(sounds))
    assert (
        again.set_decision(Decision("hp")).thresholds
        == model.set_decision(Decision("hp")).thresholds
    )
    with pytest.raises(InputError, match="exists; use --force"):
        model.save(tmp_path / "m.asd")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tensors, header: tensors.pop("0.moments"),
        lambda tensors, header: tensors.update({"0.0.scale": np.ones(3)}),
        lambda tensors, header: header["views"][0].update(back_end="Oracle"),
        lambda tensors, header: header["views"][0].update(representation={"kind": "magic"}),
        lambda tensors, header: header.update(sections=[]),
        lambda tensors, header: header.update(sections=[["a", 3, 0.1]]),
        lambda tensors, header: header["decision"].update(method="magic"),
        lambda tensors, header: header.pop("system"),
    ],
)
def test_damaged_models_are_refused(own, tmp_path, spoil):
    asd.train(own, system="mfcc-nearest").save(tmp_path / "m.asd")
    tensors, header = bundle.load(tmp_path / "m.asd", kind="machine model", version=1)
    header = {key: value for key, value in header.items() if key not in bundle.OWN_FIELDS}
    spoil(tensors, header)
    bundle.save(tmp_path / "bad.asd", tensors, header, kind="machine model", version=1)
    with pytest.raises(InputError, match=r"bad\.asd: damaged model \(.*\); train it again"):
        MachineModel.load(tmp_path / "bad.asd")
