"""The speech encoder that comes with the package: waveforms in, 50 frames a second out."""

from importlib import resources
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import relu

from fewshot import bundle
from fewshot.errors import InputError
from fewshot.features import mel_filterbank
from fewshot.networks import arrays_of

FILE = resources.files("fewshot") / "data" / "speech.encoder"
KIND = "speech encoder"
VERSION = 1

DIM = 96
"""Values per frame."""
HOP = 320
"""Samples between frames."""
SPECTRUM, SPECTRAL_HOP, N_FFT = 400, 160, 512
N_MELS, LOW_HZ, HIGH_HZ = 48, 60.0, 7600.0
FLOOR = 0.01
"""Added to Mel magnitudes, of which a sine of full scale has some 100."""
CHANNELS = (16, 32, 48)
WIDTH = 192
DILATIONS = (1, 1, 2, 2, 4, 4)
SPECTRA = 9 + 4 * sum(DILATIONS)
"""Spectra that a frame sees."""
WINDOW = (SPECTRA - 1) * SPECTRAL_HOP + SPECTRUM
"""Samples that a frame sees, 0.67 s; it stands for the middle."""


class SpeechNet(nn.Module):
    """Convolutions over time and frequency of log-Mel spectra, then dilated ones over time.

    Nothing is padded in time, so that frames do not depend on where a recording is cut.
    """

    def __init__(self) -> None:
        super().__init__()
        bank = mel_filterbank(N_MELS, N_FFT, 16000, LOW_HZ, HIGH_HZ)
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("hann", torch.hann_window(SPECTRUM), persistent=False)
        self.standardise = nn.BatchNorm1d(N_MELS, affine=False)
        stem: list[nn.Module] = []
        for i, (before, after) in enumerate(zip((1, *CHANNELS), CHANNELS, strict=False)):
            stride = (2, 2) if i == 1 else (1, 2)
            stem += [
                nn.Conv2d(before, after, 3, stride=stride, padding=(0, 1), bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.stem = nn.Sequential(*stem)
        self.widen = nn.Conv1d(CHANNELS[-1] * N_MELS // 8, WIDTH, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(WIDTH, WIDTH, 3, dilation=dilation, bias=False),
                nn.BatchNorm1d(WIDTH),
            )
            for dilation in DILATIONS
        )
        self.embed = nn.Conv1d(WIDTH, DIM, 1)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Map (batch, n) in [-1, 1] to (batch, 1 + (n - WINDOW) // HOP, DIM), not normalised."""
        return self.frames(self.spectra(samples))

    def spectra(self, samples: torch.Tensor) -> torch.Tensor:
        """Log-Mel magnitudes (batch, 1 + (n - SPECTRUM) // SPECTRAL_HOP, N_MELS)."""
        cut = samples.unfold(1, SPECTRUM, SPECTRAL_HOP) * self.hann
        return (torch.fft.rfft(cut, N_FFT).abs() @ self.bank + FLOOR).log()

    def frames(self, spectra: torch.Tensor) -> torch.Tensor:
        """Frames of log-Mel spectra."""
        x = self.standardise(spectra.transpose(1, 2)).transpose(1, 2)
        x = self.stem(x.unsqueeze(1))
        x = self.widen(x.transpose(2, 3).flatten(1, 2))
        for block, dilation in zip(self.blocks, DILATIONS, strict=True):
            x = x[:, :, dilation:-dilation] + relu(block(x))
        return self.embed(x).transpose(1, 2)


def save(net: SpeechNet, path: str | Path, source: str) -> None:
    """Write a network, in half precision, over a file that is there.

    Parameters
    ----------
    net : SpeechNet
    path : path
    source : str
        What it was trained on, of whom, under which licences.
    """
    tensors = {
        name: array.astype(np.float16) if array.dtype == np.float32 else array
        for name, array in arrays_of(net).items()
    }
    bundle.save(path, tensors, {"source": source}, kind=KIND, version=VERSION, force=True)


def load(path: str | Path) -> SpeechNet:
    """Read a network.

    Raises
    ------
    InputError
        If it is missing, damaged or something else.
    """
    tensors, _ = bundle.load(path, kind=KIND, version=VERSION)
    # The first values, which are replaced, would be drawn from everybody's random numbers.
    with torch.random.fork_rng(devices=[]):
        net = SpeechNet()
    try:
        net.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    except RuntimeError as error:
        raise InputError(f"{path}: damaged speech encoder ({error})") from error
    return net.eval()
