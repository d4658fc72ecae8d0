"""Features: what the networks and the baselines see instead of a waveform."""

import math
from functools import lru_cache

import numpy as np
import torch

FLOOR = 1e-5
# Equivalent rectangular bandwidth in Hz, of a frequency in Hz: factors of its square, itself and 1.
_ERB = (6.23e-6, 93.39e-3, 28.52)


def mel_filterbank(
    n_mels: int, n_fft: int, sample_rate: int, low_hz: float = 0.0, high_hz: float | None = None
) -> torch.Tensor:
    """Triangular filters, equally spaced on the HTK Mel scale, each with a peak of 1.

    Parameters
    ----------
    n_mels : int
        Number of filters.
    n_fft : int
        Length of the Fourier transform, in samples.
    sample_rate : int
        In Hz.
    low_hz, high_hz : float
        Lower edge of the first and upper edge of the last filter; half the sampling rate by
        default.

    Returns
    -------
    torch.Tensor, shape (n_fft // 2 + 1, n_mels), float32
    """
    high_hz = sample_rate / 2 if high_hz is None else high_hz
    edges = _hz(torch.linspace(_mel(low_hz), _mel(high_hz), n_mels + 2, dtype=torch.float64))
    return _triangles(edges[:-2], edges[1:-1], edges[2:], n_fft, sample_rate)


def human_factor_filterbank(
    n_filters: int, n_fft: int, sample_rate: int, low_hz: float = 0.0, high_hz: float | None = None
) -> torch.Tensor:
    """Triangular filters on the HTK Mel scale, as wide as those of the ear, each with a peak of 1.

    Parameters
    ----------
    n_filters : int
        Number of filters, at least 2; more of them are not narrower, they overlap more.
    n_fft, sample_rate, low_hz, high_hz
        As for `mel_filterbank`.

    Returns
    -------
    torch.Tensor, shape (n_fft // 2 + 1, n_filters), float32

    Notes
    -----
    M. D. Skowronski and J. G. Harris, "Exploiting independent filter bandwidth of human factor
    cepstral coefficients in automatic speech recognition", JASA 116, 2004. A filter with its
    centre at f rises from l and falls to u, with u - l = 2 ERB(f) and f in the middle of l and u
    on the Mel scale. ERB(f) is the equivalent rectangular bandwidth of Moore and Glasberg (1983):
    28.52 Hz + 93.39 f + 6.23 f^2 for f in kHz. The first filter begins at `low_hz`, the last one
    ends at `high_hz`, the centres in between are equally spaced in Mel.
    """
    high_hz = sample_rate / 2 if high_hz is None else high_hz
    first, last = _outer_centre(low_hz, 1), _outer_centre(high_hz, -1)
    centres = _hz(torch.linspace(_mel(first), _mel(last), n_filters, dtype=torch.float64))
    a, b, c = _ERB
    erb = a * centres**2 + b * centres + c
    # The roots of (l + 700)(l + 700 + 2 ERB) = (f + 700)^2.
    lower = ((centres + 700.0) ** 2 + erb**2).sqrt() - erb - 700.0
    return _triangles(lower, centres, lower + 2.0 * erb, n_fft, sample_rate)


def _outer_centre(edge_hz: float, side: int) -> float:
    """Centre of the human-factor filter that begins (side 1) or ends (side -1) at an edge."""
    a, b, c = (2.0 * side * (edge_hz + 700.0) * factor for factor in _ERB)
    # (f + 700)^2 = (edge + 700)(edge + 700 + 2 side ERB(f)) has one root above 0.
    square = [1.0 - a, 1400.0 - b, 700.0**2 - (edge_hz + 700.0) ** 2 - c]
    return float(np.roots(square).max())


def _mel(hz: float) -> float:
    return 2595.0 * math.log10(1.0 + hz / 700.0)


def _hz(mels: torch.Tensor) -> torch.Tensor:
    return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)


