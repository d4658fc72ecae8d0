import torch

from fewshot.encoders.temporal import TemporalResNet


def test_number_of_parameters_of_table_30():
    assert sum(p.numel() for p in TemporalResNet().parameters()) == 713_504


def test_time_is_kept_and_frequency_pooled():
    encoder = TemporalResNet().eval()
    x = torch.randn(2, 16, 64)
    shapes = []
    for block in encoder.blocks:
        block.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:])))
    assert encoder(x).shape == (2, 16, 128)
    assert shapes == [
        (channels, 16, bands)
        for channels, bands in ((16, 64), (32, 32), (64, 16), (128, 8))
        for _ in range(2)
    ]


def test_every_parameter_learns():
    encoder = TemporalResNet()
    encoder(torch.randn(4, 16, 64)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_a_constant_shift_of_the_level_is_learnt_away():
    """Running statistics standardise the input: training on shifted features changes nothing."""
    torch.manual_seed(0)
    encoder = TemporalResNet(dropout=0.0)
    x = torch.randn(8, 16, 64)
    torch.testing.assert_close(encoder(x), encoder(3.0 * x - 7.0), atol=1e-3, rtol=1e-3)
