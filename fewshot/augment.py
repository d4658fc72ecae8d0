"""Augmentation of training data."""

import numpy as np
import torch


def mixup(
    x: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix every sample of a batch with another one, with a coefficient drawn from U(0, 1).

    Parameters
    ----------
    x, labels : torch.Tensor, shapes (batch, ...)
        Inputs and labels (probabilities); both are mixed with the same coefficient per sample.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    tuple of torch.Tensor
        Mixed inputs and labels.
    """
    n = len(x)
    partner = torch.randperm(n, generator=generator).to(x.device)
    weight = torch.rand(n, generator=generator).to(x.device)

    def mix(values: torch.Tensor) -> torch.Tensor:
        w = weight.view(-1, *[1] * (values.ndim - 1))
        return w * values + (1 - w) * values[partner]

    return mix(x), mix(labels)


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
