import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fewshot.features import (
    FLOOR,
    batch_mel_decibels,
    hfcc,
    human_factor_filterbank,
    log_mel,
    magnitude_spectrogram,
    magnitude_spectrum,
    mel_decibels,
    mel_filterbank,
    mfcc,
    slaney_filterbank,
    spectrogram_shape,
    without_temporal_mean,
)


@pytest.mark.parametrize(
    ("n_mels", "n_fft", "low", "high"), [(64, 1024, 0, 8000), (40, 512, 60, 7600)]
)
def test_filters_are_those_of_librosa(n_mels, n_fft, low, high):
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(
        sr=16000, n_fft=n_fft, n_mels=n_mels, fmin=low, fmax=high, htk=True, norm=None
    )
    found = mel_filterbank(n_mels, n_fft, 16000, low, high).numpy()
    np.testing.assert_allclose(found, expected.T, atol=1e-5)


@pytest.mark.parametrize(
    "n_mels, n_fft, rate, low, high",
    [
        (128, 1024, 16000, 0, None),
        (64, 2048, 44100, 0, None),
        (64, 512, 16000, 50, 7800),
        (8, 512, 16000, 1200, 3000),
        (5, 1024, 16000, 100, 900),
    ],
)
def test_slaney_filters_are_those_of_librosa(n_mels, n_fft, rate, low, high):
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=low, fmax=high).T
    found = slaney_filterbank(n_mels, n_fft, rate, low, high).numpy()
    assert found == pytest.approx(expected, abs=1e-7)


def naive_mel_decibels(samples, pad_mode, filterbank=slaney_filterbank):
    padded = np.pad(samples, 512, mode=pad_mode)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    frames = [padded[i : i + 1024] * window for i in range(0, len(samples) + 1, 512)]
    power = np.abs(np.fft.rfft(frames)) ** 2 @ filterbank(128, 1024, 16000).numpy()
    return 10 * np.log10(power)


def test_mel_decibels_by_hand():
    samples = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    expected = naive_mel_decibels(samples, "constant")
    assert mel_decibels(samples) == pytest.approx(expected, abs=1e-3)
    assert mel_decibels(np.zeros(2000)) == pytest.approx(-100)


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
def test_batch_mel_decibels_by_hand(pad_mode):
    waveforms = np.random.default_rng(0).standard_normal((2, 5000)).astype(np.float32)
    found = batch_mel_decibels(torch.from_numpy(waveforms), pad_mode=pad_mode).numpy()
    for samples, frames in zip(waveforms, found, strict=True):
        assert frames == pytest.approx(naive_mel_decibels(samples, pad_mode), abs=1e-3)
    assert batch_mel_decibels(torch.zeros(1, 160_000)).shape == (1, 313, 128)


def test_batch_mel_decibels_on_the_other_scale():
    samples = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    (found,) = batch_mel_decibels(torch.from_numpy(samples)[None], mel_scale="htk").numpy()
    expected = naive_mel_decibels(samples, "reflect", mel_filterbank)
    audible = expected > -100  # HTK's lowest bands lie between two bins
    assert found[audible] == pytest.approx(expected[audible], abs=1e-3)
    assert (found[~audible] == -100).all() and audible.any()


