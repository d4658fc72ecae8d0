"""Features: what the networks and the baselines see instead of a waveform."""

import math
from functools import lru_cache

import numpy as np
import torch

FLOOR = 1e-5


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
    low, high = (2595.0 * math.log10(1.0 + hz / 700.0) for hz in (low_hz, high_hz))
    mels = torch.linspace(low, high, n_mels + 2, dtype=torch.float64)
    edges = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64)[:, None] * sample_rate / n_fft
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0.0).float()


@lru_cache(maxsize=8)
def _constants(
    n_mels: int, n_fft: int, sample_rate: int, low_hz: float, high_hz: float | None, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    bank = mel_filterbank(n_mels, n_fft, sample_rate, low_hz, high_hz)
    return torch.hann_window(n_fft, device=device), bank.to(device)


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
    from scipy.fft import dct
    from scipy.signal import savgol_filter

    hop, window = round(hop_s * sample_rate), round(window_s * sample_rate)
    n_fft = 1 << (window - 1).bit_length()
    padded = np.pad(np.asarray(samples, np.float32), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(window), n_fft)) ** 2
    bank = mel_filterbank(n_mels, n_fft, sample_rate, low_hz, high_hz).numpy()
    cepstrum = dct(np.log(np.maximum(spectrum @ bank, 1e-10)), type=2, norm="ortho", axis=1)
    static = cepstrum[:, 1 : n_coefficients + 1]
    width = min(9, len(static) - 1 + len(static) % 2)
    delta = savgol_filter(static, width, 1, deriv=1, axis=0) if width >= 3 else 0 * static
    return np.concatenate([static, delta], axis=1).astype(np.float32)
