"""The encoder with two branches: the spectrum of the whole clip, and the spectrogram."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import conv2d, max_pool2d, pad, relu

from fewshot.encoders.residual import (
    PreActivationBlock,
    batch_norm_1d,
    batch_norm_2d,
    glorot_uniform,
    same_padding,
)
from fewshot.features import (
    magnitude_spectrogram,
    magnitude_spectrum,
    spectrogram_shape,
    without_temporal_mean,
)

LEAST_FRAMES = 5
"""With fewer, nothing is left behind the first convolution and its pooling."""


class TwoBranchEncoder(nn.Module):
    """Embeds waveforms of one length by their spectrum and their spectrogram.

    Parameters
    ----------
    n_samples : int
        Length of the waveforms, at least 3072.
    dim : int
        Dimension of the embeddings, even: each branch gives a half.

    Notes
    -----
    Dissertation, section 5.3.1. Neither half is normalised by itself, so that their lengths weigh
    them. Convolutions and dense layers have no biases and start with Glorot's uniform weights;
    batch normalisations have theirs.
    """

    def __init__(self, n_samples: int, dim: int = 256) -> None:
        super().__init__()
        n_frames, n_bins = spectrogram_shape(n_samples)
        if n_frames < LEAST_FRAMES:
            raise ValueError(f"waveforms of {n_samples} samples are too short for this encoder")
        if dim % 2:
            raise ValueError(f"dim is {dim}; it must be even")
        self.n_samples = n_samples
        self.dim = dim
        self.spectrum_branch = SpectrumEncoder(n_samples // 2, dim // 2)
        self.spectrogram_branch = SpectrogramEncoder(n_bins, dim // 2)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map waveforms (batch, n_samples) to embeddings (batch, dim), not normalised."""
        spectrograms = without_temporal_mean(magnitude_spectrogram(waveforms))
        by_spectrum = self.spectrum_branch(magnitude_spectrum(waveforms))
        return torch.cat([by_spectrum, self.spectrogram_branch(spectrograms)], dim=1)


class SpectrumEncoder(nn.Module):
    """One-dimensional convolutions over the spectrum of a clip, and dense layers.

    Parameters
    ----------
    n_bins : int
        Length of the spectra.
    dim : int
        Dimension of the embeddings.

    Notes
    -----
    Dissertation, Table 14, whose second convolution has a stride of 32 (1250 / 32 gives the 40
    values of the table, its "16" would give 79). The convolutions have no batch normalisation.
    """

    kernels, strides, width = (256, 64, 16), (64, 32, 4), 128

    def __init__(self, n_bins: int, dim: int = 128) -> None:
        super().__init__()
        size, channels = n_bins, 1
        self.convolutions = nn.ModuleList()
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            self.convolutions.append(nn.Conv1d(channels, self.width, kernel, stride, bias=False))
            size, channels = -(-size // stride), self.width
        widths = [size * self.width, *[self.width] * 4]
        hidden: list[nn.Module] = []
        for before, behind in pairwise(widths):
            hidden += [nn.Linear(before, behind, bias=False), batch_norm_1d(behind), nn.ReLU()]
        self.dense = nn.Sequential(*hidden, nn.Linear(self.width, dim, bias=False))
        glorot_uniform(self)

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        """Map magnitude spectra (batch, n_bins) to embeddings (batch, dim)."""
        x = spectra.unsqueeze(1)
        for convolution in self.convolutions:
            size, stride = convolution.kernel_size[0], convolution.stride[0]
            x = relu(convolution(pad(x, same_padding(x.shape[2], size, stride))))
        return self.dense(x.flatten(1))


class SpectrogramEncoder(nn.Module):
    """Residual network over a spectrogram, with a maximum over time at its end.

    Parameters
    ----------
    n_bins : int
        Frequency bins of the spectrograms; their number of frames is free, from `LEAST_FRAMES`.
    dim : int
        Dimension of the embeddings.
    channels : tuple of int
        Channels of the stages, two blocks each; time and frequency are halved between them.

    Notes
    -----
    Dissertation, Table 15. The table leaves out the maximum over 3x3 with a stride of 2 behind the
    first convolution, which its sizes (156x257, then 77x128) ask for; its 2056 is 16 x 128 = 2048.
    """

    def __init__(
        self, n_bins: int = 513, dim: int = 128, channels: tuple[int, ...] = (16, 32, 64, 128)
    ) -> None:
        super().__init__()
        self.standardise = batch_norm_1d(n_bins)
        self.stem = Stem(channels[0])
        size = (-(-n_bins // 2) - 1) // 2
        blocks = [PreActivationBlock(channels[0], channels[0], normalise=False)]
        blocks += [PreActivationBlock(channels[0], channels[0])]
        for before, behind in pairwise(channels):
            blocks += [PreActivationBlock(before, behind), PreActivationBlock(behind, behind)]
            size = -(-size // 2)
        self.blocks = nn.Sequential(*blocks)
        self.standardise_maps = batch_norm_1d(size * channels[-1])
        self.embed = nn.Linear(size * channels[-1], dim, bias=False)
        glorot_uniform(self)
        self.to(memory_format=torch.channels_last)

    def forward(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """Map magnitude spectrograms (batch, frames, n_bins) to embeddings (batch, dim).

        Their temporal mean is taken off before (`fewshot.features.without_temporal_mean`).
        """
        n, n_frames, n_bins = spectrograms.shape
        x = self.standardise(spectrograms.reshape(-1, n_bins)).view(n, n_frames, n_bins)
        maps = self.blocks(self.stem(x)).amax(dim=2)
        return self.embed(self.standardise_maps(maps.flatten(1)))


class Stem(nn.Module):
    """7x7 convolution with a stride of 2, batch normalisation, ReLU, maximum over 3x3 every 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 7, stride=2, bias=False)
        self.norm = batch_norm_2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, frames, bins) to maps (batch, channels, about frames / 4, bins / 4).

        With the seven columns that a filter sees as channels, the convolution is three times as
        fast as with a single channel. ReLU and maximum may change places.
        """
        rows, columns = (same_padding(size, 7, 2) for size in x.shape[1:])
        windows = pad(x, (*columns, *rows)).unfold(2, 7, 2).contiguous().permute(0, 3, 1, 2)
        weight = self.conv.weight.permute(0, 3, 2, 1).contiguous()
        maps = self.norm(conv2d(windows, weight, stride=(2, 1)))
        return relu(max_pool2d(maps, 3, 2))