def test_log_mel_by_hand():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(4000).astype(np.float32)
    padded = np.pad(x, 512, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    frames = np.stack([padded[t : t + 1024] * window for t in range(0, 4001, 256)])
    mel = np.abs(np.fft.rfft(frames)) @ mel_filterbank(64, 1024, 16000).numpy()
    found = log_mel(torch.from_numpy(x)[None])[0].numpy()
    assert found.shape == (16, 64)
    np.testing.assert_allclose(found, np.log(np.maximum(mel, FLOOR)), atol=2e-3)


def test_silence_is_the_floor():
    assert torch.all(log_mel(torch.zeros(1, 4000)) == np.float32(np.log(FLOOR)))


def test_reversal_of_the_waveform_is_not_a_flip_of_the_frames():
    x = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(log_mel(x.flip(1)), log_mel(x).flip(1), atol=0.1)


CEPSTRA = pytest.mark.parametrize("cepstra", [mfcc, hfcc])


@CEPSTRA
@pytest.mark.parametrize("n_samples", [1, 160, 1600, 16000])
def test_cepstra_have_a_frame_every_ten_milliseconds(cepstra, n_samples):
    found = cepstra(np.random.default_rng(0).standard_normal(n_samples))
    assert found.shape == (1 + n_samples // 160, 40)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@CEPSTRA
def test_cepstra_do_not_know_the_level(cepstra):
    x = np.random.default_rng(0).standard_normal(8000)
    np.testing.assert_allclose(cepstra(x)[:, :20], cepstra(0.1 * x)[:, :20], atol=1e-3)


@CEPSTRA
def test_cepstra_of_silence_are_zero(cepstra):
    np.testing.assert_allclose(cepstra(np.zeros(4000)), 0.0, atol=1e-6)


def erb(hz):
    """Moore and Glasberg, 1983."""
    khz = hz / 1000
    return 6.23 * khz**2 + 93.39 * khz + 28.52


def mel(hz):
    return 2595 * np.log10(1 + hz / 700)


def naive_edges(centres):
    """Lower and upper edges: 2 ERB apart, the centre midway in Mel; found by halving."""
    low, high = centres - 2 * erb(centres), centres
    for _ in range(60):
        lower = (low + high) / 2
        early = (mel(lower) + mel(lower + 2 * erb(centres))) / 2 < mel(centres)
        low, high = np.where(early, lower, low), np.where(early, high, lower)
    return lower, lower + 2 * erb(centres)


def naive_human_factor_filters(n, n_fft, rate, low_hz, high_hz):
    """The outer centres by trial on a fine grid."""
    grid = np.linspace(low_hz, high_hz, 20001)[1:]
    lower, upper = naive_edges(grid)
    outer = grid[[np.abs(lower - low_hz).argmin(), np.abs(upper - high_hz).argmin()]]
    centres = 700 * (10 ** (np.linspace(*mel(outer), n) / 2595) - 1)
    bins = np.arange(n_fft // 2 + 1) * rate / n_fft
    edges = zip(*naive_edges(centres), strict=True)
    filters = [
        np.interp(bins, [lower, centre, upper], [0, 1, 0])
        for centre, (lower, upper) in zip(centres, edges, strict=True)
    ]
    return np.stack(filters, axis=1)


@pytest.mark.parametrize(
    ("n_filters", "n_fft", "rate", "low", "high"),
    [(40, 1024, 16000, 60, 7600), (29, 512, 12500, 0, 6250), (20, 1024, 16000, 250, 3450)],
)
def test_human_factor_filters_are_those_of_the_definition(n_filters, n_fft, rate, low, high):
    expected = naive_human_factor_filters(n_filters, n_fft, rate, low, high)
    found = human_factor_filterbank(n_filters, n_fft, rate, low, high).numpy()
    np.testing.assert_allclose(found, expected, atol=0.01)


@given(st.integers(2, 80), st.floats(0, 500), st.floats(2000, 8000))
def test_human_factor_filters_keep_to_their_range_and_widths(n_filters, low, high):
    bank = human_factor_filterbank(n_filters, 8192, 16000, low, high).numpy()
    step = 16000 / 8192
    bins = np.arange(4097) * step
    heard = bins[bank.any(axis=1)]
    assert low - 1e-6 <= heard[0] <= low + 1.001 * step
    assert high - 1.001 * step <= heard[-1] <= high + 1e-6
    assert bank.min() >= 0 and bank.max() <= 1
    # A triangle's area is half of its base, which is two bandwidths.
    centres = bins[bank.argmax(axis=0)]
    assert (np.diff(centres) >= 0).all()
    np.testing.assert_allclose(bank.sum(axis=0) * step, erb(centres), atol=0.2, rtol=0.01)


def test_human_factor_filters_do_not_narrow_when_there_are_more():
    few, many = (human_factor_filterbank(n, 1024, 16000).numpy().sum(axis=0) for n in (20, 39))
    np.testing.assert_allclose(many[::2], few, rtol=1e-5)


def test_hfcc_by_hand():
    x = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    padded = np.pad(x, 320)
    frames = np.stack([padded[t : t + 640] * np.hanning(640) for t in range(0, 4001, 160)])
    bank = human_factor_filterbank(40, 1024, 16000, 60, 7600).numpy()
    bands = np.log(np.abs(np.fft.rfft(frames, 1024)) ** 2 @ bank)
    angles = np.pi * np.outer(np.arange(1, 21), np.arange(40) + 0.5) / 40
    static = bands @ np.cos(angles).T * np.sqrt(2 / 40)
    delta = np.stack([np.polyfit(np.arange(9), static[t - 4 : t + 5], 1)[0] for t in range(4, 22)])
    found = hfcc(x)
    np.testing.assert_allclose(found[:, :20], static, atol=1e-4)
    np.testing.assert_allclose(found[4:22, 20:], delta, atol=1e-4)


@pytest.mark.parametrize("n_samples", [1, 2, 63, 64])
def test_magnitude_spectrum_by_hand(n_samples):
    x = np.random.default_rng(0).standard_normal((3, n_samples))
    turns = np.outer(np.arange(n_samples // 2), np.arange(n_samples)) / n_samples
    expected = np.abs(x @ np.exp(-2j * np.pi * turns).T)
    found = magnitude_spectrum(torch.from_numpy(x)).numpy()
    assert found.shape == (3, n_samples // 2)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(("n_samples", "n_frames"), [(1024, 1), (1535, 1), (1536, 2), (5000, 8)])
def test_magnitude_spectrogram_by_hand(n_samples, n_frames):
    x = np.random.default_rng(0).standard_normal((2, n_samples))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    expected = [
        [np.abs(np.fft.rfft(clip[512 * t : 512 * t + 1024] * window)) for t in range(n_frames)]
        for clip in x
    ]
    found = magnitude_spectrogram(torch.from_numpy(x)).numpy()
    assert found.shape == (2, *spectrogram_shape(n_samples))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_magnitude_spectrogram_of_shorter_windows():
    x = np.random.default_rng(0).standard_normal((2, 1000))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    expected = [
        [np.abs(np.fft.rfft(clip[160 * t : 160 * t + 400] * window, 512)) for t in range(4)]
        for clip in x
    ]
    found = magnitude_spectrogram(torch.from_numpy(x), n_fft=512, hop=160, window=400).numpy()
    assert found == pytest.approx(np.array(expected), abs=1e-5)


def test_frames_of_the_papers_clips():
    """Ten seconds have 311 frames, eighteen have 561; less than a window has none."""
    assert [spectrogram_shape(n)[0] for n in (160_000, 288_000, 1023)] == [311, 561, 0]


def test_what_is_constant_has_no_spectrogram_without_its_mean():
    """A tone whose period divides the hop gives the same frame again and again."""
    t = torch.arange(8192, dtype=torch.float64)
    tone = torch.sin(2 * torch.pi * t / 64)
    click = torch.zeros_like(t)
    click[5000] = 1.0
    both = without_temporal_mean(magnitude_spectrogram(torch.stack([tone, click])))
    assert both[0].abs().max() < 1e-3
    assert both[1].abs().max() > 0.5
    assert both.mean(dim=1).abs().max() < 1e-12
