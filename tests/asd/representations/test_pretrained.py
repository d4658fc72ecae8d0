"""Pre-trained embeddings: four ways to average frames, training, files that move or change."""

import json
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from machines import clips_in
from tiny_wav2vec import tiny_file

import asd
from asd.back_ends import Centres, Mixture, Nearest, Value
from asd.dataset import read_dataset
from asd.model import MachineModel
from asd.names import TRAIN
from asd.representations import representation_of
from asd.representations.pretrained import DIM, TIMES, Pretrained
from asd.representations.reduced import Reduced
from asd.synthesis import write_dataset
from asd.systems import SYSTEMS, View, with_encoder
from fewshot.encoders.external import ExternalEncoder
from fewshot.encoders.loading import load_encoder
from fewshot.errors import InputError

FAN = ("fan", "00")


class Bands(torch.nn.Module):
    """Maps samples (batch, n) to energies of eight bands of each window of 800 samples."""

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft(samples.unfold(1, 800, 400), dim=2).abs()[:, :, :400]
        return spectrum.reshape(spectrum.shape[0], spectrum.shape[1], 8, 50).sum(dim=3)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder") / "bands.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(Bands()).save(str(path))
    described = {"window": 800, "step": 400, "hop": 400, "centre": 400, "dim": 8}
    path.with_suffix(".json").write_text(json.dumps(described))
    return path


