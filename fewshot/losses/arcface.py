"""Losses with a given margin: ArcFace and CosFace, with one or several centres per class."""

import math
from abc import ABC, abstractmethod

import torch
from torch.nn.functional import cross_entropy

from fewshot.losses.angular import AngularLoss

LARGEST_COSINE = 1.0 - 1e-7
"""The derivative of the arc cosine has poles at 1 and -1."""


class MarginLoss(AngularLoss, ABC):
    """What both losses share: cross-entropy of scaled similarities, less a margin.

    Parameters
    ----------
    n_classes : int
        At least 2.
    dim : int
        Dimension of the embeddings.
    n_centres : int
        Centres of each class, of which the nearest counts.
    margin : float, optional
        By which an embedding must be nearer to its class than to others; by default that of the
        literature.
    scale : float
        Above 0.
    trainable : bool
        Whether the centres are trained; they are drawn uniformly from the sphere.

    Attributes
    ----------
    centres : torch.Tensor, shape (n_classes * n_centres, dim)
        Those of a class follow each other; only their direction counts.
    """

    default_margin: float
    largest_margin: float

    def __init__(
        self,
        n_classes: int,
        dim: int,
        n_centres: int = 1,
        *,
        margin: float | None = None,
        scale: float = 30.0,
        trainable: bool = True,
    ) -> None:
        super().__init__(n_classes, dim, n_centres, trainable)
        margin = self.default_margin if margin is None else margin
        if not 0 <= margin <= self.largest_margin:
            raise ValueError(f"margin is {margin}; it must be 0 to {self.largest_margin:g}")
        if not scale > 0:
            raise ValueError(f"scale is {scale}; it must be above 0")
        self.margin = margin
        self.scale = scale

    def similarities(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Cosines of (batch, dim) to the nearest centre of each class, (batch, n_classes)."""
        per_class = (self.n_classes, self.n_centres)
        return self.cosines(embeddings).unflatten(1, per_class).amax(dim=2)

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Scaled similarities without a margin, (batch, n_classes)."""
        return self.scale * self.similarities(embeddings)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of a batch of embeddings (batch, dim) with probabilities (batch, n_classes)."""
        similarities = self.similarities(embeddings)
        return cross_entropy(self.scale * self._penalised(similarities, labels), labels)

    @abstractmethod
    def _penalised(self, similarities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Similarities less the margin, (batch, n_classes)."""


class ArcFaceLoss(MarginLoss):
    """ArcFace: the margin, 0 to pi / 2, is added to the angle to the own class.

    Parameters as in `MarginLoss`; the margin is 0.5 by default.

    Notes
    -----
    Dissertation, definition 2.7 (equations 5 to 9), which leaves margin and scale open. A class
    has the share of the margin that the label gives it, in numerator and denominator: the printed
    equation 7 sums up to 1 only for pure labels. Where the angle would pass pi, behind which
    cosines rise again, margin * sin(margin) is taken off the cosine instead, as in the public code
    of J. Deng et al., "ArcFace", CVPR 2019: it falls on, and has a gradient. Several centres: J.
    Deng et al., "Sub-center ArcFace", ECCV 2020.
    """

    default_margin, largest_margin = 0.5, math.pi / 2

    def _penalised(self, similarities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        margins = self.margin * labels
        angles = similarities.clamp(-LARGEST_COSINE, LARGEST_COSINE).arccos() + margins
        return torch.where(angles > math.pi, similarities - margins * margins.sin(), angles.cos())


class CosFaceLoss(MarginLoss):
    """CosFace: the margin, 0 to 2, is taken off the similarity to the own class.

    Parameters as in `MarginLoss`; the margin is 0.35 by default.

    Notes
    -----
    H. Wang et al., "CosFace: large margin cosine loss for deep face recognition", CVPR 2018. Of
    mixed samples, a class has the share of the margin that the label gives it.
    """

    default_margin, largest_margin = 0.35, 2.0

    def _penalised(self, similarities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return similarities - self.margin * labels
