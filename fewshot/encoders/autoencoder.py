"""Dense autoencoder over a few log-Mel frames at a time, as the challenge's baselines have it."""

from itertools import pairwise

import torch
from torch import nn

from fewshot.encoders.residual import batch_norm_1d, glorot_uniform


class DenseAutoencoder(nn.Module):
    """Reconstructs vectors through a narrow layer.

    Parameters
    ----------
    n_inputs : int
        Length of the vectors.
    widths : tuple of int
        Of the hidden layers, each with ReLU. The default is that of the baselines of DCASE
        Challenge Task 2 from 2020 on; (64, 64, 8, 64, 64) that of the data set MIMII.
    batch_norm : bool
        Whether the hidden layers have batch normalisation in front of their ReLU.

    Notes
    -----
    Dissertation, definition 2.2 (equation 2): trained by the squared error, which is the anomaly
    score too. Dense layers have biases.
    """

    def __init__(
        self,
        n_inputs: int = 640,
        widths: tuple[int, ...] = (128, 128, 128, 128, 8, 128, 128, 128, 128),
        *,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        hidden: list[nn.Module] = []
        for before, behind in pairwise((n_inputs, *widths)):
            norm = [batch_norm_1d(behind)] if batch_norm else []
            hidden += [nn.Linear(before, behind), *norm, nn.ReLU()]
        self.layers = nn.Sequential(*hidden, nn.Linear(widths[-1], n_inputs))
        glorot_uniform(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map vectors (batch, n_inputs) to their reconstructions, (batch, n_inputs)."""
        return self.layers(x)


def stacked_frames(frames: torch.Tensor, n: int = 5) -> torch.Tensor:
    """Every frame with those that follow it, as one vector.

    Parameters
    ----------
    frames : torch.Tensor, shape (..., n_frames, n_bands)
        At least ``n`` frames.
    n : int
        Frames per vector.

    Returns
    -------
    torch.Tensor, shape (..., n_frames - n + 1, n * n_bands)

    Raises
    ------
    ValueError
        If there are fewer than ``n`` frames.

    Examples
    --------
    >>> stacked_frames(torch.tensor([[1, 2], [3, 4], [5, 6]]), n=2)
    tensor([[1, 2, 3, 4],
            [3, 4, 5, 6]])
    """
    if frames.shape[-2] < n:
        raise ValueError(f"{frames.shape[-2]} frames; {n} are stacked")
    return frames.unfold(-2, n, 1).transpose(-2, -1).flatten(-2)
