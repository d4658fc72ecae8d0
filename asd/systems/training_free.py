"""Systems that train no network: clip statistics and back ends."""

from collections.abc import Mapping
from types import MappingProxyType

from asd.back_ends import (
    BackEnd,
    Centres,
    DomainMeans,
    Gaussian,
    LocalDensity,
    Nearest,
    Standardised,
    WhitenedDensity,
)
from asd.config import BACK_END_NAMES, DEFAULT, STATISTIC_NAMES
from asd.representations.statistics import Statistics
from asd.systems.view import System, View

BACK_ENDS: Mapping[str, BackEnd] = MappingProxyType(
    dict(
        zip(
            BACK_END_NAMES,
            (
                Nearest(),
                Nearest(10),
                Standardised(),
                LocalDensity(),
                WhitenedDensity(),
                Gaussian(),
                DomainMeans(),
                Centres(),
            ),
            strict=True,
        )
    )
)
"""Back ends by name."""
UNSCALED = frozenset({"cepstrum"})
"""Statistics that are compared as they are; of others, each value is standardised first."""


def view(statistic: str, back_end: str) -> View:
    """The view of a statistic's and a back end's name."""
    return View(Statistics(statistic), BACK_ENDS[back_end], statistic not in UNSCALED)


TRAINING_FREE: dict[str, System] = {
    DEFAULT: tuple(
        view(statistic, back_end)
        for statistic in ("percentiles", "envelope", "roughness", "fluctuation")
        for back_end in ("means", "whitened")
    ),
    "standardised": (view("cepstrum", "standardised"), view("log-mel", "standardised")),
} | {
    f"{statistic}-{back_end}": (view(statistic, back_end),)
    for statistic in STATISTIC_NAMES
    for back_end in BACK_END_NAMES
}
