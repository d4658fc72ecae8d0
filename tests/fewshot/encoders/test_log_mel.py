import numpy as np
import pytest
import torch
from torch import nn

from fewshot.encoders.log_mel import LEAST_FRAMES, LogMelEncoder
from fewshot.encoders.residual import PostNormBlock
from fewshot.losses.adacos import SubClusterAdaCosLoss


def n_parameters(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.mark.parametrize(
    ("bias", "n_centres", "expected"),
    [(True, 1, 772_192), (True, 64, 1_102_816), (False, 1, 770_864)],
)
def test_number_of_parameters_with_41_classes(bias, n_centres, expected):
    loss = SubClusterAdaCosLoss(41, 128, n_centres, trainable=True)
    assert n_parameters(LogMelEncoder(bias=bias), loss) == expected


def test_biases_of_the_norms_alone_are_there_by_default():
    biased = [m for m in LogMelEncoder().modules() if getattr(m, "bias", None) is not None]
    assert biased and all(isinstance(m, nn.BatchNorm2d) and m.eps == 1e-3 for m in biased)


@pytest.mark.parametrize(
    ("n_frames", "frames"), [(313, (78, 39, 20, 10)), (5, (1, 1, 1, 1)), (124, (30, 15, 8, 4))]
)
def test_sizes_of_table_4(n_frames, frames):
    encoder = LogMelEncoder().eval()
    shapes = []
    for part in encoder.modules():
        if isinstance(part, PostNormBlock):
            part.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:])))
    with torch.no_grad():
        assert encoder(torch.randn(2, n_frames, 128)).shape == (2, 128)
    assert encoder.embed.in_features == 512
    assert shapes == [
        (channels, t, bands)
        for channels, t, bands in zip((16, 32, 64, 128), frames, (31, 16, 8, 4), strict=True)
        for _ in range(2)
    ]


def test_the_last_maximum_is_over_all_time():
    encoder = LogMelEncoder(dim=8, channels=(4, 8)).eval()
    maps = []
    encoder.blocks.register_forward_hook(lambda _m, _i, out: maps.append(out[0].numpy()))
    with torch.no_grad():
        found = encoder(torch.randn(1, 200, 128))[0]
    assert maps[0].shape == (8, 25, 16)
    largest = [max(row[band] for row in channel) for channel in maps[0] for band in range(16)]
    expected = encoder.embed.weight.detach().numpy() @ np.array(largest)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_standardisation_by_training_data():
    rng = np.random.default_rng(0)
    clips = [rng.normal(-40, 15, (n, 5)).astype(np.float32) for n in (3, 1, 40)]
    for clip in clips:
        clip[:, 2] = -100.0
    encoder = LogMelEncoder(dim=4, n_mels=5, channels=(4, 8))
    encoder.standardise_by(torch.from_numpy(clip) for clip in clips)
    frames = np.concatenate(clips).astype(float)
    np.testing.assert_allclose(encoder.mean, frames.mean(axis=0), rtol=1e-5)
    expected = frames.std(axis=0)
    expected[2] = 1.0
    np.testing.assert_allclose(encoder.deviation, expected, rtol=1e-5)
    raw = LogMelEncoder(dim=4, n_mels=5, channels=(4, 8)).eval()
    raw.load_state_dict(encoder.state_dict() | {"mean": raw.mean, "deviation": raw.deviation})
    x = torch.from_numpy(clips[2])[None]
    with torch.no_grad():
        torch.testing.assert_close(encoder.eval()(x), raw((x - encoder.mean) / encoder.deviation))


def test_every_parameter_learns():
    encoder = LogMelEncoder(n_mels=32, channels=(4, 8))
    (encoder(torch.randn(4, 32, 32)) - torch.randn(4, 128)).square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in encoder.parameters())


def test_too_few_frames_are_refused():
    with pytest.raises(ValueError, match="4 frames; this encoder needs 5"):
        LogMelEncoder()(torch.zeros(1, LEAST_FRAMES - 1, 128))
