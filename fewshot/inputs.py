"""Sound that a command is given: files, folders of them, or standard input."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from fewshot.errors import InputError

if TYPE_CHECKING:
    import numpy as np

STDIN = "-"


def recordings(inputs: Sequence[str], on_problem: Callable[[InputError], None]) -> dict[str, float]:
    """Recordings with their seconds, 0 for standard input.

    Parameters
    ----------
    inputs : sequence of str
        Paths as `fewshot.audio.audio_files` takes them, or ``-`` alone.
    on_problem : callable
        Called with the error of each path and file that cannot be opened.

    Raises
    ------
    InputError
        ``-`` beside others, or nothing is piped into standard input.
    """
    if STDIN in inputs:
        if len(inputs) > 1:
            raise InputError("- stands alone; give files and standard input one after the other")
        if sys.stdin.isatty():
            raise InputError("standard input is the keyboard; pipe sound into it (see --help)")
        return {STDIN: 0.0}
    from fewshot.audio import durations_of

    return durations_of(inputs, on_problem)


def standard_input(rate: int, *, highpass: bool = True) -> "Iterator[np.ndarray]":
    """Conditioned blocks (m,) of standard input, m may be 0.

    Parameters
    ----------
    rate : int
        Sampling rate of raw sound, in Hz; WAV has its own.
    highpass : bool
        As in `fewshot.audio.Conditioner`.

    Raises
    ------
    InputError
        As `fewshot.live.pcm_blocks`: at once for the header, from the iterator for the rest.
    """
    from fewshot.audio import Conditioner, pcm_blocks

    rate, blocks = pcm_blocks(sys.stdin.buffer, rate=rate)
    conditioner = Conditioner(rate, name="standard input", highpass=highpass)

    def conditioned() -> "Iterator[np.ndarray]":
        for block in blocks:
            yield conditioner.push(block)
        yield conditioner.finish()

    return conditioned()
