"""What the angular margin losses share: centres on the sphere, and a scale that adapts itself."""

import math

import torch
from torch import nn
from torch.nn.functional import normalize

LEAST_SCALE = 1e-3
"""Negative similarities could take a scale to zero and below."""


class AdaptiveScale(nn.Module):
    """Dynamically adaptive scale parameter of AdaCos, sub-cluster AdaCos and AdaProj.

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
    """What the losses share: centres that are drawn uniformly from the sphere."""

    least_classes = 2

    def __init__(self, n_classes: int, dim: int, n_centres: int, trainable: bool) -> None:
        super().__init__()
        if n_classes < self.least_classes:
            raise ValueError(
                f"{n_classes} class; {type(self).__name__} needs {self.least_classes} at least"
            )
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
        """Mixture of the mean angles to each class, shape (batch,).

        Cosines are those to all centres of each class, or one per class.
        """
        angles = cosines.clamp(-1.0, 1.0).arccos().unflatten(1, (self.n_classes, -1))
        return (angles.mean(dim=2) * labels).sum(dim=1)
