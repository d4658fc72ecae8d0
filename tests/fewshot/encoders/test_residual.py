import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fewshot.encoders.residual import (
    PostNormBlock,
    PreActivationBlock,
    SameConv2d,
    SqueezeExcite,
    same_padding,
)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (311, 7, 2, (3, 3)),
        (513, 7, 2, (3, 3)),
        (561, 7, 2, (3, 3)),
        (77, 3, 2, (1, 1)),
        (128, 3, 2, (0, 1)),
        (80000, 256, 64, (96, 96)),
        (1250, 64, 32, (31, 31)),
        (40, 16, 4, (6, 6)),
        (71, 16, 4, (6, 7)),
    ],
)
def test_padding_of_the_published_sizes(size, kernel, stride, expected):
    assert same_padding(size, kernel, stride) == expected


@given(st.integers(1, 300), st.integers(1, 20), st.integers(1, 8))
def test_padding_gives_one_value_per_stride(size, kernel, stride):
    before, behind = same_padding(size, kernel, stride)
    assert 0 <= before <= behind <= before + 1
    assert (size + before + behind - kernel) // stride + 1 >= -(-size // stride)


def naive_convolution(x, weight, stride):
    """Of one example (channels, H, W), with zeros at the end where they are uneven."""
    out_channels, _, kernel, _ = weight.shape
    paddings = [same_padding(size, kernel, stride) for size in x.shape[1:]]
    x = np.pad(x, ((0, 0), *paddings))
    shape = [(size - kernel) // stride + 1 for size in x.shape[1:]]
    out = np.zeros((out_channels, *shape))
    for i, j in np.ndindex(*shape):
        part = x[:, stride * i : stride * i + kernel, stride * j : stride * j + kernel]
        out[:, i, j] = (weight * part).sum(axis=(1, 2, 3))
    return out


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (7, 2), (1, 3)])
@pytest.mark.parametrize("shape", [(8, 9), (5, 4)])
def test_convolution_by_hand(kernel, stride, shape):
    conv = SameConv2d(2, 3, kernel, stride).double()
    x = np.random.default_rng(0).standard_normal((1, 2, *shape))
    expected = naive_convolution(x[0], conv.weight.detach().numpy(), stride)
    assert expected.shape[1:] == tuple(-(-size // stride) for size in shape)
    np.testing.assert_allclose(conv(torch.from_numpy(x)).detach().numpy()[0], expected, atol=1e-12)


def naive_norm(x, norm):
    """Batch normalisation in evaluation mode, of one example (channels, H, W)."""
    if isinstance(norm, nn.Identity):
        return x
    mean, var = norm.running_mean.numpy(), norm.running_var.numpy()
    scale = norm.weight.detach().numpy() / np.sqrt(var + 1e-3)
    shift = norm.bias.detach().numpy() - mean * scale
    return x * scale[:, None, None] + shift[:, None, None]


def with_any_norms(block):
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.weight.data, module.bias.data):
                nn.init.normal_(values)
            nn.init.uniform_(module.running_var)
    return block


def naive_halves(x):
    """Maximum over 2x2, over less at uneven ends."""
    shape = (-(-x.shape[1] // 2), -(-x.shape[2] // 2))
    out = np.zeros((len(x), *shape))
    for i, j in np.ndindex(*shape):
        out[:, i, j] = x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(1, 2))
    return out


@pytest.mark.parametrize(
    ("channels", "normalise"), [((3, 3), False), ((3, 3), True), ((3, 5), True)]
)
def test_block_by_hand(channels, normalise):
    block = with_any_norms(PreActivationBlock(*channels, normalise=normalise).double())
    x = np.random.default_rng(0).standard_normal((3, 7, 6))
    widens = channels[0] != channels[1]
    weights = [block.conv1.weight.detach().numpy(), block.conv2.weight.detach().numpy()]
    u = naive_norm(x, block.norm1)
    y = naive_convolution(np.maximum(u, 0), weights[0], 2 if widens else 1)
    y = naive_convolution(np.maximum(naive_norm(y, block.norm2), 0), weights[1], 1)
    if widens:
        mix = block.shortcut[1].weight.detach().numpy()[:, :, 0, 0]
        u = np.einsum("oc,chw->ohw", mix, naive_halves(u))
    found = block.eval()(torch.from_numpy(x)[None])[0].detach().numpy()
    np.testing.assert_allclose(found, u + y, atol=1e-12)


@pytest.mark.parametrize("channels", [(3, 3), (3, 5)])
def test_post_norm_block_by_hand(channels):
    block = with_any_norms(PostNormBlock(*channels).double())
    x = np.random.default_rng(0).standard_normal((3, 7, 6))
    widens = channels[0] != channels[1]
    weights = [block.conv1.weight.detach().numpy(), block.conv2.weight.detach().numpy()]
    y = naive_convolution(np.where(x > 0, x, 0.1 * x), weights[0], 2 if widens else 1)
    y = naive_norm(np.where(y > 0, y, 0.1 * y), block.norm1)
    y = naive_convolution(y, weights[1], 1)
    shortcut = x
    if widens:
        mix = block.shortcut[1].weight.detach().numpy()[:, :, 0, 0]
        shortcut = np.einsum("oc,chw->ohw", mix, naive_halves(x))
    expected = naive_norm(shortcut + y, block.norm2)
    found = block.eval()(torch.from_numpy(x)[None])[0].detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(32, 5), (32, 3, 4), (9, 3, 4)])
def test_squeeze_excite_by_hand(shape):
    module = SqueezeExcite(shape[0]).double()
    x = np.random.default_rng(0).standard_normal((2, *shape))
    squeeze, excite = (w.detach().numpy() for w in module.parameters())
    assert squeeze.shape == (max(1, shape[0] // 16), shape[0])
    found = module(torch.from_numpy(x)).detach().numpy()
    for example, out in zip(x, found, strict=True):
        averages = np.array([channel.mean() for channel in example])
        weights = 1 / (1 + np.exp(-excite @ np.maximum(squeeze @ averages, 0)))
        for channel, weight, expected in zip(example, weights, out, strict=True):
            np.testing.assert_allclose(weight * channel, expected)


def test_squeeze_excite_weighs_the_branch_of_a_block_and_not_its_shortcut():
    plain = PreActivationBlock(16, 16).double().eval()
    block = PreActivationBlock(16, 16, squeeze_excite=True).double().eval()
    block.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(2, 16, 5, 6, dtype=torch.float64)
    shortcut = plain.norm1(x)
    torch.testing.assert_close(block(x), shortcut + block.weigh(plain(x) - shortcut))
