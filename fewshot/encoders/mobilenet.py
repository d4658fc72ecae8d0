"""MobileNetV2 over log-Mel spectrograms, the network of the challenge's second baseline."""

import torch
from torch import nn

from fewshot.encoders.residual import batch_norm_2d, glorot_uniform

WIDTH = 0.5
"""By which the published numbers of channels are multiplied."""
STEM = 32
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks, and stride of the first block."""


class MobileNetV2(nn.Module):
    """Embeds log-Mel spectrograms of any size.

    Parameters
    ----------
    dim : int
        Channels of the last convolution, whose mean over time and frequency is the embedding.

    Notes
    -----
    M. Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018, Table 2,
    with the width of 0.5 that the baselines of DCASE Challenge Task 2 had in 2021 and 2022. The
    last convolution keeps its 1280 channels. Those baselines see the spectrogram as three equal
    channels, which one replaces here. Batch normalisations have the epsilon of Keras, 1e-3, and its
    usual momentum, where that network's own is 0.999.
    """

    def __init__(self, dim: int = 1280) -> None:
        super().__init__()
        self.dim = dim
        channels = scaled(STEM)
        blocks: list[nn.Module] = [*_convolution(1, channels, 3, stride=2)]
        for expansion, published, n_blocks, first_stride in STAGES:
            for i in range(n_blocks):
                stride, behind = (1 if i else first_stride), scaled(published)
                blocks.append(InvertedResidual(channels, behind, expansion, stride))
                channels = behind
        self.layers = nn.Sequential(*blocks, *_convolution(channels, dim, 1))
        glorot_uniform(self)
        self.to(memory_format=torch.channels_last)

    def forward(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """Map spectrograms (batch, n_frames, n_mels) to embeddings (batch, dim), not negative."""
        return self.layers(spectrograms.unsqueeze(1)).mean(dim=(2, 3))


class InvertedResidual(nn.Module):
    """Channels are multiplied, filtered one by one, and reduced again; a shortcut where it fits.

    Parameters
    ----------
    in_channels, out_channels : int
        Where they are equal, and the stride is 1, the input is added.
    expansion : int
        By which the input's channels are multiplied; 1 leaves this convolution out.
    stride : int
        Of both axes.
    """

    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = in_channels * expansion
        self.adds = stride == 1 and in_channels == out_channels
        self.layers = nn.Sequential(
            *(_convolution(in_channels, wide, 1) if expansion > 1 else ()),
            *_convolution(wide, wide, 3, stride=stride, groups=wide),
            nn.Conv2d(wide, out_channels, 1, bias=False),
            batch_norm_2d(out_channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, in_channels, H, W) to (batch, out_channels, H / stride, W / stride)."""
        return x + self.layers(x) if self.adds else self.layers(x)


def scaled(channels: int) -> int:
    """Channels times the width, as the nearest multiple of 8 that is not a tenth below it.

    >>> [scaled(channels) for channels in (16, 24, 32, 320)]
    [8, 16, 16, 160]
    """
    exact = channels * WIDTH
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


def _convolution(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, ...]:
    """Convolution with ceil(size / stride) values per axis, batch normalisation, ReLU up to 6."""
    convolution = nn.Conv2d(
        in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
    )
    return convolution, batch_norm_2d(out_channels), nn.ReLU6()
