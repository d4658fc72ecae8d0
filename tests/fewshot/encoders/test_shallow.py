import torch

from fewshot.encoders.shallow import ShallowEncoder


def test_number_of_parameters():
    """Batch normalisation of the input; 512, 128 and 128 without biases."""
    norms = 2 * (96 + 512 + 128)
    weights = 96 * 512 + 512 * 128 + 128 * 128
    assert sum(p.numel() for p in ShallowEncoder(96).parameters()) == norms + weights


def test_the_scale_of_what_is_given_does_not_matter():
    encoder = ShallowEncoder(20)
    x = torch.randn(50, 20)
    torch.manual_seed(0)
    found = encoder(x)
    torch.manual_seed(0)
    torch.testing.assert_close(encoder(100 * x + 7), found, atol=0.05, rtol=0.05)
    assert found.shape == (50, 128)


def test_half_of_the_last_hidden_layer_is_dropped_in_training():
    encoder = ShallowEncoder(20)
    x = torch.randn(50, 20)
    assert not torch.equal(encoder(x), encoder(x))
    encoder.eval()
    assert torch.equal(encoder(x), encoder(x))
