"""The residual block that the convolutional encoders share."""

import torch
from torch import nn


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
    Dissertation, Table 30 (and Table 4): leaky ReLU with slope 0.1.
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
        self.activation = nn.LeakyReLU(0.1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, in_channels, H, W) to (batch, out_channels, H // pool, W // pool)."""
        x = self.pool(x)
        y = self.activation(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y)) + self.shortcut(x)
        return self.dropout(self.activation(y))
