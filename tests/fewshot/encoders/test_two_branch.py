import pytest
import torch
from torch import nn

from fewshot.encoders.residual import PreActivationBlock
from fewshot.encoders.two_branch import (
    SpectrogramEncoder,
    SpectrumEncoder,
    Stem,
    TwoBranchEncoder,
)


def n_parameters(module, kinds):
    parts = [part for part in module.modules() if isinstance(part, kinds)]
    return sum(p.numel() for part in parts for p in part.parameters(recurse=False))


WEIGHTS = (nn.Conv1d, nn.Conv2d, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def test_number_of_parameters_of_table_15():
    encoder = SpectrogramEncoder()
    assert n_parameters(encoder, WEIGHTS) == 960_272
    assert n_parameters(encoder, NORMS) == 6_818


def test_number_of_parameters_of_table_14():
    encoder = SpectrumEncoder(80_000)
    assert n_parameters(encoder, WEIGHTS) == 1_572_864
    assert n_parameters(encoder, NORMS) == 1_024


def shapes_of(module, kind, x):
    shapes = []
    for part in module.modules():
        if isinstance(part, kind):
            part.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:])))
    module.eval()(x)
    return shapes


@pytest.mark.parametrize(
    ("n_frames", "frames"),
    [(311, (77, 39, 20, 10)), (561, (140, 70, 35, 18)), (124, (30, 15, 8, 4)), (5, (1, 1, 1, 1))],
)
def test_sizes_of_table_15(n_frames, frames):
    expected = [
        (channels, t, bins)
        for channels, t, bins in zip((16, 32, 64, 128), frames, (128, 64, 32, 16), strict=True)
        for _ in range(2)
    ]
    x = torch.randn(1, n_frames, 513)
    assert shapes_of(SpectrogramEncoder(), PreActivationBlock, x) == expected


@pytest.mark.parametrize(
    ("n_samples", "sizes"),
    [(160_000, (1250, 40, 10)), (288_000, (2250, 71, 18)), (64_000, (500, 16, 4))],
)
def test_sizes_of_table_14(n_samples, sizes):
    encoder = SpectrumEncoder(n_samples // 2)
    shapes = shapes_of(encoder, nn.Conv1d, torch.randn(1, n_samples // 2))
    assert shapes == [(128, size) for size in sizes]
    assert encoder.dense[0].in_features == 128 * sizes[-1]


@pytest.mark.parametrize("shape", [(12, 513), (9, 128), (15, 21)])
def test_stem_is_convolution_norm_relu_and_maximum(shape):
    stem = Stem(4).double()
    x = torch.randn(2, *shape, dtype=torch.float64, requires_grad=True)
    height, width = (-(-size // 2) for size in shape)
    padded = nn.functional.pad(x, (*around(shape[1]), *around(shape[0])))
    maps = nn.functional.conv2d(padded[:, None], stem.conv.weight, stride=2)
    assert maps.shape == (2, 4, height, width)
    expected = nn.functional.max_pool2d(stem.norm(maps).relu(), 3, 2)
    torch.testing.assert_close(stem(x), expected)
    tensors = [x, *stem.parameters()]
    weights = torch.randn_like(expected)
    for a, b in zip(
        torch.autograd.grad((stem(x) * weights).sum(), tensors),
        torch.autograd.grad((expected * weights).sum(), tensors),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def around(size):
    total = 2 * (-(-size // 2) - 1) + 7 - size
    return total // 2, total - total // 2


@pytest.mark.parametrize("n_samples", [3072, 5001, 64_000])
def test_embedding_is_both_branches_side_by_side(n_samples):
    encoder = TwoBranchEncoder(n_samples).eval()
    x = 0.1 * torch.randn(2, n_samples)
    with torch.no_grad():
        found = encoder(x)
        alone = encoder.spectrum_branch(torch.fft.rfft(x)[:, : n_samples // 2].abs())
    assert found.shape == (2, encoder.dim) == (2, 256)
    torch.testing.assert_close(found[:, :128], alone)


def test_reversal_in_time_is_seen_by_the_spectrogram_alone():
    encoder = TwoBranchEncoder(8192).eval()
    x = torch.randn(1, 8192)
    with torch.no_grad():
        found, back = encoder(x), encoder(x.flip(1))
    torch.testing.assert_close(found[:, :128], back[:, :128], atol=1e-3, rtol=1e-3)
    assert (found[:, 128:] - back[:, 128:]).abs().max() > 1e-2


def test_no_bias_but_that_of_the_norms():
    encoder = TwoBranchEncoder(4096)
    biased = [m for m in encoder.modules() if getattr(m, "bias", None) is not None]
    assert biased and all(isinstance(module, NORMS) for module in biased)
    assert {norm.eps for norm in biased} == {1e-3}


def test_every_parameter_learns():
    encoder = TwoBranchEncoder(8192)
    target = torch.randn(4, 256)
    (encoder(torch.randn(4, 8192)) - target).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_waveforms_that_are_too_short_are_refused():
    with pytest.raises(ValueError, match="3071 samples are too short"):
        TwoBranchEncoder(3071)
    with pytest.raises(ValueError, match="dim is 7"):
        TwoBranchEncoder(4096, dim=7)
