"""Three views of a clip: how its loud part sounds, how it moves, and what a speech network hears.

Each view is a vector of statistics. What varies within classes of other sounds is damped in it, and
the three, each of unit length, stand side by side: a cosine is the mean of the views' cosines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.fft import dct, rfft

from fewshot import audio, bundle
from fewshot.audio import SAMPLE_RATE
from fewshot.encoders.external import ExternalEncoder
from fewshot.encoders.loading import BUNDLED, load_encoder
from fewshot.errors import InputError
from fewshot.features import mel_filterbank
from osc.vectors import tiled, unit

WINDOW, HOP, N_FFT, N_MELS = 400, 160, 512, 64
RANGE_DB = 60.0
"""Band energies further below the clip's largest one are raised to that."""
LOUD_DB = 25.0
N_COEFFICIENTS = 20
NOISE_SHARE, NOISE_MARGIN = 0.2, 1.3
"""Quantile over time that a band's noise is taken from, and how much is added to it."""
MODULATION_HZ = (0.25, 0.75, 1.25, 2.25, 4.25, 8.25, 16.25, 32.25, 50.0)
MODULATION_SCALE = 400.0
"""Modulations of the size of its inverse are where the logarithm begins to bend."""
N_GROUPS = 8
SHRINKAGE = 0.7
PRIOR_CLIPS = 12.0
"""Clips of the user that weigh as much as all other sounds in a view's mean."""
CLIP_WEIGHT = 8.0
"""How much more a clip of the user says of the spread within classes than one of other sounds."""
KIND, VERSION = "statistics of other sounds", 1
VIEWS = ("timbre", "movement", "speech")


