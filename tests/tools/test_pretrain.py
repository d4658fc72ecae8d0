import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import log_softmax, normalize

from fewshot.encoders.speech import HOP

FILE = Path(__file__).parents[2] / "tools" / "pretrain.py"


@pytest.fixture(scope="module")
def pretrain():
    spec = importlib.util.spec_from_file_location("pretrain", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_distorted_speech_is_finite_as_long_and_the_same_for_a_seed(pretrain):
    x = 0.3 * torch.randn(32, 12000, generator=torch.Generator().manual_seed(1))
    y, again = (pretrain.distorted(x, torch.Generator().manual_seed(3)) for _ in range(2))
    assert y.shape == x.shape and torch.isfinite(y).all()
    assert y.abs().max() <= 1 + 1e-5
    torch.testing.assert_close(y, again)
    assert (y - pretrain.distorted(x, torch.Generator().manual_seed(4))).abs().max() > 0.1


def test_silence_stays_quiet_enough_to_be_heard_as_nothing(pretrain):
    y = pretrain.distorted(torch.zeros(64, 8000), torch.Generator().manual_seed(0))
    assert torch.isfinite(y).all()


def test_longer_vocal_tracts_move_spectra_down(pretrain):
    spectra = torch.rand(2, 5, 48)
    ones = torch.ones(2)
    torch.testing.assert_close(pretrain.warped(spectra, ones)[..., :-1], spectra[..., :-1])
    ramp = torch.arange(48.0).expand(2, 5, 48)
    found = pretrain.warped(ramp, torch.tensor([0.9, 1.1]))
    torch.testing.assert_close(found[0, 0, 20], torch.tensor(18.0))
    torch.testing.assert_close(found[1, 0, 20], torch.tensor(22.0))


def test_the_loss_of_words_shares_a_frame_among_two_parts(pretrain):
    torch.manual_seed(0)
    head = pretrain.WordHead(8, 3)
    frames = torch.randn(4, 8)
    words, places = torch.tensor([0, 2, 1, 1]), torch.tensor([0.0, 0.5, 0.62, 1.0])
    logits = log_softmax(16 * normalize(frames, dim=1) @ normalize(head.centres, dim=1).T, dim=1)
    # Parts have their middles at 0.1, 0.3, 0.5, 0.7, 0.9.
    expected = -torch.stack(
        [
            logits[0, 0],
            logits[1, 10 + 2],
            0.4 * logits[2, 5 + 2] + 0.6 * logits[2, 5 + 3],
            logits[3, 5 + 4],
        ]
    ).mean()
    torch.testing.assert_close(head(frames, words, places), expected)


def test_about_a_quarter_of_the_speakers_is_held_out(pretrain):
    share = np.mean([pretrain.held_out("corpus", str(i)) for i in range(2000)])
    assert 0.2 < share < 0.3


def test_crops_hold_the_sound_around_their_frames(pretrain, tmp_path):
    n = 400
    samples = np.arange(n * HOP) % 30000
    np.save(tmp_path / "train.samples.npy", samples.astype(np.int16))
    np.save(tmp_path / "train.targets.npy", np.arange(n)[:, None].repeat(96, 1).astype(np.float16))
    np.save(tmp_path / "train.words.npy", np.arange(n).astype(np.int16))
    np.save(tmp_path / "train.places.npy", np.zeros(n, np.float16))
    crops = pretrain.Crops(tmp_path, "train", 10)
    starts = crops.starts(50, np.random.default_rng(0))
    x, targets, words, places = crops.draw(starts)
    assert x.shape == (50, crops.length) and targets.shape == (50, 10, 96)
    assert words.shape == places.shape == (50, 10)
    middle = samples[starts * HOP] / 32767
    np.testing.assert_allclose(x[:, pretrain.WINDOW // 2], middle, rtol=1e-5)
    np.testing.assert_array_equal(words[:, 0], starts)
