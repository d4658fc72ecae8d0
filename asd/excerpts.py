"""Excerpts of one length, as networks see clips of any length."""

import numpy as np
import soxr
import torch

from asd.recordings import Recordings
from fewshot.audio import SAMPLE_RATE

LONGEST_S = 18.0
"""Of a network's input; longer clips are cut into pieces."""


def input_length(
    recordings: Recordings, longest_s: float = LONGEST_S, rate: int = SAMPLE_RATE
) -> int:
    """Samples at a rate of a network's input: those of the longest clip, up to some seconds."""
    return round(min(max(recordings.lengths) / SAMPLE_RATE, longest_s) * rate)


def random_excerpts(
    recordings: Recordings,
    indices: torch.Tensor,
    n_samples: int,
    generator: torch.Generator,
    rate: int = SAMPLE_RATE,
) -> torch.Tensor:
    """An excerpt of each of some clips from a random place, shape (n, n_samples), at a rate.

    Clips that are shorter are repeated.
    """
    wanted = source_length(n_samples, rate)
    places = torch.rand(len(indices), generator=generator).tolist()
    excerpts = []
    for index, place in zip(indices.tolist(), places, strict=True):
        start = start_of(recordings.lengths[index], wanted, place)
        excerpts.append(recordings.excerpt(index, wanted, start))
    return resampled(torch.from_numpy(np.stack(excerpts)), n_samples, rate)


def source_length(n_samples: int, rate: int) -> int:
    """Samples at 16 kHz from which `resampled` makes a number of them at another rate."""
    return -(-n_samples * SAMPLE_RATE // rate)


def resampled(excerpts: torch.Tensor, n_samples: int, rate: int) -> torch.Tensor:
    """Bring excerpts of `source_length`, (n, m) at 16 kHz, to a rate: (n, n_samples).

    >>> resampled(torch.zeros(3, source_length(192_000, 19_200)), 192_000, 19_200).shape
    torch.Size([3, 192000])
    """
    if rate == SAMPLE_RATE:
        return excerpts
    there = soxr.resample(excerpts.numpy().T, SAMPLE_RATE, rate, quality="HQ")
    return torch.from_numpy(there[:n_samples].T.copy())


def start_of(length: int, wanted: int, place: float) -> int:
    """Where an excerpt of a wanted length begins, by a place in [0, 1).

    It does not go beyond the end, unless it is longer than the whole, which is repeated then.

    >>> [start_of(9, 4, place) for place in (0.0, 0.99)], start_of(3, 4, 0.99)
    ([0, 5], 2)
    """
    room = length - wanted + 1 if length >= wanted else length
    return int(place * room)


def pieces_of(samples: np.ndarray, n_samples: int, hop: int | None = None) -> list[np.ndarray]:
    """A clip repeated up to a length, or cut into pieces of it that cover it evenly.

    Pieces follow each other by the hop, in samples, or by less; without one, by their length.

    >>> [piece.tolist() for piece in pieces_of(np.arange(5), 3)]
    [[0, 1, 2], [2, 3, 4]]
    >>> [piece.tolist() for piece in pieces_of(np.arange(2), 3)]
    [[0, 1, 0]]
    >>> [piece.tolist() for piece in pieces_of(np.arange(5), 3, 1)]
    [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    """
    if len(samples) <= n_samples:
        return [np.resize(samples, n_samples)]
    room = len(samples) - n_samples
    starts = np.linspace(0, room, 1 - (-room // (hop or n_samples))).round().astype(int)
    return [samples[start : start + n_samples] for start in starts]
