import numpy as np
import pytest
import torch

from fewshot.augment import coloured_noise, mixup, spec_augment


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_mixup_mixes_inputs_and_labels_with_the_same_coefficient():
    x = torch.eye(64)
    mixed, labels = mixup(x, x[:, :, None], generator())
    torch.testing.assert_close(mixed, labels[:, :, 0])
    torch.testing.assert_close(mixed.sum(dim=1), torch.ones(64))
    weights = mixed.diagonal()
    assert weights.min() < 0.1 and weights[weights < 1].max() > 0.9


def test_spec_augment_masks_one_stretch_of_each_axis_with_the_mean():
    x = torch.randn(500, 16, 64, generator=generator())
    found = spec_augment(x, generator())
    changed = found != x
    torch.testing.assert_close(
        found[changed], x.mean(dim=(1, 2), keepdim=True).expand_as(x)[changed]
    )
    frames, bands = changed.all(dim=2).sum(dim=1), changed.all(dim=1).sum(dim=1)
    assert set(frames.tolist()) == {0, 1, 2, 3}
    assert set(bands.tolist()) == set(range(9))
    union = frames[:, None, None] * 64 + bands[:, None, None] * 16 - (frames * bands)[:, None, None]
    assert torch.equal(changed.sum(dim=(1, 2)), union[:, 0, 0])


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 1.0, 2.0])
def test_noise_has_its_colour(exponent):
    noise = coloured_noise(1 << 16, exponent, np.random.default_rng(0))
    assert np.abs(noise).max() == pytest.approx(1.0)
    power = np.abs(np.fft.rfft(noise)) ** 2
    low, high = power[1000:2000].mean(), power[8000:16000].mean()
    assert np.log(low / high) / np.log(8.0) == pytest.approx(exponent, abs=0.1)
