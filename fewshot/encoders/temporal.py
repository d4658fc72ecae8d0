"""The encoder with a temporal dimension: one embedding for every frame of a segment."""

import torch
from torch import nn

from fewshot.encoders.residual import ResidualBlock


class TemporalResNet(nn.Module):
    """Residual network that pools over frequency only, so that time is kept.

    Parameters
    ----------
    dim : int
        Dimension of the embeddings.
    channels : tuple of int
        Channels of the stages, two residual blocks each; frequency is halved between stages.
    dropout : float
        Probability behind each residual block.

    Notes
    -----
    Dissertation, Table 30. The input is standardised by running statistics over everything (no
    parameters), so that zero, with which the convolutions pad, is the mean.
    """

    def __init__(
        self,
        dim: int = 128,
        channels: tuple[int, ...] = (16, 32, 64, 128),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.standardise = nn.BatchNorm2d(1, affine=False)
        blocks: list[nn.Module] = []
        previous = 1
        for stage, width in enumerate(channels):
            pool = (1, 2) if stage else (1, 1)
            blocks += [
                ResidualBlock(previous, width, pool=pool, dropout=dropout),
                ResidualBlock(width, width, dropout=dropout),
            ]
            previous = width
        self.blocks = nn.Sequential(*blocks)
        self.embed = nn.Linear(previous, dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map log-Mel segments (batch, T, mels) to embeddings (batch, T, dim), not normalised."""
        x = x.unsqueeze(1).contiguous(memory_format=torch.channels_last)
        maps = self.blocks(self.standardise(x))
        return self.embed(maps.amax(dim=3).transpose(1, 2))
