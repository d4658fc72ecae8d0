"""From words in their order to words with times: weak labels become strong ones.

K. Wilkinghoff, A. Cornaggia-Urrigshardt and F. Gökgöz, "Two-dimensional embeddings for low-resource
keyword spotting based on dynamic time warping", ITG 2021: the alignment of section 3.3, and the
voice activity detection of section 2.3, by which borders are moved to where speech begins and ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from scipy.fft import rfft
from scipy.signal.windows import hann

from kws.frames import unit_rows

SAMPLE_RATE = 16000
WINDOW, HOP, N_FFT = 400, 160, 512
"""25 ms every 10 ms."""
LOW_HZ, HIGH_HZ = (100, 1000), (5500, 8000)
"""Bands of the paper, for sound with frequencies up to 8 kHz."""
LEVELS_DB = tuple(range(-70, -15, 5))
FLATNESSES_DB = (-25, -20, -15, -12, -9, -6, -3)

Span = tuple[int, int]
"""First sample, and the one after the last."""


def spans_in_order(
    templates: Sequence[np.ndarray], frames: np.ndarray, hop_s: float, *, whole: bool
) -> list[Span]:
    """Align a sequence of words with a recording of it, and cut it at their borders.

    Parameters
    ----------
    templates : sequence of np.ndarray, shapes (L_i, dim)
        One for each word, in the order in which they are said; rows of unit length.
    frames : np.ndarray, shape (n, dim)
        Those of the recording; rows of unit length. Frame j is centred at ``j * hop_s``.
    hop_s : float
        Seconds between frames.
    whole : bool
        Whether the words are stretched to the length of the recording and aligned from its first
        to its last frame, for recordings in which nothing else is said. Otherwise they are found
        in it, as published: begin and end are free.

    Returns
    -------
    list of Span
        One for each word, each beginning where the one before ends.

    Raises
    ------
    ValueError
        The recording is too short for all the words.

    Notes
    -----
    The templates are joined to one, which is searched as in `kws.search`: steps (1, 1), (1, 2) and
    (2, 1), the sum of the costs divided by the number of visited cells. A word begins with the
    first cell that the best path visits in its template.

    The path cannot be longer than twice the template. Pauses between words, of which it knows
    nothing, make it end elsewhere unless it has to go through the whole recording.
    """
    joined = np.concatenate(templates)
    firsts = np.cumsum([0, *map(len, templates)])
    if whole:
        firsts = np.round(firsts * len(frames) / len(joined)).astype(int)
        joined = _stretched(joined, len(frames))
    rows, columns = _best_path(1.0 - joined @ frames.T, whole)
    visited = np.searchsorted(rows, firsts[:-1])
    times = (np.append(columns[visited], columns[-1] + 1) - 0.5) * hop_s * SAMPLE_RATE
    return list(pairwise(np.maximum(0, np.round(times)).astype(int).tolist()))


def _stretched(rows: np.ndarray, length: int) -> np.ndarray:
    """Rows (n, dim), linearly interpolated to another number of them, of unit length."""
    places = np.linspace(0, len(rows) - 1, length)
    columns = [np.interp(places, np.arange(len(rows)), column) for column in rows.T]
    return unit_rows(np.stack(columns, axis=1))


def _best_path(costs: np.ndarray, whole: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the path from the first row to the last one; see `spans_in_order`."""
    n_rows, n = costs.shape
    # Row i and column j stand at i + 2 and j + 2, behind infinite costs.
    total = np.full((n_rows + 2, n + 2), np.inf)
    cells = np.ones((n_rows + 2, n + 2), int)
    steps = np.zeros((n_rows, n), int)
    begin = np.s_[:1] if whole else np.s_[:]
    total[2, 2:][begin] = costs[0][begin]
    for i in range(1, n_rows):
        before = [np.s_[i + 1, 1:-1], np.s_[i + 1, :-2], np.s_[i, 1:-1]]
        choices = np.stack([total[place] for place in before])
        steps[i] = choices.argmin(axis=0)
        total[i + 2, 2:] = costs[i] + choices.min(axis=0)
        cells[i + 2, 2:] = 1 + np.choose(steps[i], [cells[place] for place in before])
    ends = (total / cells)[-1, 2:]
    i, j = n_rows - 1, n - 1 if whole else int(ends.argmin())
    if not np.isfinite(ends[j]):
        raise ValueError(f"{n} frames are too few for templates of {n_rows}")
    visited = []
    while i >= 0:
        visited.append((i, j))
        down, right = ((1, 1), (1, 2), (2, 1))[steps[i, j]]
        i, j = i - down, j - right
    rows, columns = np.array(visited[::-1]).T
    return rows, columns


