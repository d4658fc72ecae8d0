"""The batch-hard triplet loss: nearer to one's own class than to the nearest of the others."""

import torch
from torch import nn
from torch.nn.functional import normalize, softplus

LEAST_SQUARE = 1e-12
"""Squared distances are at least this, so that the root has a gradient."""


class TripletLoss(nn.Module):
    """Distance to the farthest clip of one's class against that to the nearest of another class.

    Parameters
    ----------
    margin : float, optional
        By how much the latter has to be larger; by default the soft margin ``log(1 + exp(x))``.
    unit_length : bool
        Whether embeddings are scaled to length 1 before.

    Notes
    -----
    A. Hermans et al., "In defense of the triplet loss for person re-identification", 2017. The
    distance is Euclidean, not squared. Each sample of a batch is an anchor; those without another
    sample of their class, or without one of another class, are left out.
    """

    def __init__(self, margin: float | None = None, *, unit_length: bool = False) -> None:
        super().__init__()
        self.margin = margin
        self.unit_length = unit_length

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of a batch of embeddings (batch, dim) with classes (batch,), int64.

        0 where no sample can be an anchor.
        """
        if self.unit_length:
            embeddings = normalize(embeddings, dim=1)
        squares = (embeddings[:, None] - embeddings).square().sum(dim=2)
        distances = squares.clamp(min=LEAST_SQUARE).sqrt()
        same = labels[:, None] == labels
        others = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        anchors = others.any(dim=1) & ~same.all(dim=1)
        farthest = distances.masked_fill(~others, -torch.inf).amax(dim=1)[anchors]
        nearest = distances.masked_fill(same, torch.inf).amin(dim=1)[anchors]
        excess = farthest - nearest
        lack = softplus(excess) if self.margin is None else (self.margin + excess).clamp(min=0)
        return lack.sum() / anchors.sum().clamp(min=1)
