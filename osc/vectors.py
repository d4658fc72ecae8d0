"""Arithmetic on embeddings."""

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows, shape (n, dim), divided by their length, float32; rows of zeros stay.

    >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(lengths > 1e-12, lengths, 1.0)).astype(np.float32)


def tiled(samples: np.ndarray, n_samples: int) -> np.ndarray:
    """A waveform (n,) repeated until it has at least so many samples."""
    return np.tile(samples, -(-n_samples // len(samples))) if len(samples) < n_samples else samples
