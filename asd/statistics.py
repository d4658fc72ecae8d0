"""Clip statistics: vectors of equal length from clips of any length, without training.

>>> import numpy as np
>>> clip_statistics(np.random.default_rng(0).standard_normal(16000), "log-mel").shape
(256,)
>>> clip_statistics(np.random.default_rng(0).standard_normal(40000), "mfcc").shape
(40,)
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from asd.sounds import check_length

SHORTEST_S = 0.1
N_COEFFICIENTS = 20
PERCENTILES = (10, 50)
"""Over time: how a band sounds usually, and at its quietest, without what only passes."""


def log_mel_frames(samples: np.ndarray) -> np.ndarray:
    """Power in dB in 128 Mel bands, shape (n_frames, 128)."""
    from fewshot.features import mel_decibels

    return mel_decibels(samples)


def mfcc_frames(samples: np.ndarray) -> np.ndarray:
    """The first 20 coefficients, the zeroth among them, of `log_mel_frames`: (n_frames, 20)."""
    from scipy.fft import dct

    return dct(log_mel_frames(samples), type=2, norm="ortho", axis=1)[:, :N_COEFFICIENTS]


def cepstrum_frames(samples: np.ndarray) -> np.ndarray:
    """Cepstra without the zeroth, a frame every 10 ms, and their deltas: (n_frames, 40)."""
    from fewshot.features import mfcc

    return mfcc(samples)


def mean_and_deviation(frames: np.ndarray) -> np.ndarray:
    """Mean and standard deviation over time, (n_frames, n) -> (2 n,)."""
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0)])


def percentiles(frames: np.ndarray) -> np.ndarray:
    """The 10th and the 50th percentile over time, (n_frames, n) -> (2 n,)."""
    return np.percentile(frames, PERCENTILES, axis=0).ravel()


STATISTICS: Mapping[str, tuple[Callable, Callable]] = MappingProxyType(
    {
        "mfcc": (mfcc_frames, mean_and_deviation),
        "log-mel": (log_mel_frames, mean_and_deviation),
        "percentiles": (log_mel_frames, percentiles),
        "cepstrum": (cepstrum_frames, mean_and_deviation),
    }
)
"""Frames of a clip and what is taken from them, by name."""


def clip_statistics(samples: np.ndarray, name: str) -> np.ndarray:
    """Describe a clip by one vector.

    Parameters
    ----------
    samples : np.ndarray, shape (n_samples,)
        At 16 kHz, 0.1 s or longer.
    name : str
        Of `STATISTICS`: "mfcc", "log-mel" and "cepstrum" are means and standard deviations over
        time, "percentiles" the 10th and the 50th percentile of log-Mel.

    Returns
    -------
    np.ndarray, shape (n,), float32

    Raises
    ------
    InputError
        The clip is too short.
    """
    samples = np.asarray(samples)
    check_length(samples, SHORTEST_S)
    frames, summary = STATISTICS[name]
    return summary(frames(samples)).astype(np.float32)
