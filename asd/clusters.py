"""Clusters of clips by their statistics: settings of a machine of which nothing is written down.

Notes
-----
GISP's report for Task 2 of the DCASE Challenge 2024 (Tian et al., section 2.1) maps "statistical
information from normal audios" into "a small number of clusters", and tells neither the kind of
statistics nor the number. Chosen here: mean and deviation over time of each log-Mel band, eight
components of a Gaussian mixture with diagonal covariances, fewer where a machine has few clips.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from asd.back_ends.base import n_distinct
from asd.dataset import Clip
from asd.recordings import Recordings
from asd.statistics import mean_and_deviation
from fewshot.errors import InputError

BIC, MOST_BY_BIC = "bic", 16
METHODS = ("mixture", "k-means")
CLIPS_PER_CLUSTER = 10
N_COMPONENTS = 32
"""Principal ones that are clustered."""
REGULARISATION = 1e-3
"""Of a mixture's variances, those of the standardised values being 1."""
N_STARTS = 10
ROLL_OFF = 0.85
"""Share of a frame's power below the frequency that is called its roll-off."""


def ranked_mean(frames: np.ndarray, rank_weight: float) -> np.ndarray:
    """Global weighted ranking pooling: values over time, the k-th largest weighted by r^(k - 1).

    Parameters
    ----------
    frames : np.ndarray, shape (n_frames, n_bands)
    rank_weight : float
        r, 0 to 1: 1 gives the mean over time, 0 the maximum.

    Returns
    -------
    np.ndarray, shape (n_bands,)

    Notes
    -----
    J. Guan et al., "Time-weighted frequency domain audio representation with GMM estimator for
    anomalous sound detection", ICASSP 2023.

    >>> ranked_mean(np.array([[1.0], [3.0], [2.0]]), 0.5).tolist()
    [2.4285714285714284]
    """
    weights = np.power(float(rank_weight), np.arange(len(frames)))
    return weights @ -np.sort(-frames, axis=0) / weights.sum()


def spectral_shape(samples: np.ndarray) -> np.ndarray:
    """Centroid, spread, skewness, kurtosis, flatness and roll-off: (n_samples,) -> (12,).

    Of the power spectrum of each frame: its mean and deviation over time. Frequencies are on a
    logarithmic scale, in octaves.
    """
    import torch

    from fewshot.features import magnitude_spectrogram

    power = magnitude_spectrogram(torch.from_numpy(samples)[None])[0, :, 1:].double().numpy() ** 2
    power = np.maximum(power, 1e-12)
    share = power / power.sum(axis=1, keepdims=True)
    octaves = np.log2(np.arange(1, power.shape[1] + 1))
    centroid = share @ octaves
    away = octaves - centroid[:, None]
    spread = np.sqrt((share * away**2).sum(axis=1))
    skewness, kurtosis = ((share * away**k).sum(axis=1) / spread**k for k in (3, 4))
    flatness = np.log(power).mean(axis=1) - np.log(power.mean(axis=1))
    roll_off = octaves[(share.cumsum(axis=1) < ROLL_OFF).sum(axis=1)]
    return mean_and_deviation(
        np.stack([centroid, spread, skewness, kurtosis, flatness, roll_off], axis=1)
    )


def _moments(samples: np.ndarray) -> np.ndarray:
    from scipy.stats import kurtosis, skew

    deviation = max(float(samples.std(dtype=np.float64)), 1e-10)
    scaled = samples / deviation
    return np.array([20 * np.log10(deviation), skew(scaled), kurtosis(scaled)])


def _log_mel(samples: np.ndarray) -> np.ndarray:
    import torch

    from fewshot.features import batch_mel_decibels

    return batch_mel_decibels(torch.from_numpy(samples)[None], mel_scale="htk")[0].numpy()


STATISTICS: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] = MappingProxyType(
    {
        "mean-deviation": lambda samples, _: mean_and_deviation(_log_mel(samples)),
        "mean": lambda samples, _: _log_mel(samples).mean(axis=0),
        "gwrp": lambda samples, weight: ranked_mean(_log_mel(samples), weight),
        "moments": lambda samples, _: _moments(samples),
        "shape": lambda samples, _: spectral_shape(samples),
    }
)
"""What is computed of a clip, by name; the number is the weight of ranks."""


