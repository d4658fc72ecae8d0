"""Sound in: any format, rate and channels -> mono, 16 kHz, high-pass at 50 Hz ("conditioned").

Files and live streams take the same way through `Conditioner`. Dividing by the maximum comes last,
because the filter changes it (dissertation, section 6.3).
"""

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import ArrayLike
from scipy.signal import butter, sosfilt

from fewshot.errors import InputError
from fewshot.live import UNKNOWN_SIZE, mean_of_channels
from fewshot.live import RunningLevel as RunningLevel
from fewshot.live import pcm_blocks as pcm_blocks

SAMPLE_RATE = 16000
"""Rate of conditioned sound, in Hz."""

_SOURCE_RATES = range(1000, 1_000_001)
_LARGEST_SAMPLE = 1e10
_UNKNOWN_FRAMES = 2**63 - 1
# The responses of the filter (to a step, too) and of the resampler are below 1e-14 after 0.5 s.
_WARM_UP = SAMPLE_RATE // 2
# Labels are rounded: this far past the end of a file still means its end.
_LABEL_TOLERANCE_S = 0.01
# libsndfile silently shortens a chunk that is longer than the file; only its log says so.
_SHORTENED = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.M)


@lru_cache(maxsize=1)
def _highpass() -> np.ndarray:
    return butter(4, 50, "highpass", fs=SAMPLE_RATE, output="sos")


class Conditioner:
    """Condition sound of any rate and channel count, piece by piece.

    The channels' mean is resampled to 16 kHz (soxr, quality HQ; linear phase), high-pass filtered
    (causal Butterworth of order 4, at rest before the first sample: -32 dB at 20 Hz, -3 dB at
    50 Hz, -0.02 dB at 100 Hz) and returned as float32. It is not divided by its maximum.

    Parameters
    ----------
    source_rate : int
        Sampling rate of what is pushed, 1000 to 1000000 Hz.
    channels : int
        Channels of what is pushed, at least 1.
    name : str
        What error messages call the sound, for example its path.
    highpass : bool
        False leaves the filter out.
    start : int
        Where the sound begins in what messages are about, in samples at `source_rate`.

    Raises
    ------
    InputError
        `source_rate` is out of range.

    Notes
    -----
    For n samples per channel pushed in all, `push` and `finish` together return exactly
    floor(n * 16000 / source_rate + 1/2) samples, bit-equal whatever the sizes of the pushes.
    Sample k belongs to time k / 16000 s: the resampler's delay is taken out, it only holds samples
    back (up to 0.12 s from 8 kHz, 0.05 s from 44.1 or 48 kHz, none from 16 kHz).

    Examples
    --------
    >>> conditioner = Conditioner(8000)
    >>> len(conditioner.push(np.zeros(1500))) + len(conditioner.finish())
    3000
    """

    def __init__(
        self,
        source_rate: int,
        channels: int = 1,
        *,
        name: str = "sound",
        highpass: bool = True,
        start: int = 0,
    ) -> None:
        if source_rate not in _SOURCE_RATES:
            raise InputError(
                f"{name}: cannot use a sampling rate of {source_rate} Hz; "
                f"give {_SOURCE_RATES[0]} to {_SOURCE_RATES[-1]} Hz"
            )
        self.source_rate = source_rate
        self.channels = channels
        self.name = name
        self._position = start
        self._resampler = None
        if source_rate != SAMPLE_RATE:
            self._resampler = soxr.ResampleStream(source_rate, SAMPLE_RATE, 1, quality="HQ")
        self._filter = _highpass() if highpass else None
        self._filter_state = np.zeros((2, 2))

    def push(self, samples: ArrayLike) -> np.ndarray:
        """Condition the next samples.

        Parameters
        ----------
        samples : array_like, shape (n, channels), or (n,) with one channel
            Full scale is 1; n may be 0.

        Returns
        -------
        ndarray, shape (m,), float32
            The conditioned samples that are certain now; m may be 0.

        Raises
        ------
        InputError
            A sample is NaN, infinite or beyond 1e10.
        ValueError
            The shape is another.
        """
        samples = np.asarray(samples, dtype=np.float32)
        if samples.ndim == 1:
            samples = samples[:, np.newaxis]
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise ValueError(f"expected shape (n, {self.channels}), not {samples.shape}")
        mono = mean_of_channels(samples)
        if not np.abs(mono).max(initial=0) <= _LARGEST_SAMPLE:
            bad = self._position + int(np.argmin(np.abs(mono) <= _LARGEST_SAMPLE))
            at = f"{bad / self.source_rate:.3f} s"
            raise InputError(
                f"{self.name}: has NaN, infinite or huge samples at {at}; export it again"
            )
        self._position += len(mono)
        return self._condition(mono, last=False)

    def finish(self) -> np.ndarray:
        """Return the samples still held back, shape (m,), float32; call it once, at the end."""
        return self._condition(np.empty(0, dtype=np.float32), last=True)

    def _condition(self, samples: np.ndarray, *, last: bool) -> np.ndarray:
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        if len(samples) and self._filter is not None:
            samples, self._filter_state = sosfilt(self._filter, samples, zi=self._filter_state)
        return samples.astype(np.float32, copy=False)


