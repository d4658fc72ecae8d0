"""MobileNetV2: its published numbers of parameters, shapes, gradients."""

import pytest
import torch

from fewshot.encoders.mobilenet import InvertedResidual, MobileNetV2

BLOCKS = (
    # in, wide, out: Table 2 of the paper with half the channels, in multiples of 8
    (16, 16, 8),
    (8, 48, 16),
    (16, 96, 16),
    *[(16, 96, 16)] * 3,
    (16, 96, 32),
    *[(32, 192, 32)] * 3,
    (32, 192, 48),
    *[(48, 288, 48)] * 2,
    (48, 288, 80),
    *[(80, 480, 80)] * 2,
    (80, 480, 160),
)


def test_the_weights_are_those_of_the_published_structure():
    convolutions = 9 * 16 + 160 * 1280
    channels = 16 + 1280
    for before, wide, behind in BLOCKS:
        expands = wide > before
        convolutions += before * wide * expands + 9 * wide + wide * behind
        channels += wide * expands + wide + behind
    network = MobileNetV2()
    found = sum(parameter.numel() for parameter in network.parameters())
    assert found == convolutions + 2 * channels
    # Keras counts 706,224 with the statistics of the normalisations, and three channels going in.
    assert found + 2 * channels + 2 * 9 * 16 == 706_224


@pytest.mark.parametrize("size", [(64, 128), (7, 128), (33, 40)])
def test_spectrograms_of_any_size_become_vectors(size):
    network = MobileNetV2(24)
    assert network(torch.randn(2, *size)).shape == (2, 24)
    sizes = [x.shape[2:] for x in _outputs(network, torch.randn(1, 64, 128))]
    assert sizes[0] == (32, 64) and sizes[-1] == (2, 4)


def _outputs(network, spectrograms):
    x = spectrograms.unsqueeze(1)
    for layer in network.layers:
        x = layer(x)
        yield x


def test_every_weight_has_a_gradient():
    network = MobileNetV2(16)
    network(torch.randn(4, 64, 128)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert network.layers[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("out", "stride", "adds"), [(8, 1, True), (8, 2, False), (16, 1, False)])
def test_only_blocks_that_keep_the_size_have_a_shortcut(out, stride, adds):
    block = InvertedResidual(8, out, 6, stride).eval()
    torch.nn.init.zeros_(block.layers[-2].weight)
    x = torch.randn(2, 8, 6, 6)
    expected = x if adds else torch.zeros(2, out, 6 // stride, 6 // stride)
    torch.testing.assert_close(block(x), expected)
