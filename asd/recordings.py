"""Waveforms of many clips at 16 bits, in a file that is mapped into memory.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     kept = Recordings(Path(folder) / "waveforms")
...     kept.append(np.array([0.0, 0.5, -0.25]))
...     print(kept.waveform(0).tolist())
...     kept.close()
[0.0, 0.5, -0.25]
"""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from fewshot.errors import InputError

FULL_SCALE = 32768
QUIET = 1 / 64
"""Peaks below this, and those above full scale, are scaled to it before they are rounded."""


class Recordings:
    """Clips of any length, appended one after the other.

    Clips of any number take no more memory than the system has to spare for its files. What was
    recorded with 16 bits at 16 kHz is kept exactly.

    Parameters
    ----------
    path : path
        File to write; it is replaced. It may be removed when the object is not used any more.

    Attributes
    ----------
    lengths : list of int
        Of each clip, in samples.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._path = Path(path)
        self._file = self._path.open("wb")
        self._scales: list[float] = []
        self._starts = [0]
        self._mapped: np.ndarray | None = None
        self.lengths: list[int] = []

    def __len__(self) -> int:
        return len(self.lengths)

    def append(self, samples: np.ndarray) -> None:
        """Keep a waveform, shape (n_samples,), n_samples > 0, all values finite.

        Raises
        ------
        InputError
            The disk is full, or the file cannot be written for another reason.
        """
        peak = float(np.abs(samples).max())
        scale = 1 / FULL_SCALE if QUIET <= peak <= 1 else max(peak, 1e-30) / (FULL_SCALE - 1)
        rounded = np.clip(np.rint(samples / scale), -FULL_SCALE, FULL_SCALE - 1)
        try:
            self._file.write(rounded.astype("<i2").tobytes())
            self._file.flush()
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written: {error.strerror}") from error
        self._scales.append(scale)
        self.lengths.append(len(samples))
        self._starts.append(self._starts[-1] + len(samples))
        self._mapped = None

    def waveform(self, index: int) -> np.ndarray:
        """A clip, shape (n_samples,), float32."""
        start, end = self._starts[index : index + 2]
        return self._samples[start:end] * np.float32(self._scales[index])

    def excerpt(self, index: int, n_samples: int, offset: int) -> np.ndarray:
        """Some samples of a clip from an offset on; behind its end it starts again."""
        start, length = self._starts[index], self.lengths[index]
        if offset + n_samples <= length:
            part = self._samples[start + offset : start + offset + n_samples]
        else:
            part = self._samples[start + (offset + np.arange(n_samples)) % length]
        return part * np.float32(self._scales[index])

    @property
    def _samples(self) -> np.ndarray:
        if self._mapped is None:
            self._mapped = np.memmap(self._path, "<i2", mode="r", shape=(self._starts[-1],))
        return self._mapped

    def close(self) -> None:
        """Let go of the file and remove it."""
        self._mapped = None
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)
