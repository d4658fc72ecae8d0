"""The score that a clip of a known class has to reach, from the training clips alone."""

import numpy as np

from fewshot.errors import InputError
from fewshot.thresholds import ESTIMATORS, estimate
from osc.config import AUTO, FOREIGN
from osc.decisions import TrainingScores

FOREIGN_PERCENTILE = 95.0
OTHERS_PERCENTILE = 70.0


def check_threshold(method: object) -> None:
    """Raise InputError unless it is a finite number or the name of a method."""
    if isinstance(method, int | float | np.number) and not isinstance(method, bool):
        if not np.isfinite(method):
            raise InputError(f"threshold is {method}; give a finite number")
    elif not isinstance(method, str) or method not in (AUTO, FOREIGN, *ESTIMATORS):
        raise InputError(
            f"threshold is {method!r}; give a number, {AUTO}, {FOREIGN}, or one of "
            f"{', '.join(ESTIMATORS)}"
        )


def threshold_for(method: object, scores: TrainingScores, usual: float | None = None) -> float:
    """Threshold of a classifier.

    Parameters
    ----------
    method : float or str
        The threshold itself; "auto" (`automatic`); "foreign" (`from_foreign`); or the name of an
        estimator in `fewshot.thresholds`, which sees 1 - score of the clips' own classes. At one
        shot these are scores of altered copies, which are higher than those of other recordings:
        there the mean of the estimate and of `from_foreign` is taken.
    scores : TrainingScores
    usual : float, optional
        The representation's usual threshold, on which "auto" leans where there is one.

    Returns
    -------
    float

    Raises
    ------
    InputError
        As `check_threshold`.
    """
    check_threshold(method)
    if not isinstance(method, str):
        return float(method)
    if method == AUTO:
        if usual is not None:
            return leaning(scores.others, usual)
        return automatic(scores.own, scores.foreign)
    if method == FOREIGN:
        return from_foreign(scores.foreign)
    own = 1.0 - estimate(1.0 - scores.own, method)
    if scores.left_out or not len(scores.foreign):
        return own
    return (own + from_foreign(scores.foreign)) / 2


def automatic(own: np.ndarray, foreign: np.ndarray) -> float:
    """Midway between what clips reach for their own class and what they reach for others.

    Parameters
    ----------
    own, foreign : np.ndarray, shapes (m,) and (n,)
        As in `TrainingScores`; m > 0.

    Returns
    -------
    float
        The mean of the median of the former and the 95th percentile of the latter (0 where there
        are none).

    Examples
    --------
    >>> automatic(np.array([0.7, 0.8, 0.9]), np.array([0.2, 0.2]))
    0.5
    """
    return float((np.median(own) + from_foreign(foreign)) / 2)


def leaning(others: np.ndarray, usual: float) -> float:
    """Midway between what separates in most tasks and what the clips reach for others' classes.

    Parameters
    ----------
    others : np.ndarray, shape (n,)
        As in `TrainingScores`.
    usual : float

    Returns
    -------
    float
        The mean of the usual threshold and the 70th percentile of the others; the former where
        there are none.

    Examples
    --------
    >>> leaning(np.array([0.3, 0.3]), 0.4)
    0.35
    """
    return float((usual + np.percentile(others, OTHERS_PERCENTILE)) / 2) if len(others) else usual


def from_foreign(foreign: np.ndarray) -> float:
    """The 95th percentile of the scores for classes that are not the clips' own; 0 without any."""
    return float(np.percentile(foreign, FOREIGN_PERCENTILE)) if len(foreign) else 0.0
