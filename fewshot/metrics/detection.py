"""Anomalous against normal clips: at a threshold, and over all of them (dissertation, 2.10.1)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import roc_auc_score

from fewshot.scores import checked_scores


class Counts(NamedTuple):
    """How many clips are decided rightly (true) and wrongly, equations 15 to 18.

    Integers, or arrays of them with one per threshold; positive is anomalous.
    """

    tp: int | np.ndarray
    fp: int | np.ndarray
    fn: int | np.ndarray
    tn: int | np.ndarray


def checked_flags(name: str, flags: ArrayLike, n: int) -> np.ndarray:
    """Zeros and ones as booleans, shape (n,); ValueError if they are something else."""
    flags = np.asarray(flags)
    if flags.shape != (n,):
        raise ValueError(f"{name} must have the shape ({n},) of the scores, not {flags.shape}")
    if not np.isin(flags, (0, 1)).all():
        raise ValueError(f"{name} must hold 0 and 1, or False and True, and nothing else")
    return flags.astype(bool)


def split(anomalous: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Sorted scores of the normal clips and of the anomalous ones; ValueError if either lack."""
    scores = checked_scores(scores)
    anomalous = checked_flags("anomalous", anomalous, len(scores))
    if anomalous.all() or not anomalous.any():
        which = "anomalous" if anomalous.all() else "normal"
        raise ValueError(f"all {len(scores)} clips are {which}, both kinds are needed")
    return np.sort(scores[~anomalous]), np.sort(scores[anomalous])


def count_at(normal: np.ndarray, anomalous: np.ndarray, thresholds: np.ndarray) -> Counts:
    """Counts at thresholds of any shape, from sorted scores."""
    fp = len(normal) - np.searchsorted(normal, thresholds, side="right")
    tp = len(anomalous) - np.searchsorted(anomalous, thresholds, side="right")
    return Counts(tp, fp, len(anomalous) - tp, len(normal) - fp)


def f1_of(counts: Counts) -> float | np.ndarray:
    """Equation 20; 0 without true positives."""
    return 2 * counts.tp / (2 * counts.tp + counts.fp + counts.fn)


def descending_thresholds(scores: np.ndarray) -> np.ndarray:
    """Thresholds where decisions change, from the one where nothing is anomalous to -inf."""
    return np.append(np.unique(scores)[::-1], -np.inf)


def crossing(fpr: np.ndarray, fnr: np.ndarray) -> float:
    """Where a rising and a falling rate are equal, interpolated linearly between their points."""
    return float(np.interp(0.0, fpr - fnr, fpr))


def count(anomalous: ArrayLike, scores: ArrayLike, threshold: ArrayLike) -> Counts:
    """Count right and wrong decisions.

    Parameters
    ----------
    anomalous : array_like of bool, shape (n,)
        Which clips are anomalous; 0 and 1 will do.
    scores : array_like, shape (n,)
        The higher, the more anomalous.
    threshold : float or array_like
        Anomalous are ``score > threshold``; infinite ones are allowed.

    Returns
    -------
    Counts
        True and false positives, false and true negatives; with the shape of `threshold`.

    Raises
    ------
    ValueError
        NaN, no clips, only normal or only anomalous ones. So does every function below.

    Examples
    --------
    >>> count([0, 0, 0, 1, 1], [0.1, 0.2, 0.5, 0.4, 0.9], 0.4)
    Counts(tp=1, fp=1, fn=1, tn=2)
    """
    normal, positive = split(anomalous, scores)
    threshold = np.asarray(threshold, dtype=np.float64)
    if np.isnan(threshold).any():
        raise ValueError("the threshold must not be NaN")
    counts = count_at(normal, positive, threshold)
    return counts if threshold.ndim else Counts(*map(int, counts))


def precision(anomalous: ArrayLike, scores: ArrayLike, threshold: ArrayLike) -> float | np.ndarray:
    """Share of the clips taken for anomalous that are (21), 0 if there are none; as `count`."""
    counts = count(anomalous, scores, threshold)
    found = counts.tp + counts.fp
    return counts.tp / (found + (found == 0))


def recall(anomalous: ArrayLike, scores: ArrayLike, threshold: ArrayLike) -> float | np.ndarray:
    """Share of the anomalous clips that are taken for it (22), the true positive rate; as `count`.

    Parameters and errors are those of `count`.
    """
    counts = count(anomalous, scores, threshold)
    return counts.tp / (counts.tp + counts.fn)


def f1(anomalous: ArrayLike, scores: ArrayLike, threshold: ArrayLike) -> float | np.ndarray:
    """Harmonic mean of precision and recall (20), 0 without true positives; as `count`.

    Taking everything for anomalous gives 2/3 where there are as many normal clips as anomalous
    ones.

    Examples
    --------
    >>> f1([0, 0, 0, 1, 1], [0.1, 0.2, 0.5, 0.4, 0.9], [0.4, 0.5])
    array([0.5       , 0.66666667])
    """
    return f1_of(count(anomalous, scores, threshold))


def auc(anomalous: ArrayLike, scores: ArrayLike) -> float:
    """Area under the receiver operating characteristic.

    Parameters
    ----------
    anomalous : array_like of bool, shape (n,)
    scores : array_like, shape (n,)

    Returns
    -------
    float
        Probability that an anomalous clip has a higher score than a normal one; ties count half.

    Examples
    --------
    >>> auc([0, 0, 0, 0, 1, 1, 1, 1], [0.1, 0.2, 0.3, 0.5, 0.4, 0.6, 0.9, 1.0])
    0.9375
    """
    split(anomalous, scores)
    return float(roc_auc_score(anomalous, scores))


def pauc(anomalous: ArrayLike, scores: ArrayLike, p: float = 0.1) -> float:
    """Area under the receiver operating characteristic up to a false positive rate.

    Parameters
    ----------
    anomalous : array_like of bool, shape (n,)
    scores : array_like, shape (n,)
    p : float
        Largest false positive rate, in (0, 1].

    Returns
    -------
    float
        Standardised after McClish: 0.5 is chance and 1 the best, for every p.
    """
    check_p(p)
    split(anomalous, scores)
    return float(roc_auc_score(anomalous, scores, max_fpr=p))


def check_p(p: float) -> None:
    """ValueError if p is no upper bound of a rate."""
    if not 0 < p <= 1:
        raise ValueError(f"p must be in (0, 1], not {p}")


def det_curve(anomalous: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Detection error trade-off.

    Parameters
    ----------
    anomalous : array_like of bool, shape (n,)
    scores : array_like, shape (n,)

    Returns
    -------
    fpr : np.ndarray, shape (m,)
        False positive rates, rising from 0 to 1.
    fnr : np.ndarray, shape (m,)
        False negative rates, falling from 1 to 0.
    thresholds : np.ndarray, shape (m,)
        The different scores, falling, and -inf.
    """
    normal, positive = split(anomalous, scores)
    thresholds = descending_thresholds(np.concatenate([normal, positive]))
    counts = count_at(normal, positive, thresholds)
    return counts.fp / len(normal), counts.fn / len(positive), thresholds


def eer(anomalous: ArrayLike, scores: ArrayLike) -> float:
    """Equal error rate: where the false positive rate is the false negative rate.

    Parameters
    ----------
    anomalous : array_like of bool, shape (n,)
    scores : array_like, shape (n,)

    Returns
    -------
    float
        Linearly interpolated between the points of the `det_curve`.
    """
    fpr, fnr, _ = det_curve(anomalous, scores)
    return crossing(fpr, fnr)
