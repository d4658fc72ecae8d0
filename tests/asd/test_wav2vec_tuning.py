"""wav2vec 2.0 that hears machines: fine-tuning, and systems that listen through it."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_wav2vec import tiny_file, tiny_model

import asd
from asd.back_ends import Nearest
from asd.fusion_learning import KeptMaps
from asd.model import MachineModel
from asd.recordings import Recordings
from asd.representations.fusion import Fusion
from asd.synthesis import write_dataset
from asd.systems import View, with_wav2vec
from asd.systems.ustc import USTC
from fewshot.encoders.wav2vec import Wav2VecMaps, load_wav2vec
from fewshot.errors import InputError

QUICK = Fusion(
    features=("log-mel", "tgram", "wav2vec"), dim=16, n_pooled=24, clips_of_each=4, epochs=2
)


@pytest.fixture(autouse=True)
def torchaudio():
    return pytest.importorskip("torchaudio", exc_type=(ImportError, OSError))


@pytest.fixture
def weights(tmp_path):
    return tiny_file(tmp_path / "tiny.pt")


@pytest.fixture(scope="module")
def dcase(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dcase")
    return write_dataset(
        folder, machines=("fan", "gearbox"), n_source=8, n_target=2, n_test=1, duration_s=0.6
    )


def system(fusion):
    return (View(fusion, Nearest(cosine=True), scaled=False),)


def sounds():
    return list(np.random.default_rng(1).standard_normal((3, 9600)).astype(np.float32))


@pytest.mark.parametrize("changes", [{}, {"block": 1, "features": ("wav2vec",)}])
def test_models_hold_what_was_fine_tuned(dcase, weights, tmp_path, changes):
    told = []
    fusion = replace(QUICK, weights=str(weights), **changes)
    model = asd.train(
        dcase, system=system(fusion), device="cpu", on_epoch=lambda *one: told.append(one[:2])
    )
    assert told[:5] == [("wav2vec 1", epoch) for epoch in range(1, 6)]
    assert told[5:] == [("classifier 1, all", epoch) for epoch in (1, 2)]
    scores = model.score(sounds(), "fan")
    model.save(tmp_path / "m.asd")
    weights.unlink()
    again = MachineModel.load(tmp_path / "m.asd")
    np.testing.assert_allclose(again.score(sounds(), "fan"), scores, rtol=1e-5, atol=1e-7)


def test_fine_tuning_moves_the_blocks_and_not_the_convolutions(dcase, weights):
    fusion = replace(QUICK, weights=str(weights), epochs=1)
    (describer,) = asd.train(dcase, system=system(fusion), device="cpu").describers.values()
    before, behind = tiny_model().state_dict(), describer.wav2vec.model.state_dict()
    moved = {name for name, one in before.items() if not torch.equal(one, behind[name])}
    assert not any(name.startswith("feature_extractor") for name in moved)
    assert {name for name in before if "feed_forward" in name} <= moved


def test_without_an_epoch_it_stays_as_it_is(dcase, weights):
    fusion = replace(QUICK, weights=str(weights), epochs=1, tuning_epochs=0)
    (describer,) = asd.train(dcase, system=system(fusion), device="cpu").describers.values()
    before, behind = tiny_model().state_dict(), describer.wav2vec.model.state_dict()
    assert all(torch.equal(one, behind[name]) for name, one in before.items())
    weight = describer.wav2vec.bottleneck.weight[:5]
    torch.testing.assert_close(weight @ weight.T, torch.eye(5), atol=1e-5, rtol=0)


def test_a_stopped_training_goes_on_and_ends_as_if_it_had_not_stopped(dcase, weights, tmp_path):
    asked = {"system": system(replace(QUICK, weights=str(weights))), "device": "cpu"}
    whole = asd.train(dcase, **asked).score(sounds(), "fan")
    for stop_at in (("wav2vec 1", 3), ("classifier 1, all", 2)):
        told = []

        def stop(*one, told=told, stop_at=stop_at):
            told.append(one[:2])
            if told[-1] == stop_at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            asd.train(dcase, **asked, folder=tmp_path, on_epoch=stop)
    assert told[0] == ("wav2vec 1", 3), "it goes on with the epoch that was not kept"
    model = asd.train(dcase, **asked, folder=tmp_path)
    np.testing.assert_allclose(model.score(sounds(), "fan"), whole, rtol=1e-5)


def test_maps_of_whole_clips_are_made_once(weights, tmp_path):
    maps = Wav2VecMaps(load_wav2vec(weights)).eval()
    recordings = Recordings(tmp_path / "waveforms")
    for length in (8000, 8000, 9000):
        recordings.append(0.1 * np.random.default_rng(length).standard_normal(length))
    calls = []
    kept = KeptMaps(lambda sounds: (calls.append(len(sounds)), maps(sounds))[1], recordings, 8000)
    batch = torch.from_numpy(np.stack([recordings.excerpt(i, 8000, 0) for i in (0, 1, 2, 0)]))
    first = kept([0, 1, 2, 0], batch)
    torch.testing.assert_close(first, maps(batch).detach(), rtol=1e-3, atol=1e-3)
    again = kept([0, 1, 2, 0], batch)
    assert calls == [4, 1], "the third is an excerpt of a longer one"
    torch.testing.assert_close(again, first, rtol=1e-3, atol=1e-3)
    recordings.close()


def test_a_system_takes_it_in_addition(weights):
    (view,) = with_wav2vec(USTC["ustc"], weights)
    assert view.representation.features == ("log-mel", "tgram", "wav2vec")
    assert view.representation.weights == str(weights)


def test_a_model_tells_what_it_needs(dcase, weights, tmp_path, monkeypatch):
    fusion = replace(QUICK, weights=str(weights), epochs=1, tuning_epochs=1)
    asd.train(dcase, system=system(fusion), device="cpu").save(tmp_path / "m.asd")
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    with pytest.raises(InputError, match=r"m\.asd: wav2vec 2\.0 needs torchaudio; pip install"):
        MachineModel.load(tmp_path / "m.asd")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("tuning_epochs", [0, 1])
def test_training_on_cuda(dcase, weights, tuning_epochs):
    fusion = replace(QUICK, weights=str(weights), tuning_epochs=tuning_epochs)
    model = asd.train(dcase, system=system(fusion), device="cuda")
    there = model.score(sounds(), "fan")
    np.testing.assert_allclose(model.to("cpu").score(sounds(), "fan"), there, atol=1e-3)
