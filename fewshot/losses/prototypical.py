"""The prototypical loss: nearer to the mean of one's own class than to those of the others."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy


class PrototypicalLoss(nn.Module):
    """Cross-entropy of a softmax over negative squared distances to the means of the classes.

    Parameters
    ----------
    n_classes : int
    dim : int
        Dimension of the embeddings.

    Attributes
    ----------
    prototypes : torch.Tensor, shape (n_classes, dim)
        What `logits` compares with, once `set_prototypes` was called. The loss makes its own from
        the support set of every step.

    Notes
    -----
    Dissertation, definition 6.2 (equations 64 to 66; errata: equation 65 lacks the minus sign in
    front of the distance).
    """

    def __init__(self, n_classes: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("prototypes", torch.zeros(n_classes, dim))

    def forward(
        self,
        queries: torch.Tensor,
        query_labels: torch.Tensor,
        support: torch.Tensor,
        support_labels: torch.Tensor,
    ) -> torch.Tensor:
        """Loss of a step.

        Parameters
        ----------
        queries, support : torch.Tensor, shapes (n_queries, dim), (n_support, dim)
            Embeddings.
        query_labels, support_labels : torch.Tensor, shapes (n_queries, n_classes) and so on
            Probabilities, those of the support being 0 or 1. Classes without support take no part;
            queries must not be of them.

        Returns
        -------
        torch.Tensor, scalar
        """
        present = support_labels.any(dim=0)
        centres = prototypes(support, support_labels[:, present])
        return cross_entropy(negative_distances(queries, centres), query_labels[:, present])

    @torch.no_grad()
    def set_prototypes(self, embeddings: torch.Tensor, labels: torch.Tensor) -> None:
        """Keep the means of embeddings (n, dim) by their labels (n, n_classes)."""
        self.prototypes.copy_(prototypes(embeddings, labels))

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Negative squared distances of (batch, dim) to the prototypes, (batch, n_classes)."""
        return negative_distances(embeddings, self.prototypes)


def prototypes(embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean of the embeddings (n, dim) of each class, by labels (n, n_classes) of 0 and 1."""
    return labels.T @ embeddings / labels.sum(dim=0)[:, None]


def negative_distances(embeddings: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Squared Euclidean distances, times -1: (n, dim), (n_centres, dim) -> (n, n_centres)."""
    return -(embeddings[:, None] - centres).square().sum(dim=2)