@dataclass(frozen=True)
class AudioInfo:
    """A file's sampling rate in Hz, number of channels and duration in s."""

    sample_rate: int
    channels: int
    duration_s: float


def info(path: str | os.PathLike) -> AudioInfo:
    """Describe a sound file from its header; raises InputError as `read_blocks` on opening."""
    with _open(path) as file:
        return AudioInfo(file.samplerate, file.channels, file.frames / file.samplerate)


def read_blocks(
    path: str | os.PathLike, *, block_s: float = 10.0, highpass: bool = True
) -> Iterator[np.ndarray]:
    """Read a file as conditioned blocks, in constant memory.

    Parameters
    ----------
    path : path
        A file of any format that libsndfile reads.
    block_s : float
        How much of the file is read at once, in s; the samples do not depend on it.
    highpass : bool
        As in `Conditioner`.

    Yields
    ------
    ndarray, shape (m,), float32
        About ``block_s * 16000`` samples, never none. In all as many as `Conditioner` says, at
        least one.

    Raises
    ------
    InputError
        The file is missing, a folder, not audio, empty, without samples, truncated (an Ogg file
        cut at a page cannot be told), or has NaN, infinite or huge (beyond 1e10) samples or a
        sampling rate that `Conditioner` refuses. Some of this shows only after the first blocks.
    """
    with _open(path) as file:
        yield from _conditioned(file, 0, file.frames, block_s, highpass)


def read(path: str | os.PathLike, *, highpass: bool = True) -> np.ndarray:
    """Read a whole file, conditioned: all of `read_blocks` as one array."""
    return np.concatenate(list(read_blocks(path, highpass=highpass)))


