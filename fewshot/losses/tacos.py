"""The TACos loss: which keyword, and which part of it."""

import torch
from torch import nn
from torch.nn.functional import normalize

from fewshot.losses.angular import AdaptiveScale, fixed_scale


class TACosLoss(nn.Module):
    """Temporal AdaCos: a softmax over keyword x position, and a loss on both of its marginals.

    With one position this is the two-dimensional AdaCos loss (L_kw alone).

    Parameters
    ----------
    n_keywords : int
        Number of classes on the first axis (keywords, reversed keywords, "no speech").
    n_positions : int
        Number of relative positions; 1 leaves the position loss out (it would be 0).
    dim : int
        Dimension of the embeddings.
    n_clusters : int
        Trainable centres of every keyword and position.

    Attributes
    ----------
    centres : torch.Tensor, shape (n_clusters, n_keywords, n_positions, dim)
        Trained with the network; only their direction counts.
    scale : AdaptiveScale
        Adapted on every call in training mode, before the loss is taken.

    Notes
    -----
    Dissertation, definition 6.4, equations 69 to 73 (errata: equation 69 takes the maximum of
    scalars; 71 and 72 lack the minus sign that 73 has). A class of the adaptive scale is an entry
    (keyword, position); a sample's angle is the arc cosine of its expected similarity under its
    joint label, which for a mixed-up sample is the mixture of both joint labels.
    """

    def __init__(
        self, n_keywords: int, n_positions: int, dim: int = 128, n_clusters: int = 16
    ) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(n_clusters, n_keywords, n_positions, dim))
        self.scale = AdaptiveScale(max(1.0, fixed_scale(n_keywords * n_positions)))

    def similarities(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Mean over time of the maximum over clusters of the cosine (equation 69).

        Parameters
        ----------
        embeddings : torch.Tensor, shape (batch, T, dim)

        Returns
        -------
        torch.Tensor, shape (batch, n_keywords, n_positions), in [-1, 1]
        """
        n_clusters, n_keywords, n_positions, dim = self.centres.shape
        centres = normalize(self.centres, dim=-1).reshape(-1, dim)
        cosines = normalize(embeddings, dim=-1) @ centres.T
        per_frame = cosines.unflatten(-1, (n_clusters, n_keywords * n_positions)).amax(dim=-2)
        return per_frame.mean(dim=1).unflatten(-1, (n_keywords, n_positions))

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of a batch of segments (equation 73, averaged over the batch).

        Parameters
        ----------
        embeddings : torch.Tensor, shape (batch, T, dim)
        labels : torch.Tensor, shape (batch, n_keywords, n_positions)
            Joint labels, each summing to 1: the outer product of keyword and position label, or a
            mixture of two such products.

        Returns
        -------
        torch.Tensor, scalar
        """
        similarities = self.similarities(embeddings)
        if self.training:
            expected = (similarities * labels).sum(dim=(1, 2)).clamp(-1.0, 1.0)
            self.scale.update(similarities.detach().flatten(1), expected.detach().arccos())
        logits = self.scale.value * similarities
        log_joint = logits.flatten(1).log_softmax(dim=1).view_as(logits)
        loss_keyword = -(labels.sum(dim=2) * log_joint.logsumexp(dim=2)).sum(dim=1)
        loss_position = -(labels.sum(dim=1) * log_joint.logsumexp(dim=1)).sum(dim=1)
        return (loss_keyword + loss_position).mean()