@dataclass(frozen=True)
class Clustering:
    """How clips of a machine are clustered.

    Parameters
    ----------
    statistics : {"mean-deviation", "mean", "gwrp", "moments", "shape"}
        What clips are compared by: mean and deviation over time of each of 128 log-Mel bands, the
        means alone, their values over time weighted by rank (`ranked_mean`), deviation, skewness
        and kurtosis of the waveform, or the shape of the spectrum (`spectral_shape`).
    rank_weight : float
        Of "gwrp", 0 to 1: 1 gives the mean over time, 0 the maximum.
    n_clusters : int or "bic"
        Of each machine, or fewer where it has less than ten clips for each; "bic" takes the number
        from 1 to 16 whose mixture has the least Bayesian information criterion.
    method : {"mixture", "k-means"}
        The component of a Gaussian mixture with the largest posterior, or the nearest centre.
    """

    statistics: str = "mean-deviation"
    rank_weight: float = 0.9
    n_clusters: int | str = 8
    method: str = "mixture"

    def __post_init__(self) -> None:
        for name, known in (("statistics", tuple(STATISTICS)), ("method", METHODS)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} is {getattr(self, name)!r}; use {', '.join(known)}")
        if not 0 <= self.rank_weight <= 1:
            raise InputError(f"rank_weight is {self.rank_weight}; it must be 0 to 1")
        counted = isinstance(self.n_clusters, int) and self.n_clusters >= 1
        if not counted and self.n_clusters != BIC:
            raise InputError(f"n_clusters is {self.n_clusters!r}; use a number from 1, or {BIC!r}")
        if self.n_clusters == BIC and self.method != "mixture":
            raise InputError(f"{BIC!r} is a criterion of mixtures; use the method 'mixture'")

    def vector(self, samples: np.ndarray) -> np.ndarray:
        """What a clip, shape (n_samples,), 0.1 s or longer, is compared by: shape (d,)."""
        return STATISTICS[self.statistics](np.asarray(samples, np.float32), self.rank_weight)

    def labels(self, vectors: np.ndarray, seed: int = 0, least: int = 1) -> np.ndarray:
        """Cluster of each vector.

        Parameters
        ----------
        vectors : np.ndarray, shape (n, d)
            Of the clips of one machine.
        seed : int
        least : int
            Clusters that there are at least, 1 or more, if there are as many distinct vectors.

        Returns
        -------
        np.ndarray of int, shape (n,)
            Counted from 0; no cluster is empty.
        """
        distinct = n_distinct(vectors)
        wanted = MOST_BY_BIC if self.n_clusters == BIC else self.n_clusters
        largest = min(max(least, min(wanted, len(vectors) // CLIPS_PER_CLUSTER)), distinct)
        least = min(least, distinct)
        if largest == 1:
            return np.zeros(len(vectors), int)
        components = _components(vectors)
        if self.method == "k-means":
            found = _nearest_centres(components, largest, seed)
        else:
            smallest = least if self.n_clusters == BIC else largest
            found = _likeliest(components, range(smallest, largest + 1), seed)
            if len(set(found)) < least:
                # Of two components, one may be the likelier one for all clips.
                found = _nearest_centres(components, least, seed)
        return np.unique(found, return_inverse=True)[1]


CLUSTERING = Clustering()


def cluster_names(
    recordings: Recordings,
    clips: Sequence[Clip],
    seed: int = 0,
    options: Clustering = CLUSTERING,
) -> list[str]:
    """Cluster the clips of each machine.

    Parameters
    ----------
    recordings : Recordings
    clips : sequence of Clip
        What is known of each of them: normal training clips.
    seed : int
    options : Clustering

    Returns
    -------
    list of str
        One name per clip, such as "fan cluster 3"; two at least where there is one machine alone
        and its clips differ.
    """
    vectors = _statistics(recordings, options)
    names = np.empty(len(clips), object)
    groups = _machines(clips)
    for machine, own in groups.items():
        labels = options.labels(vectors[own], seed, least=2 if len(groups) == 1 else 1)
        names[own] = [f"{machine} cluster {label}" for label in labels]
    return names.tolist()


def machine_statistics(
    recordings: Recordings, clips: Sequence[Clip], options: Clustering = CLUSTERING
) -> np.ndarray:
    """What clips are clustered by, standardised by the clips of each machine.

    Parameters
    ----------
    recordings : Recordings
    clips : sequence of Clip
        What is known of each of them.
    options : Clustering

    Returns
    -------
    np.ndarray, shape (n, d)
    """
    from sklearn.preprocessing import StandardScaler

    vectors = _statistics(recordings, options)
    for own in _machines(clips).values():
        vectors[own] = StandardScaler().fit_transform(vectors[own])
    return vectors


def _statistics(recordings: Recordings, options: Clustering) -> np.ndarray:
    waveforms = (recordings.waveform(i) for i in range(len(recordings)))
    return np.stack([options.vector(samples) for samples in waveforms]).astype(np.float64)


def _machines(clips: Sequence[Clip]) -> dict[str, np.ndarray]:
    """Indices of the clips of each machine."""
    machines = np.array([clip.machine for clip in clips])
    return {str(name): np.flatnonzero(machines == name) for name in np.unique(machines)}


def _components(vectors: np.ndarray) -> np.ndarray:
    """Principal components of standardised vectors, as many as there are, 32 at most."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    scaled = StandardScaler().fit_transform(vectors)
    return PCA(min(N_COMPONENTS, *scaled.shape), svd_solver="full").fit_transform(scaled)


def _nearest_centres(vectors: np.ndarray, n: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    return KMeans(n, n_init=N_STARTS, random_state=seed).fit_predict(vectors)


def _likeliest(vectors: np.ndarray, numbers: Sequence[int], seed: int) -> np.ndarray:
    """The likeliest component of the mixture, of those with given numbers, with the least BIC."""
    from sklearn.mixture import GaussianMixture

    mixtures = [
        GaussianMixture(
            n,
            covariance_type="diag",
            reg_covar=REGULARISATION,
            n_init=N_STARTS,
            random_state=seed,
        ).fit(vectors)
        for n in numbers
    ]
    return min(mixtures, key=lambda mixture: mixture.bic(vectors)).predict(vectors)
