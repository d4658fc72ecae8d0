"""Clip statistics: vectors of equal length from clips of any length, without training.

>>> import numpy as np
>>> clip_statistics(np.random.default_rng(0).standard_normal(16000), "log-mel").shape
(256,)
>>> clip_statistics(np.random.default_rng(0).standard_normal(40000), "mfcc").shape
(40,)
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np

from asd.sounds import check_length
from fewshot.audio import SAMPLE_RATE

SHORTEST_S = 0.1
N_COEFFICIENTS = 20
PERCENTILES = (10, 50)
"""Over time: how a band sounds usually, and at its quietest, without what only passes."""
PIECE_S = 60
HOP_MS = 5
ROUGH_MS, SLOW_MS = (5, 10, 20), (80, 160, 320)
"""Lengths of time whose levels are compared: about 100 to 25 and 6 to 1.5 changes a second."""
BANDS_TOGETHER = 4
LEAST_CHANGE = 0.01
"""A tenth of a decibel: what changes less is steady."""


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


def short_frames(samples: np.ndarray) -> list[np.ndarray]:
    """Logarithms of magnitudes in 64 Mel bands, of 32 ms every 5 ms: shapes (n_frames, 64).

    What is longer than a minute is cut into pieces of equal length, which take less memory.
    """
    import torch

    from fewshot.features import log_mel

    waveform = torch.from_numpy(np.ascontiguousarray(samples, np.float32))[None]
    n_pieces = -(-len(samples) // (PIECE_S * SAMPLE_RATE))
    return [
        log_mel(piece, n_mels=64, n_fft=512, hop=HOP_MS * SAMPLE_RATE // 1000)[0].numpy()
        for piece in waveform.tensor_split(n_pieces, dim=1)
    ]


def mean(frames: np.ndarray) -> np.ndarray:
    """Mean over time, (n_frames, n) -> (n,)."""
    return frames.mean(axis=0)


def changes(pieces: Sequence[np.ndarray], lengths_ms: Sequence[int]) -> np.ndarray:
    """How much the level changes from one stretch of time to the next, by their length.

    Parameters
    ----------
    pieces : sequence of np.ndarray, shapes (n_frames, n)
        Logarithms, a frame every `HOP_MS`, of at least two frames.
    lengths_ms : sequence of int
        Of the stretches, whose frames are averaged; half of a piece at most.

    Returns
    -------
    np.ndarray, shape (n_lengths * n / `BANDS_TOGETHER`,)
        Logarithms of the root mean square of all differences, averaged over neighbouring bands.
    """
    squares, count = 0.0, 0
    for frames in pieces:
        sums = np.cumsum(frames - frames.mean(axis=0), axis=0, dtype=float)
        sums = np.concatenate([np.zeros((1, frames.shape[1])), sums])
        own = []
        for length_ms in lengths_ms:
            n = min(length_ms // HOP_MS, len(frames) // 2)
            levels = (sums[n:] - sums[:-n]) / n
            own.append(np.mean((levels[n:] - levels[:-n]) ** 2, axis=0))
        squares, count = squares + len(frames) * np.array(own), count + len(frames)
    sizes = np.maximum(np.sqrt(squares / count), LEAST_CHANGE)
    return np.log(sizes).reshape(-1, BANDS_TOGETHER).mean(axis=1)


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
        "envelope": (mfcc_frames, mean),
        "roughness": (short_frames, partial(changes, lengths_ms=ROUGH_MS)),
        "fluctuation": (short_frames, partial(changes, lengths_ms=SLOW_MS)),
    }
)
"""Frames of a clip, or of pieces of it, and what is taken from them, by name."""


def clip_statistics(samples: np.ndarray, name: str) -> np.ndarray:
    """Describe a clip by one vector.

    Parameters
    ----------
    samples : np.ndarray, shape (n_samples,)
        At 16 kHz, 0.1 s or longer.
    name : str
        Of `STATISTICS`: "mfcc", "log-mel" and "cepstrum" are means and standard deviations over
        time, "percentiles" the 10th and the 50th percentile of log-Mel, "envelope" the means of
        MFCC alone; "roughness" and "fluctuation" are how much the level in bands changes, quickly
        and slowly.

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