def activity_features(samples: np.ndarray, high_hz: tuple[float, float] = HIGH_HZ) -> np.ndarray:
    """What speech is told from silence by.

    Parameters
    ----------
    samples : np.ndarray, shape (n_samples,)
        At 16 kHz, divided by their maximum.
    high_hz : (float, float)
        The higher band; its end is taken for the highest frequency of the sound.

    Returns
    -------
    np.ndarray, shape (1 + n_samples // 160, 4)
        Energy from 100 to 1000 Hz, energy in the higher band, spectral flux and spectral flatness,
        in dB. Frame n is centred at ``n * HOP``.

    Notes
    -----
    A full-scale sine wave has an energy of 2.8 dB. The flux is the energy of the change of the
    magnitude spectrum since the frame before, the flatness the ratio of the geometric to the
    arithmetic mean of the power spectrum, both from 100 Hz to the highest frequency. The paper
    gives no definitions.
    """
    padded = np.pad(np.asarray(samples, float), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    window = hann(WINDOW)
    spectrum = np.abs(rfft(frames * window, N_FFT)) * 2 / window.sum()
    hz = np.arange(spectrum.shape[1]) * SAMPLE_RATE / N_FFT
    low, high, whole = (
        spectrum[:, (first <= hz) & (hz < last)]
        for first, last in (LOW_HZ, high_hz, (LOW_HZ[0], high_hz[1]))
    )
    change = np.diff(whole, axis=0, prepend=whole[:1])
    energies = [np.square(band).sum(axis=1) for band in (low, high, change)]
    power = np.square(whole) + 1e-12
    flatness = np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)
    return 10 * np.log10(np.stack([*energies, flatness], axis=1) + 1e-12)


@dataclass(frozen=True)
class VoiceActivity:
    """Speech or not, frame by frame.

    A frame is speech that is loud enough in one of the bands, and changes enough or is tonal
    enough. How its thresholds are combined the paper leaves open.

    Attributes
    ----------
    low_db, high_db, flux_db : float
        Least energy in the bands, and least flux; see `activity_features`.
    flatness_db : float
        Largest flatness.
    high_hz : (float, float)
    """

    low_db: float
    high_db: float
    flux_db: float
    flatness_db: float
    high_hz: tuple[float, float] = HIGH_HZ

    def of(self, features: np.ndarray) -> np.ndarray:
        """Whether each frame is speech: (n,), from the features (n, 4)."""
        low, high, flux, flatness = features.T
        loud = (low >= self.low_db) | (high >= self.high_db)
        return loud & ((flux >= self.flux_db) | (flatness <= self.flatness_db))

    def trimmed(self, span: Span, samples: np.ndarray) -> Span:
        """The span from its first to its last frame of speech; as it is if there is none."""
        onset, offset = span
        speech = np.flatnonzero(self.of(activity_features(samples, self.high_hz))) * HOP
        own = speech[(speech >= onset) & (speech < offset)]
        if not len(own):
            return span
        return max(onset, int(own[0]) - HOP // 2), min(offset, int(own[-1]) + HOP // 2)


def fitted_activity(
    recordings: Sequence[np.ndarray],
    spans: Sequence[Sequence[Span]],
    high_hz: tuple[float, float] = HIGH_HZ,
) -> tuple[VoiceActivity, float, float]:
    """Voice activity detection with the thresholds that tell labelled words best from pauses.

    Parameters
    ----------
    recordings : sequence of np.ndarray, shapes (n_samples,)
    spans : sequence of sequences of Span
        Words of each recording.
    high_hz : (float, float)

    Returns
    -------
    activity : VoiceActivity
        Of the largest difference of both rates; of equally good ones the first.
    tp_rate, fp_rate : float
        Share of frames in words, and of those outside, that it takes for speech.
    """
    features = np.concatenate([activity_features(r, high_hz) for r in recordings])
    truth = np.concatenate(
        [frames_within(own, len(r)) for own, r in zip(spans, recordings, strict=True)]
    )

    def rates(activity: VoiceActivity) -> tuple[float, float]:
        speech = activity.of(features)
        return float(speech[truth].mean()), float(speech[~truth].mean())

    found = [
        VoiceActivity(*given, high_hz)
        for given in product(LEVELS_DB, LEVELS_DB, LEVELS_DB, FLATNESSES_DB)
    ]
    best = max(found, key=lambda activity: float(np.subtract(*rates(activity))))
    return best, *rates(best)


def frames_within(spans: Sequence[Span], n_samples: int) -> np.ndarray:
    """Whether the centre of each frame of `activity_features` lies in one of the spans."""
    centres = np.arange(1 + n_samples // HOP) * HOP
    inside = [(onset <= centres) & (centres < offset) for onset, offset in spans]
    return np.any(inside, axis=0)


def overlap(truth: Span, found: Span) -> tuple[float, float]:
    """Length that both have in common, as share of the true span and of the one found.

    >>> overlap((100, 200), (150, 300))
    (0.5, 0.3333333333333333)
    """
    common = max(0, min(truth[1], found[1]) - max(truth[0], found[0]))
    return common / (truth[1] - truth[0]), common / (found[1] - found[0])
