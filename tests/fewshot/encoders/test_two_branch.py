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
from fewshot.features import magnitude_spectrogram, magnitude_spectrum, slaney_filterbank


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


def branches_of(encoder, x, *, temporal_mean=True, log_mel=False):
    """What each branch makes of waveforms, step by step."""
    spectrograms = magnitude_spectrogram(x)
    if log_mel:
        spectrograms = torch.log(spectrograms @ slaney_filterbank(128, 1024, 16000) + 1e-7)
    if temporal_mean:
        spectrograms = spectrograms - spectrograms.mean(dim=1, keepdim=True)
    return encoder.spectrum_branch(magnitude_spectrum(x)), encoder.spectrogram_branch(spectrograms)


@pytest.mark.parametrize("option", ["", "temporal_mean", "log_mel"])
def test_training_can_step_in_between(option):
    options = {option: option == "log_mel"} if option else {}
    encoder = TwoBranchEncoder(8192, dim=12, **options).eval()
    x = torch.randn(3, 8192)
    with torch.no_grad():
        halves = encoder.halves(*encoder.inputs(x))
        assert [tuple(half.shape) for half in halves] == [(3, 6), (3, 6)]
        for half, expected in zip(halves, branches_of(encoder, x, **options), strict=True):
            torch.testing.assert_close(half, expected)
        torch.testing.assert_close(encoder(x), torch.cat(halves, dim=1))


def test_inputs_still_have_their_temporal_mean():
    x = torch.randn(2, 8192)
    spectra, spectrograms = TwoBranchEncoder(8192).inputs(x)
    torch.testing.assert_close(spectra, magnitude_spectrum(x))
    torch.testing.assert_close(spectrograms, magnitude_spectrogram(x))


def test_halves_can_be_added():
    encoder = TwoBranchEncoder(8192, dim=7, combine="add").eval()
    x = torch.randn(3, 8192)
    with torch.no_grad():
        one, two = branches_of(encoder, x)
        torch.testing.assert_close(encoder(x), one + two)
    assert one.shape == (3, 7)


@pytest.mark.parametrize("combine", ["concatenate", "add"])
@pytest.mark.parametrize("branch", ["spectrum", "spectrogram"])
def test_one_branch_alone(branch, combine):
    encoder = TwoBranchEncoder(8192, dim=7, branches=(branch,), combine=combine).eval()
    assert {name.split(".")[0] for name in encoder.state_dict()} == {f"{branch}_branch"}
    x = torch.randn(3, 8192)
    with torch.no_grad():
        (half,) = encoder.halves(*encoder.inputs(x))
        assert half.shape == (3, 7)
        torch.testing.assert_close(encoder(x), half)


def test_squeeze_excite_and_biases_add_to_what_is_there():
    plain = TwoBranchEncoder(8192).state_dict()
    more = TwoBranchEncoder(8192, squeeze_excite=True, bias=True)
    added = set(more.state_dict()) - set(plain)
    assert set(plain) < set(more.state_dict())
    assert len([name for name in added if "squeeze" in name]) == 3 + 8
    biased = [m for m in more.modules() if isinstance(m, WEIGHTS) and m.bias is not None]
    assert len(biased) == 3 + 5 + 1 + 2 * 8 + 3 + 1, "all but those of the squeeze"
    assert not any(m.bias.any() for m in biased)
    more(torch.randn(4, 8192)).square().sum().backward()
    weighings = [p for name, p in more.named_parameters() if "excite" in name]
    outer = [more.spectrum_branch.dense[-1].bias, more.spectrogram_branch.embed.bias]
    assert all(p.grad is not None for p in more.parameters())
    assert any(p.grad.any() for p in weighings) and all(p.grad.any() for p in outer)


def test_without_the_options_a_saved_model_is_what_it_was():
    names = [name for name, _ in TwoBranchEncoder(4096).named_parameters()]
    assert len(names) == 73
    assert names[:3] == [f"spectrum_branch.convolutions.{i}.weight" for i in range(3)]
    assert names[-1] == "spectrogram_branch.embed.weight"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"branches": ("waveform",)}, "branches are"),
        ({"branches": ("spectrogram", "spectrum")}, "branches are"),
        ({"branches": ()}, "branches are"),
        ({"combine": "mean"}, "combine is 'mean'"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TwoBranchEncoder(4096, **options)
