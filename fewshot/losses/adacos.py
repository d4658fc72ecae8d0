"""Angular margin losses that adapt their scale by themselves: AdaCos and sub-cluster AdaCos."""

import math
import warnings

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

LEAST_SCALE = 1e-3
"""Negative similarities could take a scale to zero and below."""
SCALE_OF_TWO = 10.0
"""Of AdaCos with two classes, whose own scale is 0."""
PURE_BATCHES = 10
"""Batches without mixup in a row, from the first one on, before a warning."""


class AdaptiveScale(nn.Module):
    """Dynamically adaptive scale parameter of AdaCos and sub-cluster AdaCos.

    Parameters
    ----------
    start : float
        Its first value, for example that of `fixed_scale`.
    largest : float
        It does not rise above this.

    Attributes
    ----------
    value : torch.Tensor, scalar

    Notes
    -----
    Dissertation, definitions 2.8 and 3.4 (equations 10, 11 and 38 to 40). Carries no gradient.
    """

    def __init__(self, start: float, largest: float = math.inf) -> None:
        super().__init__()
        self.largest = largest
        self.register_buffer("value", torch.tensor(start))

    @torch.no_grad()
    def update(
        self, cosines: torch.Tensor, angles: torch.Tensor, counted: torch.Tensor | None = None
    ) -> None:
        """Adapt the scale to a batch.

        Parameters
        ----------
        cosines : torch.Tensor, shape (batch, n_entries)
            Similarities of all samples to all entries, in [-1, 1].
        angles : torch.Tensor, shape (batch,)
            Angle of every sample to its own class (mixed up where samples are), in [0, pi].
        counted : torch.Tensor, shape (batch, n_entries), bool, optional
            Entries that make up the scale; by default all.

        Raises
        ------
        FloatingPointError
            If the scale is not finite.
        """
        logits = self.value * cosines
        if counted is not None:
            logits = logits.masked_fill(~counted, -math.inf)
        log_average = logits.flatten().logsumexp(dim=0) - math.log(len(logits))
        angle = angles.quantile(0.5).clamp(max=math.pi / 4)
        value = log_average / angle.cos()
        if value.isnan() or value == math.inf:
            raise FloatingPointError(
                f"the adaptive scale went from {self.value:g} to {value:g}; train with mixup"
            )
        self.value.copy_(value.clamp(LEAST_SCALE, self.largest))


def fixed_scale(n_entries: int) -> float:
    """Scale for a softmax over some entries: ``sqrt(2) * log(n_entries - 1)``, from 0.

    >>> round(fixed_scale(3), 6)
    0.980258
    """
    return math.sqrt(2.0) * math.log(max(n_entries - 1, 1))


class AngularLoss(nn.Module):
    """What both losses share: centres on the sphere, and cross-entropy of scaled cosines."""

    def __init__(self, n_classes: int, dim: int, n_centres: int, trainable: bool) -> None:
        super().__init__()
        if n_classes < 2:
            raise ValueError(f"{n_classes} class; angular margin losses need two at least")
        self.n_classes = n_classes
        self.n_centres = n_centres
        centres = normalize(torch.randn(n_classes * n_centres, dim), dim=1)
        if trainable:
            self.centres = nn.Parameter(centres)
        else:
            self.register_buffer("centres", centres)

    def cosines(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Similarities of (batch, dim) to the centres, (batch, n_classes * n_centres)."""
        return normalize(embeddings, dim=1) @ normalize(self.centres, dim=1).T

    def angles(self, cosines: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mixture of the mean angles to each class, shape (batch,)."""
        angles = cosines.clamp(-1.0, 1.0).arccos().unflatten(1, (self.n_classes, self.n_centres))
        return (angles.mean(dim=2) * labels).sum(dim=1)


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
