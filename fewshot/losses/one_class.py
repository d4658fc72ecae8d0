"""Compactness losses: embeddings are drawn to a fixed centre of their class, or of all."""

import torch

from fewshot.losses.angular import AngularLoss
from fewshot.losses.softmax import SoftmaxLoss


class CompactnessLoss(AngularLoss):
    """Mean squared distance between embeddings and the centre of their class, on the sphere.

    Parameters
    ----------
    n_classes : int
        1 gives the one-class loss.
    dim : int
        Dimension of the embeddings.
    with_softmax : bool
        Whether the cross-entropy of a trained linear layer is added, which keeps classes apart.

    Attributes
    ----------
    centres : torch.Tensor, shape (n_classes, dim)
        Drawn uniformly from the sphere and not trained.

    Notes
    -----
    Dissertation, definition 2.3 and section 3.3 (equations 3 and 35): intra-class compactness, and
    with the cross-entropy "IC + CXE", both of weight 1. With one class, an encoder that has biases
    can learn to map everything to the centre (proposition 2.5): use one that has none.
    """

    least_classes = 1

    def __init__(self, n_classes: int, dim: int, *, with_softmax: bool = False) -> None:
        super().__init__(n_classes, dim, 1, trainable=False)
        self.softmax = SoftmaxLoss(n_classes, dim) if with_softmax else None

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Similarities of (batch, dim) to the centres, (batch, n_classes)."""
        return self.cosines(embeddings)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of a batch of embeddings (batch, dim) with probabilities (batch, n_classes)."""
        squared_distances = 2.0 - 2.0 * self.cosines(embeddings)
        loss = (labels * squared_distances).sum(dim=1).mean()
        return loss if self.softmax is None else loss + self.softmax(embeddings, labels)
