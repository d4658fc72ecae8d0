"""Scores of matches by how much of the keyword they hold: half a word is no keyword.

Where the first half of a keyword is said, the whole path of its template may still be good enough.
So the search finds and ranks matches by whole paths, and what it has found is scored by the mean of
two costs: that of the whole path, and that of the half of the template that fits worse. And it is
asked whether the second half resembles the keyword's own end more than what is heard where only its
beginning was said, which frames that see some tenths of a second are still full of.
"""

import numpy as np

from kws import dtw

ROUNDING = 1e-5
"""More than what scores lose when they are scaled."""
LEAST_GAP = 0.2
"""By how much cosines to the keyword's end must at least exceed those to what else is heard."""
PENALTY = 3.0
"""Deviations that a match loses per cosine under `LEAST_GAP`.

Both are chosen on validation parts of four tasks, by mean F and by how many halves of keywords fire
(`benchmarks/RESULTS.md`, "False alarms and halves of words").
"""


def half_score(
    template: np.ndarray, frames: np.ndarray, broken_off: np.ndarray | None = None
) -> tuple[float, float]:
    """Score of the best path that ends in the last frame, by the whole and by its worse half.

    Parameters
    ----------
    template : np.ndarray, shape (L, dim), float32
        Rows of unit length.
    frames : np.ndarray, shape (n, dim), float32
        Rows of unit length, at least from where the path starts.
    broken_off : np.ndarray, shape (L, dim), float32, optional
        What is heard in the template's place where the keyword is broken off.

    Returns
    -------
    score : float
        Negative mean of both mean costs, in [-2, 0], at most the score of the whole path; -inf
        without a path.
    penalty : float
        Deviations, at least 0, that the match loses because its end is not the keyword's; 0 where
        it is not known how the keyword is broken off.

    Examples
    --------
    >>> word, noise = np.eye(6, dtype=np.float32)[:4], np.eye(6, dtype=np.float32)[4:]
    >>> half_score(word, word)
    (0.0, 0.0)
    >>> half_score(word, np.concatenate([word[:2], noise]))
    (-0.75, 0.0)
    >>> half_score(word, word, np.concatenate([word[:2], noise]))
    (0.0, 0.0)
    >>> score, penalty = half_score(word, *2 * [np.concatenate([word[:2], noise])])
    >>> score, round(penalty, 3)
    (-0.75, 3.6)
    """
    costs = _costs(template, frames)
    others = costs if broken_off is None else _costs(broken_off, frames)
    cost, gap = dtw.half_costs(costs, others)
    penalty = 0.0 if broken_off is None else PENALTY * max(0.0, LEAST_GAP - float(gap))
    return 0.0 - float(cost), penalty


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


def _costs(template: np.ndarray, frames: np.ndarray) -> np.ndarray:
    return np.maximum(np.float32(1.0) - template @ frames.T, np.float32(0.0))
