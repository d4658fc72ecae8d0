import numpy as np
import pytest
import torch

from fewshot.augment import coloured_noise, featex, mixup, spec_augment, statex


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_mixup_mixes_inputs_and_labels_with_the_same_coefficient():
    x = torch.eye(64)
    mixed, labels = mixup(x, x[:, :, None], generator())
    torch.testing.assert_close(mixed, labels[:, :, 0])
    torch.testing.assert_close(mixed.sum(dim=1), torch.ones(64))
    weights = mixed.diagonal()
    assert weights.min() < 0.1 and weights[weights < 1].max() > 0.9


@pytest.mark.parametrize("probability", [0.0, 0.5])
def test_mixup_leaves_some_samples_pure(probability):
    x = torch.eye(400)
    mixed, labels = mixup(x, x[:, :, None], generator(), probability)
    torch.testing.assert_close(mixed, labels[:, :, 0])
    pure = (mixed == x).all(dim=1)
    assert (mixed.sum(dim=1)[pure] == 1).all()
    assert pure.float().mean().item() == pytest.approx(1 - probability, abs=0.08)


def test_mixup_of_all_draws_what_it_always_drew():
    one, two = generator(), generator()
    x = torch.eye(8)
    mixed, _ = mixup(x, x, one)
    partner, weight = torch.randperm(8, generator=two), torch.rand(8, generator=two)
    torch.testing.assert_close(mixed, weight[:, None] * x + (1 - weight)[:, None] * x[partner])
    assert torch.equal(one.get_state(), two.get_state())


def naive_exchange(one, two, axis):
    """Equation 59 for two spectrograms (frames, bins)."""
    if axis == 0:
        return naive_exchange(one.T, two.T, 1).T
    rows = []
    for content, style in zip(one, two, strict=True):
        rows.append((content - content.mean()) / content.std() * style.std() + style.mean())
    return np.stack(rows)


def blocks(labels, n_blocks=3):
    """Shape (batch, n_blocks, n_classes)."""
    return labels.unflatten(1, (n_blocks, -1))


@pytest.mark.parametrize("along", ["frequency", "time", "either"])
def test_statex_against_the_definition(along):
    n = 40
    x = torch.rand(n, 5, 7, generator=generator(1), dtype=torch.float64)
    found, labels = statex(x, torch.eye(n, dtype=torch.float64), generator(), along=along)
    plain, own, foreign = blocks(labels).unbind(1)
    applied = plain.sum(dim=1) == 0
    assert 10 < applied.sum() < 30
    torch.testing.assert_close(plain + own, torch.diag(1 - applied.double() / 2))
    torch.testing.assert_close(foreign.sum(dim=1), applied.double() / 2)
    axes = set()
    for i in range(n):
        if not applied[i]:
            assert torch.equal(found[i], x[i])
            continue
        partner = foreign[i].argmax()
        expected = [naive_exchange(x[i].numpy(), x[partner].numpy(), axis) for axis in (0, 1)]
        fits = [np.allclose(found[i], e, atol=1e-5) for e in expected]
        assert any(fits)
        axes |= {("time", "frequency")[axis] for axis in (0, 1) if fits[axis] and partner != i}
    assert axes == ({"time", "frequency"} if along == "either" else {along})


def test_statex_of_silence_and_of_one_sample():
    x = torch.zeros(4, 5, 7)
    x[2:] = torch.rand(2, 5, 7, generator=generator())
    found, labels = statex(x, torch.eye(4), generator(), probability=1.0)
    assert found.isfinite().all() and (blocks(labels)[:, 0] == 0).all()
    alone, labels = statex(x[3:], torch.ones(1, 1), generator(), probability=1.0)
    torch.testing.assert_close(alone, x[3:], atol=1e-5, rtol=1e-5)
    assert labels.tolist() == [[0.0, 0.5, 0.5]]


def test_statex_along_an_unknown_axis_is_refused():
    with pytest.raises(ValueError, match="along is 'channels'"):
        statex(torch.zeros(1, 2, 3), torch.ones(1, 1), generator(), along="channels")


def test_featex_takes_the_second_half_of_another_sample():
    n = 40
    first, second = torch.arange(n)[:, None].float(), 100.0 + torch.arange(n)[:, None]
    (one, two), labels = featex((first, second), torch.eye(n), generator())
    assert torch.equal(one, first)
    plain, own, foreign = blocks(labels).unbind(1)
    applied = plain.sum(dim=1) == 0
    assert 10 < applied.sum() < 30
    torch.testing.assert_close(plain + own, torch.diag(1 - applied / 2))
    partner = torch.where(applied, foreign.argmax(dim=1), torch.arange(n))
    assert torch.equal(two[:, 0], second[partner, 0])
    torch.testing.assert_close(foreign.sum(dim=1), applied / 2)


def test_featex_behind_statex_has_nine_blocks_of_classes():
    """Entry 3N * (block of FeatEx) + N * (block of StatEx) + class."""
    n, n_classes = 60, 4
    mixed = torch.rand(n, n_classes, generator=generator(1)).softmax(dim=1)
    _, three = statex(torch.rand(n, 5, 7), mixed, generator(2))
    halves = (torch.rand(n, 3), torch.rand(n, 3))
    _, nine = featex(halves, three, generator(3))
    assert nine.shape == (n, 9 * n_classes)
    torch.testing.assert_close(nine.sum(dim=1), torch.ones(n))
    by_block = nine.view(n, 3, 3, n_classes)
    featex_applied = by_block[:, 0].sum(dim=(1, 2)) == 0
    statex_applied = three[:, :n_classes].sum(dim=1) == 0
    neither, alone = ~featex_applied & ~statex_applied, ~featex_applied & statex_applied
    assert neither.any() and torch.equal(by_block[neither][:, 0, 0], mixed[neither])
    assert alone.any() and torch.equal(by_block[alone][:, 0, 1], 0.5 * mixed[alone])
    for i in featex_applied.nonzero()[:, 0]:
        torch.testing.assert_close(nine[i, 3 * n_classes : 6 * n_classes], 0.5 * three[i])
        assert any(torch.equal(nine[i, 6 * n_classes :], 0.5 * other) for other in three)


def test_featex_lets_gradients_into_both_halves():
    halves = [torch.rand(8, 3, requires_grad=True) for _ in range(2)]
    (one, two), _ = featex(tuple(halves), torch.eye(8), generator(), probability=1.0)
    (one.sum() + two.sum()).backward()
    for half in halves:
        assert torch.equal(half.grad, torch.ones(8, 3))


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
