"""Clips in the middle of other speech, whatever surrounded them when they were recorded.

A pre-trained encoder's frames see some tenths of a second on either side. In a clip that was cut
out of its recording they see nothing there, in running speech other words.
"""

from collections.abc import Sequence

import numpy as np

from kws.frames import FrameSource, embed, unit_rows

COUNT = 6
"""Surroundings that are tried per clip."""
LENGTH = 8000
"""Samples of sound on either side."""


def embed_in_speech(
    source: FrameSource,
    samples: np.ndarray,
    pool: Sequence[np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Mean frames of a clip over several surroundings of speech.

    Parameters
    ----------
    source : FrameSource
    samples : np.ndarray, shape (n,)
        The clip, divided by its maximum.
    pool : sequence of np.ndarray, shapes (n_i,)
        Speech; stretches of it, played backwards and as loud as the clip, are put around it, so
        that it makes no difference if it holds the keyword itself.
    rng : numpy.random.Generator

    Returns
    -------
    np.ndarray, shape (n_frames, dim), float32
        Rows of unit length.
    """
    total = 0.0
    for _ in range(COUNT):
        before, after = (_stretch(pool, samples, rng) for _ in range(2))
        total = total + embed(source, samples, before, after)
    return unit_rows(total)


def _stretch(pool: Sequence[np.ndarray], like: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    chosen = pool[rng.integers(len(pool))][::-1]
    start = rng.integers(max(1, len(chosen) - LENGTH))
    piece = chosen[start : start + LENGTH]
    return (piece * (_rms(like) / max(_rms(piece), 1e-3))).astype(np.float32)


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))
