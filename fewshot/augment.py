"""Augmentation of training data."""

import numpy as np
import torch

TINY = 1e-7
"""Added to deviations before dividing by them; those of digital silence are 0."""


def mixup(
    x: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, probability: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix samples of a batch with other ones, with coefficients drawn from U(0, 1).

    Parameters
    ----------
    x, labels : torch.Tensor, shapes (batch, ...)
        Inputs and labels (probabilities); both are mixed with the same coefficient per sample.
    generator : torch.Generator
        On the CPU.
    probability : float
        With which a sample is mixed, in [0, 1]; the others stay what they are.

    Returns
    -------
    tuple of torch.Tensor
        Mixed inputs and labels.
    """
    n = len(x)
    partner = torch.randperm(n, generator=generator).to(x.device)
    weight = torch.rand(n, generator=generator)
    if probability < 1:
        weight[~_chosen(n, probability, generator)] = 1.0
    weight = weight.to(x.device)

    def mix(values: torch.Tensor) -> torch.Tensor:
        w = _per_sample(weight, values)
        return w * values + (1 - w) * values[partner]

    return mix(x), mix(labels)


STATEX_AXES = ("frequency", "time", "either")


def statex(
    spectrograms: torch.Tensor,
    labels: torch.Tensor,
    generator: torch.Generator,
    probability: float = 0.5,
    *,
    along: str = "frequency",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give samples of a batch the mean and the deviation of other ones (statistics exchange).

    Parameters
    ----------
    spectrograms : torch.Tensor, shape (batch, frames, bins)
        Of one size.
    labels : torch.Tensor, shape (batch, n_classes)
        Probabilities.
    generator : torch.Generator
        On the CPU.
    probability : float
        With which a sample is changed, in [0, 1].
    along : {"frequency", "time", "either"}
        Axis of the statistics: a mean and a deviation per frame, or per bin (where the temporal
        mean must not be taken off later). "either" tosses a coin per sample.

    Returns
    -------
    spectrograms : torch.Tensor, shape (batch, frames, bins)
    labels : torch.Tensor, shape (batch, 3 * n_classes)
        ``(y, 0, 0)`` for those left as they are, ``(0, y / 2, z / 2)`` for those that have the
        statistics of a sample with the label z.

    Notes
    -----
    Dissertation, definition 5.5 (equations 59 to 61); it calls statistics along frequency temporal,
    those along time frequency StatEx. Deviations are those of the population.
    """
    axes = {"time": 1, "frequency": 2}
    if along not in STATEX_AXES:
        raise ValueError(f"along is {along!r}; use {', '.join(STATEX_AXES)}")
    n, device = len(spectrograms), spectrograms.device
    partner = torch.randperm(n, generator=generator).to(device)
    chosen = _chosen(n, probability, generator).to(device)
    if along == "either":
        over_time = _per_sample(_chosen(n, 0.5, generator).to(device), spectrograms)
        exchanged = torch.where(
            over_time,
            _with_statistics(spectrograms, partner, axes["time"]),
            _with_statistics(spectrograms, partner, axes["frequency"]),
        )
    else:
        exchanged = _with_statistics(spectrograms, partner, axes[along])
    changed = torch.where(_per_sample(chosen, spectrograms), exchanged, spectrograms)
    return changed, _pseudo_classes(labels, partner, chosen)


def featex(
    halves: tuple[torch.Tensor, torch.Tensor],
    labels: torch.Tensor,
    generator: torch.Generator,
    probability: float = 0.5,
) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Give embeddings of a batch the second half of other ones (feature exchange).

    Parameters
    ----------
    halves : tuple of torch.Tensor, shapes (batch, dim)
        What the two branches of an encoder give; gradients go through.
    labels : torch.Tensor, shape (batch, n_classes)
        Probabilities; behind `statex` over its three times as many classes.
    generator : torch.Generator
        On the CPU.
    probability : float
        With which an embedding is changed, in [0, 1].

    Returns
    -------
    halves : tuple of torch.Tensor, shapes (batch, dim)
    labels : torch.Tensor, shape (batch, 3 * n_classes)
        ``(y, 0, 0)`` for those left as they are, ``(0, y / 2, z / 2)`` for those whose second half
        is that of a sample with the label z.

    Notes
    -----
    Dissertation, definition 5.6 (equation 62).
    """
    first, second = halves
    n, device = len(first), first.device
    partner = torch.randperm(n, generator=generator).to(device)
    chosen = _chosen(n, probability, generator).to(device)
    second = torch.where(_per_sample(chosen, second), second[partner], second)
    return (first, second), _pseudo_classes(labels, partner, chosen)


def _chosen(n: int, probability: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(n, generator=generator) < probability


def _per_sample(values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """One value per sample, in as many dimensions as a batch has."""
    return values.view(-1, *[1] * (x.ndim - 1))


def _with_statistics(x: torch.Tensor, partner: torch.Tensor, axis: int) -> torch.Tensor:
    """Samples with the mean and the deviation of their partners along an axis."""
    deviation, mean = torch.std_mean(x, dim=axis, correction=0, keepdim=True)
    return (x - mean) / (deviation + TINY) * deviation[partner] + mean[partner]


def _pseudo_classes(
    labels: torch.Tensor, partner: torch.Tensor, chosen: torch.Tensor
) -> torch.Tensor:
    chosen = chosen.unsqueeze(1)
    halved = 0.5 * labels * chosen
    return torch.cat([labels * ~chosen, halved, 0.5 * labels[partner] * chosen], dim=1)


def spec_augment(
    x: torch.Tensor, generator: torch.Generator, *, max_frames: int = 3, max_bands: int = 8
) -> torch.Tensor:
    """Set one stretch of time and one of frequency to the mean of each spectrogram.

    Parameters
    ----------
    x : torch.Tensor, shape (batch, frames, bands)
        Log spectrograms.
    generator : torch.Generator
        On the CPU.
    max_frames, max_bands : int
        Widths are drawn uniformly from 0 to these.

    Returns
    -------
    torch.Tensor, shape (batch, frames, bands)
    """
    masked = torch.zeros(x.shape, dtype=torch.bool)
    for axis, widest in ((1, max_frames), (2, max_bands)):
        n, size = len(x), x.shape[axis]
        width = torch.randint(0, widest + 1, (n,), generator=generator)
        start = (torch.rand(n, generator=generator) * (size - width + 1)).long()
        index = torch.arange(size)
        inside = (index >= start[:, None]) & (index < (start + width)[:, None])
        masked |= inside.unsqueeze(3 - axis)
    return torch.where(masked.to(x.device), x.mean(dim=(1, 2), keepdim=True), x)


def coloured_noise(n_samples: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise whose power falls with ``frequency ** exponent``, with a maximum of 1.

    Parameters
    ----------
    n_samples : int
        At least 2.
    exponent : float
        0 is white, 1 pink, 2 brown, negative rises with frequency.
    rng : numpy.random.Generator

    Returns
    -------
    np.ndarray, shape (n_samples,), float32
    """
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    frequencies = np.maximum(np.arange(len(spectrum)), 1.0)
    noise = np.fft.irfft(spectrum * frequencies ** (-exponent / 2), n_samples)
    return (noise / np.abs(noise).max()).astype(np.float32)
