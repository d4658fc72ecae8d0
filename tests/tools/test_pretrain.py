import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from fewshot.encoders.speech import HOP, load

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


def test_silence_stays_quiet(pretrain):
    y = pretrain.distorted(torch.zeros(64, 8000), torch.Generator().manual_seed(0))
    assert y.abs().max() < 1e-2


def test_speech_is_collected_and_learnt_from(pretrain, tmp_path, capsys):
    rng = np.random.default_rng(0)
    rows, speakers = ["file,corpus,speaker,words,duration"], {False: None, True: None}
    for i in range(100):
        speakers[pretrain.held_out("kathleen", str(i))] = str(i)
    for held, speaker in speakers.items():
        sf.write(tmp_path / f"{held}.wav", 0.1 * rng.standard_normal(6 * 16000), 16000)
        rows.append(f"{held}.wav,kathleen,{speaker},wet|paint,6.0")
    rows.append(f"dropped.wav,kathleen,{speakers[False]},turn|left|now,6.0")
    rows.append(f"missing.wav,kathleen,{speakers[False]},wet,6.0")
    sf.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    rows.append(f"silent.wav,kathleen,{speakers[False]},wet,1.0")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    work = tmp_path / "work"
    pretrain.collect(tmp_path, work, {"left"}, 0)
    told = capsys.readouterr().out
    assert "left out" in told and "missing.wav" in told and "dropped.wav" not in told
    loud = np.load(work / "train.loud.npy")
    assert loud.sum() == 300 and len(loud) == 350
    assert np.load(work / "train.targets.npy").shape == (350, 96)
    output = tmp_path / "x.encoder"
    patch = ["pretrain", "train", str(work), "-o", str(output), "--steps", "3"]
    with pytest.MonkeyPatch.context() as context:
        context.setattr("sys.argv", [*patch, "--threads", "1"])
        pretrain.main()
    assert "step 3" in capsys.readouterr().out
    assert load(output).embed.out_channels == 96


def test_longer_vocal_tracts_move_spectra_down(pretrain):
    spectra = torch.rand(2, 5, 48)
    ones = torch.ones(2)
    torch.testing.assert_close(pretrain.warped(spectra, ones)[..., :-1], spectra[..., :-1])
    ramp = torch.arange(48.0).expand(2, 5, 48)
    found = pretrain.warped(ramp, torch.tensor([0.9, 1.1]))
    torch.testing.assert_close(found[0, 0, 20], torch.tensor(18.0))
    torch.testing.assert_close(found[1, 0, 20], torch.tensor(22.0))


def test_about_a_quarter_of_the_speakers_is_held_out(pretrain):
    share = np.mean([pretrain.held_out("corpus", str(i)) for i in range(2000)])
    assert 0.2 < share < 0.3


def test_crops_hold_the_sound_around_their_frames(pretrain, tmp_path):
    n = 400
    samples = np.arange(n * HOP) % 30000
    np.save(tmp_path / "train.samples.npy", samples.astype(np.int16))
    np.save(tmp_path / "train.targets.npy", np.arange(n)[:, None].repeat(96, 1).astype(np.float16))
    np.save(tmp_path / "train.loud.npy", np.arange(n) % 2 == 0)
    crops = pretrain.Crops(tmp_path, "train")
    starts = crops.starts(50, np.random.default_rng(0))
    x, targets, loud = crops.draw(starts)
    assert x.shape == (50, 99 * HOP + pretrain.WINDOW) and targets.shape == (50, 100, 96)
    middle = samples[starts * HOP] / 32767
    np.testing.assert_allclose(x[:, pretrain.WINDOW // 2], middle, rtol=1e-5)
    np.testing.assert_array_equal(targets[:, 0, 0], starts)
    np.testing.assert_array_equal(loud[:, 0], starts % 2 == 0)


def test_muon_steps_along_orthogonal_matrices_of_the_gradients(pretrain):
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(shape, generator=generator) for shape in ((6, 4, 3), (20, 5))]
    before = [w.clone() for w in weights]
    muon = pretrain.Muon(weights)
    for weight in weights:
        weight.grad = 1e-3 * torch.randn(weight.shape, generator=generator)
    muon.step(0.1)
    for weight, old in zip(weights, before, strict=True):
        step = (old * (1 - 0.1 * pretrain.DECAY) - weight).flatten(1) / 0.1
        u, _, vh = torch.linalg.svd(weight.grad.flatten(1), full_matrices=False)
        scale = max(1, step.shape[0] / step.shape[1]) ** 0.5
        # Five rounds of the iteration bring singular values near 1, not to it.
        assert 0.6 < torch.linalg.svdvals(step).min() / scale
        assert torch.linalg.svdvals(step).max() / scale < 1.3
        assert (step * (u @ vh)).sum() / step.norm() / (u @ vh).norm() > 0.95
