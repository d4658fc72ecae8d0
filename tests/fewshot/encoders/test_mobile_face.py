"""MobileFaceNet: size, shapes, gradients."""

import pytest
import torch

from fewshot.encoders.mobile_face import LAST_MAP, InvertedBottleneck, MobileFaceNet


def test_it_has_the_published_size():
    assert sum(p.numel() for p in MobileFaceNet().parameters()) == 1_059_392


def test_ten_seconds_leave_the_map_that_the_last_convolution_covers():
    with torch.device("meta"):
        network = MobileFaceNet()
        assert network.layers(torch.zeros(1, 2, 128, 313)).shape == (1, 512, *LAST_MAP)


@pytest.mark.parametrize("n_frames", [5, 40])
def test_other_lengths_are_embedded_too(n_frames):
    network = MobileFaceNet(6)
    embeddings = network(torch.randn(3, 2, 128, n_frames))
    assert embeddings.shape == (3, 6)
    embeddings.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_bottlenecks_keep_what_has_their_shape():
    for shape, skips in (((4, 4, 2, 1), True), ((4, 8, 2, 1), False), ((4, 4, 2, 2), False)):
        block = InvertedBottleneck(*shape).eval()
        torch.nn.init.zeros_(block.layers[-1].weight)
        x = torch.randn(2, 4, 6, 6)
        found = block(x)
        assert torch.equal(found, x) if skips else not found.any()