def power_spectrogram(samples: np.ndarray) -> np.ndarray:
    """Mel band energies of a waveform (n,), n >= 400, relative to the largest; (1 + n // 160, 64).

    Energies below ``RANGE_DB`` are raised to it, so that digital silence is not far from noise.
    """
    padded = np.pad(np.asarray(samples, np.float32), WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    spectrum = np.abs(rfft(frames * np.hanning(WINDOW).astype(np.float32), N_FFT)) ** 2
    energies = spectrum @ _filterbank()
    return np.maximum(energies / max(energies.max(), 1e-12), 10 ** (-RANGE_DB / 10))


@lru_cache(maxsize=1)
def _filterbank() -> np.ndarray:
    return mel_filterbank(N_MELS, N_FFT, SAMPLE_RATE).numpy()


def above_noise(power: np.ndarray) -> np.ndarray:
    """Logarithm of one plus the ratio of energies to each band's noise, shape as given.

    The noise is the 20th percentile over time, and a third more.
    """
    return np.log1p(power / (NOISE_MARGIN * np.quantile(power, NOISE_SHARE, axis=0)))


def timbre(power: np.ndarray) -> np.ndarray:
    """Mean and deviation of 20 cepstra over the frames within 25 dB of the loudest, shape (40,)."""
    energy_db = 10 * np.log10(power.sum(axis=1))
    loud = 10 * np.log10(power[energy_db > energy_db.max() - LOUD_DB])
    cepstra = dct(loud, type=2, norm="ortho", axis=1)[:, :N_COEFFICIENTS]
    return np.concatenate([cepstra.mean(axis=0), cepstra.std(axis=0)])


def movement(levels: np.ndarray) -> np.ndarray:
    """Log magnitudes of slow to fast modulations in eight groups of bands, shape (64,).

    Parameters
    ----------
    levels : np.ndarray, shape (n_frames, n_bands)
        As `above_noise` gives them.
    """
    levels = levels.reshape(len(levels), N_GROUPS, -1).mean(axis=2)
    magnitudes = np.abs(np.fft.rfft(levels - levels.mean(axis=0), axis=0)) / len(levels)
    frequencies = np.fft.rfftfreq(len(levels), HOP / SAMPLE_RATE)
    edges = np.searchsorted(frequencies, np.array(MODULATION_HZ) - 1e-3)
    energies = [np.square(magnitudes[a:b]).sum(axis=0) for a, b in pairwise(edges)]
    return np.log1p(MODULATION_SCALE * np.sqrt(energies)).ravel()


def activity(levels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """How much stands out of the noise around frames, shape (n,), summing to 1.

    Parameters
    ----------
    levels : np.ndarray, shape (n_frames, n_bands)
        As `above_noise` gives them.
    centres : np.ndarray, shape (n,)
        Frames, not necessarily whole ones.
    """
    standing_out = np.maximum(levels - 0.8, 0.0).mean(axis=1)
    weights = np.interp(centres, np.arange(len(levels)), standing_out) + 1e-3
    return weights / weights.sum()


def speech(samples: np.ndarray, levels: np.ndarray, encoder: ExternalEncoder) -> np.ndarray:
    """Mean frame of a speech encoder, weighted by `activity`, shape (dim,).

    The encoder's own step is enough for a mean: no interleaved runs.
    """
    spec = encoder.spec
    n_frames = -(-len(samples) // spec.step)
    needed = (n_frames - 1) * spec.step + spec.window
    padded = np.zeros(needed, np.float32)
    known = audio.normalise(samples)[: needed - spec.centre]
    padded[spec.centre : spec.centre + len(known)] = known
    weights = activity(levels, np.arange(n_frames) * spec.step / HOP)
    return weights @ encoder.run(padded[None])[0]


@dataclass(frozen=True)
class OtherSounds:
    """What a view's statistics are over classes of other sounds.

    Attributes
    ----------
    mean, deviation : np.ndarray, shape (dim,)
        Over all clips.
    scatter : np.ndarray, shape (dim, dim)
        Covariance within classes of statistics that are divided by `deviation`.
    count : int
        Clips less classes.
    """

    mean: np.ndarray
    deviation: np.ndarray
    scatter: np.ndarray
    count: int

    @classmethod
    def learn(cls, values: np.ndarray, labels: np.ndarray) -> Self:
        """Take them from clips, shape (n, dim), and their classes, shape (n,)."""
        deviation = values.std(axis=0) + 1e-6
        inner = _within(values / deviation, labels)
        count = len(values) - len(np.unique(labels))
        return cls(values.mean(axis=0), deviation, inner.T @ inner / count, count)

    def projection(self, values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (dim,) and matrix (dim, dim) for a view of training clips.

        The mean lies between that of other sounds and that of the clips. The matrix damps what
        varies within classes, of other sounds and of those clips that are not alone in theirs.
        """
        trust = len(values) / (len(values) + PRIOR_CLIPS)
        mean = trust * values.mean(axis=0) + (1 - trust) * self.mean
        inner = _within(values / self.deviation, labels)
        spare = len(values) - len(np.unique(labels))
        covariance = (self.count * self.scatter + CLIP_WEIGHT * inner.T @ inner) / (
            self.count + CLIP_WEIGHT * spare
        )
        dim = len(mean)
        covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.eye(dim) * (
            np.trace(covariance) / dim
        )
        variances, axes = np.linalg.eigh(covariance)
        return mean, (axes / np.sqrt(variances)) @ axes.T / self.deviation[:, None]


def _within(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Differences to the means of the classes."""
    _, index = np.unique(np.asarray(labels).astype(str), return_inverse=True)
    sums = np.zeros((index.max() + 1, values.shape[1]))
    np.add.at(sums, index, values)
    return values - (sums / np.bincount(index)[:, None])[index]


class ThreeViews:
    """Statistics of three kinds, made comparable by what other sounds are like.

    "timbre": mean and deviation of the cepstra of the loud frames; "movement": modulation spectrum
    of what stands out of the noise; "speech": mean frame of the bundled speech encoder where
    something stands out. Nothing depends on the level.

    Parameters
    ----------
    views : sequence of str
        Which of "timbre", "movement" and "speech" are compared.

    Attributes
    ----------
    means_, matrices_ : dict of str to np.ndarray, shapes (dim,) and (dim, dim)
        Of each view.

    Notes
    -----
    Damping what varies within classes is within-class covariance normalisation (A. O. Hatch,
    S. Kajarekar and A. Stolcke, "Within-class covariance normalization for SVM-based speaker
    recognition", Interspeech 2006).
    """

    name = "three-views"
    highpass = True
    usual_threshold = 0.4
    """Cosine that separates known from other sounds in most tasks."""

    def __init__(self, views: Sequence[str] = VIEWS) -> None:
        if not views or not set(views) <= set(VIEWS):
            raise InputError(f"views are {views!r}; choose among {', '.join(VIEWS)}")
        self.views = tuple(views)
        self.means_: dict[str, np.ndarray] = {}
        self.matrices_: dict[str, np.ndarray] = {}

    def fit(self, waveforms: Sequence[np.ndarray], labels: Sequence[str], *, seed: int = 0) -> Self:
        """Learn means and matrices from training clips; nothing is random."""
        values = self._statistics(waveforms)
        others = other_sounds()
        for view in self.views:
            self.means_[view], self.matrices_[view] = others[view].projection(
                values[view], np.asarray(labels)
            )
        return self

    def transform(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Embeddings, shape (n, dim), float32, of unit length; dim is 200 for all three views."""
        values = self._statistics(waveforms)
        views = [
            unit((values[view] - self.means_[view]) @ self.matrices_[view]) for view in self.views
        ]
        return unit(np.concatenate(views, axis=1))

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        """What was learnt, and which encoder was used."""
        tensors = {f"{view}.mean": self.means_[view] for view in self.views}
        tensors |= {f"{view}.matrix": self.matrices_[view] for view in self.views}
        return tensors, {"views": list(self.views), "sha256": _encoder().spec.sha256}

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray], settings: Mapping) -> Self:
        """Rebuild what `state` described."""
        if settings["sha256"] != _encoder().spec.sha256:
            raise ValueError("it was learnt with another speech encoder")
        restored = cls(settings["views"])
        for view in restored.views:
            others = other_sounds()[view]
            mean, matrix = tensors[f"{view}.mean"], tensors[f"{view}.matrix"]
            if mean.shape != others.mean.shape or matrix.shape != others.scatter.shape:
                raise ValueError("its statistics have another size")
            restored.means_[view], restored.matrices_[view] = mean, matrix
        return restored

    def statistics(self, samples: np.ndarray) -> dict[str, np.ndarray]:
        """The three views of one waveform (n,)."""
        return clip_views(samples)

    def _statistics(self, waveforms: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        clips = [self.statistics(samples) for samples in waveforms]
        return {view: np.stack([clip[view] for clip in clips]) for view in VIEWS}


def clip_views(samples: np.ndarray) -> dict[str, np.ndarray]:
    """The three views of one waveform (n,); short ones are repeated until they last 4 s."""
    samples = tiled(samples, 4 * SAMPLE_RATE)
    power = power_spectrogram(samples)
    levels = above_noise(power)
    return {
        "timbre": timbre(power),
        "movement": movement(levels),
        "speech": speech(samples, levels, _encoder()),
    }


@lru_cache(maxsize=1)
def _encoder() -> ExternalEncoder:
    return load_encoder(BUNDLED)


def save_other_sounds(
    path: str | Path, sounds: Mapping[str, OtherSounds], source: str, *, force: bool = False
) -> None:
    """Write the statistics that come with the package."""
    tensors = {
        f"{view}.{part}": getattr(own, part).astype(np.float32)
        for view, own in sounds.items()
        for part in ("mean", "deviation", "scatter")
    }
    header: dict[str, Any] = {
        "counts": {view: own.count for view, own in sounds.items()},
        "source": source,
    }
    bundle.save(path, tensors, header, kind=KIND, version=VERSION, force=force)


@lru_cache(maxsize=1)
def other_sounds() -> dict[str, OtherSounds]:
    """The statistics that come with the package, by view."""
    file = resources.files("osc.representations") / "other_sounds.statistics"
    with resources.as_file(file) as path:
        tensors, header = bundle.load(path, kind=KIND, version=VERSION)
    return {
        view: OtherSounds(
            *(tensors[f"{view}.{part}"].astype(float) for part in ("mean", "deviation", "scatter")),
            header["counts"][view],
        )
        for view in VIEWS
    }
