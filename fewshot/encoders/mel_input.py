"""Log-Mel spectra for networks that others trained on them."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from fewshot.errors import InputError

if TYPE_CHECKING:
    import torch

SAMPLE_RATE = 16000
SCALES = ("htk", "slaney")
LOGARITHMS = {"natural": 1.0, "log10": 1 / math.log(10), "decibel": 10 / math.log(10)}
"""Factors of the natural logarithm."""


@dataclass(frozen=True)
class MelSpec:
    """The log-Mel spectra that a network expects.

    Parameters
    ----------
    n_mels : int
        Bands.
    window, hop : int
        Hann window of a spectrum, and what lies between spectra, in samples.
    n_fft : int, optional
        Length of the Fourier transform, in samples; by default that of the window.
    fmin, fmax : float
        Lower edge of the first band and upper edge of the last one, in Hz.
    scale : {"htk", "slaney"}
        Mel scale and height of its triangles: a peak of 1, or an area of 1 (librosa's default).
    power : {1, 2}
        Of the magnitudes that a band adds up.
    log : {"natural", "log10", "decibel"}
        ``log(max(x, floor) + offset)``; "decibel" is ten times "log10".
    floor, offset : float
        One of them is above 0, as nothing is a logarithm of silence.
    """

    n_mels: int
    window: int
    hop: int
    n_fft: int | None = None
    fmin: float = 0.0
    fmax: float = SAMPLE_RATE / 2
    scale: str = "htk"
    power: int = 1
    log: str = "natural"
    floor: float = 0.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        for name in ("n_mels", "window", "hop"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InputError(f"mel: {name} is {value!r}; it must be a whole number above 0")
        if self.n_fft is not None and not (
            isinstance(self.n_fft, int) and self.n_fft >= self.window
        ):
            raise InputError(
                f"mel: n_fft is {self.n_fft!r}; it must be a whole number, at least the window, "
                f"{self.window}"
            )
        for name in ("fmin", "fmax", "floor", "offset"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise InputError(f"mel: {name} is {value!r}; it must be a number from 0 on")
        if not self.fmin < self.fmax <= SAMPLE_RATE / 2:
            raise InputError(
                f"mel: fmin is {self.fmin} and fmax {self.fmax}; they must rise, up to "
                f"{SAMPLE_RATE // 2} Hz"
            )
        for name, allowed in (("scale", SCALES), ("power", (1, 2)), ("log", tuple(LOGARITHMS))):
            if getattr(self, name) not in allowed:
                known = ", ".join(map(str, allowed))
                raise InputError(f"mel: {name} is {getattr(self, name)!r}; use one of {known}")
        if not self.floor + self.offset > 0:
            raise InputError("mel: floor and offset are 0; one must be above 0, for silence")


def log_mel_spectra(samples: np.ndarray, mel: MelSpec) -> np.ndarray:
    """Spectra whose windows lie within the sound: nothing is padded.

    Parameters
    ----------
    samples : np.ndarray, shape (batch, n), float32
        At 16 kHz, a window at least.
    mel : MelSpec

    Returns
    -------
    np.ndarray, shape (batch, 1 + (n - window) // hop, n_mels), float32
    """
    import torch

    from fewshot.features import magnitude_spectrogram

    magnitudes = magnitude_spectrogram(
        torch.from_numpy(samples), n_fft=mel.n_fft or mel.window, hop=mel.hop, window=mel.window
    )
    energies = magnitudes**mel.power @ _bank(mel)
    return (LOGARITHMS[mel.log] * (energies.clamp(min=mel.floor) + mel.offset).log()).numpy()


@lru_cache(maxsize=4)
def _bank(mel: MelSpec) -> "torch.Tensor":
    from fewshot.features import mel_filterbank, slaney_filterbank

    filterbank = {"htk": mel_filterbank, "slaney": slaney_filterbank}[mel.scale]
    return filterbank(mel.n_mels, mel.n_fft or mel.window, SAMPLE_RATE, mel.fmin, mel.fmax)
