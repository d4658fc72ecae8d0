"""The residual blocks that the convolutional encoders share."""

import torch
from torch import nn
from torch.nn.functional import leaky_relu, pad, relu

EPSILON, MOMENTUM = 1e-3, 0.01
"""Of the batch normalisations: what Keras takes by default."""
SLOPE = 0.1
"""Of the leaky ReLU of Tables 4 and 30."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation and a shortcut, dropout behind them.

    Parameters
    ----------
    in_channels, out_channels : int
        The shortcut is a 1x1 convolution where they differ, else the identity. No biases.
    pool : tuple of int
        Max pooling (first, second axis) of the input; (1, 1) for none.
    dropout : float
        Probability in [0, 1).

    Notes
    -----
    Dissertation, Table 30: leaky ReLU with slope 0.1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        pool: tuple[int, int] = (1, 1),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(pool) if pool != (1, 1) else nn.Identity()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else nn.Conv2d(in_channels, out_channels, 1, bias=False)
        )
        self.activation = nn.LeakyReLU(SLOPE)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, in_channels, H, W) to (batch, out_channels, H // pool, W // pool)."""
        x = self.pool(x)
        y = self.activation(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y)) + self.shortcut(x)
        return self.dropout(self.activation(y))


class PreActivationBlock(nn.Module):
    """Two 3x3 convolutions, each behind batch normalisation and ReLU, and a shortcut.

    Parameters
    ----------
    in_channels, out_channels : int
        Where they differ, both axes are halved: by the stride of the first convolution, and in the
        shortcut by a maximum over 2x2 and a 1x1 convolution. Else the shortcut is the identity.
    normalise : bool
        Whether the input passes a batch normalisation, which the shortcut sees too.
    squeeze_excite : bool
        Whether the second convolution is followed by a `SqueezeExcite`.
    bias : bool
        Whether the convolutions have biases.

    Notes
    -----
    Dissertation, Table 15 (whose "stride = 1" is not meant for blocks that widen).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        normalise: bool = True,
        squeeze_excite: bool = False,
        bias: bool = False,
    ) -> None:
        super().__init__()
        widens = in_channels != out_channels
        self.norm1 = batch_norm_2d(in_channels) if normalise else nn.Identity()
        self.conv1 = (
            SameConv2d(in_channels, out_channels, 3, stride=2, bias=bias)
            if widens
            else nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)
        )
        self.norm2 = batch_norm_2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=bias)
        self.weigh = SqueezeExcite(out_channels) if squeeze_excite else nn.Identity()
        self.shortcut = halving_shortcut(in_channels, out_channels, bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, in_channels, H, W) to (batch, out_channels, H, W), halved (rounded up)."""
        x = self.norm1(x)
        y = self.conv1(relu(x))
        return self.shortcut(x) + self.weigh(self.conv2(relu(self.norm2(y))))


class PostNormBlock(nn.Module):
    """Two 3x3 convolutions, each behind leaky ReLU, a shortcut, and batch normalisation of the sum.

    Parameters
    ----------
    in_channels, out_channels : int
        Where they differ, both axes are halved, as in `PreActivationBlock`.
    bias : bool
        Whether the convolutions have biases.

    Notes
    -----
    Dissertation, Table 4 (whose "stride = 1" is not meant for blocks that widen), with the order of
    the layers in the author's network: the activation comes before the batch normalisation, the
    slope is 0.1.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = False) -> None:
        super().__init__()
        widens = in_channels != out_channels
        self.conv1 = SameConv2d(in_channels, out_channels, 3, stride=1 + widens, bias=bias)
        self.norm1 = batch_norm_2d(out_channels)
        self.conv2 = SameConv2d(out_channels, out_channels, 3, stride=1, bias=bias)
        self.norm2 = batch_norm_2d(out_channels)
        self.shortcut = halving_shortcut(in_channels, out_channels, bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, in_channels, H, W) to (batch, out_channels, H, W), halved (rounded up)."""
        y = self.norm1(leaky_relu(self.conv1(leaky_relu(x, SLOPE)), SLOPE))
        return self.norm2(self.shortcut(x) + self.conv2(y))


def halving_shortcut(in_channels: int, out_channels: int, bias: bool) -> nn.Module:
    """Maximum over 2x2 and a 1x1 convolution where the channels differ, else the identity."""
    if in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(in_channels, out_channels, 1, bias=bias)
    )


class SqueezeExcite(nn.Module):
    """Weighs channels by what all of them are on average over the clip.

    Parameters
    ----------
    channels : int
    ratio : int
        How many times fewer values stand between the averages and the weights. No biases.

    Notes
    -----
    J. Hu, L. Shen and G. Sun, "Squeeze-and-excitation networks", CVPR 2018.
    """

    def __init__(self, channels: int, ratio: int = 16) -> None:
        super().__init__()
        squeezed = max(1, channels // ratio)
        self.squeeze = nn.Linear(channels, squeezed, bias=False)
        self.excite = nn.Linear(squeezed, channels, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, ...) to the same shape, every channel times a weight in (0, 1)."""
        weights = self.weights(x.flatten(2).mean(dim=2))
        return x * weights.view(*weights.shape, *[1] * (x.ndim - 2))

    def weights(self, values: torch.Tensor) -> torch.Tensor:
        """Weights in (0, 1) of the channels from one value of each, both (batch, channels)."""
        return self.excite(relu(self.squeeze(values))).sigmoid()


class SameConv2d(nn.Conv2d):
    """Convolution that gives ceil(size / stride) values per axis."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, bias: bool = False
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, in_channels, H, W) to (batch, out_channels, H / stride, W / stride)."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        rows, columns = (same_padding(size, kernel, stride) for size in x.shape[2:])
        return super().forward(pad(x, (*columns, *rows)))


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and behind an axis that make a convolution give ceil(size / stride) values.

    >>> same_padding(124, 7, 2), same_padding(513, 7, 2)
    ((2, 3), (3, 3))
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def batch_norm_2d(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation with the values of Keras."""
    return nn.BatchNorm2d(channels, eps=EPSILON, momentum=MOMENTUM)


def batch_norm_1d(channels: int) -> nn.BatchNorm1d:
    """Batch normalisation with the values of Keras."""
    return nn.BatchNorm1d(channels, eps=EPSILON, momentum=MOMENTUM)


def glorot_uniform(module: nn.Module) -> None:
    """Draw the weights of all convolutions and dense layers; biases begin at 0."""
    for part in module.modules():
        if isinstance(part, nn.Conv1d | nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
