"""Words with times from words in their order, and speech told from silence."""

from itertools import pairwise

import numpy as np
import pytest

from kws.frames import unit_rows
from kws.search import score_curves

HOP_S = 0.02
FRAME = 320
"""Samples of a hop."""
RATE = 16000


def random_rows(rng, n):
    return unit_rows(rng.standard_normal((n, 8)))


def test_words_are_found_where_they_were_put(script):
    rng = np.random.default_rng(0)
    words = [random_rows(rng, n) for n in (12, 7, 15)]
    recording = np.concatenate([random_rows(rng, 9), *words, random_rows(rng, 5)])
    spans = script.spans_in_order(words, recording, HOP_S, whole=False)
    borders = (np.array([9, 21, 28, 43]) - 0.5) * FRAME
    assert spans == [*pairwise(borders)]


def test_words_fill_the_whole_recording(script):
    """Each is said at half its pace, as pauses would make it seem."""
    rng = np.random.default_rng(1)
    words = [random_rows(rng, n) for n in (12, 8, 14)]
    recording = np.repeat(np.concatenate(words), 2, axis=0)
    spans = script.spans_in_order(words, recording, HOP_S, whole=True)
    assert spans[0][0] == 0 and spans[-1][1] == (2 * 34 - 0.5) * FRAME
    borders = np.array([onset for onset, _ in spans[1:]]) / FRAME
    np.testing.assert_allclose(borders, [23.5, 39.5], atol=2)


@pytest.mark.parametrize("seed", range(5))
def test_free_paths_are_those_of_the_search(script, seed):
    rng = np.random.default_rng(seed)
    words = [random_rows(rng, n) for n in (6, 3, 5)]
    recording = random_rows(rng, 40)
    spans = script.spans_in_order(words, recording, HOP_S, whole=False)
    [scores], [starts] = score_curves([np.concatenate(words)], recording)
    end = int(scores.argmax())
    assert spans[-1][1] == (end + 0.5) * FRAME
    assert spans[0][0] == max(0, (starts[end] - 0.5) * FRAME)


def test_a_recording_can_be_too_short(script):
    rng = np.random.default_rng(0)
    words, recording = [random_rows(rng, 20), random_rows(rng, 20)], random_rows(rng, 10)
    with pytest.raises(ValueError, match="10 frames are too few for templates of 40"):
        script.spans_in_order(words, recording, HOP_S, whole=False)
    spans = script.spans_in_order(words, recording, HOP_S, whole=True)
    assert spans[-1][1] == 9.5 * FRAME


def tone(hz, seconds=0.5):
    return np.sin(2 * np.pi * hz * np.arange(int(RATE * seconds)) / RATE)


def test_features_of_tones_and_noise(script):
    inner = slice(3, -3)
    low, high, flux, flatness = script.activity_features(0.5 * tone(500))[inner].T
    assert np.abs(low - (2.8 - 6.0)).max() < 0.1
    assert high.max() < -80 and flux.max() < -30 and flatness.max() < -30
    _, high, _, _ = script.activity_features(tone(6000))[inner].T
    assert high.min() > 0
    _, high, _, _ = script.activity_features(tone(3000), (2750, 4000))[inner].T
    assert high.min() > 0
    noise = np.random.default_rng(0).standard_normal(RATE // 2)
    assert script.activity_features(noise)[inner, 3].min() > -6
    assert np.isfinite(script.activity_features(np.zeros(RATE))).all()


def test_frames_are_speech_that_are_loud_and_change_or_are_tonal(script):
    activity = script.VoiceActivity(-30, -40, -20, -10)
    features = np.array(
        [
            *([-10, -90, -10, -3], [-10, -90, -50, -20], [-90, -35, -10, -3]),
            *([-10, -90, -50, -3], [-90, -90, -10, -20]),
        ]
    )
    assert activity.of(features).tolist() == [True, True, True, False, False]


def test_spans_are_trimmed_to_speech(script):
    rng = np.random.default_rng(0)
    sound = 1e-3 * rng.standard_normal(2 * RATE)
    sound[8000:16000] += tone(500)
    activity = script.VoiceActivity(-30, -20, -70, 0)
    onset, offset = activity.trimmed((4000, 30000), sound)
    assert 7700 < onset <= 8000 and 16000 <= offset < 16300
    assert activity.trimmed((9000, 12000), sound) == (9040, 11920)
    assert activity.trimmed((20000, 30000), sound) == (20000, 30000)


def test_thresholds_are_fitted_to_labelled_words(script):
    rng = np.random.default_rng(0)
    recordings, spans = [], []
    for hz in (300, 700):
        sound = 1e-3 * rng.standard_normal(2 * RATE)
        sound[8000:16000] += 0.5 * tone(hz)
        recordings.append(sound)
        spans.append([(8000, 16000)])
    activity, tp_rate, fp_rate = script.fitted_activity(recordings, spans)
    assert tp_rate > 0.98 and fp_rate < 0.03
    frames = activity.of(script.activity_features(recordings[0]))
    assert not frames[:45].any() and frames[55:95].all() and not frames[105:].any()


def test_frames_lie_within_spans(script):
    inside = script.frames_within([(0, 160), (480, 700)], 1000)
    assert inside.tolist() == [True, False, False, True, True, False, False]


def test_overlap_is_a_share_of_both(script):
    assert script.overlap((100, 200), (150, 350)) == (0.5, 0.25)
    assert script.overlap((100, 200), (100, 200)) == (1.0, 1.0)
    assert script.overlap((100, 200), (200, 300)) == (0.0, 0.0)
