"""AdaProj: an angular margin loss with a linear subspace per class in place of centres."""

import math

import torch
from torch.nn.functional import cross_entropy, normalize

from fewshot.losses.angular import AdaptiveScale, AngularLoss, fixed_scale

TINY = 1e-12
"""Keeps the gradient finite where an embedding is orthogonal to a subspace."""


class AdaProjLoss(AngularLoss):
    """Cross-entropy of the scaled cosines between embeddings and their projections.

    Parameters
    ----------
    n_classes : int
        At least 2.
    dim : int
        Dimension of the embeddings.
    subspace_dim : int
        Basis vectors of each class, fewer than ``dim``.
    trainable : bool
        Whether the basis vectors are trained; they are drawn uniformly from the sphere.
    largest_scale : float
        The scale does not rise above this; by default nothing holds it.

    Attributes
    ----------
    centres : torch.Tensor, shape (n_classes * subspace_dim, dim)
        The basis vectors; those of a class follow each other; only their direction counts.
    scale : AdaptiveScale
        Adapted on every call in training mode, before the loss is taken.

    Notes
    -----
    Dissertation, definitions 5.1 and 5.2 (equations 54 to 56). As logit the latter has the squared
    distance between embedding and projection, both on the sphere, which would have to enter with a
    minus; the cosine taken here is that up to a constant. The projection is that of equation 54,
    whether or not the basis is orthonormal.

    The scale is that of AdaCos, where the class of a pure sample counts as if its cosine were 0.
    Cosines lie in [0, 1]; those of a random embedding are about ``sqrt(subspace_dim / dim)``.
    """

    def __init__(
        self,
        n_classes: int,
        dim: int,
        subspace_dim: int = 32,
        *,
        trainable: bool = False,
        largest_scale: float = math.inf,
    ) -> None:
        if not 0 < subspace_dim < dim:
            raise ValueError(f"subspace_dim is {subspace_dim}; it must be above 0, below {dim}")
        super().__init__(n_classes, dim, subspace_dim, trainable)
        self.scale = AdaptiveScale(fixed_scale(n_classes), largest_scale)

    def similarities(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Cosines between embeddings (batch, dim) and their projections, (batch, n_classes)."""
        per_class = (self.n_classes, self.n_centres)
        basis = normalize(self.centres, dim=1)
        along = (normalize(embeddings, dim=1) @ basis.T).unflatten(1, per_class).transpose(0, 1)
        basis = basis.unflatten(0, per_class)
        # The length of a projection by the basis' Gram matrix: the projections themselves would be
        # a tensor of batch x n_classes x dim.
        squared_length = ((along @ (basis @ basis.mT)) * along).sum(dim=2)
        return (along.square().sum(dim=2) / (squared_length + TINY).sqrt()).T

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Scaled cosines between embeddings and their projections, (batch, n_classes)."""
        return self.scale.value * self.similarities(embeddings)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of a batch; as in `SubClusterAdaCosLoss`."""
        cosines = self.similarities(embeddings)
        if self.training:
            with torch.no_grad():
                foreign = cosines.masked_fill(labels >= 1, 0.0)
                self.scale.update(foreign, self.angles(cosines, labels))
        return cross_entropy(self.scale.value * cosines, labels)
