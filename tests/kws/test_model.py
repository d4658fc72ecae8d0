from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf

from fewshot import audio, bundle
from fewshot.errors import InputError
from kws.config import KIND, VERSION
from kws.model import KeywordModel


def test_round_trip(sound):
    model, loaded = sound["model"], KeywordModel.load(sound["model_path"])
    assert loaded.keywords == model.keywords == ["down", "up"]
    assert (loaded.threshold, loaded.config, loaded.seed) == (
        model.threshold,
        model.config,
        model.seed,
    )
    for a, b in zip(loaded.templates, model.templates, strict=True):
        np.testing.assert_array_equal(a.frames, b.frames)
        np.testing.assert_array_equal(a.broken_off, b.broken_off)
        assert replace(a, frames=b.frames, broken_off=b.broken_off) == b
    for a, b in zip(loaded.clips, model.clips, strict=True):
        np.testing.assert_array_equal(a.samples, b.samples)
        assert replace(a, samples=b.samples) == b
    assert loaded.detect(sound["recording"]) == model.detect(sound["recording"])


def test_header_alone(sound):
    header = KeywordModel.header(sound["model_path"])
    assert header["keywords"] == ["down", "up"]
    assert len(header["clips"]) == 10
    if header["config"]["encoder"] == "scratch":
        assert header["encoder"]["parameters"] == 713_504
    else:
        licences = {"speech-embedding": "Apache-2.0", "speech": "MIT"}
        assert header["encoder"]["licence"] == licences[header["config"]["encoder"]]


@pytest.mark.parametrize("block", [1, 997, 16000, 50000])
def test_detections_do_not_depend_on_the_size_of_the_pushes(sound, block):
    model = sound["model"]
    samples = audio.normalise(audio.read(sound["recording"]))
    samples = samples[:32000] if block == 1 else samples
    whole = model.detector(candidates=True)
    expected = whole.push(samples) + whole.finish()
    detector, found = model.detector(candidates=True), []
    for start in range(0, len(samples), block):
        found += detector.push(samples[start : start + block])
    assert found + detector.finish() == expected
    assert len(expected) > 3


def test_threshold_selects_among_candidates(sound):
    model = sound["model"]
    everything = model.detect(sound["recording"], candidates=True)
    for threshold in sorted(e.score for e in everything)[:: max(1, len(everything) // 5)]:
        assert model.detect(sound["recording"], threshold=threshold) == [
            e for e in everything if e.score >= threshold
        ]
    assert all(e.filename == str(sound["recording"]) for e in everything)


def test_samples_and_files_are_the_same(sound):
    samples, rate = sf.read(sound["recording"])
    from_file = sound["model"].detect(sound["recording"])
    from_samples = sound["model"].detect(np.stack([samples, samples], 1), sample_rate=rate)
    assert [(e.label, e.onset_s) for e in from_samples] == [(e.label, e.onset_s) for e in from_file]


def test_only_some_keywords(sound):
    found = sound["model"].detect(sound["recording"], candidates=True, keywords=["up"])
    assert {e.label for e in found} == {"up"}
    with pytest.raises(InputError, match="'left'"):
        sound["model"].detect(sound["recording"], keywords=["left"])


def test_scores(sound):
    keywords, times, scores = sound["model"].scores(sound["recording"])
    assert keywords == ["down", "up"]
    assert scores.shape == (2, len(times))
    assert times[-1] == pytest.approx(8.0, abs=0.02)
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    found = sound["model"].detect(sound["recording"], candidates=True)
    (best,) = (e for e in found if e.onset_s < times[column] < e.offset_s)
    assert best.label == keywords[row]


def test_remove(sound):
    left = sound["model"].remove("down")
    assert left.keywords == ["up"] and len(left.clips) == 5
    with pytest.raises(InputError, match="only one"):
        left.remove("up")
    with pytest.raises(InputError, match="'left'"):
        left.remove("left")


def test_models_of_version_2_score_whole_paths(sound, tmp_path):
    if sound["model"].templates[0].half_mean is None:
        pytest.skip("scores of models without calibration are those of whole paths")
    tensors, header = bundle.load(sound["model_path"], kind=KIND, version=VERSION)
    header = {name: value for name, value in header.items() if name not in bundle.OWN_FIELDS}
    for template in header["templates"]:
        del template["half_mean"], template["half_deviation"]
    bundle.save(tmp_path / "old.kws", tensors, header, kind=KIND, version=2)
    old = KeywordModel.load(tmp_path / "old.kws")
    best = max(old.detect(sound["recording"], candidates=True), key=lambda e: e.score)
    assert best.score == pytest.approx(old.scores(sound["recording"])[2].max())
    new = sound["model"].detect(sound["recording"], candidates=True)
    places = {(e.label, e.onset_s, e.offset_s): e.score for e in new}
    assert places.keys() == {
        (e.label, e.onset_s, e.offset_s) for e in old.detect(sound["recording"], candidates=True)
    }


def test_models_of_version_4_do_not_know_how_words_are_broken_off(sound, tmp_path):
    if sound["model"].templates[0].broken_off is None:
        pytest.skip("nor do models without calibration")
    tensors, header = bundle.load(sound["model_path"], kind=KIND, version=VERSION)
    header = {name: value for name, value in header.items() if name not in bundle.OWN_FIELDS}
    stacked = tensors.pop("templates.broken_off")
    bundle.save(tmp_path / "old.kws", tensors, header, kind=KIND, version=4)
    old, new = KeywordModel.load(tmp_path / "old.kws"), sound["model"]
    assert all(template.broken_off is None for template in old.templates)
    scores = [
        {(e.label, e.onset_s): e.score for e in m.detect(sound["recording"], candidates=True)}
        for m in (old, new)
    ]
    assert scores[0].keys() == scores[1].keys()
    lost = np.array([scores[0][place] - scores[1][place] for place in scores[0]])
    assert lost.min() == 0 and lost.max() > 0
    tensors["templates.broken_off"] = stacked[1:]
    bundle.save(tmp_path / "bad.kws", tensors, header, kind=KIND, version=VERSION)
    with pytest.raises(InputError, match="do not fit each other"):
        KeywordModel.load(tmp_path / "bad.kws")


def test_a_model_that_was_tampered_with_is_refused_in_one_line(sound, tmp_path):
    tensors, header = bundle.load(sound["model_path"], kind=KIND, version=VERSION)
    header = {name: value for name, value in header.items() if name not in bundle.OWN_FIELDS}
    for damage in (
        {"clips": header["clips"][:3]},
        {"clips": []},
        {"templates": header["templates"][:1]},
        {"config": {"epochs": "many"}},
        {"config": {"nonsense": 1}},
        {"front_end": {}},
        {"threshold": "high"},
        {"thresholds": [1]},
    ):
        bundle.save(
            tmp_path / "bad.kws", tensors, header | damage, kind=KIND, version=VERSION, force=True
        )
        with pytest.raises(InputError, match="damaged keyword model") as error:
            KeywordModel.load(tmp_path / "bad.kws")
        assert "\n" not in str(error.value)
