"""The encoder with two branches: the spectrum of the whole clip, and the spectrogram."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import conv2d, max_pool2d, pad, relu

from fewshot.audio import SAMPLE_RATE
from fewshot.encoders.frequency_attention import FrequencyAttention, FrequencyGate
from fewshot.encoders.residual import (
    PreActivationBlock,
    SqueezeExcite,
    batch_norm_1d,
    batch_norm_2d,
    glorot_uniform,
    same_padding,
)
from fewshot.features import (
    magnitude_spectrogram,
    magnitude_spectrum,
    slaney_filterbank,
    spectrogram_shape,
    without_temporal_mean,
)

LEAST_FRAMES = 5
"""With fewer, nothing is left behind the first convolution and its pooling."""
BRANCHES = ("spectrum", "spectrogram")
FREQUENCY_ATTENTIONS = ("none", "attention", "gate")
N_FFT = 1024
N_MELS, FLOOR = 128, 1e-7
"""Bands of log-Mel spectrograms, and what is added to their magnitudes."""


class TwoBranchEncoder(nn.Module):
    """Embeds waveforms of one length by their spectrum and their spectrogram.

    Parameters
    ----------
    n_samples : int
        Length of the waveforms, at least 3072.
    dim : int
        Dimension of the embeddings; even where two halves stand side by side.
    branches : tuple of str
        "spectrum", "spectrogram" or both, in this order. One alone has the whole dimension.
    combine : {"concatenate", "add"}
        Whether two branches give a half of the dimension each, or all of it and are added.
    temporal_mean : bool
        Whether the temporal mean is taken off the spectrograms.
    log_mel : bool
        Whether the spectrograms are log-Mel spectrograms of 128 bands instead of magnitudes.
    squeeze_excite : bool
        Whether the branches have a `SqueezeExcite` behind every one-dimensional convolution and in
        every residual block.
    bias : bool
        Whether convolutions and dense layers have biases.
    frequency_attention : {"none", "attention", "gate"}
        Whether the spectrograms pass a `FrequencyAttention` or a `FrequencyGate`, before their
        temporal mean is taken off.

    Notes
    -----
    Dissertation, section 5.3.1; Tables 16 to 18 compare biases, inputs and the temporal mean.
    Neither half is normalised by itself, so that their lengths weigh them. Convolutions and dense
    layers start with Glorot's uniform weights; batch normalisations have biases in any case.

    Training may step in between: `inputs`, `halves` and `combined` make up the whole.
    """

    mixes_waveforms = True
    """Whether mixup comes before `inputs`."""

    def __init__(
        self,
        n_samples: int,
        dim: int = 256,
        *,
        branches: tuple[str, ...] = BRANCHES,
        combine: str = "concatenate",
        temporal_mean: bool = True,
        log_mel: bool = False,
        squeeze_excite: bool = False,
        bias: bool = False,
        frequency_attention: str = "none",
    ) -> None:
        super().__init__()
        n_frames, n_bins = spectrogram_shape(n_samples)
        if n_frames < LEAST_FRAMES:
            raise ValueError(f"waveforms of {n_samples} samples are too short for this encoder")
        if tuple(branches) not in {BRANCHES, BRANCHES[:1], BRANCHES[1:]}:
            raise ValueError(f"branches are {branches!r}; give spectrum, spectrogram or both")
        if combine not in ("concatenate", "add"):
            raise ValueError(f"combine is {combine!r}; use concatenate or add")
        if frequency_attention not in FREQUENCY_ATTENTIONS:
            raise ValueError(f"frequency_attention is {frequency_attention!r}")
        side_by_side = len(branches) if combine == "concatenate" else 1
        if dim % side_by_side:
            raise ValueError(f"dim is {dim}; it must be even")
        self.n_samples = n_samples
        self.dim = dim
        self.branches = tuple(branches)
        self.combine = combine
        self.temporal_mean = temporal_mean
        bank = slaney_filterbank(N_MELS, N_FFT, SAMPLE_RATE) if log_mel else None
        self.register_buffer("mel_bank", bank, persistent=False)
        options = {"squeeze_excite": squeeze_excite, "bias": bias}
        size = dim // side_by_side
        if "spectrum" in branches:
            self.spectrum_branch = SpectrumEncoder(n_samples // 2, size, **options)
        if "spectrogram" in branches:
            bands = N_MELS if log_mel else n_bins
            self.spectrogram_branch = SpectrogramEncoder(bands, size, **options)
            match frequency_attention:
                case "attention":
                    self.attend = FrequencyAttention(n_frames, bands)
                case "gate":
                    self.attend = FrequencyGate(bands)
                case _:
                    self.attend = nn.Identity()

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map waveforms (batch, n_samples) to embeddings (batch, dim), not normalised."""
        return self.combined(self.halves(*self.inputs(waveforms)))

    def inputs(self, waveforms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the branches see of waveforms, their temporal mean still on.

        Parameters
        ----------
        waveforms : torch.Tensor, shape (batch, n_samples)

        Returns
        -------
        tuple of torch.Tensor
            Magnitude spectra (batch, n_samples // 2), and spectrograms (batch, frames, bins) of
            magnitudes or, with ``log_mel``, their logarithms in 128 Mel bands.
        """
        spectrograms = magnitude_spectrogram(waveforms, n_fft=N_FFT)
        if self.mel_bank is not None:
            spectrograms = (spectrograms @ self.mel_bank + FLOOR).log()
        return magnitude_spectrum(waveforms), spectrograms

    def halves(self, spectra: torch.Tensor, spectrograms: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the branches make of `inputs`: that of the spectra, then that of the spectrograms.

        Returns
        -------
        tuple of torch.Tensor, shapes (batch, dim / 2)
            (batch, dim) where they are added, and where there is only one.
        """
        halves = []
        if "spectrum" in self.branches:
            halves.append(self.spectrum_branch(spectra))
        if "spectrogram" in self.branches:
            seen = self.attend(spectrograms)
            if self.temporal_mean:
                seen = without_temporal_mean(seen)
            halves.append(self.spectrogram_branch(seen))
        return tuple(halves)

    def combined(self, halves: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map what `halves` gives to embeddings (batch, dim)."""
        if self.combine == "add":
            return torch.stack(tuple(halves)).sum(dim=0)
        return torch.cat(tuple(halves), dim=1)


class SpectrumEncoder(nn.Module):
    """One-dimensional convolutions over the spectrum of a clip, and dense layers.

    Parameters
    ----------
    n_bins : int
        Length of the spectra.
    dim : int
        Dimension of the embeddings.
    squeeze_excite, bias : bool
        As in `TwoBranchEncoder`.

    Notes
    -----
    Dissertation, Table 14, whose second convolution has a stride of 32 (1250 / 32 gives the 40
    values of the table, its "16" would give 79). The convolutions have no batch normalisation.
    """

    kernels, strides, width = (256, 64, 16), (64, 32, 4), 128

    def __init__(
        self, n_bins: int, dim: int = 128, *, squeeze_excite: bool = False, bias: bool = False
    ) -> None:
        super().__init__()
        size, channels = n_bins, 1
        self.convolutions, self.weighings = nn.ModuleList(), nn.ModuleList()
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            self.convolutions.append(nn.Conv1d(channels, self.width, kernel, stride, bias=bias))
            self.weighings.append(SqueezeExcite(self.width) if squeeze_excite else nn.Identity())
            size, channels = -(-size // stride), self.width
        widths = [size * self.width, *[self.width] * 4]
        hidden: list[nn.Module] = []
        for before, behind in pairwise(widths):
            hidden += [nn.Linear(before, behind, bias=bias), batch_norm_1d(behind), nn.ReLU()]
        self.dense = nn.Sequential(*hidden, nn.Linear(self.width, dim, bias=bias))
        glorot_uniform(self)

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        """Map magnitude spectra (batch, n_bins) to embeddings (batch, dim)."""
        x = spectra.unsqueeze(1)
        for convolution, weigh in zip(self.convolutions, self.weighings, strict=True):
            size, stride = convolution.kernel_size[0], convolution.stride[0]
            x = weigh(relu(convolution(pad(x, same_padding(x.shape[2], size, stride)))))
        return self.dense(x.flatten(1))


class SpectrogramEncoder(nn.Module):
    """Residual network over a spectrogram, with a maximum over time at its end.

    Parameters
    ----------
    n_bins : int
        Frequency bins of the spectrograms; their number of frames is free, from `LEAST_FRAMES`.
    dim : int
        Dimension of the embeddings.
    channels : tuple of int
        Channels of the stages, two blocks each; time and frequency are halved between them.
    squeeze_excite, bias : bool
        As in `TwoBranchEncoder`.

    Notes
    -----
    Dissertation, Table 15. The table leaves out the maximum over 3x3 with a stride of 2 behind the
    first convolution, which its sizes (156x257, then 77x128) ask for; its 2056 is 16 x 128 = 2048.
    """

    def __init__(
        self,
        n_bins: int = 513,
        dim: int = 128,
        channels: tuple[int, ...] = (16, 32, 64, 128),
        *,
        squeeze_excite: bool = False,
        bias: bool = False,
    ) -> None:
        super().__init__()
        block = partial(PreActivationBlock, squeeze_excite=squeeze_excite, bias=bias)
        self.standardise = batch_norm_1d(n_bins)
        self.stem = Stem(channels[0], bias=bias)
        size = (-(-n_bins // 2) - 1) // 2
        blocks = [block(channels[0], channels[0], normalise=False)]
        blocks += [block(channels[0], channels[0])]
        for before, behind in pairwise(channels):
            blocks += [block(before, behind), block(behind, behind)]
            size = -(-size // 2)
        self.blocks = nn.Sequential(*blocks)
        self.standardise_maps = batch_norm_1d(size * channels[-1])
        self.embed = nn.Linear(size * channels[-1], dim, bias=bias)
        glorot_uniform(self)
        self.to(memory_format=torch.channels_last)

    def forward(self, spectrograms: torch.Tensor) -> torch.Tensor:
        """Map spectrograms (batch, frames, n_bins) to embeddings (batch, dim)."""
        n, n_frames, n_bins = spectrograms.shape
        x = self.standardise(spectrograms.reshape(-1, n_bins)).view(n, n_frames, n_bins)
        maps = self.blocks(self.stem(x)).amax(dim=2)
        return self.embed(self.standardise_maps(maps.flatten(1)))


class Stem(nn.Module):
    """7x7 convolution with a stride of 2, batch normalisation, ReLU, maximum over 3x3 every 2."""

    def __init__(self, channels: int, *, bias: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 7, stride=2, bias=bias)
        self.norm = batch_norm_2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, frames, bins) to maps (batch, channels, about frames / 4, bins / 4).

        With the seven columns that a filter sees as channels, the convolution is three times as
        fast as with a single channel. ReLU and maximum may change places.
        """
        rows, columns = (same_padding(size, 7, 2) for size in x.shape[1:])
        windows = pad(x, (*columns, *rows)).unfold(2, 7, 2).contiguous().permute(0, 3, 1, 2)
        weight = self.conv.weight.permute(0, 3, 2, 1).contiguous()
        maps = self.norm(conv2d(windows, weight, self.conv.bias, stride=(2, 1)))
        return relu(max_pool2d(maps, 3, 2))
