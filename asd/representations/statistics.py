"""Clip statistics as a representation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asd.representations import Describer, Key, Representation, Training
from asd.statistics import SHORTEST_S, STATISTICS, clip_statistics
from fewshot.errors import InputError


@dataclass(frozen=True)
class Statistics(Representation, Describer):
    """One vector of statistics of a clip; nothing is learnt.

    Parameters
    ----------
    name : str
        Of `asd.statistics.STATISTICS`.
    """

    name: str

    kind = "statistics"
    learns = False
    shortest_s = SHORTEST_S

    def __post_init__(self) -> None:
        if self.name not in STATISTICS:
            raise InputError(f"no statistics {self.name!r}; use one of {', '.join(STATISTICS)}")

    def learn(self, training: Training | None = None) -> Describer:
        return self

    def restore(self, tensors: Mapping[str, np.ndarray], values: Mapping) -> Describer:
        return self

    def vectors(self, sounds: Sequence[np.ndarray], key: Key) -> np.ndarray:
        return np.stack([clip_statistics(samples, self.name) for samples in sounds])
