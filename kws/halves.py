"""Scores of matches in which the worse half of their path counts more: half a word is no keyword.

Where the first half of a keyword is said, the whole path of its template may still be good enough.
So the search finds and ranks matches by whole paths, and what it has found is scored by the mean of
two costs: that of the whole path, and that of the half of the template that fits worse.
"""

import numpy as np

from kws import dtw

ROUNDING = 1e-5
"""More than what scores lose when they are scaled."""


def half_score(template: np.ndarray, frames: np.ndarray) -> float:
    """Score of the best path that ends in the last frame, by the whole and by its worse half.

    Parameters
    ----------
    template : np.ndarray, shape (L, dim), float32
        Rows of unit length.
    frames : np.ndarray, shape (n, dim), float32
        Rows of unit length, at least from where the path starts.

    Returns
    -------
    float
        Negative mean of both mean costs, in [-2, 0], at most the score of the whole path; -inf
        without a path.

    Examples
    --------
    >>> word, noise = np.eye(6, dtype=np.float32)[:4], np.eye(6, dtype=np.float32)[4:]
    >>> half_score(word, word)
    0.0
    >>> half_score(word, np.concatenate([word[:2], noise]))
    -0.75
    """
    costs = np.maximum(np.float32(1.0) - template @ frames.T, np.float32(0.0))
    return 0.0 - float(dtw.half_weighted_cost(costs))


def whole_thresholds(
    thresholds: np.ndarray, means: np.ndarray, deviations: np.ndarray, halves: np.ndarray
) -> np.ndarray:
    """Thresholds of whole paths that let every match through whose half score reaches its own.

    A path scores at least what it does with its worse half. All are lowered by the same, so that
    what matches lie above theirs, by which they rank, does not change.

    Parameters
    ----------
    thresholds : np.ndarray, shape (n_templates,)
        Least half scores.
    means, deviations : np.ndarray, shape (n_templates,)
        By which scores of whole paths are given.
    halves : np.ndarray, shape (n_templates, 2)
        Mean and deviation by which half scores are given.

    Examples
    --------
    >>> mean, deviation = np.array([-0.5]), np.array([0.1])
    >>> whole_thresholds(np.array([5.0]), mean, deviation, np.array([[-0.6, 0.1]])).round(3)
    array([4.])
    """
    if not np.isfinite(thresholds).all():
        return thresholds
    least = thresholds * halves[:, 1] + halves[:, 0] - ROUNDING
    return thresholds + np.min((least - means) / deviations - thresholds)
