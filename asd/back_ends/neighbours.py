"""Distances to training clips."""

from abc import abstractmethod
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.distance import cdist

from asd.back_ends.base import BackEnd, Fitted, World, unit_length

FEWEST = 3
"""A domain with fewer distances between its clips borrows those of the other."""
_LEAST_SHARE = 1e-3
"""Deviations and local distances are at least this part of the mean: copies of a clip have none."""


@dataclass(frozen=True)
class _Neighbours(BackEnd):
    """Back ends that keep the training vectors and look at distances to them.

    Parameters
    ----------
    cosine : bool
        Whether distances are 1 - cosine, otherwise Euclidean. A vector of zeros, which has no
        direction, is half as far from others as if it were at right angles to them.
    """

    cosine: bool = field(default=False, kw_only=True)

    def fit(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> dict[str, np.ndarray]:
        train, target = np.asarray(train, np.float64), np.asarray(target, bool)
        scale = self._scale(self._within(train), target, None)
        return {"vectors": train, "target": target, "scale": scale}

    def score(self, fitted: Fitted, test: np.ndarray) -> np.ndarray:
        between = self._distances(test, fitted["vectors"])
        return self._scores(between, fitted["target"].astype(bool), fitted["scale"])

    def leave_one_out(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> np.ndarray:
        if len(train) < 2:
            return np.empty(0)
        within, target = self._within(train), np.asarray(target, bool)
        scale = self._scale(within, target, np.arange(len(train)))
        return self._scores(within, target, scale)

    def _distances(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if not self.cosine:
            return cdist(a, b)
        # Unlike 1 - cosine itself, this is exactly 0 between copies of a clip.
        return cdist(unit_length(a), unit_length(b), "sqeuclidean") / 2

    def _within(self, train: np.ndarray) -> np.ndarray:
        """Distances between training clips, (n, d) -> (n, n); infinite on the diagonal."""
        distances = self._distances(train, train)
        np.fill_diagonal(distances, np.inf)
        return distances

    @abstractmethod
    def _scale(
        self, within: np.ndarray, target: np.ndarray, left_out: np.ndarray | None
    ) -> np.ndarray:
        """What distances are measured by.

        Parameters
        ----------
        within : np.ndarray, shape (n, n)
            Distances between training clips; infinite on the diagonal.
        target : np.ndarray of bool, shape (n,)
        left_out : np.ndarray of int, shape (m,), or None
            The training clip that each of m scores must not know of.

        Returns
        -------
        np.ndarray, shape (m, ...), or (1, ...) where none is left out
        """

    @abstractmethod
    def _scores(self, between: np.ndarray, target: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Scores of m clips.

        Parameters
        ----------
        between : np.ndarray, shape (m, n)
            Distances to the training clips; infinite where one is left out.
        target : np.ndarray of bool, shape (n,)
        scale : np.ndarray
            From `_scale`.
        """


@dataclass(frozen=True)
class Nearest(_Neighbours):
    """Mean distance to the `k` nearest training clips, or to all if there are fewer."""

    k: int = 1

    def _scale(self, within, target, left_out):
        return np.ones(1)

    def _scores(self, between, target, scale):
        nearest = np.sort(between, axis=1)[:, : self.k]
        return np.mean(nearest, axis=1, where=np.isfinite(nearest))


@dataclass(frozen=True)
class Standardised(_Neighbours):
    """Nearest neighbour of each domain, in standard deviations; the minimum over the domains.

    The distance to a domain's nearest clip is standardised by the mean and the deviation of the
    distances that the domain's clips have to their own nearest others. So a target domain of few
    clips, far from each other, is no farther away than the source domain. A domain of fewer than
    three such distances borrows mean and deviation from all clips.
    """

    def _scale(self, within, target, left_out):
        others = np.where(target[:, None] == target, within, np.inf)
        order = np.argsort(others, axis=1, kind="stable")[:, :2]
        first, second = np.pad(
            np.take_along_axis(others, order, axis=1),
            ((0, 0), (0, 2 - order.shape[1])),
            constant_values=np.inf,
        ).T
        own = first[None]
        if left_out is not None:
            own = np.where(order[:, 0] == left_out[:, None], second, first)
            own[np.arange(len(left_out)), left_out] = np.inf
        return np.stack([_moments(own, target == domain) for domain in (False, True)], axis=1)

    def _scores(self, between, target, scale):
        scores = np.full(len(between), np.inf)
        for domain in (False, True):
            members = target == domain
            if members.any():
                mean, deviation = scale[:, int(domain)].T
                nearest = between[:, members].min(axis=1)
                scores = np.minimum(scores, (nearest - mean) / deviation)
        return scores


def _moments(own: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Mean and deviation of a domain's finite distances in each row, (m, n) -> (m, 2)."""
    there = np.isfinite(own)
    counted = there & members
    counted = np.where(counted.sum(axis=1, keepdims=True) < FEWEST, there, counted)
    n = np.maximum(counted.sum(axis=1), 1)
    mean = np.where(counted, own, 0).sum(axis=1) / n
    squares = np.where(counted, np.where(there, own, 0) - mean[:, None], 0) ** 2
    deviation = np.maximum(np.sqrt(squares.sum(axis=1) / n), _LEAST_SHARE * mean)
    return np.stack([mean, np.where(deviation > 0, deviation, 1.0)], axis=1)


@dataclass(frozen=True)
class LocalDensity(_Neighbours):
    """Least ratio of the distance to a training clip and that clip's distance to its neighbours.

    The latter is the mean distance to its `k` nearest training clips (all, if there are fewer).

    Notes
    -----
    Wilkinghoff et al., arXiv 2509.10951.
    """

    k: int = 4

    def _scale(self, within, target, left_out):
        n = len(within)
        k = min(self.k, n - 1 - (left_out is not None))
        if k < 1:
            return np.ones((1, n))
        nearest = np.sort(within, axis=1)[:, : k + 1]
        if left_out is None:
            local = nearest[:, :k].mean(axis=1)[None]
        else:
            # Of a clip's k + 1 nearest others, the one that is left out or else the farthest goes.
            gone = np.minimum(within[left_out], nearest[:, k])
            gone[np.arange(len(left_out)), left_out] = 0.0
            local = (nearest.sum(axis=1, where=np.isfinite(nearest)) - gone) / k
        local = np.maximum(local, _LEAST_SHARE * np.median(local))
        return np.where(local > 0, local, 1.0)

    def _scores(self, between, target, scale):
        return np.min(between / scale, axis=1)
