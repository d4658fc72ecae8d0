"""The encoder of one branch: a residual network over log-Mel spectrograms."""

from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import leaky_relu, max_pool2d

from fewshot.encoders.residual import (
    SLOPE,
    PostNormBlock,
    SameConv2d,
    batch_norm_2d,
    glorot_uniform,
)

LEAST_FRAMES = 5
"""With fewer, nothing is left behind the first convolution and its pooling."""


class LogMelEncoder(nn.Module):
    """Embeds log-Mel spectrograms of any number of frames, of one length within a batch.

    Parameters
    ----------
    dim : int
        Dimension of the embeddings.
    n_mels : int
        Bands of the spectrograms, at least 5.
    channels : tuple of int
        Channels of the stages, two blocks each; time and frequency are halved between them.
    bias : bool
        Whether convolutions and the dense layer have biases.

    Attributes
    ----------
    mean, deviation : torch.Tensor, shape (n_mels,)
        What is taken off each band, and what it is divided by: 0 and 1 until `standardise_by`.
        They are saved with the weights.

    Notes
    -----
    Dissertation, Table 4, whose sizes (157x64, then 78x31) ask for a maximum over 3x3 with a stride
    of 2 behind the first convolution that the table leaves out. With biases, and 41 trained centres
    of 128 values in the loss, there are 772,192 parameters, as published. The maximum over 10x1 at
    the end is one over all time.

    Mixtures of spectrograms may be made before: their standardisation is that of the mixed ones.
    """

    def __init__(
        self,
        dim: int = 128,
        *,
        n_mels: int = 128,
        channels: tuple[int, ...] = (16, 32, 64, 128),
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("mean", torch.zeros(n_mels))
        self.register_buffer("deviation", torch.ones(n_mels))
        self.conv = SameConv2d(1, channels[0], 7, stride=2, bias=bias)
        self.norm = batch_norm_2d(channels[0])
        size = (-(-n_mels // 2) - 1) // 2
        blocks = [PostNormBlock(channels[0], channels[0], bias=bias) for _ in range(2)]
        for before, behind in pairwise(channels):
            blocks += [PostNormBlock(before, behind, bias=bias)]
            blocks += [PostNormBlock(behind, behind, bias=bias)]
            size = -(-size // 2)
        self.blocks = nn.Sequential(*blocks)
        self.embed = nn.Linear(size * channels[-1], dim, bias=bias)
        glorot_uniform(self)
        self.to(memory_format=torch.channels_last)

    def standardise_by(self, spectrograms: Iterable[torch.Tensor]) -> None:
        """Set mean and deviation of each band to those of training data.

        Parameters
        ----------
        spectrograms : iterable of torch.Tensor, shapes (..., n_mels)
            For example of one clip after the other; they are gone through once. A band that is
            constant keeps a deviation of 1.
        """
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler()
        for frames in spectrograms:
            scaler.partial_fit(frames.reshape(-1, frames.shape[-1]).cpu().numpy())
        self.mean.copy_(torch.from_numpy(scaler.mean_))
        self.deviation.copy_(torch.from_numpy(scaler.scale_))

    def forward(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """Map spectrograms (batch, n_frames, n_mels) to embeddings (batch, dim), not normalised.

        Raises
        ------
        ValueError
            If there are fewer than `LEAST_FRAMES` frames.
        """
        if spectrograms.shape[1] < LEAST_FRAMES:
            raise ValueError(f"{spectrograms.shape[1]} frames; this encoder needs {LEAST_FRAMES}")
        x = ((spectrograms - self.mean) / self.deviation).unsqueeze(1)
        x = max_pool2d(self.norm(leaky_relu(self.conv(x), SLOPE)), 3, 2)
        return self.embed(self.blocks(x).amax(dim=2).flatten(1))
