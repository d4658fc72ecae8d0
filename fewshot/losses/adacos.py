"""The scale that angular margin losses adapt by themselves."""

import math

import torch
from torch import nn


class AdaptiveScale(nn.Module):
    """Dynamically adaptive scale parameter of sub-cluster AdaCos.

    Parameters
    ----------
    n_entries : int
        Number of entries of the softmax.

    Attributes
    ----------
    value : torch.Tensor, scalar
        Starts at ``sqrt(2) * log(n_entries - 1)``, at least 1 (two entries would give 0).

    Notes
    -----
    Dissertation, definition 3.4, equations 38 to 40. Carries no gradient.
    """

    def __init__(self, n_entries: int) -> None:
        super().__init__()
        start = math.sqrt(2.0) * math.log(max(n_entries - 1, 1))
        self.register_buffer("value", torch.tensor(max(1.0, start)))

    @torch.no_grad()
    def update(self, cosines: torch.Tensor, angles: torch.Tensor) -> None:
        """Adapt the scale to a batch.

        Parameters
        ----------
        cosines : torch.Tensor, shape (batch, n_entries)
            Similarities of all samples to all entries, in [-1, 1].
        angles : torch.Tensor, shape (batch,)
            Angle of every sample to its own class (mixed up where samples are), in [0, pi].
        """
        logits = self.value * cosines
        largest = logits.max()
        average = (logits - largest).exp().sum(dim=1).mean()
        angle = angles.quantile(0.5).clamp(max=math.pi / 4)
        self.value.copy_((largest + average.log()) / angle.cos())
