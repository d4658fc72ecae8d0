"""Contrastive losses: nearer to what belongs together than to the rest of the batch."""

import torch
from torch import nn
from torch.nn.functional import normalize

TEMPERATURE = 0.1


class ProjectionHead(nn.Module):
    """Dense layers between embeddings and what a contrastive loss compares.

    Parameters
    ----------
    dim : int
        Of the embeddings, and of all layers.
    n_layers : int
        No biases; batch normalisation behind each, ReLU in front of each.

    Notes
    -----
    J. Guan et al., "Anomalous sound detection using self-supervised contrastive learning", with
    three layers: the first one, in front of which there is no ReLU, is counted to the encoder here,
    since it stays when the head is thrown away.
    """

    def __init__(self, dim: int, n_layers: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(n_layers):
            layers += [nn.ReLU(), *dense(dim)]
        self.layers = nn.Sequential(*layers)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Map (batch, dim) to (batch, dim), not normalised."""
        return self.layers(embeddings)


def dense(dim: int) -> nn.Sequential:
    """A dense layer without biases that keeps the dimension, and its batch normalisation."""
    return nn.Sequential(nn.Linear(dim, dim, bias=False), nn.BatchNorm1d(dim))


def supervised_contrastive(
    projections: torch.Tensor, labels: torch.Tensor, temperature: float = TEMPERATURE
) -> torch.Tensor:
    """Loss of a batch whose samples of one class belong together.

    Parameters
    ----------
    projections : torch.Tensor, shape (batch, dim)
        Of any length; directions are compared.
    labels : torch.Tensor, shape (batch,)
        Class of each sample.
    temperature : float
        Above 0.

    Returns
    -------
    torch.Tensor, scalar
        Mean over the samples that have others of their class; 0 if none has.

    Notes
    -----
    P. Khosla et al., "Supervised contrastive learning", NeurIPS 2020, the second equation: the mean
    over the positives is taken outside of the logarithm. The denominator has all others, not the
    sample itself.

    >>> alike = torch.ones(4, 3)
    >>> bool(supervised_contrastive(alike, torch.zeros(4)).isclose(torch.tensor(3.0).log()))
    True
    """
    units = normalize(projections, dim=1)
    itself = torch.eye(len(units), dtype=torch.bool, device=units.device)
    logits = (units @ units.T / temperature).masked_fill(itself, -torch.inf)
    positive = (labels[:, None] == labels) & ~itself
    shares = logits.log_softmax(dim=1).masked_fill(~positive, 0.0)
    counts = positive.sum(dim=1)
    losses = -shares.sum(dim=1) / counts.clamp(min=1)
    return losses.sum() / (counts > 0).sum().clamp(min=1)


def paired_contrastive(
    projections: torch.Tensor,
    others: torch.Tensor,
    labels: torch.Tensor,
    temperature: float = TEMPERATURE,
) -> torch.Tensor:
    """Loss of a batch whose samples each belong to one description of another kind.

    Parameters
    ----------
    projections, others : torch.Tensor, shapes (batch, dim)
        Rows of the same number belong together; directions are compared.
    labels : torch.Tensor, shape (batch,)
        Descriptions of other samples of the same class are no negatives.
    temperature : float
        Above 0.

    Returns
    -------
    torch.Tensor, scalar
        Mean over the samples.
    """
    logits = normalize(projections, dim=1) @ normalize(others, dim=1).T / temperature
    itself = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    left_out = (labels[:, None] == labels) & ~itself
    return -logits.masked_fill(left_out, -torch.inf).log_softmax(dim=1).diagonal().mean()
