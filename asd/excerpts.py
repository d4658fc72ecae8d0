"""Excerpts of one length, as networks see clips of any length."""

import numpy as np
import torch

from asd.recordings import Recordings
from fewshot.audio import SAMPLE_RATE

LONGEST_S = 18.0
"""Of a network's input; longer clips are cut into pieces."""


def input_length(recordings: Recordings, longest_s: float = LONGEST_S) -> int:
    """Samples of a network's input: those of the longest clip, up to some seconds."""
    return min(max(recordings.lengths), round(longest_s * SAMPLE_RATE))


def random_excerpts(
    recordings: Recordings, indices: torch.Tensor, n_samples: int, generator: torch.Generator
) -> torch.Tensor:
    """An excerpt of each of some clips from a random place, shape (n, n_samples).

    Clips that are shorter are repeated.
    """
    places = torch.rand(len(indices), generator=generator).tolist()
    excerpts = []
    for index, place in zip(indices.tolist(), places, strict=True):
        length = recordings.lengths[index]
        room = length - n_samples + 1 if length >= n_samples else length
        excerpts.append(recordings.excerpt(index, n_samples, int(place * room)))
    return torch.from_numpy(np.stack(excerpts))


def pieces_of(samples: np.ndarray, n_samples: int) -> list[np.ndarray]:
    """A clip repeated up to a length, or cut into pieces of it that cover it evenly.

    >>> [piece.tolist() for piece in pieces_of(np.arange(5), 3)]
    [[0, 1, 2], [2, 3, 4]]
    >>> [piece.tolist() for piece in pieces_of(np.arange(2), 3)]
    [[0, 1, 0]]
    """
    if len(samples) <= n_samples:
        return [np.resize(samples, n_samples)]
    n = -(-len(samples) // n_samples)
    starts = np.linspace(0, len(samples) - n_samples, n).round().astype(int)
    return [samples[start : start + n_samples] for start in starts]
