from dataclasses import replace

import numpy as np
import pytest

from kws.calibration import (
    NO_MATCH,
    ClipFrames,
    EnrolmentScores,
    best_score,
    calibrated,
    enrolment_scores,
    estimate_threshold,
    held_out_peaks,
    peaks,
    threshold_at_rate,
)
from kws.halves import half_score
from kws.search import score_curves
from kws.templates import Template


def unit(rows):
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def words():
    rng = np.random.default_rng(0)
    return [unit(rng.standard_normal((12, 16))) for _ in range(2)]


def shots_of(words, noise):
    """Clips of each word, each in one surrounding."""
    rng = np.random.default_rng(1)
    return [
        [ClipFrames([unit(w + noise * rng.standard_normal(w.shape))]) for _ in range(4)]
        for w in words
    ]


def every_clip(number, clips):
    return [Template(str(number), clip.surroundings[0]) for clip in clips]


def test_best_score_of_a_planted_template(words):
    rng = np.random.default_rng(2)
    sound = unit(rng.standard_normal((60, 16)))
    sound[30:42] = words[0]
    assert best_score([Template("a", words[0])], sound) == pytest.approx(0.0, abs=1e-6)
    assert best_score([Template("b", words[1])], sound) < -0.3
    assert best_score([Template("a", words[0])], sound[:3]) == -2.0, "no path fits"


def test_scores_leave_the_clip_itself_out(words):
    shots = shots_of(words, 0.1)
    background = [unit(np.random.default_rng(3).standard_normal((50, 16)))]
    scores = enrolment_scores(shots, background, every_clip)
    assert scores.clips.shape == (8, 2)
    assert scores.labels.tolist() == [0] * 4 + [1] * 4
    assert (scores.own < -1e-3).all() and (scores.own > -0.2).all()
    assert scores.others.shape == (8 + 2,)
    alone = enrolment_scores([s[:1] for s in shots], background, every_clip)
    assert np.isnan(alone.own).all()


def test_threshold_lies_between_clips_and_other_sound(words):
    scores = enrolment_scores(shots_of(words, 0.1), [words[1]], every_clip)
    threshold = estimate_threshold(scores)
    assert np.percentile(scores.others, 99) <= threshold <= np.median(scores.own)


def test_one_clip_of_one_keyword_still_gives_a_threshold():
    scores = EnrolmentScores(np.array([[np.nan]]), np.array([0]), np.array([[-0.6]]))
    assert -0.6 < estimate_threshold(scores) < 0
    assert np.isfinite(
        estimate_threshold(EnrolmentScores(scores.clips, scores.labels, np.empty((0, 1))))
    )


def test_calibrated_scores_are_deviations_above_other_sound(words):
    rng = np.random.default_rng(4)
    other = unit(rng.standard_normal((1000, 16)))
    short, long = Template("a", words[0][:3]), Template("b", words[1], mean=3.0, deviation=9.0)
    templates = calibrated([short, long], other, hop_s=0.02)
    assert [t.keyword for t in templates] == ["a", "b"]
    scores = np.maximum(score_curves([t.frames for t in templates], other)[0], NO_MATCH)
    best = scores.reshape(2, -1, 50).max(axis=2)[:, 1:]
    for template, own in zip(templates, best, strict=True):
        assert (template.mean, template.deviation) == pytest.approx((own.mean(), own.std()))
    standard = peaks(templates, other, hop_s=0.02)
    np.testing.assert_allclose(standard.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(standard.std(axis=1), 1, atol=1e-5)


def test_calibrated_scores_are_those_with_the_worse_half_of_the_best_path(words):
    rng = np.random.default_rng(4)
    other = unit(rng.standard_normal((500, 16)))
    (template,) = calibrated([Template("a", words[0])], other, hop_s=0.02)
    ((scores,), (starts,)) = score_curves([template.frames], other)
    halves = []
    for first in range(50, 500, 50):
        end = first + int(np.argmax(scores[first : first + 50]))
        halves.append(half_score(template.frames, other[starts[end] : end + 1])[0])
    calibration = template.half_mean, template.half_deviation
    assert calibration == pytest.approx((np.mean(halves), np.std(halves)))
    expected = (np.array(halves) - template.half_mean) / template.half_deviation
    np.testing.assert_allclose(peaks([template], other, hop_s=0.02)[0], expected)
    end = int(np.argmax(scores))
    half, _ = half_score(template.frames, other[starts[end] : end + 1])
    expected = (half - template.half_mean) / template.half_deviation
    assert best_score([template], other) == pytest.approx(expected)
    whole = replace(template, half_mean=None, half_deviation=None)
    expected = (scores.max() - template.mean) / template.deviation
    assert best_score([whole], other) == pytest.approx(expected)


def test_matches_that_end_like_a_word_that_is_broken_off_lose(words):
    other = unit(np.random.default_rng(4).standard_normal((500, 16)))
    end = unit(np.random.default_rng(5).standard_normal((6, 16)))
    broken_off = np.concatenate([words[0][:6], end])
    plain, asked = calibrated(
        [Template("a", words[0]), Template("a", words[0], broken_off=broken_off)], other, 0.02
    )
    assert (asked.half_mean, asked.half_deviation) == (plain.half_mean, plain.half_deviation)
    assert best_score([asked], words[0]) == best_score([plain], words[0])
    lost = best_score([plain], broken_off) - best_score([asked], broken_off)
    assert lost == pytest.approx(half_score(words[0], broken_off, broken_off)[1])
    assert lost > 0.5


def test_silence_has_no_deviation_and_calibrates_all_the_same(words):
    silence = np.zeros((200, 16), np.float32)
    (template,) = calibrated([Template("a", words[0])], silence, hop_s=0.02)
    assert template.mean == pytest.approx(-1.0) and template.deviation > 0


def test_held_out_peaks_are_calibrated_on_the_other_half(words):
    rng = np.random.default_rng(5)
    quiet, loud = unit(rng.standard_normal((500, 16))), np.tile(words[0], (40, 1))[:480]
    templates = [Template("a", words[0])]
    found = held_out_peaks(templates, np.concatenate([quiet, loud[:500]]), hop_s=0.02)
    expected = [
        peaks(calibrated(templates, there, 0.02), here, 0.02)[0]
        for here, there in ((quiet[:490], np.concatenate([quiet[490:], loud])),)
    ]
    np.testing.assert_allclose(found[: len(expected[0])], expected[0], rtol=1e-4)


@pytest.mark.parametrize("per_hour", [3.0, 30.0, 360.0])
def test_the_threshold_at_a_rate_lets_so_many_through(per_hour):
    best = np.random.default_rng(0).gumbel(size=3600)
    threshold, supported = threshold_at_rate(best, per_hour)
    assert supported == pytest.approx(3.0)
    assert (best >= threshold).sum() == per_hour


def test_a_rate_below_what_the_sound_can_tell_is_extrapolated():
    rng = np.random.default_rng(0)
    thresholds = [threshold_at_rate(rng.gumbel(size=3600), 0.3)[0] for _ in range(40)]
    # Of a Gumbel distribution, the quantile of one in 12,000 is log(12,000).
    assert np.mean(thresholds) == pytest.approx(np.log(12000), abs=0.3)
