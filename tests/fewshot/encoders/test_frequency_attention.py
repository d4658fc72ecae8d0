"""Attention over the frequency bins of spectrograms."""

import pytest
import torch

from fewshot.encoders.frequency_attention import FrequencyAttention, FrequencyGate
from fewshot.encoders.two_branch import TwoBranchEncoder
from fewshot.features import without_temporal_mean


def encoders(kind, **options):
    """An encoder without attention, and one whose other parameters are the same."""
    plain = TwoBranchEncoder(8192, dim=12, **options)
    other = TwoBranchEncoder(8192, dim=12, frequency_attention=kind, **options)
    other.load_state_dict(plain.state_dict(), strict=False)
    return plain, other


@pytest.mark.parametrize("options", [{}, {"log_mel": True}, {"branches": ("spectrogram",)}])
def test_attention_begins_with_what_is_there_without_it(options):
    plain, attentive = encoders("attention", **options)
    x = torch.randn(3, 8192)
    torch.testing.assert_close(attentive(x), plain(x))
    with torch.no_grad():
        attentive.attend.alpha.fill_(0.5)
    assert not torch.allclose(attentive(x), plain(x))


@torch.no_grad()
def test_attention_is_its_equation():
    layer = FrequencyAttention(7, 5, width=8, n_heads=2).double().eval()
    layer.alpha.fill_(0.3)
    x = torch.randn(2, 7, 5, dtype=torch.float64)
    tokens = x.transpose(1, 2)
    deviations, means = torch.std_mean(tokens, dim=2, correction=0, keepdim=True)
    tokens = (tokens - means) / (deviations.square() + 1e-5).sqrt()
    tokens = tokens @ layer.embed.weight.T + layer.embed.bias + layer.places
    queries, keys, values = (
        tokens @ layer.attention.in_proj_weight.T + layer.attention.in_proj_bias
    ).chunk(3, dim=2)
    heads = [
        (q @ k.transpose(1, 2) / 4**0.5).softmax(dim=2) @ v
        for q, k, v in zip(queries.split(4, 2), keys.split(4, 2), values.split(4, 2), strict=True)
    ]
    mixed = torch.cat(heads, dim=2) @ layer.attention.out_proj.weight.T
    mixed = (mixed + layer.attention.out_proj.bias) @ layer.project.weight.T + layer.project.bias
    torch.testing.assert_close(layer(x), x + 0.3 * mixed.transpose(1, 2))


@torch.no_grad()
def test_the_gate_weighs_bins_by_deviations():
    gate = FrequencyGate(20)
    x = torch.randn(2, 7, 20)
    squeezed = (x.std(dim=1, correction=0) @ gate.squeeze.weight.T).relu()
    weights = 1 / (1 + torch.exp(-(squeezed @ gate.excite.weight.T)))
    torch.testing.assert_close(gate(x), x * weights[:, None])
    shifted = x + torch.randn(2, 1, 20)
    torch.testing.assert_close(without_temporal_mean(gate(shifted)), without_temporal_mean(gate(x)))


@pytest.mark.parametrize("kind", ["attention", "gate"])
def test_everything_has_a_gradient(kind):
    encoder = TwoBranchEncoder(8192, dim=12, frequency_attention=kind)
    if kind == "attention":
        torch.nn.init.constant_(encoder.attend.alpha, 0.1)
    encoder(torch.randn(4, 8192)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in encoder.attend.parameters())


def test_the_spectrum_alone_has_no_attention():
    encoder = TwoBranchEncoder(
        8192, dim=12, branches=("spectrum",), frequency_attention="attention"
    )
    assert {name.split(".")[0] for name in encoder.state_dict()} == {"spectrum_branch"}


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="frequency_attention is 'magic'"):
        TwoBranchEncoder(8192, frequency_attention="magic")
