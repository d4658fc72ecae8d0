"""A learnt spectrogram of the waveform, on the frames of the log-Mel spectrogram."""

import torch
from torch import nn

WINDOW, HOP = 1024, 512
KERNEL, SLOPE, BLOCKS = 3, 0.2, 3


class TgramNet(nn.Module):
    """Strided convolution of the waveform, then convolutions over its frames.

    Parameters
    ----------
    n_samples : int
        Length of the waveforms, which fixes the number of frames.
    n_bands : int
        Learnt filters.

    Notes
    -----
    Y. Liu et al., "Anomalous sound detection using spectral-temporal information fusion", ICASSP
    2022. The layer normalisations run over time, with a weight and a bias for every frame: that
    ties the network to one length. 280,406 parameters for 10 s at 16 kHz (313 frames).
    """

    def __init__(self, n_samples: int, n_bands: int = 128) -> None:
        super().__init__()
        n_frames = 1 + n_samples // HOP
        self.filters = nn.Conv1d(1, n_bands, WINDOW, HOP, padding=WINDOW // 2, bias=False)
        layers: list[nn.Module] = []
        for _ in range(BLOCKS):
            layers += [
                nn.LayerNorm(n_frames),
                nn.LeakyReLU(SLOPE),
                nn.Conv1d(n_bands, n_bands, KERNEL, padding=KERNEL // 2, bias=False),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map waveforms (batch, n_samples) to maps (batch, 1 + n_samples // 512, n_bands)."""
        return self.layers(self.filters(waveforms[:, None])).transpose(1, 2)
