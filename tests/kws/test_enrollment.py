from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import soundfile as sf

import kws
from fewshot.encoders.temporal import TemporalResNet
from fewshot.errors import InputError
from kws.config import KwsConfig
from kws.enrollment import enroll

QUICK = KwsConfig(encoder="scratch", epochs=1)


@pytest.fixture
def small(monkeypatch):
    """Enrol with a small encoder, where only the way is tested."""
    encoder = partial(TemporalResNet, channels=(2, 4))
    monkeypatch.setattr("kws.learning.TemporalResNet", encoder)


def test_planted_words_are_found_at_their_place(sound):
    model, events = sound["model"], sound["events"]
    best = sorted(
        model.detect(sound["recording"], candidates=True), key=lambda e: e.score, reverse=True
    )[: len(events)]
    found = sorted((e.label, e.onset_s, e.offset_s) for e in best)
    for (label, onset, offset), (true_label, true_onset, true_offset) in zip(
        found, sorted(events), strict=True
    ):
        assert label == true_label
        assert onset == pytest.approx(true_onset, abs=0.2)
        assert offset == pytest.approx(true_offset, abs=0.25)


def test_the_same_seed_gives_the_same_model(small, sound):
    first, second = (enroll(sound["clips"], config=QUICK, seed=3) for _ in range(2))
    assert first.threshold == second.threshold
    for a, b in zip(first.templates, second.templates, strict=True):
        np.testing.assert_array_equal(a.frames, b.frames)


def test_adding_keywords_equals_learning_all_at_once(small, sound):
    down = sorted((sound["clips"] / "down").iterdir())
    up = sorted((sound["clips"] / "up").iterdir())
    at_once = enroll({"down": down, "up": up}, config=QUICK)
    first = enroll({"down": down}, config=QUICK)
    added = enroll({"up": up}, add_to=first)
    assert added.keywords == ["down", "up"]
    for a, b in zip(added.templates, at_once.templates, strict=True):
        np.testing.assert_array_equal(a.frames, b.frames)
    again = enroll({"up": up}, add_to=added)
    assert len(again.clips) == len(added.clips), "known clips are not counted twice"


def test_progress_and_summary(small, sound):
    seen = []
    model = enroll(
        sound["clips"],
        config=replace(QUICK, epochs=2),
        on_epoch=lambda n, loss: seen.append((n, loss)),
    )
    assert [n for n, _ in seen] == [0, 1]
    assert model.losses == [loss for _, loss in seen]
    assert "2 keywords from 10 clips" in next(model.report.summary())


def test_one_keyword_alone_runs_and_warns(small, sound):
    model = kws.enroll({"up": sorted((sound["clips"] / "up").iterdir())[:3]}, config=QUICK)
    assert model.keywords == ["up"]
    assert -2 <= model.threshold <= 0
    text = "\n".join(model.warnings)
    assert "3 clips" in text and "only one keyword" in text


def test_short_and_clipped_clips_are_warned_of(small, sound, tmp_path):
    rng = np.random.default_rng(0)
    loud = np.clip(4 * rng.standard_normal(8000), -1, 1)
    sf.write(tmp_path / "loud.wav", loud, 16000)
    sf.write(tmp_path / "short.wav", 0.1 * rng.standard_normal(2000), 16000)
    model = enroll({"up": [tmp_path / "loud.wav", tmp_path / "short.wav"]}, config=QUICK)
    text = "\n".join(model.warnings)
    assert "short.wav: 0.12 s is shorter" in text
    assert "loud.wav: clipped" in text


def test_silence_around_clips_is_left_out_of_templates(small, sound, tmp_path):
    clips = sorted((sound["clips"] / "up").iterdir())[:2]
    for clip in clips:
        sf.write(tmp_path / clip.name, np.pad(sf.read(clip)[0], 16000), 16000)
    (exact, padded, whole) = (
        enroll({"up": paths}, config=QUICK, **options)
        for paths, options in (
            (clips, {}),
            ([tmp_path / clip.name for clip in clips], {}),
            ([tmp_path / clip.name for clip in clips], {"trim": False}),
        )
    )
    lengths = [len(model.templates[0].frames) for model in (exact, padded, whole)]
    assert lengths[1] == pytest.approx(lengths[0], abs=4)
    assert lengths[2] > lengths[0] + 100
    for clip in padded.clips:
        assert clip.onset_s == pytest.approx(1.0, abs=0.06)
        assert clip.before == round(kws.enrollment.CONTEXT_S * 16000)


def test_a_bad_clip_among_good_ones_is_named_and_left_out(small, sound, tmp_path):
    (tmp_path / "text.wav").write_text("not audio")
    good = sorted((sound["clips"] / "up").iterdir())[:2]
    model = enroll({"up": [*good, tmp_path / "text.wav"]}, config=QUICK)
    assert len(model.clips) == 2
    assert len(model.problems) == 1 and "text.wav" in model.problems[0]


def test_a_keyword_without_clips_is_an_error(small, sound, tmp_path):
    (tmp_path / "text.wav").write_text("not audio")
    good = sorted((sound["clips"] / "up").iterdir())
    with pytest.raises(InputError, match="'down'"):
        enroll({"up": good, "down": [tmp_path / "text.wav"]}, config=QUICK)


def test_background_recordings(small, sound, tmp_path):
    rng = np.random.default_rng(0)
    sf.write(tmp_path / "hum.wav", 0.01 * rng.standard_normal(32000), 16000)
    with_noise = enroll(sound["clips"], noise=tmp_path, config=QUICK)
    without = enroll(sound["clips"], config=QUICK)
    assert with_noise.losses != without.losses
    (tmp_path / "hum.wav").write_text("not audio")
    with pytest.raises(InputError, match="no usable background"):
        enroll(sound["clips"], noise=tmp_path, config=QUICK)


@pytest.mark.parametrize("field", [{"epochs": 0}, {"templates": "mean"}, {"loss": "mse"}])
def test_settings_are_checked(field):
    with pytest.raises(InputError, match=next(iter(field))):
        KwsConfig(**field)


def test_the_threshold_for_a_rate_of_false_alarms(sound, tmp_path):
    up = {"up": sorted((sound["clips"] / "up").iterdir())}
    usual = enroll(up)
    assert usual.threshold == 5.0 and usual.report.false_alarms_per_hour > 0
    often = enroll(up, config=KwsConfig(false_alarms_per_hour=100))
    rare = enroll(up, config=KwsConfig(false_alarms_per_hour=0.5))
    assert often.threshold < rare.threshold
    assert (often.report.false_alarms_per_hour, rare.report.false_alarms_per_hour) == (100, 0.5)
    assert not any("extrapolated" in warning for warning in often.warnings)
    assert any("extrapolated: give 6.0 hours" in warning for warning in rare.warnings)
