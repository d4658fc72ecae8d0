"""The learnt spectrogram: shapes, size, gradients."""

import pytest
import torch

from fewshot.encoders.tgram import TgramNet
from fewshot.features import batch_mel_decibels


def test_ten_seconds_have_the_published_size():
    network = TgramNet(160_000)
    assert sum(p.numel() for p in network.parameters()) == 280_406


@pytest.mark.parametrize("n_samples", [16_000, 16_384, 17_000])
def test_frames_are_those_of_the_log_mel_spectrogram(n_samples):
    waveforms = torch.randn(2, n_samples)
    maps = TgramNet(n_samples)(waveforms)
    assert maps.shape == batch_mel_decibels(waveforms).shape


def test_a_sound_shows_where_it_is():
    torch.manual_seed(0)
    network = TgramNet(16_000, n_bands=4)
    waveforms = torch.zeros(1, 16_000)
    waveforms[0, 8_000:8_100] = 1.0
    energy = network.filters(waveforms[:, None])[0].abs().sum(dim=0)
    assert set(energy.nonzero()[:, 0].tolist()) == {15, 16}


def test_everything_is_trained():
    network = TgramNet(4_096, n_bands=4)
    network(torch.randn(3, 4_096)).square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in network.parameters())