def _triangles(
    lower: torch.Tensor, centres: torch.Tensor, upper: torch.Tensor, n_fft: int, sample_rate: int
) -> torch.Tensor:
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64)[:, None] * sample_rate / n_fft
    rising = (bins - lower) / (centres - lower)
    falling = (upper - bins) / (upper - centres)
    return torch.minimum(rising, falling).clamp(min=0.0).float()


@lru_cache(maxsize=8)
def _constants(
    n_mels: int, n_fft: int, sample_rate: int, low_hz: float, high_hz: float | None, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    bank = mel_filterbank(n_mels, n_fft, sample_rate, low_hz, high_hz)
    return _hann(n_fft, device), bank.to(device)


@lru_cache(maxsize=8)
def _hann(n_fft: int, device: str) -> torch.Tensor:
    return torch.hann_window(n_fft, device=device)


def log_mel(
    waveforms: torch.Tensor,
    *,
    sample_rate: int = 16000,
    n_mels: int = 64,
    n_fft: int = 1024,
    hop: int = 256,
    low_hz: float = 0.0,
    high_hz: float | None = None,
) -> torch.Tensor:
    """Log-Mel magnitude spectrograms, frames centred and reflected at the borders.

    Parameters
    ----------
    waveforms : torch.Tensor, shape (n_waveforms, n_samples)
        More than ``n_fft / 2`` samples each.
    sample_rate : int
        In Hz.
    n_mels, n_fft, hop : int
        Mel bins; window (Hann) and hop in samples.
    low_hz, high_hz : float
        Range of the Mel filters.

    Returns
    -------
    torch.Tensor, shape (n_waveforms, 1 + n_samples // hop, n_mels)
        ``log(max(mel magnitude, 1e-5))``.

    Notes
    -----
    Dissertation, section 6.3.4: magnitude spectrogram, Hann window of 1024, hop of 256 samples,
    64 Mel bins.
    """
    window, bank = _constants(n_mels, n_fft, sample_rate, low_hz, high_hz, str(waveforms.device))
    spectrum = torch.stft(
        waveforms, n_fft, hop, window=window, center=True, pad_mode="reflect", return_complex=True
    )
    mel = spectrum.abs().transpose(1, 2) @ bank
    return mel.clamp_(min=FLOOR).log_()


def slaney_filterbank(
    n_mels: int, n_fft: int, sample_rate: int, low_hz: float = 0.0, high_hz: float | None = None
) -> torch.Tensor:
    """Triangular filters, equally spaced on Slaney's Mel scale, each with an area of 1 (per Hz).

    Parameters
    ----------
    n_mels, n_fft, sample_rate, low_hz, high_hz
        As for `mel_filterbank`.

    Returns
    -------
    torch.Tensor, shape (n_fft // 2 + 1, n_mels), float32

    Notes
    -----
    M. Slaney, "Auditory toolbox", 1998: linear up to 1 kHz, 15 Mel there, logarithmic above, 27 Mel
    from 1 to 6.4 kHz. librosa's default, and so that of the challenge's baselines.
    """
    first, last = map(_slaney_mel, (low_hz, sample_rate / 2 if high_hz is None else high_hz))
    mels = torch.linspace(first, last, n_mels + 2, dtype=torch.float64)
    linear, logarithmic = mels * 200.0 / 3.0, 1000.0 * 6.4 ** ((mels - 15.0) / 27.0)
    edges = torch.where(mels < 15.0, linear, logarithmic)
    bank = _triangles(edges[:-2], edges[1:-1], edges[2:], n_fft, sample_rate)
    return bank * (2.0 / (edges[2:] - edges[:-2])).float()


def _slaney_mel(hz: float) -> float:
    return 0.015 * hz if hz < 1000.0 else 15.0 + 27.0 * math.log(hz / 1000.0) / math.log(6.4)


def mel_decibels(samples: np.ndarray) -> np.ndarray:
    """Power Mel spectrogram in dB, as the baselines of DCASE Challenge Task 2 see a clip.

    Parameters
    ----------
    samples : np.ndarray, shape (n_samples,)
        One waveform, at 16 kHz.

    Returns
    -------
    np.ndarray, shape (1 + n_samples // 512, 128), float32
        As `batch_mel_decibels`, with silence around the clip.
    """
    waveforms = torch.from_numpy(np.ascontiguousarray(samples, np.float32))[None]
    return batch_mel_decibels(waveforms, pad_mode="constant")[0].numpy()


def batch_mel_decibels(
    waveforms: torch.Tensor, *, pad_mode: str = "reflect", mel_scale: str = "slaney"
) -> torch.Tensor:
    """Power Mel spectrograms in dB of waveforms of one length, on their device.

    Parameters
    ----------
    waveforms : torch.Tensor, shape (n_waveforms, n_samples), float32
        At 16 kHz.
    pad_mode : {"reflect", "constant"}
        What is around a waveform: itself (more than 512 samples each), or silence.
    mel_scale : {"slaney", "htk"}
        Bands of `slaney_filterbank`, or of `mel_filterbank`.

    Returns
    -------
    torch.Tensor, shape (n_waveforms, 1 + n_samples // 512, 128)
        ``10 log10(max(power, 1e-10))``; 313 frames of 10 s. Windows
        (Hann) of 1024 samples, every 512, are centred.

    Notes
    -----
    Dissertation, section 3.2.2, with reflection.
    """
    window, bank = _decibel_constants(mel_scale, str(waveforms.device))
    spectrum = torch.stft(
        waveforms, 1024, 512, window=window, center=True, pad_mode=pad_mode, return_complex=True
    )
    power = spectrum.abs().square().transpose(1, 2) @ bank
    return power.clamp_(min=1e-10).log10_().mul_(10.0)


@lru_cache(maxsize=4)
def _decibel_constants(mel_scale: str, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    filterbank = {"slaney": slaney_filterbank, "htk": mel_filterbank}[mel_scale]
    return _hann(1024, device), filterbank(128, 1024, 16000).to(device)


def magnitude_spectrum(waveforms: torch.Tensor) -> torch.Tensor:
    """Magnitudes of the Fourier transform of whole clips, without the bin at half the rate.

    Parameters
    ----------
    waveforms : torch.Tensor, shape (n_waveforms, n_samples)

    Returns
    -------
    torch.Tensor, shape (n_waveforms, n_samples // 2)

    Notes
    -----
    Dissertation, section 5.3.1: no window, no scaling.
    """
    return torch.fft.rfft(waveforms)[:, : waveforms.shape[1] // 2].abs()


def magnitude_spectrogram(
    waveforms: torch.Tensor, *, n_fft: int = 1024, hop: int = 512, window: int | None = None
) -> torch.Tensor:
    """Magnitudes of the short-time Fourier transform: no Mel bands, no logarithm, no padding.

    Parameters
    ----------
    waveforms : torch.Tensor, shape (n_waveforms, n_samples)
        At least a window each.
    n_fft, hop : int
        Length of the Fourier transform and hop in samples.
    window : int, optional
        Of Hann, in samples, ``n_fft`` at most and by default; zeros follow shorter ones.

    Returns
    -------
    torch.Tensor, shape (n_waveforms, n_frames, n_fft // 2 + 1)
        As many frames as `spectrogram_shape` says of the window, each of them whole.

    Notes
    -----
    Dissertation, section 5.3.1.
    """
    window = n_fft if window is None else window
    hann = _hann(window, str(waveforms.device)).to(waveforms.dtype)
    return torch.fft.rfft(waveforms.unfold(1, window, hop) * hann, n_fft).abs()


def spectrogram_shape(n_samples: int, *, n_fft: int = 1024, hop: int = 512) -> tuple[int, int]:
    """Frames and bins of `magnitude_spectrogram`.

    >>> spectrogram_shape(160_000), spectrogram_shape(64_000)
    ((311, 513), (124, 513))
    """
    return max(0, (n_samples - n_fft) // hop + 1), n_fft // 2 + 1


def without_temporal_mean(spectrograms: torch.Tensor) -> torch.Tensor:
    """Take the mean over the frames off every bin of (n_spectrograms, n_frames, n_bins).

    Dissertation, section 5.3.1: temporal mean normalisation. Constant sound vanishes.
    """
    return spectrograms - spectrograms.mean(dim=1, keepdim=True)


def mfcc(
    samples: np.ndarray,
    *,
    sample_rate: int = 16000,
    n_coefficients: int = 20,
    n_mels: int = 40,
    hop_s: float = 0.01,
    window_s: float = 0.025,
    low_hz: float = 60.0,
    high_hz: float = 7600.0,
) -> np.ndarray:
    """Mel-frequency cepstral coefficients without the zeroth, with their deltas.

    Parameters
    ----------
    samples : np.ndarray, shape (n_samples,)
        One waveform.
    sample_rate : int
        In Hz.
    n_coefficients, n_mels : int
        Coefficients that are kept, Mel bands.
    hop_s, window_s : float
        Hop and window in seconds.
    low_hz, high_hz : float
        Range of the Mel filters.

    Returns
    -------
    np.ndarray, shape (n_frames, 2 * n_coefficients), float32
    """
    window = round(window_s * sample_rate)
    bank = mel_filterbank(n_mels, _fft_length(window), sample_rate, low_hz, high_hz)
    return _cepstra(samples, bank.numpy(), window, round(hop_s * sample_rate), n_coefficients)


def hfcc(
    samples: np.ndarray,
    *,
    sample_rate: int = 16000,
    n_coefficients: int = 20,
    n_filters: int = 40,
    hop_s: float = 0.01,
    window_s: float = 0.04,
    low_hz: float = 60.0,
    high_hz: float = 7600.0,
) -> np.ndarray:
    """Human factor cepstral coefficients without the zeroth, with their deltas.

    Parameters
    ----------
    samples : np.ndarray, shape (n_samples,)
        One waveform.
    sample_rate : int
        In Hz.
    n_coefficients, n_filters : int
        Coefficients that are kept, filters.
    hop_s, window_s : float
        Hop and window in seconds.
    low_hz, high_hz : float
        Range of the filters.

    Returns
    -------
    np.ndarray, shape (n_frames, 2 * n_coefficients), float32

    Notes
    -----
    Dissertation, section 6.3.7: a window of 40 ms, a step of 10 ms, triangular filters whose
    widths do not depend on their spacing. It calls the widths Bark-motivated without giving them;
    these are those of `human_factor_filterbank`, as HFCC were published. There, HFCC differ from
    MFCC in the filters alone. So the rest, which the dissertation leaves open too (Hann window,
    power spectrum, number of filters and coefficients, deltas, no zeroth coefficient), is that of
    `mfcc`.
    """
    window = round(window_s * sample_rate)
    bank = human_factor_filterbank(n_filters, _fft_length(window), sample_rate, low_hz, high_hz)
    return _cepstra(samples, bank.numpy(), window, round(hop_s * sample_rate), n_coefficients)


def _fft_length(window: int) -> int:
    return 1 << (window - 1).bit_length()


def _cepstra(
    samples: np.ndarray, bank: np.ndarray, window: int, hop: int, n_coefficients: int
) -> np.ndarray:
    """Cepstra of the power spectra behind a filter bank, and their deltas."""
    from scipy.fft import dct
    from scipy.signal import savgol_filter

    padded = np.pad(np.asarray(samples, np.float32), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(window), _fft_length(window))) ** 2
    cepstrum = dct(np.log(np.maximum(spectrum @ bank, 1e-10)), type=2, norm="ortho", axis=1)
    static = cepstrum[:, 1 : n_coefficients + 1]
    width = min(9, len(static) - 1 + len(static) % 2)
    delta = savgol_filter(static, width, 1, deriv=1, axis=0) if width >= 3 else 0 * static
    return np.concatenate([static, delta], axis=1).astype(np.float32)