def read_clip(
    path: str | os.PathLike,
    onset_s: float = 0.0,
    offset_s: float | None = None,
    *,
    context_s: float = 0.0,
) -> tuple[np.ndarray, int, int]:
    """Read a part of a file, conditioned, with the sound around it.

    Equal to the same slice of ``read(path)`` within 1e-6 of full scale, but only the clip and 0.5
    to 1.5 s around it are conditioned, and in formats that seek exactly (not Ogg and MP3) decoded.

    Parameters
    ----------
    path : path
        A file of any format that libsndfile reads.
    onset_s, offset_s : float
        The half-open part [onset, offset), in s, rounded to samples; None is the end of the file.
        An offset up to 0.01 s past the end means the end.
    context_s : float
        Sound to add before the onset and after the offset, in s, as far as the file reaches.

    Returns
    -------
    samples : ndarray, shape (before + part + after,), float32
        The part has at least one sample.
    before, after : int
        Number of samples before the onset and after the offset.

    Raises
    ------
    InputError
        Not 0 <= onset < offset <= duration, or as `read_blocks`.
    ValueError
        `context_s` is negative.
    """
    if context_s < 0:
        raise ValueError(f"context_s must be 0 or more, not {context_s}")
    with _open(path) as file:
        rate, length = file.samplerate, _conditioned_length(file)
        duration_s = length / SAMPLE_RATE
        end_s = duration_s if offset_s is None else offset_s
        in_order = 0 <= onset_s < end_s <= duration_s + _LABEL_TOLERANCE_S
        onset = round(onset_s * SAMPLE_RATE) if in_order else 0
        offset = min(round(end_s * SAMPLE_RATE), length) if in_order else 0
        if onset >= offset:
            raise InputError(
                f"{path}: onset {onset_s} s, offset {end_s} s; "
                f"give 0 <= onset < offset <= {duration_s:.3f} s, the file's duration"
            )
        context = round(context_s * SAMPLE_RATE)
        begin, end = max(0, onset - context), min(length, offset + context)
        # Only every (rate / common)-th sample of the file falls on one at 16 kHz.
        common = math.gcd(rate, SAMPLE_RATE)
        steps = max(0, begin - _WARM_UP) * common // SAMPLE_RATE
        stop = min(file.frames, math.ceil((end + _WARM_UP) * rate / SAMPLE_RATE))
        conditioned = np.concatenate(list(_conditioned(file, steps * rate // common, stop)))
        skip = begin - steps * SAMPLE_RATE // common
    return conditioned[skip : skip + end - begin], onset - begin, end - offset


def peak(path: str | os.PathLike) -> float:
    """Measure ``abs(read(path)).max()`` in constant memory: the first pass over a long file.

    The second pass divides each of `read_blocks` by it (`normalise`). Raises as `read_blocks`.
    """
    return max(float(np.abs(block).max()) for block in read_blocks(path))


def normalise(samples: ArrayLike, peak: float | None = None) -> np.ndarray:
    """Divide samples, shape (n,), by their maximum absolute value or a given one.

    Returns a new float32 array (n,); where the maximum is 0, silence stays silence.

    >>> normalise([0.25, -0.5]).tolist()
    [0.5, -1.0]
    """
    samples = np.array(samples, dtype=np.float32)
    peak = float(np.abs(samples).max(initial=0) if peak is None else peak)
    return samples / peak if peak > 0 else samples


class _SoundFile(soundfile.SoundFile):
    """Unlike its base, it does not seek to where it is after each read: MP3 loses samples by it."""

    def seekable(self) -> bool:
        return False

    @property
    def name(self) -> str:
        """Its path."""
        return os.fsdecode(super().name)

    def skip(self, frames: int) -> int:
        """Go to a frame, or stay where seeking is not exact to the sample; return the position."""
        return self.seek(frames) if super().seekable() and self.format not in ("MP3", "OGG") else 0


def _conditioned_length(file: _SoundFile) -> int:
    return (2 * file.frames * SAMPLE_RATE + file.samplerate) // (2 * file.samplerate)


@contextmanager
def _open(path: str | os.PathLike) -> Iterator[_SoundFile]:
    """Open a sound file that has samples; libsndfile's errors in the body become InputError."""
    path = Path(path)
    problem = None
    if not path.exists():
        problem = "no such file; check the path"
    elif path.is_dir():
        problem = "is a folder; give a sound file"
    elif not path.is_file():
        problem = "not a regular file; send its sound to standard input"
    elif not os.access(path, os.R_OK):
        problem = "no permission to read it; change that"
    elif not path.stat().st_size:
        problem = "empty file; record or export it again"
    elif path.suffix.lower() == ".raw":
        problem = "raw samples have no header; convert them to WAV"
    if problem:
        raise InputError(f"{path}: {problem}")
    try:
        # As bytes: a name need not be UTF-8, and soundfile would encode it as that.
        with _SoundFile(os.fsencode(path) if os.name == "posix" else path) as file:
            for declared, present in _SHORTENED.findall(file.extra_info):
                if int(present) < int(declared) < UNKNOWN_SIZE:
                    problem = f"truncated, has {present} of {declared} bytes; copy it again"
            if file.frames == _UNKNOWN_FRAMES:
                problem = "its header does not say how long it is; convert it again"
            elif not _conditioned_length(file):
                problem = f"no sound, {file.frames} samples; record or export it again"
            if problem:
                raise InputError(f"{path}: {problem}")
            yield file
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise InputError(
            f"{path}: not audio or damaged ({reason}); export it again as WAV or FLAC"
        ) from error


def _conditioned(
    file: _SoundFile, start: int, stop: int, block_s: float = 10.0, highpass: bool = True
) -> Iterator[np.ndarray]:
    """Condition the file's samples [start, stop) in blocks that are not empty."""
    conditioner = Conditioner(
        file.samplerate, file.channels, name=file.name, highpass=highpass, start=start
    )
    size = max(1, round(block_s * file.samplerate))
    position = file.skip(start)
    while position < stop:
        wanted = min(size, (start if position < start else stop) - position)
        block = file.read(wanted, dtype="float32", always_2d=True)
        if not len(block):
            raise InputError(
                f"{file.name}: truncated, ends at {position / file.samplerate:.3f} of "
                f"{file.frames / file.samplerate:.3f} s; copy it again"
            )
        if position >= start and len(conditioned := conditioner.push(block)):
            yield conditioned
        position += len(block)
    if len(rest := conditioner.finish()):
        yield rest
