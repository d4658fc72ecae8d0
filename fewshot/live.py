"""Live sound: samples from a stream that cannot seek, and a level for it."""

import math
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike

from fewshot.errors import InputError

UNKNOWN_SIZE = 2**31 - 2**16
"""A size in a WAV header, in bytes, from which on it means that the writer did not know it."""

_STEP = 256
_FLOOR = 0.003
_DECAY = 0.5 ** (_STEP / 16000 / 60.0)


def pcm_blocks(stream: BinaryIO, *, rate: int = 16000) -> tuple[int, Iterator[np.ndarray]]:
    """Read WAV or raw 16-bit PCM as it comes.

    Parameters
    ----------
    stream : binary file
        If it begins with ``RIFF``: WAV of integers of 8 to 32 bits, any number of channels, its
        length declared or not (0, or about 2 GiB and more). Else: raw, little-endian, mono.
    rate : int
        Sampling rate of raw sound, in Hz; WAV has its own.

    Returns
    -------
    rate : int
        Sampling rate in Hz, as declared; `fewshot.audio.Conditioner` checks it.
    blocks : iterator of ndarray, shape (n,), float32
        The mean of the channels, full scale 1, about 0.1 s or less and never none. What has come
        is not kept waiting for more where the stream has ``read1``, as standard input does. An
        incomplete last sample is dropped.

    Raises
    ------
    InputError
        It is another format, or the header is damaged; from the iterator: it has no samples.
    """
    head = _read_up_to(stream, 4)
    channels, width, size = 1, 2, math.inf
    if head == b"RIFF":
        rate, channels, width, size = _wav_header(stream)
        head = b""
    elif head in (b"fLaC", b"OggS", b"RF64", b"RIFX", b"FORM", b"caff", b"ID3\3", b"ID3\4"):
        raise InputError("standard input: not WAV or raw 16-bit PCM; send these or name the file")
    return rate, _blocks(stream, head, max(1, rate // 10), channels, width, size)


class RunningLevel:
    """Divide a live stream by its running peak, since its maximum is not known yet.

    The stream is cut into steps of 256 samples (16 ms at 16 kHz) from its start. A step is divided
    by its own maximum absolute value or the level before it, whichever is larger; the level falls
    by half in 60 s, and never below 0.003 (-50 dB) so that silence stays silence. All values lie in
    [-1, 1]. Until the loudest word is heard, sound comes out louder than in a whole file. The
    result is bit-equal whatever the sizes of the pushes.

    >>> level = RunningLevel()
    >>> len(level.push(np.ones(300))), len(level.finish())
    (256, 44)
    """

    def __init__(self) -> None:
        self._level = _FLOOR
        self._held = np.empty(0, dtype=np.float32)

    def push(self, samples: ArrayLike) -> np.ndarray:
        """Take conditioned samples (n,), return all complete steps (m,), float32; m may be 0."""
        held = np.concatenate((self._held, np.asarray(samples, dtype=np.float32)))
        complete = len(held) - len(held) % _STEP
        self._held = held[complete:].copy()
        return self._divide(held[:complete])

    def finish(self) -> np.ndarray:
        """Return the fewer than 256 samples still held back, divided."""
        rest, self._held = self._held, self._held[:0]
        return self._divide(rest)

    def _divide(self, samples: np.ndarray) -> np.ndarray:
        divided = np.empty_like(samples)
        for start in range(0, len(samples), _STEP):
            step = samples[start : start + _STEP]
            self._level = max(self._level * _DECAY, float(np.abs(step).max()), _FLOOR)
            divided[start : start + _STEP] = step / self._level
        return divided


def mean_of_channels(samples: np.ndarray) -> np.ndarray:
    """Mean (n,) of samples (n, channels); rounded alike whatever n and the memory layout."""
    # Adding whole channels: mean(axis=1) is slower, and its order depends on the layout.
    return sum(samples.T[1:], start=samples.T[0]) / samples.shape[1]


def _blocks(
    stream: BinaryIO, pending: bytes, most: int, channels: int, width: int, size: float
) -> Iterator[np.ndarray]:
    """Yield `pending` and `size` bytes of the stream, read `most` frames or fewer at a time."""
    read_some = getattr(stream, "read1", stream.read)
    frame = channels * width
    empty = True
    while True:
        complete = len(pending) - len(pending) % frame
        if complete:
            yield mean_of_channels(_decode(pending[:complete], width).reshape(-1, channels))
            empty = False
        data = read_some(min(most * frame, size))
        if not data:
            break
        size -= len(data)
        pending = pending[complete:] + data
    if empty:
        raise InputError("standard input: no samples; send WAV or raw 16-bit PCM")


def _decode(data: bytes, width: int) -> np.ndarray:
    """Little-endian integers of 1 (unsigned) or 2 to 4 bytes (signed) as float32, full scale 1."""
    integers = np.frombuffer(data, dtype=np.uint8).reshape(-1, width)
    aligned = np.zeros((len(integers), 4), dtype=np.uint8)
    aligned[:, 4 - width :] = integers ^ 0x80 if width == 1 else integers
    return aligned.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)


def _wav_header(stream: BinaryIO) -> tuple[int, int, int, float]:
    """Read a WAV header behind its RIFF: rate, channels, bytes per sample, bytes of samples."""
    # The wave module refuses unknown lengths and, before Python 3.12, the extensible header.
    kind, form = b"", b""
    is_wave = _read_up_to(stream, 8)[4:] == b"WAVE"
    while is_wave and len(head := _read_up_to(stream, 8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        if kind == b"data":
            break
        chunk = _read_up_to(stream, size + size % 2)
        if kind == b"fmt ":
            form = chunk
    encoding, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16].ljust(16, b"\0"))
    if encoding == 0xFFFE:
        encoding = int.from_bytes(form[24:26], "little")
    if kind != b"data" or encoding != 1 or not channels or bits not in (8, 16, 24, 32):
        raise InputError("standard input: WAV that is damaged or not integer PCM; send 16-bit PCM")
    return rate, channels, bits // 8, size if 0 < size < UNKNOWN_SIZE else math.inf


def _read_up_to(stream: BinaryIO, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data
