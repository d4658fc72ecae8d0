"""Energy normalised statistics, and the sequences of keywords that are read from them."""

import numpy as np
import pytest


def test_values_are_counted_by_the_steps_they_reach(script):
    values = np.array([[0.0, 1.0, 1.4], [1.5, 2.7, -np.inf]])
    assert script.quantise(values, script.LEVELS).tolist() == [[0, 1, 1], [2, 4, 0]]


def test_smoothing_is_a_weighted_mean(script):
    rows = np.zeros((7, 2))
    rows[3] = [1.0, 2.0]
    expected = np.array([0, 0, 0.25, 0.5, 0.25, 0, 0])
    np.testing.assert_allclose(script.smooth(rows, 3), np.outer(expected, [1, 2]), atol=1e-12)
    np.testing.assert_allclose(script.smooth(rows, 1), rows)


def test_cepstra_do_not_depend_on_the_level_and_tell_pitches_apart(script):
    t = np.arange(16000) / 16000
    low, high = (np.sin(2 * np.pi * hz * t) for hz in (400, 2500))
    frames = script.hfcc_ens(low, 60.0, 7600.0)
    assert frames.shape == (1 + 16000 // 320, 20)
    np.testing.assert_allclose(np.linalg.norm(frames, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(script.hfcc_ens(0.01 * low, 60.0, 7600.0), frames, atol=1e-6)
    cosines = frames @ script.hfcc_ens(high, 60.0, 7600.0).T
    inner = slice(5, -5)
    assert (frames @ frames.T)[inner, inner].min() > 0.95
    assert cosines[inner, inner].max() < 0.5
    assert not script.hfcc_ens(np.zeros(4000), 60.0, 7600.0).any()


def naive_kens(scores, window):
    """One keyword and one frame after the other."""
    weights = np.sin(np.pi * np.arange(1, window + 1) / (window + 1)) ** 2
    out = np.zeros(scores.shape)
    for k, curve in enumerate(scores):
        known = curve[np.isfinite(curve)]
        levels = []
        for score in curve:
            z = (score - known.mean()) / known.std()
            levels.append(sum(z >= level for level in (1.0, 1.5, 2.0, 2.5)))
        for n in range(len(curve)):
            for i, weight in enumerate(weights):
                if 0 <= n + i - window // 2 < len(curve):
                    out[k, n] += weight * levels[n + i - window // 2] / weights.sum()
    return out


@pytest.mark.parametrize("window", [1, 3, 9])
def test_kens_against_its_definition(script, window):
    scores = np.random.default_rng(window).standard_normal((3, 60)) ** 3
    scores[0, :4] = -np.inf
    np.testing.assert_allclose(script.kens(scores, window), naive_kens(scores, window), atol=1e-9)


def test_scores_that_never_change_hold_no_keyword(script):
    assert not script.kens(np.full((2, 30), -0.4), 3).any()
    assert not script.kens(np.full((2, 30), -np.inf), 3).any()


def test_blocks_become_keywords(script):
    statistics = np.zeros((2, 60))
    statistics[0, 2:12] = 1.0  # about as long as the keyword
    statistics[1, 15:17] = 1.0  # too short
    statistics[1, 20:35] = 1.0  # three times as long
    statistics[0, 40:50] = 0.3  # not high enough
    statistics[0, 50:55], statistics[1, 50:55] = 0.8, 0.9
    lengths = np.array([10.0, 5.0])
    assert script.keywords_in(statistics, 0.5, 3, lengths) == [0, 1, 1, 1, 1]
    assert script.keywords_in(statistics, 0.2, 3, lengths) == [0, 1, 1, 1, 0, 1]
    assert script.keywords_in(statistics, 0.5, 1, lengths) == [0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("said", "found", "errors"),
    [
        *(("", "", 0), ("abc", "", 3), ("", "ab", 2), ("abc", "abc", 0), ("abc", "xbz", 2)),
        *(("abcd", "bcde", 2), ("aab", "ab", 1), ("kitten", "sitting", 3)),
    ],
)
def test_word_errors(script, said, found, errors):
    assert script.word_errors(said, found) == errors
