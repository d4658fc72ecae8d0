import numpy as np
import pytest
import torch

from fewshot.features import FLOOR, log_mel, mel_filterbank, mfcc


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


@pytest.mark.parametrize("n_samples", [1, 160, 1600, 16000])
def test_mfcc_has_a_frame_every_ten_milliseconds(n_samples):
    found = mfcc(np.random.default_rng(0).standard_normal(n_samples))
    assert found.shape == (1 + n_samples // 160, 40)
    assert np.isfinite(found).all()


def test_mfcc_does_not_know_the_level():
    x = np.random.default_rng(0).standard_normal(8000)
    np.testing.assert_allclose(mfcc(x)[:, :20], mfcc(0.1 * x)[:, :20], atol=1e-3)
