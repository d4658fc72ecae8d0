"""Sequences of digits, made of a small tree of tones."""

import numpy as np
import pytest

RATE = 16000
WORDS = ["one", "two", "six"]


def test_each_word_is_said_once_by_its_speaker(script, digits_data):
    folder = digits_data / "kws" / "fsdd"
    heard = script.utterances(folder, "fold1", "test", 0)
    # Nine words of each of two speakers: too few for two sequences.
    assert [len(u.words) for u in heard] == [9, 9]
    assert all(sorted(u.words) == sorted(WORDS * 3) for u in heard)
    for u in heard:
        seconds = len(u.samples) / RATE
        assert 9 * 0.35 + 10 * 0.1 < seconds < 9 * 0.45 + 10 * 0.3
        assert np.abs(u.samples).max() == 1.0
    again = script.utterances(folder, "fold1", "test", 0)
    np.testing.assert_array_equal(heard[0].samples, again[0].samples)
    others = script.utterances(folder, "fold1", "test", 1)
    assert [u.words for u in others] != [u.words for u in heard]


def test_spans_hold_the_words(script, digits_data):
    [first, _] = script.utterances(digits_data / "kws" / "fsdd", "fold1", "test", 0)
    words = np.zeros(len(first.samples), bool)
    for onset, offset in first.spans:
        assert 0.35 * RATE <= offset - onset <= 0.45 * RATE
        assert np.abs(first.samples[onset:offset]).max() > 0.9
        words[onset:offset] = True
    assert len(first.spans) == len(first.words)
    assert np.abs(first.samples[~words]).max() < 10 * script.NOISE


def test_weakly_labelled_words_are_of_nobody_who_is_tested(script, digits_data):
    """Ada says nine words in each of two recordings, of which fold 2 lists one twice."""
    folder = digits_data / "kws" / "fsdd"
    said = script.weakly_labelled(folder, "fold1", 0)
    assert sorted(word for u in said for word in u.words) == sorted(WORDS * 6)
    # Bob and Cy, who are tested in fold 1, are not in fold 2.
    said = script.weakly_labelled(folder, "fold2", 0)
    assert sorted(word for u in said for word in u.words) == sorted(WORDS * 9)


@pytest.mark.parametrize("count", [5, 8, 9, 10, 23])
def test_sequences_are_of_five_words_at_least(script, count):
    words = [(str(i), np.ones(100, np.float32)) for i in range(count)]
    found = list(script.sequences(words, np.random.default_rng(count)))
    assert sorted((w for u in found for w in u.words), key=int) == [str(i) for i in range(count)]
    assert all(5 <= len(u.words) <= 11 for u in found)
