"""Statistics of cepstra: what nearest-centroid baselines see of a clip."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Self

import numpy as np

from fewshot.audio import SAMPLE_RATE
from fewshot.features import slaney_filterbank
from osc.vectors import tiled, unit

if TYPE_CHECKING:
    from scipy.sparse import csr_array

N_FFT, HOP = 2048, 512
N_MELS, N_COEFFICIENTS = 64, 20
RANGE_DB = 80.0
LOUD_DB = 25.0
DELTA_FRAMES = 9


class MfccStatistics:
    """Mean and standard deviation of MFCCs and their deltas over the loud frames of a clip.

    20 coefficients of 64 Mel bands, over the frames within 25 dB of the loudest one; standardised
    by the training clips and scaled to unit length.

    Attributes
    ----------
    mean_, deviation_ : np.ndarray, shape (80,), float32
        Of the training clips.

    Notes
    -----
    The cepstra are those of librosa's defaults (window 2048, hop 512, Slaney's Mel scale). The
    sound is not high-pass filtered: how loud a frame is counts all of it.
    """

    name = "mfcc"
    highpass = False

    def fit(self, waveforms: Sequence[np.ndarray], labels: Sequence[str], *, seed: int = 0) -> Self:
        """Learn mean and deviation of the training clips; labels and seed change nothing."""
        values = self._statistics(waveforms)
        if len(values) > 1:
            self.mean_, self.deviation_ = values.mean(axis=0), values.std(axis=0)
        else:
            self.mean_, self.deviation_ = np.zeros(values.shape[1]), np.zeros(values.shape[1])
        self.deviation_[self.deviation_ < 1e-8] = 1.0
        return self

    def transform(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Embeddings, shape (n, 80), float32, of unit length."""
        return unit((self._statistics(waveforms) - self.mean_) / self.deviation_)

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        """What was learnt."""
        return {"mean": self.mean_, "deviation": self.deviation_}, {}

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray], settings: Mapping) -> Self:
        """Rebuild what `state` described."""
        restored = cls()
        restored.mean_, restored.deviation_ = tensors["mean"], tensors["deviation"]
        if {restored.mean_.shape, restored.deviation_.shape} != {(4 * N_COEFFICIENTS,)}:
            raise ValueError("its statistics have another size")
        return restored

    @staticmethod
    def _statistics(waveforms: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack([clip_statistics(samples) for samples in waveforms])


def clip_statistics(samples: np.ndarray) -> np.ndarray:
    """Mean and deviation of the loud frames' cepstra of one waveform (n,), shape (80,)."""
    samples = tiled(samples, (DELTA_FRAMES - 1) * HOP)
    padded = np.pad(np.asarray(samples, np.float32), N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    level_db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-20)
    loud = cepstra(frames)[level_db >= level_db.max() - LOUD_DB]
    return np.concatenate([loud.mean(axis=0), loud.std(axis=0)])


def cepstra(frames: np.ndarray) -> np.ndarray:
    """MFCCs with the zeroth, and their deltas, of frames (n, 2048): shape (n, 40)."""
    from scipy.fft import dct, rfft
    from scipy.signal import savgol_filter

    window, bank = _constants()
    power = (bank @ (np.abs(rfft(frames * window, axis=1)) ** 2).T).T
    level_db = 10 * np.log10(np.maximum(power, 1e-10))
    level_db = np.maximum(level_db, level_db.max() - RANGE_DB)
    static = dct(level_db, type=2, norm="ortho", axis=1)[:, :N_COEFFICIENTS]
    delta = savgol_filter(static, DELTA_FRAMES, 1, deriv=1, axis=0)
    return np.concatenate([static, delta], axis=1)


@lru_cache(maxsize=1)
def _constants() -> tuple[np.ndarray, "csr_array"]:
    """Hann window and Mel filters, shape (64, 1025), each filter with an area of 1."""
    from scipy.signal import get_window
    from scipy.sparse import csr_array

    bank = slaney_filterbank(N_MELS, N_FFT, SAMPLE_RATE).numpy()
    # Nearly all weights are 0, and the product of sparse arrays starts no threads.
    return get_window("hann", N_FFT).astype(np.float32), csr_array(bank.T)
