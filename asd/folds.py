"""Parts of the training clips that a section can do without, clips of one recording together."""

from collections.abc import Sequence

import numpy as np

N_FOLDS = 10
CLIPS_TOGETHER = 3
"""Mean size of the groups of similar clips that are not parted."""
MOST_AT_ONCE = 2000
"""Clips that are compared with each other; of more, neighbouring ones are."""


def folds_of_similar_clips(vectors: Sequence[np.ndarray], seed: int = 0) -> np.ndarray:
    """Divide clips into parts so that similar clips are in one part.

    A clip that is cut from the same recording as others is much like them. What is left of the
    clips without a part then says how a new recording is scored, not how another excerpt of a known
    one is.

    Parameters
    ----------
    vectors : sequence of np.ndarray, shapes (n, d)
        What describes the clips; n is 2 or more, in the order in which they were recorded, where it
        is known.
    seed : int
        Of what is drawn into one part.

    Returns
    -------
    np.ndarray of int, shape (n,)
        The part of each clip, of `N_FOLDS` or, where there are few clips, fewer; 2 at least.
    """
    described = np.concatenate([_standardised(own) for own in vectors], axis=1)
    n_blocks = -(-len(described) // MOST_AT_ONCE)
    groups = np.empty(len(described), int)
    n_groups = 0
    for block in np.array_split(np.arange(len(described)), n_blocks):
        groups[block] = n_groups + _similar(described[block])
        n_groups = groups[block].max() + 1
    order = np.random.default_rng(seed).permutation(n_groups)
    return (order % min(N_FOLDS, n_groups))[groups]


def _standardised(vectors: np.ndarray) -> np.ndarray:
    """Vectors whose distances weigh the same, however many values they have."""
    deviations = vectors.std(axis=0)
    scale = np.where(deviations > 0, deviations, 1.0) * np.sqrt(vectors.shape[1])
    return (vectors - vectors.mean(axis=0)) / scale


def _similar(vectors: np.ndarray) -> np.ndarray:
    from sklearn.cluster import AgglomerativeClustering

    n_groups = max(2, len(vectors) // CLIPS_TOGETHER)
    return AgglomerativeClustering(n_groups, linkage="average").fit_predict(vectors)
