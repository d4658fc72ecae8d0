"""MobileFaceNet: a small network of inverted bottlenecks over spectrograms."""

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
"""Of inverted bottlenecks: expansion, channels, how many follow each other, the first's stride."""
IN_CHANNELS = 2
"""Kinds of spectrograms that lie on top of each other."""
WIDTH, LAST_WIDTH = 64, 512
"""Channels of the first two convolutions, and behind the bottlenecks."""
LAST_MAP = (8, 20)
"""What 128 bands and 313 frames, 10 s, are reduced to."""


class MobileFaceNet(nn.Module):
    """Embeds maps of 128 bands and any number of frames.

    Parameters
    ----------
    dim : int
        Dimension of the embeddings.

    Notes
    -----
    S. Chen et al., "MobileFaceNets: efficient CNNs for accurate real-time face verification on
    mobile devices", CCBR 2018, as Y. Liu et al. have it above log-Mel and learnt spectrograms
    ("STgram", ICASSP 2022). No biases; batch normalisation behind every convolution and a PReLU
    behind that, but where layers are to be linear: at the end of each bottleneck and of the
    network. With 128 values there are 1,059,392 parameters. The depthwise convolution over the
    whole last map asks for that of 10 s; others are averaged, or repeated, to its size.
    """

    def __init__(self, dim: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            _convolution(IN_CHANNELS, WIDTH, 3, stride=2),
            _convolution(WIDTH, WIDTH, 3, groups=WIDTH),
        ]
        width = WIDTH
        for expansion, channels, count, first_stride in STAGES:
            for i in range(count):
                stride = first_stride if i == 0 else 1
                layers.append(InvertedBottleneck(width, channels, expansion, stride))
                width = channels
        self.layers = nn.Sequential(*layers, _convolution(width, LAST_WIDTH, 1))
        self.embed = nn.Sequential(
            nn.Conv2d(LAST_WIDTH, LAST_WIDTH, LAST_MAP, groups=LAST_WIDTH, bias=False),
            nn.BatchNorm2d(LAST_WIDTH),
            nn.Conv2d(LAST_WIDTH, dim, 1, bias=False),
            nn.BatchNorm2d(dim),
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (batch, 2, 128, n_frames) to embeddings (batch, dim), not normalised."""
        found = self.layers(maps)
        return self.embed(adaptive_avg_pool2d(found, LAST_MAP)).flatten(1)


class InvertedBottleneck(nn.Module):
    """Pointwise convolution to more channels, depthwise one, linear pointwise one to fewer.

    Parameters
    ----------
    in_channels, out_channels : int
    expansion : int
        By how much there are more channels in between.
    stride : int
        Of the depthwise convolution. What does not change the shape has a shortcut.
    """

    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        between = expansion * in_channels
        self.layers = nn.Sequential(
            _convolution(in_channels, between, 1),
            _convolution(between, between, 3, stride=stride, groups=between),
            nn.Conv2d(between, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.skips = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, in_channels, H, W) to (batch, out_channels, H / stride, W / stride)."""
        return x + self.layers(x) if self.skips else self.layers(x)


def _convolution(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch normalisation and PReLU; ceil(size / stride) values per axis."""
    return nn.Sequential(
        nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(out_channels),
        nn.PReLU(out_channels),
    )
