"""Vectors with fewer dimensions than a representation gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from asd.dataset import classes_of
from asd.reductions import REDUCTIONS, reduced
from asd.representations import Describer, Key, Representation, Training, representation_of
from fewshot.errors import InputError


@dataclass(frozen=True)
class Reduced(Representation):
    """What PCA or LDA leaves of another representation, learnt from the clips of all machines.

    Parameters
    ----------
    base : Representation
    reduction : {"pca", "lda"}
        LDA tells classes of machine, section, attributes and domain apart.
    n_dims : int
        At most so many dimensions remain.

    Notes
    -----
    Dissertation, Table 23.
    """

    base: Representation
    reduction: str = "pca"
    n_dims: int = 128

    kind = "reduced"

    def __post_init__(self) -> None:
        if self.reduction not in REDUCTIONS:
            raise InputError(f"reduction is {self.reduction!r}; use {', '.join(REDUCTIONS)}")

    def trained_for(self, epochs: int) -> Self:
        return replace(self, base=self.base.trained_for(epochs))

    def described(self) -> dict[str, Any]:
        return super().described() | {"base": self.base.described()}

    @classmethod
    def of(cls, base: Mapping[str, Any], **fields: Any) -> "Reduced":
        """From the description of its base."""
        return cls(representation_of(base), **fields)

    def learn(self, training: Training) -> "ReducedDescriber":
        base = self.base.learn(training)
        vectors = np.stack(training.vectors(self.base, base))
        classes = np.array(classes_of(training.clips))
        fitted = REDUCTIONS[self.reduction](vectors, classes, self.n_dims)
        found = ReducedDescriber(self, base, fitted)
        training.made[self] = list(found.reduced(vectors))
        return found

    def restore(
        self, tensors: Mapping[str, np.ndarray], values: Mapping[str, Any]
    ) -> "ReducedDescriber":
        fitted = {name: tensors[f"reduction.{name}"] for name in ("mean", "axes")}
        own = {name: one for name, one in tensors.items() if not name.startswith("reduction.")}
        return ReducedDescriber(self, self.base.restore(own, values), fitted)


class ReducedDescriber(Describer):
    """A describer and what is left of its vectors.

    Parameters
    ----------
    config : Reduced
    base : Describer
    fitted : mapping of str to np.ndarray
        As `asd.reductions` gives it.
    """

    def __init__(self, config: Reduced, base: Describer, fitted: Mapping[str, np.ndarray]) -> None:
        self.config = config
        self.base = base
        self.fitted = fitted

    def vectors(self, sounds: Sequence[np.ndarray], key: Key) -> np.ndarray:
        return self.reduced(self.base.vectors(sounds, key))

    def reduced(self, vectors: np.ndarray) -> np.ndarray:
        """What is left of vectors of the base, (n, d) -> (n, k)."""
        return reduced(self.fitted, vectors).astype(np.float32)

    def to(self, device: str) -> None:
        self.base.to(device)

    def find_files(self, model: Path) -> None:
        self.base.find_files(model)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        tensors, values = self.base.state()
        return tensors | {f"reduction.{k}": array for k, array in self.fitted.items()}, values
