"""Mixtures of normal distributions."""

import warnings
from dataclasses import dataclass

import numpy as np

from asd.back_ends.base import (
    N_CENTRES,
    REGULARISATION,
    BackEnd,
    Fitted,
    World,
    check_domains,
    check_regularisation,
    n_distinct,
    unit_length,
)
from asd.back_ends.gaussian import left_out_squares

_GONE = 1e-3
"""A component that has less than this part of a clip besides the one left out is none."""


@dataclass(frozen=True)
class Mixture(BackEnd):
    """Negative log-likelihood of a mixture of normal distributions with full covariance matrices.

    Parameters
    ----------
    n_components : int
        Or as many as there are different clips, if these are fewer.
    regularisation : float
        What is added to the diagonals of the covariance matrices, above 0.
    weights : bool
        Whether components are weighted and added up. If not, the score is the negative logarithm
        of the highest density of all components.
    domains : str
        "joint" is one mixture for the clips of both domains, "source" and "target" one for those
        of a domain, "sum" the sum of the scores of these two. A domain without clips is replaced
        by the other, and adds nothing to a sum.

    Notes
    -----
    Dissertation, sections 3.4.3 (without weights) and 5.3.2 (Table 19). Vectors are scaled to
    length 1 before; the expectation-maximisation begins with the clusters of k-means.

    A training clip is left out of weight, mean and covariance of each component, exactly, but what
    the other clips share in the components is not found anew.
    """

    n_components: int = N_CENTRES
    regularisation: float = REGULARISATION
    weights: bool = True
    domains: str = "joint"

    def __post_init__(self) -> None:
        check_domains(self.domains)
        check_regularisation(self.regularisation)

    def fit(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> dict[str, np.ndarray]:
        vectors = unit_length(train)
        mixtures = [self._mixture(vectors[members], seed) for members in self._parts(target)]
        fitted = {name: np.concatenate([own[name] for own in mixtures]) for name in mixtures[0]}
        sizes = [len(own["weights"]) for own in mixtures]
        return fitted | {"part": np.repeat(np.arange(len(mixtures)), sizes)}

    def score(self, fitted: Fitted, test: np.ndarray) -> np.ndarray:
        densities, part = _log_densities(unit_length(test), fitted), fitted["part"]
        scores = [
            self._combined(densities[:, part == name], fitted["weights"][part == name])
            for name in np.unique(part)
        ]
        return np.sum(scores, axis=0)

    def leave_one_out(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> np.ndarray:
        if len(train) < 2:
            return np.empty(0)
        vectors, target, parts = unit_length(train), np.asarray(target, bool), self._parts(target)
        scores = np.zeros(len(vectors))
        for members in parts:
            mixture = self._mixture(vectors[members], seed)
            densities = _log_densities(vectors, mixture)
            scores[~members] += self._combined(densities[~members], mixture["weights"])
            if members.sum() > 1:
                scores[members] += self._left_out(vectors[members], densities[members], mixture)
        for alone in (members for members in parts if members.sum() == 1):
            fitted = self.fit(vectors[~alone], target[~alone], seed)
            scores[alone] = self.score(fitted, vectors[alone])
        return scores

    def _parts(self, target: np.ndarray) -> list[np.ndarray]:
        """Which clips each mixture is fitted to, bool of shape (n,)."""
        target = np.asarray(target, bool)
        if self.domains == "joint" or target.all() or not target.any():
            return [np.ones(len(target), bool)]
        return {"source": [~target], "target": [target], "sum": [~target, target]}[self.domains]

    def _mixture(self, vectors: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        if len(vectors) == 1:
            # scikit-learn refuses a single vector; a copy changes neither mean nor covariance.
            vectors = np.repeat(vectors, 2, axis=0)
        mixture = GaussianMixture(
            min(self.n_components, n_distinct(vectors)),
            reg_covar=self.regularisation,
            random_state=seed,
        )
        with warnings.catch_warnings():
            # After the last iteration it is a mixture all the same.
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(vectors)
        return {
            "means": mixture.means_,
            "precisions_cholesky": mixture.precisions_cholesky_,
            "weights": mixture.weights_,
        }

    def _combined(self, densities: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Scores from logarithms of densities, (n, k) -> (n,); weights (k,) or (n, k)."""
        from scipy.special import logsumexp

        if self.weights:
            return -logsumexp(densities, axis=1, b=weights)
        return -densities.max(axis=1)

    def _left_out(self, vectors: np.ndarray, densities: np.ndarray, mixture: Fitted) -> np.ndarray:
        """Score that each clip of a mixture gets without itself, (n, d) -> (n,)."""
        from scipy.special import softmax

        shares = softmax(densities + np.log(mixture["weights"]), axis=1)
        rest = shares.sum(axis=0) - shares
        found = np.full(shares.shape, -np.inf)
        for k, own in enumerate(shares.T):
            there = rest[:, k] > _GONE
            squares, log_determinants = left_out_squares(vectors, own, self.regularisation, there)
            found[there, k] = _log_density(vectors.shape[1], squares, log_determinants)
        return self._combined(found, rest / (len(vectors) - 1))


def _log_densities(vectors: np.ndarray, mixture: Fitted) -> np.ndarray:
    """Logarithm of the density of each component, (n, d) -> (n, n_components)."""
    found = []
    for mean, root in zip(mixture["means"], mixture["precisions_cholesky"], strict=True):
        squares = np.sum(((vectors - mean) @ root) ** 2, axis=1)
        log_determinant = -2 * np.sum(np.log(np.diagonal(root)))
        found.append(_log_density(len(mean), squares, log_determinant))
    return np.stack(found, axis=1)


def _log_density(n_dims: int, squares: np.ndarray, log_determinants: np.ndarray) -> np.ndarray:
    return -0.5 * (n_dims * np.log(2 * np.pi) + log_determinants + squares)
