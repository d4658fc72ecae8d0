"""Training of the encoder: from clips to frames that tell keywords, and their parts, apart."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fewshot.augment import coloured_noise, mixup, spec_augment
from fewshot.encoders.temporal import TemporalResNet
from fewshot.features import log_mel
from fewshot.losses.tacos import TACosLoss
from fewshot.training import balanced_indices, seeded, train
from kws.segments import SEGMENT, position_labels, training_segments

BACKGROUND_SEGMENTS = 1024
"""Segments of background sound that "no speech" is drawn from."""


@dataclass(frozen=True)
class TrainingSet:
    """Segments of clips, their reversals and background sound.

    Attributes
    ----------
    features : torch.Tensor, shape (n, T, mels)
        Log-Mel segments of the keywords, forwards and, unless left out, backwards.
    classes : torch.Tensor, shape (n,), int64
        0 to K - 1 are the keywords, K to 2 K - 1 their reversals.
    positions : torch.Tensor, shape (n, n_positions)
        Relative position labels; uniform for reversed segments.
    background : torch.Tensor, shape (n_background, T, mels)
        Segments of "no speech", the last class: 2 K, or K without reversals.
    """

    features: torch.Tensor
    classes: torch.Tensor
    positions: torch.Tensor
    background: torch.Tensor

    @property
    def n_classes(self) -> int:
        """Keywords, reversed keywords and "no speech"."""
        return int(self.classes.max()) + 2


def training_set(
    clips: Sequence[np.ndarray],
    keywords: Sequence[int],
    background: np.ndarray,
    *,
    positions: bool,
    reversed_classes: bool = True,
) -> TrainingSet:
    """Cut clips into segments with labels.

    Parameters
    ----------
    clips : sequence of np.ndarray, shapes (n_samples,)
        Normalised, at 16 kHz.
    keywords : sequence of int
        Keyword of each clip, 0 to K - 1, all of them present.
    background : np.ndarray, shape (n_background, 4000)
        Segments of background sound at their final levels.
    positions : bool
        Relative positions (TACos), or a single one (two-dimensional AdaCos).
    reversed_classes : bool
        Whether reversed segments are classes of their own; Table 31 has rows without.

    Returns
    -------
    TrainingSet

    Notes
    -----
    Dissertation, section 6.3.5: for every keyword there is a class of its segments reversed in
    time (the waveform is reversed); their position is uniform, as is that of "no speech".
    """
    segments = [training_segments(clip) for clip in clips]
    n_positions = max(len(s) for s in segments) if positions else 1
    forward = np.concatenate(segments)
    classes = np.repeat(keywords, [len(s) for s in segments])
    labels = np.concatenate(
        [
            position_labels(len(s), n_positions) if positions else np.ones((len(s), 1), np.float32)
            for s in segments
        ]
    )
    if reversed_classes:
        forward = np.concatenate([forward, forward[:, ::-1]])
        classes = np.concatenate([classes, classes + max(keywords) + 1])
        labels = np.concatenate([labels, np.full_like(labels, 1.0 / n_positions)])
    return TrainingSet(
        features=log_mel(torch.from_numpy(forward)),
        classes=torch.from_numpy(classes),
        positions=torch.from_numpy(labels),
        background=log_mel(torch.from_numpy(background)),
    )


def background_segments(recordings: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Random segments of background sound, at many levels.

    Parameters
    ----------
    recordings : sequence of np.ndarray, shapes (n_samples,)
        Background recordings at 16 kHz; without any, noise of random colour (power falling with
        frequency to the power of -1 to 2) is generated.
    rng : numpy.random.Generator

    Returns
    -------
    np.ndarray, shape (BACKGROUND_SEGMENTS, 4000), float32
        Maxima spread evenly from -70 to 0 dB, and some digital silence.
    """
    out = np.zeros((BACKGROUND_SEGMENTS, SEGMENT), np.float32)
    for i in range(len(out)):
        if recordings:
            recording = recordings[rng.integers(len(recordings))]
            start = rng.integers(max(1, len(recording) - SEGMENT + 1))
            piece = recording[start : start + SEGMENT]
        else:
            piece = coloured_noise(SEGMENT, rng.uniform(-1.0, 2.0), rng)
        peak = np.abs(piece).max(initial=0.0)
        level_db = rng.uniform(-70.0, 0.0)
        if peak > 0 and rng.random() > 1 / 16:
            out[i, : len(piece)] = piece * (10.0 ** (level_db / 20.0) / peak)
    return out


