"""Decision thresholds from the scores that training clips get from each other."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from asd.config import FALSE_ALARM_RATE
from asd.section import ScoredSection
from fewshot.errors import InputError
from fewshot.thresholds import (
    ESTIMATORS,
    gamma_percentile,
    histogram_percentile,
    standard_deviation,
)


def _by_deviations(scores: ArrayLike, q: float) -> float:
    from scipy.stats import norm

    return standard_deviation(scores, float(norm.ppf(q)))


QUANTILES: Mapping[str, Callable[[ArrayLike, float], float]] = MappingProxyType(
    {"gdp": gamma_percentile, "hp": histogram_percentile, "sd": _by_deviations}
)
"""Estimators that can be asked for a rate of false alarms."""
HOLDS_RATE = "hp"
"""The one that holds it best on generated machines."""


@dataclass(frozen=True)
class Decision:
    """How a threshold is estimated.

    Parameters
    ----------
    method : str
        Of `fewshot.thresholds.ESTIMATORS`.
    false_alarm_rate : float or None
        Share of normal clips that may be called anomalous, in (0, 0.5]; only with a method of
        `QUANTILES`. None takes the method as it was published.
    """

    method: str
    false_alarm_rate: float | None = None

    def __post_init__(self) -> None:
        if self.method not in ESTIMATORS:
            names = ", ".join(ESTIMATORS)
            raise InputError(f"no threshold {self.method!r}; use one of {names}")
        rate = self.false_alarm_rate
        if rate is None:
            return
        if not 0 < rate <= 0.5:
            raise InputError(f"the rate of false alarms is {rate:g}; give 0 < rate <= 0.5")
        if self.method not in QUANTILES:
            names = ", ".join(QUANTILES)
            raise InputError(f"{self.method} takes no rate of false alarms; {names} do")

    def of_section(self, section: ScoredSection) -> tuple[float, list[str]]:
        """Threshold of a section, and what is to be said of it.

        The published methods take the score that each training clip gets from the others. A rate of
        false alarms is one of new recordings: clips that are much like the one that is scored, as
        those of its recording are, are left out with it.
        """
        if self.false_alarm_rate is None:
            return self.threshold(section.left_out)
        if not len(section.held_out):
            raise InputError("nothing was held out for a rate of false alarms; train for one")
        return self.threshold(section.held_out)

    def threshold(self, scores: np.ndarray) -> tuple[float, list[str]]:
        """Threshold from scores of normal clips, and what is to be said of it."""
        estimator = ESTIMATORS[self.method]
        if self.false_alarm_rate is not None:
            estimator = partial(QUANTILES[self.method], q=1 - self.false_alarm_rate)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", RuntimeWarning)
            value = estimator(scores)
        return float(value), [str(warning.message) for warning in caught]

    def described(self) -> dict:
        """What JSON can hold of it."""
        return asdict(self)


def decision_for(
    threshold: str | None, false_alarm_rate: float | None, *, own_data: bool
) -> Decision:
    """The decision that is asked for, or the one that suits the data.

    Parameters
    ----------
    threshold : str or None
        A method.
    false_alarm_rate : float or None
    own_data : bool
        One's own clips get a rate of false alarms of 0.01, files of the challenge the 90th
        percentile of a gamma distribution, unless something else is asked for.
    """
    if threshold is None and false_alarm_rate is None:
        return Decision(HOLDS_RATE, FALSE_ALARM_RATE) if own_data else Decision("gdp")
    return Decision(threshold or HOLDS_RATE, false_alarm_rate)
