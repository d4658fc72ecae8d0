"""Cross-entropy of a linear layer on the embeddings."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy


class SoftmaxLoss(nn.Module):
    """Linear layer with biases, softmax and cross-entropy.

    Parameters
    ----------
    n_classes : int
    dim : int
        Dimension of the embeddings.
    """

    def __init__(self, n_classes: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, n_classes)

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map embeddings (batch, dim) to (batch, n_classes)."""
        return self.linear(embeddings)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of a batch of embeddings (batch, dim) with probabilities (batch, n_classes)."""
        return cross_entropy(self.logits(embeddings), labels)
