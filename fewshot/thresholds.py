"""Decision thresholds from scores of normal data alone.

A score is the higher, the more anomalous a clip is; it is anomalous where ``score > threshold``.
Every estimator takes the scores of normal clips and separates their extreme values from the rest.
Equal scores are their own threshold.
"""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fewshot.scores import checked_scores

NORMAL_CONSISTENCY = 1.4826
"""Makes the median absolute deviation of normally distributed scores their standard deviation."""
FEWEST = 10
"""A stage of `multi_stage` that would have fewer scores is left out."""

Estimator = Callable[[ArrayLike], float]


def _check_quantile(q: float) -> None:
    if not 0.5 <= q < 1:
        raise ValueError(f"q must be in [0.5, 1), not {q}")


def gamma_percentile(scores: ArrayLike, q: float = 0.9) -> float:
    """Quantile of a gamma distribution that is fitted to the scores (GDP).

    Parameters
    ----------
    scores : array_like, shape (n,)
    q : float
        In [0.5, 1).

    Returns
    -------
    float

    Warns
    -----
    RuntimeWarning
        If the fit diverges and its moments are used.

    Notes
    -----
    Maximum likelihood with free shape, location and scale, on standardised scores: the optimiser's
    tolerances are absolute. With a free location the fit may diverge, above all with heavy tails.
    Where its quantile is not between the scores' median and their maximum plus their range, the
    gamma distribution with the scores' mean and variance that begins a thousandth of their range
    below them takes its place.
    """
    scores = checked_scores(scores)
    _check_quantile(q)
    mean, deviation = scores.mean(), scores.std()
    if scores.min() == scores.max() or deviation == 0:
        return float(scores.max())
    z = (scores - mean) / deviation
    quantile = _fitted_quantile(z, q)
    if not np.median(z) <= quantile <= z.max() + np.ptp(z):
        message = f"the gamma distribution does not fit these {len(z)} scores; moments are used"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
        start = z.min() - 1e-3 * np.ptp(z)
        quantile = stats.gamma.ppf(q, start**2, loc=start, scale=-1 / start)
    return float(mean + deviation * quantile)


def _fitted_quantile(z: np.ndarray, q: float) -> float:
    """Quantile of the fitted gamma distribution, nan if the optimiser gives up."""
    with warnings.catch_warnings():
        # Steps of the optimiser leave the domain; what it ends with is looked at.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            return stats.gamma.ppf(q, *stats.gamma.fit(z))
        except RuntimeError:
            return np.nan


def histogram_percentile(scores: ArrayLike, q: float = 0.9) -> float:
    """Empirical quantile with linear interpolation (HP).

    Parameters
    ----------
    scores : array_like, shape (n,)
    q : float
        In [0.5, 1).

    Returns
    -------
    float

    Examples
    --------
    >>> round(histogram_percentile([0, 1, 2, 3, 4, 5, 6, 7, 8, 20]), 6)
    9.2
    """
    _check_quantile(q)
    return float(np.quantile(checked_scores(scores), q))


def standard_deviation(scores: ArrayLike, factor: float = 1.28) -> float:
    """Mean plus `factor` standard deviations (SD), with 1/n in the variance.

    1.28 gives the 90th percentile of a normal distribution.
    """
    scores = checked_scores(scores)
    return float(scores.mean() + factor * scores.std())


def median_absolute_deviation(scores: ArrayLike, factor: float = 2.0) -> float:
    """Median plus `factor` times 1.4826 median absolute deviations from it (MAD).

    3 is as common as 2.
    """
    scores = checked_scores(scores)
    deviation = stats.median_abs_deviation(scores, scale=1 / NORMAL_CONSISTENCY)
    return float(np.median(scores) + factor * deviation)


def interquartile_range(scores: ArrayLike, factor: float = 0.5) -> float:
    """Third quartile plus `factor` times the distance of first and third (IQR).

    The box plot's 1.5 was clearly worse for anomalous sounds.
    """
    first, third = np.quantile(checked_scores(scores), (0.25, 0.75))
    return float(third + factor * (third - first))


def one_class_svm(scores: ArrayLike, nu: float = 0.1) -> float:
    """Border of a one-class support vector machine with a linear kernel (OCSVM).

    Parameters
    ----------
    scores : array_like, shape (n,)
    nu : float
        Share of the scores that may lie above the border, in (0, 1).

    Returns
    -------
    float

    Notes
    -----
    A linear one-class machine separates the scores from the origin, so that it cuts off whichever
    end is nearer to it: the highest scores only if all are negative. Moved there, its border is the
    highest score but ``floor(nu * n)``, which is taken directly. (With a whole ``nu * n`` any
    border from there to the next higher score solves the machine's problem.)
    """
    ordered = np.sort(checked_scores(scores))
    if not 0 < nu < 1:
        raise ValueError(f"nu must be in (0, 1), not {nu}")
    cut_off = int(nu * len(ordered) * (1 + 1e-12))
    return float(ordered[-1 - cut_off])


def grubbs_critical_value(n: int, alpha: float = 0.05) -> float:
    """What the largest of n scores must exceed to be rejected, in deviations from the mean (34)."""
    t = stats.t.isf(alpha / (2 * n), n - 2)
    return float((n - 1) / np.sqrt(n) * np.sqrt(t**2 / (n - 2 + t**2)))


