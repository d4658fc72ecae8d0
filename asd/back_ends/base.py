"""What the back ends share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

Fitted = Mapping[str, np.ndarray]
"""Arrays by name."""

N_CENTRES = 16
REGULARISATION = 1e-3
DOMAINS = ("joint", "source", "target", "sum")
"""Which domains' models give the score: both as one, one of them, or each its own, added up."""


@dataclass(frozen=True, eq=False)
class World:
    """Training clips of all sections, for back ends that compare a section with others.

    Parameters
    ----------
    vectors : np.ndarray, shape (n, d)
    groups : np.ndarray of int, shape (n,)
        The section of each.
    """

    vectors: np.ndarray
    groups: np.ndarray

    @property
    def n_sections(self) -> int:
        """How many sections there are."""
        return len(np.unique(self.groups))

    @cached_property
    def covariances(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of vectors scaled to length 1: what sections differ by, and clips within them.

        Returns
        -------
        mean : np.ndarray, shape (d,)
            Of the sections' means.
        between : np.ndarray, shape (d, d)
            Covariance matrix of the sections' means.
        within : np.ndarray, shape (d, d)
            Covariance matrix of the clips, each less the mean of its section.
        """
        vectors = unit_length(self.vectors)
        names, sections = np.unique(self.groups, return_inverse=True)
        means = np.stack([vectors[sections == i].mean(axis=0) for i in range(len(names))])
        mean, inner = means.mean(axis=0), vectors - means[sections]
        outer = means - mean
        return mean, outer.T @ outer / len(outer), inner.T @ inner / len(inner)


class BackEnd(ABC):
    """What turns vectors into scores."""

    needs_world: ClassVar[bool] = False
    """Whether `fit` and `leave_one_out` must be told of the other sections."""

    @abstractmethod
    def fit(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> dict[str, np.ndarray]:
        """Learn from normal clips.

        Parameters
        ----------
        train : np.ndarray, shape (n, d)
        target : np.ndarray of bool, shape (n,)
            Which of them are of the target domain.
        seed : int
        world : World, optional
            Clips of all sections, these among them; looked at where `needs_world` says so.

        Returns
        -------
        dict of str to np.ndarray

        Raises
        ------
        InputError
            Other sections are needed, and there are none.
        """

    @abstractmethod
    def score(self, fitted: Fitted, test: np.ndarray) -> np.ndarray:
        """Scores of test vectors, (m, d) -> (m,)."""

    @abstractmethod
    def leave_one_out(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> np.ndarray:
        """Score that each training vector gets from the others, (n, d) -> (n,), or (0,) of one."""


def check_domains(domains: str) -> None:
    """ValueError for what is not of `DOMAINS`."""
    if domains not in DOMAINS:
        raise ValueError(f"domains must be one of {', '.join(DOMAINS)}, not {domains!r}")


def check_regularisation(regularisation: float) -> None:
    """ValueError unless it is above 0: without it, few clips have no inverse covariance matrix."""
    if not 0 < regularisation < np.inf:
        raise ValueError(f"regularisation must be above 0 and finite, not {regularisation}")


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1, shape (n, d); those of length 0 remain."""
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def n_distinct(vectors: np.ndarray) -> int:
    """How many vectors of length 1 differ by more than rounding: k-means finds no more centres."""
    return len(np.unique(vectors.round(6), axis=0))
