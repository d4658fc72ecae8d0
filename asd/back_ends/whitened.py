"""Distances to training clips where what clips differ by anyway counts less."""

from dataclasses import dataclass

import numpy as np

from asd.back_ends.base import BackEnd, Fitted, World, check_regularisation
from asd.back_ends.domain_means import offsets_from_means
from asd.back_ends.neighbours import LocalDensity

EXACT = 100
"""Up to so many clips, each is left out alone."""
N_PARTS = 20
"""What more are left out in: a whitening without a twentieth of the clips is nearly the same."""


@dataclass(frozen=True)
class WhitenedDensity(BackEnd):
    """Local density (`LocalDensity`) of vectors that are whitened by the clips of the section.

    Vectors are whitened by the covariance matrix within the domains, with some of its mean variance
    added to every dimension's.

    Parameters
    ----------
    k : int
        Of `LocalDensity`.
    shrinkage : float
        Variance that is added, in mean variances; above 0.
    """

    k: int = 4
    shrinkage: float = 1.0

    def __post_init__(self) -> None:
        check_regularisation(self.shrinkage)

    def fit(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> dict[str, np.ndarray]:
        train, target = np.asarray(train, np.float64), np.asarray(target, bool)
        *_, offsets = offsets_from_means(train, target)
        covariance = offsets.T @ offsets / len(train)
        variance = np.trace(covariance) / len(covariance)
        covariance += self.shrinkage * (variance or 1.0) * np.eye(len(covariance))
        whitening = np.linalg.inv(np.linalg.cholesky(covariance)).T
        fitted = self._density.fit(train @ whitening, target, seed)
        return fitted | {"whitening": whitening}

    def score(self, fitted: Fitted, test: np.ndarray) -> np.ndarray:
        return self._density.score(fitted, test @ fitted["whitening"])

    def leave_one_out(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> np.ndarray:
        n = len(train)
        if n < 2:
            return np.empty(0)
        parts = np.arange(n)
        if n > EXACT:
            parts = np.random.default_rng(seed).permutation(n) % N_PARTS
        scores = np.empty(n)
        for part in np.unique(parts):
            own = parts == part
            scores[own] = self.score(self.fit(train[~own], target[~own], seed), train[own])
        return scores

    @property
    def _density(self) -> LocalDensity:
        return LocalDensity(self.k)
