"""Fewer dimensions for embeddings that are not trained on the machines, before a back end.

>>> import numpy as np
>>> vectors = np.random.default_rng(0).standard_normal((20, 8))
>>> pca = Pca(n_dims=3)
>>> pca.apply(pca.fit(vectors, np.arange(20) % 2), vectors).shape
(20, 3)
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fewshot.errors import InputError

N_DIMS = 128


class Reduction(ABC):
    """What gives vectors fewer dimensions."""

    @abstractmethod
    def fit(self, vectors: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
        """Learn from the training clips of all machines.

        Parameters
        ----------
        vectors : np.ndarray, shape (n, d)
        classes : np.ndarray, shape (n,)
            What tells the clips apart: machine, section, attributes.

        Returns
        -------
        dict of str to np.ndarray
            "mean", shape (d,), and "axes", shape (k, d); k is at most `n_dims`.

        Raises
        ------
        InputError
            Too few clips or classes, or all clips are alike.
        """

    def apply(self, fitted: Mapping[str, np.ndarray], vectors: np.ndarray) -> np.ndarray:
        """Vectors of fewer dimensions, (m, d) -> (m, k)."""
        return (np.asarray(vectors, np.float64) - fitted["mean"]) @ fitted["axes"].T


@dataclass(frozen=True)
class Pca(Reduction):
    """Principal component analysis, which does not look at classes.

    Parameters
    ----------
    n_dims : int
        Or as many as the vectors have, or one less than there are clips, if these are fewer.

    Notes
    -----
    Dissertation, section 5.5 (Table 23).
    """

    n_dims: int = N_DIMS

    def fit(self, vectors: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
        from sklearn.decomposition import PCA

        vectors = _checked(vectors)
        n_dims = min(self.n_dims, len(vectors) - 1, vectors.shape[1])
        pca = PCA(n_dims, random_state=0).fit(vectors)
        return {"mean": pca.mean_, "axes": pca.components_}


@dataclass(frozen=True)
class Lda(Reduction):
    """Linear discriminant analysis: directions in which classes differ, for what clips within do.

    Parameters
    ----------
    n_dims : int
        Or as many as the vectors have, or one less than there are classes, if these are fewer.

    Notes
    -----
    Dissertation, section 5.5 (Table 23).
    """

    n_dims: int = N_DIMS

    def fit(self, vectors: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        vectors = _checked(vectors)
        n_classes = len(np.unique(classes))
        if not 2 <= n_classes < len(vectors):
            raise InputError(
                "LDA needs two classes or more and more clips than classes, "
                f"not {len(vectors)} clips of {n_classes}; use PCA, or record more"
            )
        lda = LinearDiscriminantAnalysis().fit(vectors, classes)
        # scikit-learn keeps further axes, in which classes do not differ.
        n_dims = min(self.n_dims, n_classes - 1)
        return {"mean": lda.xbar_, "axes": lda.scalings_[:, :n_dims].T}


def _checked(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    if np.allclose(vectors, vectors[0]):
        raise InputError(
            f"PCA and LDA need training clips that differ, not {len(vectors)} alike; record more"
        )
    return vectors
