"""Vectors that are scores already."""

from dataclasses import dataclass

import numpy as np

from asd.back_ends.base import BackEnd, Fitted, World


@dataclass(frozen=True)
class Value(BackEnd):
    """Least of a vector's values, each of them a score: errors of an autoencoder, -log posterior.

    Nothing is left out here: the score that a training clip gets is its own, also that of one
    alone. Only what made the values can have left the clip out.

    >>> import numpy as np
    >>> Value().score({}, np.array([[0.5], [2.0]])).tolist()
    [0.5, 2.0]
    """

    def fit(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> dict[str, np.ndarray]:
        return {}

    def score(self, fitted: Fitted, test: np.ndarray) -> np.ndarray:
        return np.min(np.asarray(test, np.float64), axis=1)

    def leave_one_out(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> np.ndarray:
        return self.score({}, train)
