"""A normal distribution of each domain, with one covariance matrix."""

from dataclasses import dataclass

import numpy as np

from asd.back_ends.base import REGULARISATION, BackEnd, Fitted, World, check_regularisation


@dataclass(frozen=True)
class DomainMeans(BackEnd):
    """Mahalanobis distance to the nearer of the two domains' means.

    The covariance matrix is that within the domains, which both share: a target domain of a few
    clips could not have its own. A mean of n clips is off by itself, so that distances to it are
    divided by the square root of 1 + 1 / n.

    Parameters
    ----------
    regularisation : float
        What is added to the diagonal of the covariance matrix, whose divisor is the number of
        clips; above 0.
    """

    regularisation: float = REGULARISATION

    def __post_init__(self) -> None:
        check_regularisation(self.regularisation)

    def fit(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> dict[str, np.ndarray]:
        train, target = np.asarray(train, np.float64), np.asarray(target, bool)
        means, counts, offsets = offsets_from_means(train, target)
        covariance = offsets.T @ offsets / len(train) + self.regularisation * np.eye(train.shape[1])
        return {
            "means": means,
            "counts": counts,
            "precision": np.linalg.inv(covariance),
        }

    def score(self, fitted: Fitted, test: np.ndarray) -> np.ndarray:
        distances = [
            np.sqrt(
                np.maximum(np.einsum("ij,jk,ik->i", o, fitted["precision"], o, optimize=True), 0)
            )
            / np.sqrt(1 + 1 / count)
            for o, count in (
                (test - mean, count)
                for mean, count in zip(fitted["means"], fitted["counts"], strict=True)
            )
        ]
        return np.min(distances, axis=0)

    def leave_one_out(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> np.ndarray:
        n = len(train)
        if n < 2:
            return np.empty(0)
        train, target = np.asarray(train, np.float64), np.asarray(target, bool)
        means, counts, offsets = offsets_from_means(train, target)
        own = np.searchsorted(np.unique(target), target)
        sizes = counts[own]
        # Without a clip, n C loses size / (size - 1) o o': its only clip takes a domain along.
        lost = np.where(sizes > 1, sizes / np.maximum(sizes - 1, 1), 0.0)
        variances, axes = np.linalg.eigh(offsets.T @ offsets)
        regular = (np.maximum(variances, 0) + self.regularisation * (n - 1)) / (n - 1)
        turned = offsets @ axes
        weighted = turned / regular
        scale = lost / (n - 1)
        within = np.sum(turned * weighted, axis=1)
        left = np.maximum(1 - scale * within, 1e-12)
        scores = np.full(n, np.inf)
        for domain, (mean, count) in enumerate(zip(means, counts, strict=True)):
            is_own = own == domain
            to_mean = np.where(is_own[:, None], turned * lost[:, None], (train - mean) @ axes)
            rest = count - is_own
            across = np.sum(to_mean * weighted, axis=1)
            squares = np.sum(to_mean**2 / regular, axis=1) + scale * across**2 / left
            distances = np.sqrt(np.maximum(squares, 0)) / np.sqrt(1 + 1 / np.maximum(rest, 1))
            scores = np.minimum(scores, np.where(rest > 0, distances, np.inf))
        return scores


def offsets_from_means(
    train: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means and sizes of the domains that are there, and each clip's offset from its own."""
    domains, own, counts = np.unique(target, return_inverse=True, return_counts=True)
    means = np.stack([train[target == domain].mean(axis=0) for domain in domains])
    return means, counts, train - means[own]
