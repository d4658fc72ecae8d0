"""Centres of clusters, and single clips of the target domain."""

from dataclasses import dataclass

import numpy as np

from asd.back_ends.base import (
    N_CENTRES,
    BackEnd,
    Fitted,
    World,
    check_domains,
    n_distinct,
    unit_length,
)


@dataclass(frozen=True)
class Centres(BackEnd):
    """Least cosine distance to k-means centres of the source domain and to all target clips.

    Parameters
    ----------
    n_centres : int
        Or as many as there are source clips, if these are fewer.
    domains : str
        "joint" is the least distance of all, "source" that to the centres, "target" that to the
        target clips, "sum" the sum of both. A domain without clips is replaced by the other, and
        adds nothing to a sum.
    normalise : bool
        Whether centres are scaled to length 1. If not, a centre is the farther away, the more the
        clips of its cluster differ.

    Notes
    -----
    Dissertation, section 5.3.1, and Table 19. Vectors are scaled to length 1 before. A training
    clip is left out of its centre, but the clustering is not repeated.
    """

    n_centres: int = N_CENTRES
    domains: str = "joint"
    normalise: bool = True

    def __post_init__(self) -> None:
        check_domains(self.domains)

    def fit(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> dict[str, np.ndarray]:
        vectors, target = unit_length(train), np.asarray(target, bool)
        _, sums, counts = self._clusters(vectors[~target], seed)
        directions = np.concatenate([self._centres(sums, counts), vectors[target]])
        return {"directions": directions, "target": np.arange(len(directions)) >= len(sums)}

    def score(self, fitted: Fitted, test: np.ndarray) -> np.ndarray:
        distances = 1 - unit_length(test) @ fitted["directions"].T
        # Older models, all joint, do not say which directions are target clips.
        return self._combined(distances, fitted.get("target"))

    def leave_one_out(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> np.ndarray:
        if len(train) < 2:
            return np.empty(0)
        vectors, target = unit_length(train), np.asarray(target, bool)
        clusters, sums, counts = self._clusters(vectors[~target], seed)
        centres = self._centres(sums, counts)
        distances = 1 - vectors @ np.concatenate([centres, vectors[target]]).T
        others, n_others = sums[clusters] - vectors[~target], counts[clusters] - 1
        own = 1 - np.sum(vectors[~target] * self._centres(others, np.maximum(n_others, 1)), axis=1)
        distances[np.flatnonzero(~target), clusters] = np.where(n_others > 0, own, np.inf)
        distances[np.flatnonzero(target), len(sums) + np.arange(target.sum())] = np.inf
        return self._combined(distances, np.arange(distances.shape[1]) >= len(sums))

    def _clusters(self, source: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cluster of each source clip, sum and number of the clips of each cluster."""
        from sklearn.cluster import KMeans

        n = min(self.n_centres, n_distinct(source))
        labels = np.zeros(len(source), int)
        if n > 1:
            labels = KMeans(n, n_init=10, random_state=seed).fit(source).labels_
        names, labels = np.unique(labels, return_inverse=True)
        members = labels == np.arange(len(names))[:, None]
        return labels, members @ source, members.sum(axis=1)

    def _centres(self, sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
        return unit_length(sums) if self.normalise else sums / counts[:, None]

    def _combined(self, distances: np.ndarray, target: np.ndarray | None) -> np.ndarray:
        """Scores from distances, (m, k) -> (m,); infinite where a clip is left out."""
        if self.domains == "joint":
            return distances.min(axis=1)
        nearest = np.stack(
            [
                distances[:, np.asarray(target, bool) == domain].min(axis=1, initial=np.inf)
                for domain in (False, True)
            ]
        )
        there = np.isfinite(nearest)
        if self.domains == "sum":
            return nearest.sum(axis=0, where=there)
        first = int(self.domains == "target")
        return np.where(there[first], nearest[first], nearest[1 - first])
