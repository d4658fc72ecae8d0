"""Energy normalised statistics: of filter bands (HFCC-ENS), of scores (KENS), and the decision.

As chroma energy normalised statistics (CENS) are made: normalise, quantise, smooth, downsample.
D. von Zeddelmann, F. Kurth and M. Müller, "Perceptual audio features for unsupervised key-phrase
detection", ICASSP 2010, do so with filter bands; K. Wilkinghoff, A. Cornaggia-Urrigshardt and
F. Gökgöz, "Two-dimensional embeddings for low-resource keyword spotting based on dynamic time
warping", ITG 2021, section 2.5, with the scores of keywords. The latter gives no numbers: those
here are settled, or parameters.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from scipy.fft import dct
from scipy.ndimage import convolve1d

from fewshot.features import human_factor_filterbank
from kws.frames import unit_rows

SAMPLE_RATE = 16000
WINDOW, HOP, N_FFT = 640, 160, 1024
"""40 ms every 10 ms."""
N_FILTERS, N_COEFFICIENTS = 40, 20
SHARES = np.array([0.6, 1.2, 2.4, 4.8])
"""A band's share of the energy, relative to equal ones, at which it counts one more, as in CENS."""
SMOOTHED, STEP = 9, 2
"""Frames of the smoothing window, and which of them remain."""
ENS_HOP_S = HOP * STEP / SAMPLE_RATE
LEVELS = np.array([1.0, 1.5, 2.0, 2.5])
"""Deviations above a keyword's mean score at which it counts one more."""


def hfcc_ens(samples: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Cepstra of energy normalised statistics of human-factor filter bands.

    Parameters
    ----------
    samples : np.ndarray, shape (n_samples,)
        At 16 kHz.
    low_hz, high_hz : float
        Range of the filters.

    Returns
    -------
    np.ndarray, shape (1 + n_samples // 320, 20), float32
        Frame n is centred at ``n * ENS_HOP_S``; rows of unit length, zeros in digital silence.

    Notes
    -----
    The paper of 2021, section 3.2: filter banks applied to spectra, then normalisation,
    quantisation, smoothing and downsampling. That a cosine transform follows is settled here, as
    the features are called cepstral.
    """
    padded = np.pad(np.asarray(samples, np.float32), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), N_FFT)) ** 2
    bands = power @ human_factor_filterbank(N_FILTERS, N_FFT, SAMPLE_RATE, low_hz, high_hz).numpy()
    shares = bands / np.maximum(bands.sum(axis=1, keepdims=True), 1e-10)
    statistics = smooth(quantise(shares * N_FILTERS, SHARES), SMOOTHED)[::STEP]
    return unit_rows(dct(statistics, type=2, norm="ortho", axis=1)[:, 1 : N_COEFFICIENTS + 1])


def kens(scores: np.ndarray, window: int) -> np.ndarray:
    """Keyword energy normalised statistics of score curves.

    Parameters
    ----------
    scores : np.ndarray, shape (n_keywords, n)
        Score of each keyword at every frame of a recording; -inf where there is none.
    window : int
        Frames of the smoothing window.

    Returns
    -------
    np.ndarray, shape (n_keywords, n)
        From 0 to 4. It is not downsampled, which only saves time.
    """
    finite = np.ma.masked_invalid(scores)
    deviation = np.maximum(finite.std(axis=1, keepdims=True).filled(0.0), 1e-6)
    normalised = (finite - finite.mean(axis=1, keepdims=True)) / deviation
    return smooth(quantise(normalised.filled(-np.inf), LEVELS).T, window).T


def keywords_in(
    statistics: np.ndarray, least: float, shortest: int, lengths: np.ndarray
) -> list[int]:
    """Sequence of keywords, by their numbers.

    Parameters
    ----------
    statistics : np.ndarray, shape (n_keywords, n)
        Of `kens`.
    least : float
        Above 0; where no keyword reaches it, none is said.
    shortest : int
        Blocks with fewer frames are dropped.
    lengths : np.ndarray, shape (n_keywords,)
        Mean length of each keyword in frames: longer blocks are divided into several of it.
    """
    best = np.where(statistics.max(axis=0) >= least, statistics.argmax(axis=0), -1)
    blocks = [(int(keyword), len(list(run))) for keyword, run in groupby(best)]
    return [
        keyword
        for keyword, length in blocks
        if keyword >= 0 and length >= shortest
        for _ in range(max(1, round(length / lengths[keyword])))
    ]


def quantise(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """How many of the steps each value reaches, as floats."""
    return (values[..., None] >= steps).sum(axis=-1).astype(float)


def smooth(rows: np.ndarray, window: int) -> np.ndarray:
    """Mean over the first axis, weighted by a Hann window; zeros beyond the ends."""
    # numpy's window begins and ends with zeros.
    weights = np.hanning(window + 2)[1:-1]
    return convolve1d(rows, weights / weights.sum(), axis=0, mode="constant")


def word_errors(said: Sequence, found: Sequence) -> int:
    """Fewest substitutions, deletions and insertions that make one sequence the other.

    >>> word_errors(["one", "two", "two"], ["two", "two", "six"])
    2
    """
    row = list(range(len(found) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(found, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]
