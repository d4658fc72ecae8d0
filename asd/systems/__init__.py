"""Systems: named ways from the sound of a clip to its anomaly score.

A system has one or more views. Each describes clips by one representation and compares them by one
back end. Scores of the members of an ensemble are averaged; then those of different kinds of views
are standardised, by the scores that the training clips get from each other, and averaged too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from asd.config import DEFAULT, SYSTEM_NAMES
from asd.dataset import Clip
from asd.systems.auto import AUTOMATIC, suited_to
from asd.systems.autoencoder import AUTOENCODERS
from asd.systems.dcase2020 import DCASE2020
from asd.systems.gisp import GISP
from asd.systems.mobilenet import MOBILENET
from asd.systems.pretrained import PRETRAINED, with_encoder
from asd.systems.training_free import TRAINING_FREE
from asd.systems.ustc import USTC, with_wav2vec
from asd.systems.view import System, View, ensemble, kinds, shortest_s, trained_for
from asd.systems.wilkinghoff import WILKINGHOFF
from fewshot.errors import InputError

__all__ = [
    "SYSTEMS",
    "System",
    "View",
    "configured",
    "default_system",
    "ensemble",
    "kinds",
    "shortest_s",
    "system_of",
    "trained_for",
    "with_encoder",
    "with_wav2vec",
]

SYSTEMS: Mapping[str, System] = MappingProxyType(
    AUTOMATIC
    | TRAINING_FREE
    | AUTOENCODERS
    | MOBILENET
    | DCASE2020
    | WILKINGHOFF
    | USTC
    | GISP
    | PRETRAINED
)
"""Views by the names of `asd.config.SYSTEM_NAMES`."""


def system_of(name: str) -> System:
    """The views of a system; InputError if there is none of that name."""
    if name not in SYSTEMS:
        raise InputError(f"no system {name!r}; use one of {', '.join(SYSTEM_NAMES)}")
    return SYSTEMS[name]


def default_system(clips: Sequence[Clip], *, own_data: bool) -> str:
    """Name of the system for training clips of one's own or of the challenge."""
    return suited_to(clips) if own_data else DEFAULT


def configured(
    system: System,
    *,
    members: int | None = None,
    epochs: int | None = None,
    wav2vec: str | Path | None = None,
    encoder: str | Path | None = None,
) -> System:
    """A system with other settings than it was published with, as far as they are given.

    Parameters
    ----------
    system : tuple of View
    members : int, optional
        As of `ensemble`.
    epochs : int, optional
        As of `trained_for`.
    wav2vec : path, optional
        As of `with_wav2vec`.
    encoder : str or path, optional
        As of `with_encoder`.

    Raises
    ------
    InputError
        The system has no use for a file, or it cannot be used.
    """
    if wav2vec is not None:
        system = with_wav2vec(system, wav2vec)
    if encoder is not None:
        system = with_encoder(system, encoder)
    if members is not None:
        system = ensemble(system, members)
    return system if epochs is None else trained_for(system, epochs)
