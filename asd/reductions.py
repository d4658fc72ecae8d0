"""Fewer dimensions for embeddings that are not trained on the machines, before a back end.

Both ways learn "mean", shape (d,), and "axes", shape (k, d), from the training clips of all
machines: their vectors (n, d), and classes (n,) of machine, section and attributes. They raise
InputError where all clips are alike.

>>> vectors = np.random.default_rng(0).standard_normal((20, 8))
>>> reduced(pca(vectors, np.arange(20) % 2, n_dims=3), vectors).shape
(20, 3)

Notes
-----
Dissertation, section 5.5 (Table 23).
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from fewshot.errors import InputError


def reduced(fitted: Mapping[str, np.ndarray], vectors: np.ndarray) -> np.ndarray:
    """Vectors of fewer dimensions, (m, d) -> (m, k)."""
    return (np.asarray(vectors, np.float64) - fitted["mean"]) @ fitted["axes"].T


def pca(vectors: np.ndarray, classes: np.ndarray, n_dims: int) -> dict[str, np.ndarray]:
    """Principal component analysis, which does not look at classes.

    There remain `n_dims`, or as many as the vectors have, or one less than there are clips, if
    these are fewer.
    """
    from sklearn.decomposition import PCA

    vectors = _checked(vectors)
    n_dims = min(n_dims, len(vectors) - 1, vectors.shape[1])
    found = PCA(n_dims, random_state=0).fit(vectors)
    return {"mean": found.mean_, "axes": found.components_}


def lda(vectors: np.ndarray, classes: np.ndarray, n_dims: int) -> dict[str, np.ndarray]:
    """Linear discriminant analysis: directions in which classes differ, for what clips within do.

    There remain `n_dims`, or as many as the vectors have, or one less than there are classes, if
    these are fewer. InputError also for fewer than two classes, or no more clips than classes.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    vectors = _checked(vectors)
    n_classes = len(np.unique(classes))
    if not 2 <= n_classes < len(vectors):
        raise InputError(
            "LDA needs two classes or more and more clips than classes, "
            f"not {len(vectors)} clips of {n_classes}; use PCA, or record more"
        )
    found = LinearDiscriminantAnalysis().fit(vectors, classes)
    # scikit-learn keeps further axes, in which classes do not differ.
    return {"mean": found.xbar_, "axes": found.scalings_[:, : min(n_dims, n_classes - 1)].T}


REDUCTIONS = MappingProxyType({"pca": pca, "lda": lda})
"""By name."""


def _checked(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    if np.allclose(vectors, vectors[0]):
        raise InputError(
            f"PCA and LDA need training clips that differ, not {len(vectors)} alike; record more"
        )
    return vectors
