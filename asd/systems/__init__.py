"""Systems: named ways from the sound of a clip to its anomaly score.

A system has one or more views. Each describes clips by one representation and compares them by one
back end. Scores of several views are averaged; those of different kinds are standardised before, by
the scores that the training clips get from each other.
"""

from collections.abc import Mapping
from types import MappingProxyType

from asd.config import SYSTEM_NAMES
from asd.systems.autoencoder import AUTOENCODERS
from asd.systems.dcase2020 import DCASE2020
from asd.systems.gisp import GISP
from asd.systems.gisp_three import GISP_THREE
from asd.systems.mobilenet import MOBILENET
from asd.systems.pretrained import PRETRAINED, with_encoder
from asd.systems.training_free import TRAINING_FREE
from asd.systems.ustc import USTC, with_wav2vec
from asd.systems.view import System, View, ensemble, like_each_other, shortest_s, trained_for
from asd.systems.wilkinghoff import WILKINGHOFF
from fewshot.errors import InputError

__all__ = [
    "SYSTEMS",
    "System",
    "View",
    "ensemble",
    "like_each_other",
    "shortest_s",
    "system_of",
    "trained_for",
    "with_encoder",
    "with_wav2vec",
]

SYSTEMS: Mapping[str, System] = MappingProxyType(
    TRAINING_FREE
    | AUTOENCODERS
    | MOBILENET
    | DCASE2020
    | WILKINGHOFF
    | USTC
    | GISP
    | GISP_THREE
    | PRETRAINED
)
"""Views by the names of `asd.config.SYSTEM_NAMES`."""


def system_of(name: str) -> System:
    """The views of a system; InputError if there is none of that name."""
    if name not in SYSTEMS:
        raise InputError(f"no system {name!r}; use one of {', '.join(SYSTEM_NAMES)}")
    return SYSTEMS[name]