@pytest.fixture(scope="module")
def dcase(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dcase")
    return write_dataset(
        folder, machines=("fan", "gearbox"), n_source=6, n_target=2, n_test=1, duration_s=0.6
    )


@pytest.fixture
def quick(encoder):
    return Pretrained(encoder=str(encoder), epochs=2, batch_size=8)


def system(representation, back_end=None):
    scores = isinstance(representation, Pretrained) and representation.time == "scores"
    return (View(representation, back_end or (Value() if scores else Centres(4)), scaled=False),)


def train(data, representation, **options):
    return asd.train(data, system=system(representation), device="cpu", **options)


def sounds(*lengths):
    rng = np.random.default_rng(1)
    return [rng.standard_normal(length).astype(np.float32) for length in lengths]


@pytest.mark.parametrize(
    "changes",
    [
        *({"time": time} for time in TIMES),
        {"time": "during", "windows": True},
        {"loss": "softmax"},
        {"loss": None},
        {"loss": None, "time": "scores"},
    ],
    ids=str,
)
def test_models_come_back_from_their_files(dcase, quick, tmp_path, changes):
    model = train(dcase, replace(quick, **changes))
    clips = sounds(9600, 5000, 20000)
    scores = model.score(clips, "fan")
    assert np.isfinite(scores).all() and np.ptp(scores) > 0
    model.save(tmp_path / "m.asd")
    again = MachineModel.load(tmp_path / "m.asd")
    assert again.views == model.views
    np.testing.assert_allclose(again.score(clips, "fan"), scores, rtol=1e-5, atol=1e-7)


def test_weights_of_wav2vec(dcase, quick, tmp_path):
    pytest.importorskip("torchaudio", exc_type=(ImportError, OSError))
    weights = tiny_file(tmp_path / "tiny.pt")
    model = train(dcase, replace(quick, encoder=str(weights)))
    clips = sounds(9600, 30000)
    model.save(tmp_path / "m.asd")
    again = MachineModel.load(tmp_path / "m.asd")
    np.testing.assert_allclose(again.score(clips, "fan"), model.score(clips, "fan"), rtol=1e-5)
    weights.with_suffix(".json").write_text('{"block": 1}')
    with pytest.raises(InputError, match=r"m.asd: was learnt with other values for .*tiny.pt"):
        MachineModel.load(tmp_path / "m.asd")


@pytest.mark.parametrize("time", TIMES)
def test_frames_are_averaged_where_it_is_said(dcase, quick, time):
    (describer,) = train(dcase, replace(quick, time=time)).describers.values()
    (clip,) = sounds(4000)
    frames = torch.stack(
        [Bands()(torch.from_numpy(clip[None, i : i + 800]))[0, 0] for i in range(0, 3201, 400)]
    )
    embed = describer.network.encoder.encoder

    def unit(vectors):
        return vectors / vectors.norm(dim=-1, keepdim=True)

    with torch.no_grad():
        embeddings = embed(frames)
        match time:
            case "before":
                expected = unit(embed(frames.mean(dim=0, keepdim=True)))[0]
            case "during":
                expected = unit(embeddings.mean(dim=0))
            case "after":
                expected = unit(embeddings).mean(dim=0)
            case _:
                scores = Centres().score(describer.fitted[FAN], embeddings.numpy())
                expected = torch.tensor([scores.mean()])
    found = describer.vectors([clip], FAN)
    assert found.shape == (1, 1 if time == "scores" else DIM) and found.dtype == np.float32
    np.testing.assert_allclose(found[0], expected.numpy(), atol=1e-5)


def test_single_frames_are_scored_by_those_of_their_own_section(dcase, quick):
    (describer,) = train(dcase, replace(quick, time="scores")).describers.values()
    assert set(describer.fitted) == {FAN, ("gearbox", "00")}
    fan, gearbox = (describer.vectors(sounds(9600), (name, "00")) for name in ("fan", "gearbox"))
    assert fan != gearbox


def test_windows_are_means_of_frames(encoder, quick):
    loaded = load_encoder(encoder)
    (clip,) = sounds(32000)
    frames = loaded.steps(clip)
    assert frames.shape == (79, 8)
    windows = replace(quick, time="after", windows=True).frames(loaded, clip)
    expected = np.stack([frames[:40].mean(axis=0), frames[40:].mean(axis=0)])
    np.testing.assert_allclose(windows, expected, rtol=1e-5)
    np.testing.assert_allclose(
        quick.frames(loaded, clip), frames.mean(axis=0, keepdims=True), rtol=1e-5
    )


def test_without_a_classifier_vectors_are_those_of_the_encoder(dcase, quick):
    (describer,) = train(dcase, replace(quick, loss=None)).describers.values()
    (clip,) = sounds(4000)
    expected = Bands()(torch.from_numpy(clip[None]))[0].mean(dim=0)
    np.testing.assert_allclose(describer.vectors([clip], FAN)[0], expected, rtol=1e-5)


def test_reduced_embeddings_come_back_from_their_files(dcase, quick, tmp_path):
    views = system(Reduced(replace(quick, loss=None), "pca", 3), Mixture(2))
    model = asd.train(dcase, system=views, device="cpu")
    model.save(tmp_path / "m.asd")
    again = MachineModel.load(tmp_path / "m.asd")
    clips = sounds(9600)
    np.testing.assert_allclose(again.score(clips, "fan"), model.score(clips, "fan"), rtol=1e-5)


@pytest.mark.parametrize("time", ["during", "after"])
def test_a_stopped_training_goes_on_and_ends_as_if_it_had_not_stopped(dcase, quick, tmp_path, time):
    config = replace(quick, time=time, epochs=3)
    whole = train(dcase, config).score(sounds(9600), "fan")

    def stop(_title, epoch, _epochs, _loss):
        if epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(dcase, config, folder=tmp_path, on_epoch=stop)
    epochs = []
    model = train(
        dcase, config, folder=tmp_path, on_epoch=lambda _title, epoch, *_: epochs.append(epoch)
    )
    assert epochs == [3]
    np.testing.assert_allclose(model.score(sounds(9600), "fan"), whole, rtol=1e-5)


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize("changes", [*({"time": time} for time in TIMES), {"loss": None}], ids=str)
def test_training_clips_are_embedded_once(dcase, quick, monkeypatch, changes, reduced):
    heard = []
    steps = ExternalEncoder.steps
    monkeypatch.setattr(
        ExternalEncoder, "steps", lambda self, samples: heard.append(1) or steps(self, samples)
    )
    representation = replace(quick, **changes)
    model = train(dcase, Reduced(representation, n_dims=3) if reduced else representation)
    clips = [clip for clip in read_dataset(dcase).clips if clip.split == TRAIN]
    assert len(heard) == len(clips)
    monkeypatch.undo()
    clips = [clip.path for clip in clips if clip.machine == "fan"]
    section = model.sections[FAN]
    again = section.fit(model.views, model.vectors(clips, "fan"), section.target)
    np.testing.assert_allclose(again.left_out, section.left_out, rtol=1e-4, atol=1e-6)


def test_members_differ(dcase, quick):
    views = system(quick, Nearest(cosine=True))
    both = asd.train(dcase, system=views, members=2, device="cpu").score(sounds(9600), "fan")
    single = [
        asd.train(dcase, system=views, seed=seed, device="cpu").score(sounds(9600), "fan")
        for seed in (0, 1)
    ]
    assert single[0] != single[1]
    np.testing.assert_allclose(both, np.mean(single, axis=0), rtol=1e-5)


def test_a_single_class_is_split_into_clusters(quick, tmp_path):
    model = train(clips_in(tmp_path / "pump", 8, duration_s=0.6), quick)
    assert "clusters of them are told apart instead" in model.notes[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_encoder_that_moved_or_changed_is_told(dcase, encoder, tmp_path):
    there, model = tmp_path / "there", tmp_path / "m.asd"
    there.mkdir()
    for suffix in (".pt", ".json"):
        shutil.copy(encoder.with_suffix(suffix), there)
    moved = there / "bands.pt"
    config = Pretrained(encoder=str(moved), epochs=1)
    trained = train(dcase, config)
    trained.save(model)
    for suffix in (".pt", ".json"):
        moved.with_suffix(suffix).rename(tmp_path / f"bands{suffix}")
    clips = sounds(9600)
    beside = MachineModel.load(model)
    np.testing.assert_allclose(beside.score(clips, "fan"), trained.score(clips, "fan"), rtol=1e-5)
    with (tmp_path / "bands.pt").open("ab") as file:
        file.write(b"more")
    with pytest.raises(InputError, match=r"m.asd: was learnt with another encoder than .*bands.pt"):
        MachineModel.load(model)
    (tmp_path / "bands.pt").unlink()
    with pytest.raises(InputError, match=r"m.asd: its encoder .*bands.pt is not there; put it"):
        MachineModel.load(model)


def test_another_encoder_for_the_systems_that_have_one(encoder):
    (view,) = with_encoder(SYSTEMS["pretrained"], encoder)
    assert view.representation == Pretrained(encoder=str(encoder.resolve()))
    reduced = (replace(view, representation=Reduced(Pretrained())),)
    (view,) = with_encoder(reduced, encoder)
    assert view.representation.base.encoder == str(encoder.resolve())
    with pytest.raises(InputError, match="only the system pretrained takes one"):
        with_encoder(SYSTEMS["two-branch"], encoder)
    with pytest.raises(InputError, match=r"none.onnx: no such encoder"):
        with_encoder(SYSTEMS["pretrained"], "none.onnx")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time": "magic"}, "time is 'magic'; use before, during, after, scores"),
        ({"loss": "magic"}, "loss is 'magic'"),
        ({"classes": "magic"}, "classes is 'magic'"),
    ],
)
def test_unknown_choices_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        Pretrained(**changes)


def test_configurations_survive_json():
    for config in (Pretrained(), Pretrained(loss=None, windows=True, time="scores")):
        assert representation_of(json.loads(json.dumps(config.described()))) == config
