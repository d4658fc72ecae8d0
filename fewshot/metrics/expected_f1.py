"""Expected F1 over the thresholds that might be estimated (dissertation, 4.3).

Wilkinghoff and Imoto, "F1-EV score: measuring the likelihood of estimating a good decision
threshold for semi-supervised anomaly detection", ICASSP 2024.
"""

import numpy as np
from numpy.typing import ArrayLike

from fewshot.metrics.detection import count_at, f1_of, split


def f1_ev(anomalous: ArrayLike, scores: ArrayLike) -> float:
    """Mean F1 over the thresholds from the lowest to the highest score (definition 4.1).

    Parameters
    ----------
    anomalous : array_like of bool, shape (n,)
    scores : array_like, shape (n,)
        The higher, the more anomalous. The result depends on their scale's form: scores and their
        logarithms have different ones, scores and twice them have the same.

    Returns
    -------
    float
        In [0, 1]; 0 where all scores are equal.

    Notes
    -----
    F1 is constant from one score (included) to the next, as what equals a threshold is normal. So
    the sum of left heights is the integral.
    """
    normal, positive = split(anomalous, scores)
    return _mean_f1(normal, positive, np.union1d(normal, positive))


def _mean_f1(normal: np.ndarray, positive: np.ndarray, thresholds: np.ndarray) -> float:
    """Mean over an interval, whose ends and all scores in which are given in rising order."""
    heights = f1_of(count_at(normal, positive, thresholds))
    if len(thresholds) == 1:
        return float(heights[0])
    return float(np.average(heights[:-1], weights=np.diff(thresholds)))


def optimal_threshold(anomalous: ArrayLike, scores: ArrayLike, choice: str = "centre") -> float:
    """Threshold with the best F1 on labelled clips.

    Parameters
    ----------
    anomalous : array_like of bool, shape (n,)
    scores : array_like, shape (n,)
    choice : {"centre", "left"}
        Thresholds with the best F1 fill one or several intervals from one score to the next. The
        midpoint of the lowest and the highest end of them, which may itself lie between two; or
        the lowest end, which always has the best F1.

    Returns
    -------
    float
        Not below the lowest score.
    """
    normal, positive = split(anomalous, scores)
    return _optimal_threshold(normal, positive, choice)


def _optimal_threshold(normal: np.ndarray, positive: np.ndarray, choice: str) -> float:
    if choice not in ("centre", "left"):
        raise ValueError(f"the optimum must be 'centre' or 'left', not {choice!r}")
    every = np.union1d(normal, positive)
    if len(every) == 1:
        return float(every[0])
    heights = f1_of(count_at(normal, positive, every[:-1]))
    best = np.flatnonzero(heights == heights.max())
    if choice == "left":
        return float(every[best[0]])
    return float((every[best[0]] + every[best[-1] + 1]) / 2)


def bounded_f1_ev(
    anomalous: ArrayLike, scores: ArrayLike, *, beta: float = 0.2, optimum: str = "centre"
) -> float:
    """Mean F1 over the thresholds that an estimator would plausibly give (definition 4.2).

    Parameters
    ----------
    anomalous : array_like of bool, shape (n,)
    scores : array_like, shape (n,)
        The higher, the more anomalous.
    beta : float
        How many standard deviations of the normal scores the thresholds may lie below their mean
        and above the optimal threshold, at least 0.
    optimum : {"centre", "left"}
        Which `optimal_threshold`; "left" is what the published correlations were computed with.

    Returns
    -------
    float
        In [0, 1]. If the upper bound is not above the lower one, F1 at the lower one.

    Notes
    -----
    Mean and standard deviation (1/n) are those of the normal clips, as the text and the paper say;
    equation 50 prints those of all clips.

    Examples
    --------
    >>> anomalous = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> scores = [0.1, 0.2, 0.3, 0.5, 0.4, 0.6, 0.9, 1.0]
    >>> round(f1_ev(anomalous, scores), 6), round(bounded_f1_ev(anomalous, scores), 6)
    (0.7137, 0.852726)
    """
    if not 0 <= beta < np.inf:
        raise ValueError(f"beta must be at least 0, not {beta}")
    normal, positive = split(anomalous, scores)
    # Rounding must not move the mean of equal scores to their other side.
    mean = np.clip(normal.mean(), normal[0], normal[-1])
    margin = beta * normal.std() if normal[0] < normal[-1] else 0.0
    lowest = mean - margin
    highest = _optimal_threshold(normal, positive, optimum) + margin
    if highest <= lowest:
        return _mean_f1(normal, positive, np.array([lowest]))
    every = np.union1d(normal, positive)
    inside = every[(lowest < every) & (every < highest)]
    return _mean_f1(normal, positive, np.array([lowest, *inside, highest]))
