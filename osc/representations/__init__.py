"""What clips are compared by: a clip in, one embedding of unit length out."""

import copy
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np

from fewshot.encoders.loading import NAMES, SUFFIXES
from fewshot.errors import InputError
from osc.config import DEFAULT
from osc.representations.external import External
from osc.representations.mfcc import MfccStatistics
from osc.representations.shallow import Shallow
from osc.representations.two_branch import TwoBranch
from osc.representations.views import ThreeViews


@runtime_checkable
class Representation(Protocol):
    """Maps clips to embeddings of unit length.

    Waveforms are mono at 16 kHz, of any length from 0.1 s; a representation repeats or crops them
    as it needs. They are high-pass filtered at 50 Hz unless the representation has an attribute
    ``highpass`` that is False. An attribute ``usual_threshold`` is a cosine that separates known
    from other sounds in most tasks; thresholds that are estimated lean on it.
    """

    def fit(self, waveforms: Sequence[np.ndarray], labels: Sequence[str], *, seed: int = 0) -> Self:
        """Learn from training clips, all classes of known unknowns told apart by their labels."""

    def transform(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Embeddings, shape (n, dim), float32, of unit length."""

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        """What was learnt, as arrays and as settings that JSON can hold."""

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray], settings: Mapping) -> Self:
        """Rebuild what `state` described."""


REPRESENTATIONS: dict[str, Callable[..., Representation]] = {
    "three-views": ThreeViews,
    "mfcc": MfccStatistics,
    "two-branch": TwoBranch,
    "shallow": Shallow,
    "external": External,
}
"""Representations by the names that model files know them by."""
ALIASES = {DEFAULT: "three-views"}
EXPORT = (
    ", export it to ONNX or TorchScript (16 kHz samples or log-Mel spectra in, frames out), write "
    "NAME.json with window, step, hop, centre and dim beside NAME.onnx,"
)
FOREIGN_WEIGHTS = {
    "vggish": f"VGGish (github.com/tensorflow/models, research/audioset/vggish){EXPORT}",
    "openl3": f"OpenL3 (github.com/marl/openl3){EXPORT}",
    "pann": f"a PANN such as CNN14 (zenodo.org, record 3987831){EXPORT}",
    "kumar": "Kumar's weak-feature network (github.com/anuragkr90/weak_feature_extractor)" + EXPORT,
    "wav2vec2": "the weights of torchaudio.pipelines.WAV2VEC2_BASE",
}
"""Embeddings of the papers whose weights are not part of this package, and what to do for them."""


def create(representation: object, options: Mapping[str, object] | None = None) -> Representation:
    """A representation that has not learnt anything yet.

    Parameters
    ----------
    representation : str, path, callable or Representation
        One of `REPRESENTATIONS` or "default"; "speech-embedding", "speech", or the file of an
        encoder (`fewshot.encoders.loading`); a function that maps a waveform (n,) at 16 kHz to
        frames (n_frames, dim) or one embedding (dim,); or an object, which is copied.
    options : mapping, optional
        Parameters of the representation; None is its own default.

    Raises
    ------
    InputError
        No representation has this name, or it does not have one of the options.
    """
    options = {name: value for name, value in (options or {}).items() if value is not None}
    if isinstance(representation, Representation) and not isinstance(representation, type):
        _check_options(type(representation).__name__, (), options)
        return copy.deepcopy(representation)
    if callable(representation) and not isinstance(representation, type):
        _check_options("a function", (), options)
        return External(representation)
    if not isinstance(representation, str | Path):
        raise InputError(f"representation is {representation!r}; use {_names()}")
    name = ALIASES.get(str(representation), str(representation))
    if name.lower() in FOREIGN_WEIGHTS:
        raise InputError(
            f"representation {name!r}: its weights are not part of this package and are never "
            f"downloaded; fetch {FOREIGN_WEIGHTS[name.lower()]} and give that file"
        )
    if name in NAMES or Path(name).suffix in SUFFIXES:
        _check_options(name, (), options)
        return External(name)
    if name not in REPRESENTATIONS or name == External.name:
        raise InputError(f"no representation {name!r}; use {_names()}")
    kind = REPRESENTATIONS[name]
    _check_options(name, tuple(signature(kind).parameters), options)
    return kind(**options)


def options_of(representation: object) -> tuple[str, ...]:
    """Names of the options that `create` takes with a representation."""
    kind = REPRESENTATIONS.get(ALIASES.get(str(representation), str(representation)))
    return () if kind in (None, External) else tuple(signature(kind).parameters)


def _names() -> str:
    named = [DEFAULT, *(name for name in REPRESENTATIONS if name != External.name), *NAMES]
    return f"{', '.join(named)}, or the file of an encoder ({', '.join(SUFFIXES)})"


def _check_options(name: str, known: tuple[str, ...], options: Mapping[str, object]) -> None:
    for option in options:
        if option not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise InputError(f"representation {name} has no option {option}; {has}")


def name_of(representation: Representation) -> str:
    """The name that model files know a representation by.

    Raises
    ------
    InputError
        It is not one of `REPRESENTATIONS`.
    """
    for name, kind in REPRESENTATIONS.items():
        if type(representation) is kind:
            return name
    raise InputError(
        f"a {type(representation).__name__} cannot be saved; give it a name in "
        "osc.representations.REPRESENTATIONS first"
    )


def restore(name: str, tensors: Mapping[str, np.ndarray], settings: Mapping) -> Representation:
    """The representation that a model file describes.

    Raises
    ------
    InputError
        This release has none of that name.
    """
    if name not in REPRESENTATIONS:
        raise InputError(f"it was learnt with representation {name!r}, which is not there")
    return REPRESENTATIONS[name].restore(tensors, settings)
