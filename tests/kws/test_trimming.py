import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.augment import coloured_noise
from kws.trimming import MARGIN_S, speech_span

RATE = 16000


def voiced(seconds, level=0.3):
    """A word's loud part: harmonics with a soft beginning and end."""
    t = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 15))
    return level * tone / np.abs(tone).max() * np.minimum(1, 20 * np.minimum(t, t[::-1]))


def hiss(seconds, level=0.01):
    """A sibilant: noise above 4 kHz."""
    noise = np.random.default_rng(3).standard_normal(round(seconds * RATE))
    return level * np.diff(np.diff(noise, prepend=0), prepend=0)


def silence(seconds, level=0.0):
    return level * np.random.default_rng(4).standard_normal(round(seconds * RATE))


def span_s(*parts):
    samples = np.concatenate(parts).astype(np.float32)
    onset, offset = speech_span(samples)
    assert 0 <= onset < offset <= len(samples)
    return onset / RATE, offset / RATE


@pytest.mark.parametrize("level", [0.0, 1e-4, 3e-3])
@pytest.mark.parametrize("gain", [0.01, 1.0])
def test_silence_around_a_word_is_taken_off(level, gain):
    """Whatever the level of the recording; a margin stays."""
    word = voiced(0.5)
    samples = gain * (np.concatenate([silence(0.8), word, silence(1.1)]) + silence(2.4, level))
    onset_s, offset_s = span_s(samples)
    assert onset_s == pytest.approx(0.8 - MARGIN_S, abs=0.03) and onset_s < 0.8
    assert offset_s == pytest.approx(1.3 + MARGIN_S, abs=0.03) and offset_s > 1.3


def test_weak_consonants_at_the_ends_stay():
    onset_s, offset_s = span_s(
        silence(0.7, 2e-4), hiss(0.2), voiced(0.3), hiss(0.2), silence(0.7, 2e-4)
    )
    assert onset_s <= 0.7 and offset_s >= 1.4
    assert onset_s > 0.5 and offset_s < 1.6


@pytest.mark.parametrize(
    "word",
    [
        [voiced(0.6)],
        [hiss(0.15, 1e-3), voiced(0.3), hiss(0.2, 1e-3)],
        [voiced(0.12)],
        [voiced(0.2), silence(0.2, 1e-3)],
        [voiced(1.0), silence(0.1), voiced(1.0)],
        [np.full(300, 0.1)],
    ],
    ids=["vowel", "consonants", "short", "a little silence", "phrase", "shorter than a frame"],
)
def test_cut_clips_stay_whole(word):
    assert span_s(*word) == (0.0, pytest.approx(sum(map(len, word)) / RATE))


def test_a_phrase_is_kept_from_its_first_word_to_its_last():
    onset_s, offset_s = span_s(
        silence(0.6, 1e-4), voiced(0.4), silence(0.5, 1e-4), voiced(0.4, 0.1), silence(0.6, 1e-4)
    )
    assert onset_s == pytest.approx(0.6 - MARGIN_S, abs=0.03)
    assert offset_s == pytest.approx(1.9 + MARGIN_S, abs=0.03)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    "other",
    [np.full(80, 0.9), coloured_noise(6400, 0.0, np.random.default_rng(0)) * 0.006],
    ids=["click", "breath"],
)
def test_clicks_and_breath_do_not_count(other, first):
    word, pause = voiced(0.5), silence(0.6, 1e-4)
    parts = (pause, other, pause, word, pause) if first else (pause, word, pause, other, pause)
    onset_s, offset_s = span_s(*parts)
    start_s = 1.2 + len(other) / RATE if first else 0.6
    assert onset_s == pytest.approx(start_s - MARGIN_S, abs=0.03)
    assert offset_s == pytest.approx(start_s + 0.5 + MARGIN_S, abs=0.03)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_words_in_noise_at_10_db_are_found(exponent):
    word = voiced(0.6)
    noise = coloured_noise(round(2.2 * RATE), exponent, np.random.default_rng(1))
    noise *= np.sqrt(np.mean(word**2) / np.mean(noise**2) / 10)
    onset_s, offset_s = span_s(np.concatenate([silence(0.8), word, silence(0.8)]) + noise)
    assert 0.65 < onset_s < 0.85 and 1.35 < offset_s < 1.55


@pytest.mark.parametrize(
    "samples",
    [silence(2.0), silence(2.0, 0.1), np.ones(1), np.eye(1, 20000, 9000)[0], voiced(3.0)],
    ids=["digital silence", "noise", "one sample", "click", "tone"],
)
def test_where_nothing_stands_out_all_is_kept(samples):
    assert span_s(samples) == (0.0, len(samples) / RATE)


@given(
    st.lists(
        st.tuples(st.sampled_from([voiced, hiss, silence]), st.floats(0.01, 0.8)),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 2**16),
)
def test_spans_are_inside_and_cut_no_little_off(parts, seed):
    noise = 1e-4 * np.random.default_rng(seed).standard_normal(20 * RATE)
    samples = np.concatenate([make(seconds) for make, seconds in parts])
    samples = (samples + noise[: len(samples)]).astype(np.float32)
    onset, offset = speech_span(samples)
    assert 0 <= onset < offset <= len(samples)
    for taken_off in (onset, len(samples) - offset):
        assert taken_off == 0 or taken_off >= 0.25 * RATE