def learn_encoder(
    data: TrainingSet,
    *,
    epochs: int,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    device: str | torch.device = "cpu",
    seed: int = 0,
    on_epoch: Callable[[int, float, nn.Module], None] | None = None,
    checkpoint: str | Path | None = None,
) -> tuple[TemporalResNet, list[float]]:
    """Train the encoder with the TACos loss.

    Parameters
    ----------
    data : TrainingSet
    epochs, batch_size, learning_rate
        Of Adam; an epoch is one pass over the oversampled segments.
    device : str or torch.device
    seed : int
        Of the parameters, the order and the augmentation.
    on_epoch : callable, optional
        Called behind every epoch with its number, its mean loss and the encoder.
    checkpoint : path, optional
        As in `fewshot.training.train`.

    Returns
    -------
    encoder : TemporalResNet
        In evaluation mode.
    losses : list of float
        Mean loss of every epoch.
    """
    generator = torch.Generator().manual_seed(seed)
    n_classes, n_positions = data.n_classes, data.positions.shape[1]
    with seeded(seed):
        encoder = TemporalResNet().to(device, memory_format=torch.channels_last)
        loss = TACosLoss(n_classes, n_positions).to(device)

        def batches(_epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            for features, labels in epoch_batches(data, batch_size, generator):
                yield features.to(device), labels.to(device)

        losses = train(
            nn.ModuleList([encoder, loss]),
            batches,
            lambda batch: loss(encoder(batch[0]), batch[1]),
            epochs=epochs,
            learning_rate=learning_rate,
            on_epoch=None if on_epoch is None else lambda n, mean: on_epoch(n, mean, encoder),
            checkpoint=checkpoint,
            generator=generator,
        )
    return encoder.eval(), losses


def epoch_batches(
    data: TrainingSet, batch_size: int, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One pass over the oversampled segments, with mixup and SpecAugment.

    Parameters
    ----------
    data : TrainingSet
    batch_size : int
    generator : torch.Generator
        Of the order and the augmentation.

    Yields
    ------
    features : torch.Tensor, shape (batch_size, T, mels)
        The last batch may be smaller.
    labels : torch.Tensor, shape (batch_size, n_classes, n_positions)
        Joint labels, each summing to 1.
    """
    for indices in _epoch_indices(data, generator).split(batch_size):
        features, labels = mixup(*_batch(data, indices), generator)
        yield spec_augment(features, generator), labels


def _epoch_indices(data: TrainingSet, generator: torch.Generator) -> torch.Tensor:
    """Balanced indices; those from ``len(features)`` on are segments of the background."""
    indices = balanced_indices(data.classes, generator)
    per_class = len(indices) // (data.n_classes - 1)
    drawn = torch.randint(0, len(data.background), (per_class,), generator=generator)
    indices = torch.cat([indices, drawn + len(data.features)])
    return indices[torch.randperm(len(indices), generator=generator)]


def _batch(data: TrainingSet, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (batch, T, mels) and joint labels (batch, n_classes, n_positions)."""
    n, n_positions = data.positions.shape
    quiet = indices >= n
    own = indices.clamp(max=n - 1)
    features = torch.where(
        quiet[:, None, None], data.background[(indices - n).clamp(min=0)], data.features[own]
    )
    positions = torch.where(quiet[:, None], 1.0 / n_positions, data.positions[own])
    classes = torch.where(quiet, data.n_classes - 1, data.classes[own])
    keywords = nn.functional.one_hot(classes, data.n_classes)
    return features, keywords[:, :, None] * positions[:, None, :]
