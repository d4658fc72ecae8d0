"""Systems: named ways from the sound of a clip to its anomaly score.

A system has one or more views. Each describes clips by one kind of statistics and compares them by
one back end. With several views, scores are standardised by those that the training clips get from
each other, and averaged.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from asd.back_ends import BackEnd, Centres, Gaussian, LocalDensity, Nearest, Standardised
from asd.config import BACK_END_NAMES, DEFAULT, STATISTIC_NAMES, SYSTEM_NAMES
from asd.statistics import STATISTICS
from fewshot.errors import InputError

BACK_ENDS: Mapping[str, BackEnd] = MappingProxyType(
    dict(
        zip(
            BACK_END_NAMES,
            (Nearest(), Nearest(10), Standardised(), LocalDensity(), Gaussian(), Centres()),
            strict=True,
        )
    )
)
"""Back ends by name."""
_KINDS = {kind.__name__: kind for kind in (Nearest, Standardised, LocalDensity, Gaussian, Centres)}
UNSCALED = frozenset({"cepstrum"})
"""Statistics that are compared as they are; of others, each value is standardised first."""


@dataclass(frozen=True)
class View:
    """One kind of statistics and the back end that compares them.

    Parameters
    ----------
    statistic : str
        Of `asd.statistics.STATISTICS`.
    back_end : BackEnd
    scaled : bool
        Whether each value is standardised by its mean and deviation over the training clips.
    """

    statistic: str
    back_end: BackEnd
    scaled: bool = True

    def __post_init__(self) -> None:
        if self.statistic not in STATISTICS:
            raise InputError(
                f"no statistics {self.statistic!r}; use one of {', '.join(STATISTICS)}"
            )

    def described(self) -> dict[str, Any]:
        """What JSON can hold of it."""
        return {
            "statistic": self.statistic,
            "back_end": type(self.back_end).__name__,
            "parameters": asdict(self.back_end),
            "scaled": self.scaled,
        }

    @classmethod
    def restored(cls, description: Mapping[str, Any]) -> "View":
        """From what `described` gave; KeyError or TypeError if it is something else."""
        back_end = _KINDS[description["back_end"]](**description["parameters"])
        return cls(description["statistic"], back_end, bool(description["scaled"]))


System = tuple[View, ...]


def view(statistic: str, back_end: str) -> View:
    """The view of a statistic's and a back end's name."""
    return View(statistic, BACK_ENDS[back_end], statistic not in UNSCALED)


SYSTEMS: Mapping[str, System] = MappingProxyType(
    {
        DEFAULT: (view("cepstrum", "density"), view("cepstrum", "gaussian")),
        "standardised": (view("cepstrum", "standardised"), view("log-mel", "standardised")),
    }
    | {
        f"{statistic}-{back_end}": (view(statistic, back_end),)
        for statistic in STATISTIC_NAMES
        for back_end in BACK_END_NAMES
    }
)
"""Views by the names of `asd.config.SYSTEM_NAMES`."""


def system_of(name: str) -> System:
    """The views of a system; InputError if there is none of that name."""
    if name not in SYSTEMS:
        raise InputError(f"no system {name!r}; use one of {', '.join(SYSTEM_NAMES)}")
    return SYSTEMS[name]
