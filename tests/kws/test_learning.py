import numpy as np
import pytest
import torch

from fewshot.features import log_mel
from kws.learning import (
    BACKGROUND_SEGMENTS,
    _batch,
    _epoch_indices,
    background_segments,
    learn_encoder,
    training_set,
)


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    return [rng.standard_normal(n).astype(np.float32) for n in (2000, 6000, 9000, 4000)]


@pytest.fixture(scope="module")
def data(clips):
    background = background_segments([], np.random.default_rng(0))
    return training_set(clips, [0, 0, 1, 2], background, positions=True)


def test_every_segment_has_its_reversal(clips, data):
    assert data.n_classes == 7
    assert data.features.shape == (2 * 14, 16, 64)
    assert data.classes.tolist() == [0] * 5 + [1] * 8 + [2] + [3] * 5 + [4] * 8 + [5]
    assert data.positions.shape == (28, 8)
    np.testing.assert_array_equal(data.positions[14:], 1 / 8)
    np.testing.assert_array_equal(data.positions[5:13], np.eye(8))
    last = torch.from_numpy(clips[3][::-1].copy())[None]
    torch.testing.assert_close(data.features[-1], log_mel(last)[0])


def test_an_epoch_is_balanced(data):
    indices = _epoch_indices(data, torch.Generator().manual_seed(0))
    assert len(indices) == 7 * 8
    features, labels = _batch(data, indices)
    assert features.shape == (56, 16, 64)
    torch.testing.assert_close(labels.sum(dim=(1, 2)), torch.ones(56))
    torch.testing.assert_close(labels.sum(dim=(0, 2)), torch.full((7,), 8.0))
    quiet = labels[:, 6].sum(dim=1) > 0
    torch.testing.assert_close(labels[quiet][:, 6], torch.full((8, 8), 1 / 8))


def test_without_positions_there_is_one(clips):
    background = background_segments([], np.random.default_rng(0))
    data = training_set(clips, [0, 0, 1, 2], background, positions=False)
    assert data.positions.shape == (28, 1)
    assert (data.positions == 1).all()


def test_reversed_segments_can_be_left_out(clips, data):
    background = background_segments([], np.random.default_rng(0))
    few = training_set(clips, [0, 0, 1, 2], background, positions=True, reversed_classes=False)
    n = len(data.features) // 2
    assert few.n_classes == 4 and data.n_classes == 7
    for name in ("features", "classes", "positions"):
        torch.testing.assert_close(getattr(few, name), getattr(data, name)[:n])


@pytest.mark.parametrize("recordings", [[], [np.ones(100, np.float32), np.ones(20000, np.float32)]])
def test_background_has_many_levels(recordings):
    segments = background_segments(recordings, np.random.default_rng(0))
    assert segments.shape == (BACKGROUND_SEGMENTS, 4000)
    peaks = np.abs(segments).max(axis=1)
    assert (peaks == 0).any() and peaks.max() <= 1
    levels_db = 20 * np.log10(peaks[peaks > 0])
    assert levels_db.min() < -65 and levels_db.max() > -5


def test_training_learns_and_is_repeatable(data):
    first, losses = learn_encoder(data, epochs=3, batch_size=16, seed=1)
    second, again = learn_encoder(data, epochs=3, batch_size=16, seed=1)
    assert losses[-1] < losses[0]
    assert losses == again
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert learn_encoder(data, epochs=1, batch_size=16, seed=2)[1] != losses[:1]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_on_cuda(data):
    encoder, losses = learn_encoder(data, epochs=3, batch_size=16, device="cuda")
    assert next(encoder.parameters()).is_cuda
    assert losses[-1] < losses[0]
