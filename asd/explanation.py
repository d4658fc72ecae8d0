"""What a score is made of: maps of the parts of a clip that matter, and of embeddings of many."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import interpolate

from asd.config import MASKS
from asd.sounds import AT_ONCE
from asd.systems import System
from fewshot.audio import SAMPLE_RATE
from fewshot.errors import InputError

N_FFT, HOP = 1024, 512
TIME_GRID, FREQUENCY_GRID = 20, 34
"""Entries of a small mask."""
KEPT = 0.75
"""Probability that an entry leaves its time, or its frequencies, as they are."""
PERPLEXITY = 30.0
"""Of t-SNE, where there are points enough."""
FLOOR_DB = -120.0


@dataclass(frozen=True)
class ImportanceMap:
    """Which parts of a clip make it anomalous.

    Attributes
    ----------
    map : np.ndarray, shape (n_frames, n_bins), float32
        The mean score of the clip where a part is heard and others are hidden at random: high
        where the part makes the clip anomalous, low where it makes it normal.
    levels_db : np.ndarray, shape (n_frames, n_bins), float32
        Of the clip, 0 at its loudest part, not below -120.
    times_s : np.ndarray, shape (n_frames,)
        Middles of the frames.
    frequencies_hz : np.ndarray, shape (n_bins,)
    score : float
        Of the whole clip.
    """

    map: np.ndarray
    levels_db: np.ndarray
    times_s: np.ndarray
    frequencies_hz: np.ndarray
    score: float


def importance_map(
    score: Callable[[list[np.ndarray]], np.ndarray],
    samples: np.ndarray,
    *,
    n_masks: int = MASKS,
    seed: int = 0,
    on_mask: Callable[[], object] | None = None,
) -> ImportanceMap:
    """Find out which parts of a clip matter, by hiding parts at random and scoring the rest.

    Parameters
    ----------
    score : callable
        Maps waveforms to their anomaly scores.
    samples : np.ndarray, shape (n_samples,)
        Mono, 16 kHz.
    n_masks : int
        More of them make the map smoother; 640,000 are the dissertation's.
    seed : int
    on_mask : callable, optional
        Called after each mask.

    Returns
    -------
    ImportanceMap
        Of frames every 32 ms and bins of 15.6 Hz.

    Notes
    -----
    Dissertation, section 5.4.1: randomized input sampling for explanation (RISE). A mask is the
    outer product of one of times and one of frequencies. Each is drawn small, 20 and 34 entries
    that are kept with a probability of 0.75, and then enlarged linearly and moved at random. The
    map is the mean of masks times scores, divided by the mean that a mask is expected to have. The
    scores are centred first, which changes the expected map by nothing, but a few masks suffice
    then.

    There, masks are laid on the spectrogram of a network, behind the subtraction of its temporal
    mean. Here they are laid on the sound, so that every system can be explained, with the same
    meaning: what is hidden has the magnitude that its bin has in the temporal mean, and its own
    phase. So constant sound cannot be hidden. A system that hears how much a sound changes, as clip
    statistics do, can take the hiding itself for an anomaly: compare the values of a map with each
    other, not with the score of the whole clip.

    Examples
    --------
    >>> def loudness(clips):
    ...     return np.array([np.abs(clip).mean() for clip in clips])
    >>> noise = np.random.default_rng(0).standard_normal(16000)
    >>> importance_map(loudness, noise, n_masks=8).map.shape
    (33, 513)
    """
    samples = np.asarray(samples, np.float32)
    whole = float(score([samples])[0])
    spectrum = _spectrum(samples)
    levels = spectrum.abs()
    phase = torch.where(levels > 0, spectrum / levels.clamp(min=1e-30), 1.0)
    hidden = levels.mean(dim=0) * phase
    heard = spectrum - hidden

    def scores(masks: torch.Tensor) -> np.ndarray:
        return score(list(_waveforms(hidden + masks * heard, len(samples))))

    found = _mean_scores(scores, spectrum.shape, n_masks, seed, on_mask)
    loudest = max(float(levels.max()), 1e-30)
    decibels = 20 * torch.log10((levels / loudest).clamp(min=10 ** (FLOOR_DB / 20)))
    times_s = np.arange(len(levels)) * HOP / SAMPLE_RATE
    frequencies_hz = np.arange(levels.shape[1]) * SAMPLE_RATE / N_FFT
    return ImportanceMap(found.astype(np.float32), decibels.numpy(), times_s, frequencies_hz, whole)


def embedding_map(vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """Place vectors on a plane so that neighbours stay neighbours.

    Parameters
    ----------
    vectors : np.ndarray, shape (n, d)
        At least 3.
    seed : int

    Returns
    -------
    np.ndarray, shape (n, 2)
        The scale depends on n: compare only maps of as many points.

    Raises
    ------
    InputError
        There are fewer.

    Notes
    -----
    Dissertation, section 5.4.2: t-SNE with scikit-learn's settings, on Euclidean distances. For
    fewer than 91 points the perplexity is (n - 1) / 3.
    """
    from sklearn.manifold import TSNE

    vectors = np.asarray(vectors, np.float32)
    n, d = vectors.shape
    if n < 3:
        raise InputError(f"a map takes 3 clips or more, not {n}")
    # Principal components, the default start, need two directions in which vectors differ.
    flat = d < 2 or not np.ptp(vectors, axis=0).any()
    return TSNE(
        perplexity=min(PERPLEXITY, (n - 1) / 3),
        init="random" if flat else "pca",
        random_state=seed,
    ).fit_transform(vectors)


def nearest_normal_distance(points: np.ndarray, anomalous: np.ndarray) -> float:
    """Mean distance of anomalous points to the normal one that is nearest.

    Parameters
    ----------
    points : np.ndarray, shape (n, d)
        Of `embedding_map`.
    anomalous : np.ndarray of bool, shape (n,)
        Both kinds are there.

    Notes
    -----
    Dissertation, Table 21; larger is better.

    Examples
    --------
    >>> points = np.array([[0.0, 0.0], [0.0, 3.0], [4.0, 3.0]])
    >>> nearest_normal_distance(points, np.array([False, False, True]))
    4.0
    """
    from scipy.spatial import cKDTree

    anomalous = np.asarray(anomalous, bool)
    distances, _ = cKDTree(points[~anomalous]).query(points[anomalous])
    return float(distances.mean())


def joined_vectors(views: System, vectors: Sequence[np.ndarray]) -> np.ndarray:
    """The vectors by which a system compares clips, as one of each clip.

    Parameters
    ----------
    views : tuple of View
    vectors : sequence of np.ndarray, shape (n, d)
        Of each representation, in the order of the views.

    Returns
    -------
    np.ndarray, shape (n, sum of d), float32
        Each value is standardised over the clips, and each representation weighs the same. A
        single representation stays as it is, unless its view standardises it.
    """
    if len(vectors) == 1 and not views[0].scaled:
        return np.asarray(vectors[0], np.float32)
    parts = []
    for own in vectors:
        deviation = own.std(axis=0)
        scale = np.where(deviation > 1e-6 * (1 + np.abs(own).max(axis=0)), deviation, 1.0)
        parts.append((own - own.mean(axis=0)) / scale / np.sqrt(own.shape[1]))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _spectrum(samples: np.ndarray) -> torch.Tensor:
    """Short-time spectrum of a clip, shape (n_frames, n_bins), complex."""
    # With whole hops the last frame's middle lies at the end; behind it, little of a sample is left
    # below the window to make it again from.
    padded = np.pad(samples, (0, -len(samples) % HOP))
    return torch.stft(
        torch.from_numpy(padded),
        N_FFT,
        HOP,
        window=torch.hann_window(N_FFT),
        pad_mode="constant",
        return_complex=True,
    ).T


def _waveforms(spectra: torch.Tensor, n_samples: int) -> np.ndarray:
    """Waveforms (n, n_samples) of spectra (n, n_frames, n_bins)."""
    window = torch.hann_window(N_FFT)
    waveforms = torch.istft(spectra.transpose(1, 2), N_FFT, HOP, window=window)
    return waveforms[:, :n_samples].numpy()


def _mean_scores(
    score: Callable[[torch.Tensor], np.ndarray],
    shape: Sequence[int],
    n_masks: int,
    seed: int,
    on_mask: Callable[[], object] | None,
) -> np.ndarray:
    """Mean of masks times scores over the expected mask, shape (n_frames, n_bins)."""
    if n_masks < 1:
        raise ValueError(f"{n_masks} masks; take 1 or more")
    rng = np.random.default_rng(seed)
    weighted, covered, total = np.zeros(shape), np.zeros(shape), 0.0
    for first in range(0, n_masks, AT_ONCE):
        n = min(AT_ONCE, n_masks - first)
        times, bins = _masks(rng, n, shape[0], TIME_GRID), _masks(rng, n, shape[1], FREQUENCY_GRID)
        scores = np.asarray(score(times[:, :, None] * bins[:, None, :]), float)
        times, bins = times.double().numpy(), bins.double().numpy()
        weighted += (times * scores[:, None]).T @ bins
        covered += times.T @ bins
        total += scores.sum()
        for _ in range(n if on_mask is not None else 0):
            on_mask()
    mean = total / n_masks
    return mean + (weighted - mean * covered) / (n_masks * KEPT**2)


def _masks(rng: np.random.Generator, n: int, size: int, grid: int) -> torch.Tensor:
    """Random masks of one axis, shape (n, size), from 0 (hidden) to 1."""
    cell = -(-size // grid)
    small = torch.from_numpy((rng.random((n, 1, grid)) < KEPT).astype(np.float32))
    large = interpolate(small, size=(grid + 1) * cell, mode="linear")[:, 0]
    offsets = rng.integers(cell, size=(n, 1))
    return large.gather(1, torch.from_numpy(offsets + np.arange(size)))
