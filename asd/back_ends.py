"""Back ends: training vectors of one section, with their domains, and test vectors -> scores.

A score is the higher, the more anomalous a clip is. All take arrays and give arrays: `fit` gives
what is kept of the training clips by name, `score` takes it. `leave_one_out` gives the score that
each training clip gets from the others, from which decision thresholds are estimated; it lacks
(empty) where there is one clip alone.

>>> import numpy as np
>>> train, target = np.array([[0.0], [1.0], [3.0]]), np.array([False, False, False])
>>> back_end = Nearest()
>>> back_end.score(back_end.fit(train, target), np.array([[1.2], [7.0]])).round(3).tolist()
[0.2, 4.0]
>>> back_end.leave_one_out(train, target).tolist()
[1.0, 1.0, 2.0]
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

Fitted = Mapping[str, np.ndarray]
"""Arrays by name."""

N_CENTRES = 16
REGULARISATION = 1e-3
FEWEST = 3
"""A domain with fewer distances between its clips borrows those of the other."""
_LEAST_SHARE = 1e-3
"""Deviations and local distances are at least this part of the mean: copies of a clip have none."""


class BackEnd(ABC):
    """What turns vectors into scores."""

    @abstractmethod
    def fit(self, train: np.ndarray, target: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
        """Learn from normal clips.

        Parameters
        ----------
        train : np.ndarray, shape (n, d)
        target : np.ndarray of bool, shape (n,)
            Which of them are of the target domain.
        seed : int

        Returns
        -------
        dict of str to np.ndarray
        """

    @abstractmethod
    def score(self, fitted: Fitted, test: np.ndarray) -> np.ndarray:
        """Scores of test vectors, (m, d) -> (m,)."""

    @abstractmethod
    def leave_one_out(self, train: np.ndarray, target: np.ndarray, seed: int = 0) -> np.ndarray:
        """Score that each training vector gets from the others, (n, d) -> (n,), or (0,) of one."""


class _Neighbours(BackEnd):
    """Back ends that keep the training vectors and look at Euclidean distances to them."""

    def fit(self, train: np.ndarray, target: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
        train, target = np.asarray(train, np.float64), np.asarray(target, bool)
        scale = self._scale(_without_own(cdist(train, train)), target, None)
        return {"vectors": train, "target": target, "scale": scale}

    def score(self, fitted: Fitted, test: np.ndarray) -> np.ndarray:
        between = cdist(test, fitted["vectors"])
        return self._scores(between, fitted["target"].astype(bool), fitted["scale"])

    def leave_one_out(self, train: np.ndarray, target: np.ndarray, seed: int = 0) -> np.ndarray:
        if len(train) < 2:
            return np.empty(0)
        within, target = _without_own(cdist(train, train)), np.asarray(target, bool)
        scale = self._scale(within, target, np.arange(len(train)))
        return self._scores(within, target, scale)

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


@dataclass(frozen=True)
class Gaussian(BackEnd):
    """Mahalanobis distance to the mean of all training clips of both domains.

    Parameters
    ----------
    regularisation : float
        What is added to the diagonal of the covariance matrix, whose divisor is n.
    """

    regularisation: float = REGULARISATION

    def fit(self, train: np.ndarray, target: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
        train = np.asarray(train, np.float64)
        covariance = np.atleast_2d(np.cov(train.T, bias=True)) if len(train) > 1 else 0.0
        regular = covariance + self.regularisation * np.eye(train.shape[1])
        return {"mean": train.mean(axis=0), "precision": np.linalg.inv(regular)}

    def score(self, fitted: Fitted, test: np.ndarray) -> np.ndarray:
        offsets = test - fitted["mean"]
        squares = np.einsum("ij,jk,ik->i", offsets, fitted["precision"], offsets, optimize=True)
        return np.sqrt(np.maximum(squares, 0.0))

    def leave_one_out(self, train: np.ndarray, target: np.ndarray, seed: int = 0) -> np.ndarray:
        if len(train) < 2:
            return np.empty(0)
        rest = ~np.eye(len(train), dtype=bool)
        scores = [
            self.score(self.fit(train[rest[i]], target[rest[i]]), train[i : i + 1])
            for i in range(len(train))
        ]
        return np.concatenate(scores)


@dataclass(frozen=True)
class Centres(BackEnd):
    """Least cosine distance to k-means centres of the source domain and to all target clips.

    Parameters
    ----------
    n_centres : int
        Or as many as there are source clips, if these are fewer.

    Notes
    -----
    Dissertation, section 5.3.1. Vectors are scaled to length 1 before, centres after the
    clustering. A training clip is left out of its centre, but the clustering is not repeated.
    """

    n_centres: int = N_CENTRES

    def fit(self, train: np.ndarray, target: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
        unit, target = _unit(train), np.asarray(target, bool)
        source = unit[~target]
        groups = self._groups(source, seed)
        centres = [source[groups == group].mean(axis=0) for group in np.unique(groups)]
        return {"directions": _unit(np.concatenate([_rows(centres, unit), unit[target]]))}

    def score(self, fitted: Fitted, test: np.ndarray) -> np.ndarray:
        return 1 - np.max(_unit(test) @ fitted["directions"].T, axis=1)

    def leave_one_out(self, train: np.ndarray, target: np.ndarray, seed: int = 0) -> np.ndarray:
        if len(train) < 2:
            return np.empty(0)
        unit, target = _unit(train), np.asarray(target, bool)
        groups = np.full(len(unit), -1)
        groups[~target] = self._groups(unit[~target], seed)
        scores = np.empty(len(unit))
        for i in range(len(unit)):
            rest = np.arange(len(unit)) != i
            names = np.unique(groups[rest & ~target])
            centres = [unit[rest & (groups == name)].mean(axis=0) for name in names]
            directions = _unit(np.concatenate([_rows(centres, unit), unit[rest & target]]))
            scores[i] = 1 - np.max(directions @ unit[i])
        return scores

    def _groups(self, source: np.ndarray, seed: int) -> np.ndarray:
        """The cluster of each source clip."""
        from sklearn.cluster import KMeans

        n = min(self.n_centres, len(np.unique(source, axis=0)))
        if n < 2:
            return np.zeros(len(source), int)
        return KMeans(n, n_init=10, random_state=seed).fit(source).labels_


def _without_own(distances: np.ndarray) -> np.ndarray:
    np.fill_diagonal(distances, np.inf)
    return distances


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1; those of length 0 remain."""
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def _rows(vectors: list[np.ndarray], like: np.ndarray) -> np.ndarray:
    return np.array(vectors).reshape(-1, like.shape[1])
