import numpy as np
import pytest
import torch

from fewshot import bundle
from fewshot.background import bundled
from fewshot.encoders import speech
from fewshot.encoders.loading import load_encoder
from fewshot.encoders.speech import DIM, HOP, WINDOW, SpeechNet
from fewshot.errors import InputError


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return SpeechNet().eval()


@pytest.fixture(scope="module")
def sound():
    return 0.1 * torch.randn(2, WINDOW + 9 * HOP, generator=torch.Generator().manual_seed(0))


def test_it_has_three_quarters_of_a_million_parameters(net):
    assert sum(p.numel() for p in net.parameters()) == 758_640


@pytest.mark.parametrize("more", [0, 1, HOP - 1, HOP, 5 * HOP + 7])
def test_a_frame_needs_a_window_and_each_further_one_a_hop(net, more):
    with torch.inference_mode():
        frames = net(torch.zeros(3, WINDOW + more))
    assert frames.shape == (3, 1 + more // HOP, DIM)


def test_frames_are_those_of_their_windows_alone(net, sound):
    with torch.inference_mode():
        frames = net(sound)
        alone = torch.cat(
            [net(sound[:, i * HOP : i * HOP + WINDOW]) for i in range(frames.shape[1])], dim=1
        )
    torch.testing.assert_close(frames, alone, atol=1e-4, rtol=1e-4)


def test_a_frame_sees_its_window_and_nothing_else(net):
    x = 0.1 * torch.randn(1, WINDOW + 2 * HOP, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    net(x)[0, 1].sum().backward()
    seen = x.grad[0].nonzero()[:, 0]
    assert HOP <= seen.min() < HOP + 400 and HOP + WINDOW - 400 < seen.max() < HOP + WINDOW


def test_all_parameters_learn(net, sound):
    net.zero_grad()
    net(sound).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_a_file_holds_a_network(net, sound, tmp_path):
    speech.save(net, tmp_path / "x.encoder", "of chance")
    again = speech.load(tmp_path / "x.encoder")
    assert not again.training
    with torch.inference_mode():
        torch.testing.assert_close(again(sound), net(sound), atol=0.02, rtol=0.02)


def test_files_of_other_networks_are_refused(tmp_path):
    path = tmp_path / "x.encoder"
    bundle.save(path, {"a": np.zeros(3)}, {}, kind=speech.KIND, version=speech.VERSION)
    with pytest.raises(InputError, match=r"x\.encoder: damaged speech encoder"):
        speech.load(path)


def test_the_package_brings_one_with_its_background():
    encoder = load_encoder("speech")
    background = bundled(encoder.spec.sha256)
    assert background is not None and "CC BY 4.0" in background.source
    header = bundle.read_header(speech.FILE, kind=speech.KIND, version=speech.VERSION)
    assert "Apache-2.0" in header["source"] and "CC BY 4.0" in header["source"]
    frames = encoder.embed(np.zeros(16000, np.float32))
    assert frames.shape == (50, encoder.spec.dim) == (50, len(background.mean))


def test_loading_it_draws_no_random_numbers():
    before = torch.get_rng_state()
    load_encoder("speech")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_frames_on_a_gpu_are_those_of_the_processor():
    samples = np.random.default_rng(0).standard_normal(32000).astype(np.float32) / 10
    expected = load_encoder("speech").embed(samples)
    found = load_encoder("speech").to("cuda").embed(samples)
    # Convolutions there may round to ten bits.
    cosines = (found * expected).sum(1) / np.linalg.norm(found, axis=1)
    assert (cosines / np.linalg.norm(expected, axis=1)).min() > 0.999
