"""Sound of machines as models take it."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from fewshot import audio
from fewshot.errors import InputError

AT_ONCE = 16
"""Clips that are in memory together."""


def read_sound(path: str | Path) -> np.ndarray:
    """A clip as machines are heard: mean of the channels, 16 kHz, no filter."""
    return audio.read(path, highpass=False)


def check_length(samples: np.ndarray, shortest_s: float) -> None:
    """InputError for a clip that is too short to be described."""
    seconds = len(samples) / audio.SAMPLE_RATE
    if seconds < shortest_s:
        raise InputError(f"{seconds:.3f} s is shorter than {shortest_s} s; record it again")


def some_at_once(items: Iterable) -> Iterator[list]:
    """As many of them together as may be in memory.

    >>> [len(some) for some in some_at_once(range(20))]
    [16, 4]
    """
    rest = iter(items)
    while some := list(islice(rest, AT_ONCE)):
        yield some
