"""A shallow classifier on embeddings that another network gave."""

import torch
from torch import nn

from fewshot.encoders.residual import batch_norm_1d, glorot_uniform


class ShallowEncoder(nn.Module):
    """Standardises given embeddings and maps them to discriminative ones.

    Parameters
    ----------
    in_dim : int
        Dimension of what is given.
    dim : int
        Dimension of the embeddings.
    hidden : tuple of int
        Widths of the hidden layers.
    dropout : float
        Probability in front of the last layer.

    Notes
    -----
    Dissertation, section 5.5.1, and key publication 5: batch normalisation of the input; hidden
    layers with batch normalisation and ReLU; a last layer without activation. No biases.
    """

    def __init__(
        self,
        in_dim: int,
        dim: int = 128,
        hidden: tuple[int, ...] = (512, 128),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [batch_norm_1d(in_dim)]
        for before, behind in zip((in_dim, *hidden), hidden, strict=False):
            layers += [nn.Linear(before, behind, bias=False), batch_norm_1d(behind), nn.ReLU()]
        self.layers = nn.Sequential(
            *layers, nn.Dropout(dropout), nn.Linear((in_dim, *hidden)[-1], dim, bias=False)
        )
        self.dim = dim
        glorot_uniform(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map given embeddings (batch, in_dim) to embeddings (batch, dim), not normalised."""
        return self.layers(x)
