"""Attention over frequency: which bins of a spectrogram matter, seen from all of them together.

The report that proposes it for machine sounds (Tian et al., DCASE Challenge 2024, Task 2) gives no
equations. Chosen here: bins are the tokens of one layer of self-attention, whose result is added
with a weight that is learnt from 0; and, much cheaper, a gate that squeezes each bin to its
deviation over time. A mean over time would tell the gate nothing behind an encoder's subtraction of
the temporal mean, and only levels before it.
"""

import torch
from torch import nn

from fewshot.encoders.residual import SqueezeExcite, glorot_uniform


class FrequencyAttention(nn.Module):
    """Adds to a spectrogram what self-attention makes of its frequency bins.

    Parameters
    ----------
    n_frames, n_bins : int
        Of the spectrograms; both are fixed.
    width : int
        Dimension of the tokens.
    n_heads : int

    Attributes
    ----------
    alpha : nn.Parameter, scalar
        Weight of what is added; 0 at the start.

    Notes
    -----
    A token is the values of a bin over time, layer-normalised and mapped to `width` dimensions,
    plus a learnt embedding of the bin.
    """

    def __init__(self, n_frames: int, n_bins: int, width: int = 64, n_heads: int = 4) -> None:
        super().__init__()
        self.normalise = nn.LayerNorm(n_frames)
        self.embed = nn.Linear(n_frames, width)
        self.places = nn.Parameter(0.02 * torch.randn(n_bins, width))
        self.attention = nn.MultiheadAttention(width, n_heads, batch_first=True)
        self.project = nn.Linear(width, n_frames)
        self.alpha = nn.Parameter(torch.zeros(()))
        glorot_uniform(self)

    def forward(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """Map spectrograms (batch, n_frames, n_bins) to the same shape."""
        tokens = self.embed(self.normalise(spectrograms.mT)) + self.places
        attended, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return spectrograms + self.alpha * self.project(attended).mT


class FrequencyGate(SqueezeExcite):
    """Weighs the bins of a spectrogram by how much all of them change over time.

    Parameters
    ----------
    n_bins : int
    """

    def __init__(self, n_bins: int) -> None:
        super().__init__(n_bins)
        glorot_uniform(self)

    def forward(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """Map spectrograms (batch, frames, n_bins) to the same shape."""
        deviations = spectrograms.std(dim=1, correction=0)
        return spectrograms * self.weights(deviations).unsqueeze(1)
