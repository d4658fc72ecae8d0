"""The x-vector network: dilated convolutions over frames, their mean and deviation over time."""

import torch
from torch import nn

LAYERS = ((5, 1), (3, 2), (3, 3), (1, 1))
"""Kernel and dilation of the convolutions in front of the one that widens."""
CONTEXT = 1 + sum((kernel - 1) * dilation for kernel, dilation in LAYERS)
"""Frames that a frame behind the convolutions sees; with fewer, nothing is left."""
LEAST_VARIANCE = 1e-5


class TdnnEncoder(nn.Module):
    """Time-delay neural network with statistics pooling.

    Parameters
    ----------
    n_channels : int
        Values per frame of the input.
    dim : int
        Dimension of the embeddings, and channels of the convolutions.
    n_pooled : int
        Channels whose mean and deviation are taken.

    Notes
    -----
    D. Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP 2018, with
    a batch normalisation of each input value in front, which brings inputs of different kinds to
    one scale. All other layers are followed by a ReLU and a batch normalisation; convolutions are
    not padded. The embedding is the linear layer behind the pooling, in front of its ReLU; another
    layer lies between it and what classifies. 5,398,676 parameters with 384 channels.
    """

    def __init__(self, n_channels: int, dim: int = 512, n_pooled: int = 1500) -> None:
        super().__init__()
        self.dim = dim
        self.norm = nn.BatchNorm1d(n_channels)
        layers: list[nn.Module] = []
        width = n_channels
        for kernel, dilation in LAYERS:
            layers += [nn.Conv1d(width, dim, kernel, dilation=dilation), *_active(dim)]
            width = dim
        self.convolutions = nn.Sequential(*layers, nn.Conv1d(dim, n_pooled, 1), *_active(n_pooled))
        self.embed = nn.Linear(2 * n_pooled, dim)
        self.top = nn.Sequential(*_active(dim), nn.Linear(dim, dim), *_active(dim))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map frames (batch, n_frames, n_channels) to embeddings (batch, dim), not normalised.

        Raises
        ------
        ValueError
            If there are fewer than `CONTEXT` frames.
        """
        if maps.shape[1] < CONTEXT:
            raise ValueError(f"{maps.shape[1]} frames; this encoder needs {CONTEXT}")
        x = self.convolutions(self.norm(maps.transpose(1, 2)))
        variance, mean = torch.var_mean(x, dim=2, correction=0)
        return self.embed(torch.cat([mean, variance.clamp(min=LEAST_VARIANCE).sqrt()], dim=1))


def _active(width: int) -> list[nn.Module]:
    return [nn.ReLU(), nn.BatchNorm1d(width)]