def _grubbs_rejects(ordered: np.ndarray, alpha: float) -> bool:
    n = len(ordered)
    if n < 3:
        return False
    excess = ordered[-1] - ordered.mean()
    return bool(excess > grubbs_critical_value(n, alpha) * ordered.std(ddof=1))


def _last_dropped(ordered: np.ndarray, rejects: Callable[[np.ndarray], bool]) -> float:
    """The largest scores are dropped one by one while they are rejected; the last of them."""
    last = ordered[-1]
    while ordered[-1] > ordered[0] and rejects(ordered):
        last, ordered = ordered[-1], ordered[:-1]
    return float(last)


def gesd(scores: ArrayLike, alpha: float = 0.05, mode: str = "first") -> float:
    """Generalised extreme Studentised deviate: the last score that Grubbs' test drops (GESD).

    Parameters
    ----------
    scores : array_like, shape (n,)
    alpha : float
        Level of significance, in (0, 1).
    mode : {"first", "last"}
        Whether dropping ends at the first score that the test keeps, as in the publications, or,
        as Rosner defined it, goes on to the last one that it rejects among the upper half of the
        scores. Only the latter finds several outliers that hide each other.

    Returns
    -------
    float
        The largest score if none is dropped.
    """
    ordered = np.sort(checked_scores(scores))
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be in (0, 1), not {alpha}")
    if mode == "first":
        return _last_dropped(ordered, partial(_grubbs_rejects, alpha=alpha))
    if mode != "last":
        raise ValueError(f"mode must be 'first' or 'last', not {mode!r}")
    n = len(ordered)
    rejected = (k for k in range(n - n // 2 + 1, n + 1) if _grubbs_rejects(ordered[:k], alpha))
    return float(ordered[next(rejected, n) - 1])


def clever_sd(scores: ArrayLike, factor: float = 2.0) -> float:
    """The last score that is dropped because it exceeds `standard_deviation` of those left.

    Parameters
    ----------
    scores : array_like, shape (n,)
    factor : float
        With 1.28 nearly everything is dropped.

    Returns
    -------
    float
        The largest score if none is dropped.
    """
    ordered = np.sort(checked_scores(scores))
    return _last_dropped(ordered, lambda rest: rest[-1] > standard_deviation(rest, factor))


def multi_stage(
    estimator: Estimator, scores: ArrayLike, stages: int = 2, fewest: int = FEWEST
) -> float:
    """An estimator again on those scores that its threshold leaves (MST).

    Parameters
    ----------
    estimator : callable
        Scores -> threshold.
    scores : array_like, shape (n,)
    stages : int
        How often the estimator is applied, at least 1.
    fewest : int
        A stage that would have fewer scores is left out.

    Returns
    -------
    float

    Examples
    --------
    >>> scores = [*range(12), 40]
    >>> interquartile_range(scores), multi_stage(interquartile_range, scores)
    (12.0, 11.0)
    """
    scores = checked_scores(scores)
    if stages < 1:
        raise ValueError(f"stages must be at least 1, not {stages}")
    threshold = estimator(scores)
    for _ in range(stages - 1):
        scores = scores[scores <= threshold]
        if len(scores) < max(fewest, 1):
            break
        threshold = estimator(scores)
    return threshold


_SINGLE = {
    "gdp": gamma_percentile,
    "hp": histogram_percentile,
    "sd": standard_deviation,
    "mad": median_absolute_deviation,
    "iqr": interquartile_range,
    "ocsvm": one_class_svm,
}
ESTIMATORS: Mapping[str, Estimator] = MappingProxyType(
    {
        **_SINGLE,
        "gesd": gesd,
        "cleversd": clever_sd,
        # Those two stop by themselves: a second stage finds what the first one found.
        **{f"{name}x2": partial(multi_stage, single) for name, single in _SINGLE.items()},
    }
)
"""Estimators by their short names, with the parameters of the publications; x2: two stages."""


def estimate(scores: ArrayLike, method: str = "hp") -> float:
    """Decision threshold by the name of a method.

    Parameters
    ----------
    scores : array_like, shape (n,)
        Of normal data, higher is more anomalous.
    method : str
        One of `ESTIMATORS`.

    Returns
    -------
    float
        What is above it is anomalous.

    Raises
    ------
    ValueError
        Unknown method; scores that are missing or not finite.

    Notes
    -----
    Dissertation, sections 2.11 and 4.2; Wilkinghoff and Cornaggia-Urrigshardt, "On choosing
    decision thresholds for anomalous sound detection in machine condition monitoring", 2022.

    Examples
    --------
    >>> sorted(ESTIMATORS)
    ['cleversd', 'gdp', 'gdpx2', 'gesd', 'hp', 'hpx2', 'iqr', 'iqrx2', 'mad', 'madx2', 'ocsvm',
     'ocsvmx2', 'sd', 'sdx2']
    >>> estimate([0, 1, 2, 3, 4, 5, 6, 7, 8, 20], "iqr")
    9.0
    """
    if method not in ESTIMATORS:
        raise ValueError(f"no threshold method {method!r}; use one of {', '.join(ESTIMATORS)}")
    return ESTIMATORS[method](scores)
