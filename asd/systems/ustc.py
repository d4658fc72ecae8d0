"""Sections told apart by several kinds of features: the system of S. Wang et al., APSIPA 2022.

Notes
-----
Log-Mel and learnt spectrogram, all losses, and equation 7 (experiment 6, but for wav2vec 2.0, whose
weights are not part of this project: `with_wav2vec` adds them from a file).
"""

from dataclasses import replace
from pathlib import Path

from asd.back_ends import Nearest
from asd.representations.fusion import FEATURES, Fusion
from asd.systems.view import System, View
from fewshot.encoders.wav2vec import load_wav2vec
from fewshot.errors import InputError

FUSION = Fusion()

USTC: dict[str, System] = {"ustc": (View(FUSION, Nearest(cosine=True), scaled=False),)}


def with_wav2vec(system: System, weights: str | Path) -> System:
    """A system that listens through wav2vec 2.0 too.

    Parameters
    ----------
    system : tuple of View
    weights : path
        As for `fewshot.encoders.wav2vec.load_wav2vec`.

    Returns
    -------
    tuple of View

    Raises
    ------
    InputError
        It is another system, or the file cannot be used.
    """
    if not all(isinstance(view.representation, Fusion) for view in system):
        raise InputError("only the system ustc listens through wav2vec 2.0")
    load_wav2vec(weights)
    return tuple(
        replace(
            view,
            representation=replace(
                view.representation,
                features=tuple(
                    name for name in FEATURES if name in (*view.representation.features, "wav2vec")
                ),
                weights=str(weights),
            ),
        )
        for view in system
    )
