"""Sound that a command is given: files, folders of them, or standard input."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fewshot.errors import InputError

if TYPE_CHECKING:
    import numpy as np

STDIN = "-"
_NAMES = re.compile(
    r"[^.].*\.(aif[cf]?|aiff|au|bwf|caf|flac|mp3|og[ag]|opus|rf64|snd|sph|voc|w64|wave?)", re.I
)


def is_sound(path: str | os.PathLike) -> bool:
    """Whether a file is sound, as its name or its header says, and no table or other text."""
    if _NAMES.fullmatch(Path(path).name):
        return Path(path).is_file()
    from fewshot.audio import info

    try:
        return info(path).duration_s > 0
    except InputError:
        return False


def audio_files(path: str | os.PathLike) -> list[Path]:
    """List the sound files at a path, sorted.

    A file is returned whatever its name. A folder is searched with its sub-folders for names of
    formats that libsndfile reads (.wav, .flac, .ogg, .opus, .mp3, .aiff ...), upper or lower case;
    files whose names begin with a point are left out.

    Raises
    ------
    InputError
        Nothing is there, or the folder holds no sound file.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path")
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.rglob("*") if _NAMES.fullmatch(p.name) and p.is_file())
    if not files:
        raise InputError(f"{path}: no sound files in this folder; it needs WAV, FLAC, Ogg or MP3")
    return files


def recordings(inputs: Sequence[str], on_problem: Callable[[InputError], None]) -> dict[str, float]:
    """Recordings, each once, with their seconds, 0 for standard input.

    Parameters
    ----------
    inputs : sequence of str
        Paths as `audio_files` takes them, or ``-`` alone.
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
    from fewshot.audio import info

    durations: dict[str, float] = {}
    for text in dict.fromkeys(inputs):
        try:
            paths = audio_files(text)
        except InputError as error:
            on_problem(error)
            continue
        for path in paths:
            if path.as_posix() in durations:
                continue
            try:
                durations[path.as_posix()] = info(path).duration_s
            except InputError as error:
                on_problem(error)
    return durations


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
