"""The x-vector network: size, shapes, gradients, pooling."""

import pytest
import torch

from fewshot.encoders.tdnn import CONTEXT, TdnnEncoder


def small(n_channels=6):
    torch.manual_seed(0)
    return TdnnEncoder(n_channels, dim=8, n_pooled=12)


def test_three_planes_have_the_settled_size():
    assert sum(p.numel() for p in TdnnEncoder(3 * 128).parameters()) == 5_398_676


def test_a_frame_sees_fifteen_and_ten_seconds_leave_299():
    assert CONTEXT == 15
    assert small().convolutions(torch.randn(1, 6, 313)).shape == (1, 12, 299)


def test_embeddings_are_of_the_pooled_mean_and_deviation():
    network = small().eval()
    maps = torch.randn(3, 20, 6)
    x = network.convolutions(network.norm(maps.transpose(1, 2)))
    mean = x.mean(dim=2)
    deviation = ((x - mean[:, :, None]) ** 2).mean(dim=2).clamp(min=1e-5).sqrt()
    expected = network.embed(torch.cat([mean, deviation], dim=1))
    torch.testing.assert_close(network(maps), expected)


def test_constant_sound_has_an_embedding_and_a_gradient():
    network = small().eval()
    maps = torch.ones(2, CONTEXT, 6, requires_grad=True)
    network(maps).sum().backward()
    assert maps.grad.isfinite().all()


def test_everything_is_trained():
    network = small()
    network.top(network(torch.randn(5, 18, 6))).square().sum(dim=1).log().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert network.convolutions[0].weight.grad.abs().sum() > 0


def test_too_few_frames_are_refused():
    with pytest.raises(ValueError, match="14 frames; this encoder needs 15"):
        small()(torch.randn(2, 14, 6))
