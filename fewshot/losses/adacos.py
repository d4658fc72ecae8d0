"""Angular margin losses that adapt their scale by themselves: AdaCos and sub-cluster AdaCos."""

import math
import warnings

import torch
from torch.nn.functional import cross_entropy

from fewshot.losses.angular import AdaptiveScale, AngularLoss, fixed_scale

SCALE_OF_TWO = 10.0
"""Of AdaCos with two classes, whose own scale is 0."""
PURE_BATCHES = 10
"""Batches without mixup in a row, from the first one on, before a warning."""


class SubClusterAdaCosLoss(AngularLoss):
    """Sub-cluster AdaCos: several centres per class, whose probabilities add up.

    Parameters
    ----------
    n_classes : int
        At least 2.
    dim : int
        Dimension of the embeddings.
    n_centres : int
        Sub-clusters of each class.
    trainable : bool
        Whether the centres are trained; they are drawn uniformly from the sphere.
    largest_scale : float
        The scale does not rise above this; by default nothing holds it.

    Attributes
    ----------
    centres : torch.Tensor, shape (n_classes * n_centres, dim)
        Those of a class follow each other; only their direction counts.
    scale : AdaptiveScale
        Adapted on every call in training mode, before the loss is taken.

    Notes
    -----
    Dissertation, definition 3.4 (equations 38 to 42). The definition sums a class's angles over its
    sub-clusters, which leaves the range that it states; they are averaged here, which makes no
    difference as long as mixup keeps them above pi / 4. Mixup belongs to the loss: the scale grows
    without bound where embeddings come nearer to a centre than pi / 4 while the median does not.
    """

    def __init__(
        self,
        n_classes: int,
        dim: int,
        n_centres: int = 1,
        *,
        trainable: bool = False,
        largest_scale: float = math.inf,
    ) -> None:
        super().__init__(n_classes, dim, n_centres, trainable)
        self.scale = AdaptiveScale(fixed_scale(n_classes * n_centres), largest_scale)
        self._watched_batches = PURE_BATCHES

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Logarithms of the classes' shares, up to a constant per sample: (batch, n_classes)."""
        return self._logits(self.cosines(embeddings))

    def _logits(self, cosines: torch.Tensor) -> torch.Tensor:
        scaled = self.scale.value * cosines
        return scaled.unflatten(1, (self.n_classes, self.n_centres)).logsumexp(dim=2)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of a batch.

        Parameters
        ----------
        embeddings : torch.Tensor, shape (batch, dim)
            Of any length.
        labels : torch.Tensor, shape (batch, n_classes)
            Probabilities.

        Returns
        -------
        torch.Tensor, scalar

        Raises
        ------
        FloatingPointError
            If the scale is not finite any more.
        """
        cosines = self.cosines(embeddings)
        if self.training:
            self._look_for_mixup(labels)
            with torch.no_grad():
                self.scale.update(cosines, self.angles(cosines, labels))
        return cross_entropy(self._logits(cosines), labels)

    def _look_for_mixup(self, labels: torch.Tensor) -> None:
        if not self._watched_batches:
            return
        if (labels.amax(dim=1) < 1).any():
            self._watched_batches = 0
            return
        self._watched_batches -= 1
        if not self._watched_batches:
            warnings.warn(
                "sub-cluster AdaCos without mixup: its scale may grow without bound", stacklevel=3
            )


class AdaCosLoss(AngularLoss):
    """AdaCos: one centre per class, a scale from the foreign classes.

    Parameters
    ----------
    n_classes : int
        At least 2. Two get a constant scale of 10, where their own would be 0.
    dim : int
        Dimension of the embeddings.
    trainable : bool
        Whether the centres are trained; they are drawn uniformly from the sphere.
    dynamic : bool
        Whether the scale is adapted to every batch.

    Attributes
    ----------
    centres : torch.Tensor, shape (n_classes, dim)
        Only their direction counts.
    scale : AdaptiveScale
        Adapted on every call in training mode, before the loss is taken.

    Notes
    -----
    Dissertation, definition 2.8 (equations 10 to 12). Foreign to a mixed-up sample are the classes
    that it holds nothing of.
    """

    def __init__(
        self, n_classes: int, dim: int, *, trainable: bool = False, dynamic: bool = True
    ) -> None:
        super().__init__(n_classes, dim, 1, trainable)
        self.dynamic = dynamic and n_classes > 2
        self.scale = AdaptiveScale(fixed_scale(n_classes) if n_classes > 2 else SCALE_OF_TWO)
        if n_classes == 2 and dynamic:
            warnings.warn(
                f"AdaCos with two classes: the scale stays at {SCALE_OF_TWO:g}", stacklevel=2
            )

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Scaled similarities to the centres, (batch, n_classes)."""
        return self.scale.value * self.cosines(embeddings)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of a batch; as in `SubClusterAdaCosLoss`."""
        cosines = self.cosines(embeddings)
        if self.training and self.dynamic:
            with torch.no_grad():
                self.scale.update(cosines, self.angles(cosines, labels), counted=labels == 0)
        return cross_entropy(self.scale.value * cosines, labels)
