import json
import pickle
import warnings

import numpy as np
import pytest
import torch
from tiny_wav2vec import tiny_file

from fewshot.errors import InputError
from osc import OpenSetClassifier
from osc.representations.external import External


class Frames(torch.nn.Module):
    """Maps samples (batch, n) to energies of four bands of each window of 800 samples."""

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft(samples.unfold(1, 800, 400), dim=2).abs()[:, :, :400]
        return spectrum.reshape(spectrum.shape[0], spectrum.shape[1], 4, 100).sum(dim=3)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder") / "bands.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(Frames()).save(str(path))
    described = {"window": 800, "step": 400, "hop": 400, "centre": 400, "dim": 4}
    path.with_suffix(".json").write_text(json.dumps(described))
    return path


def tones(hz, seed):
    t = np.arange(8000) / 16000
    noise = 0.01 * np.random.default_rng(seed).standard_normal(8000)
    return (0.3 * np.sin(2 * np.pi * hz * t) + noise).astype(np.float32)


LABELS = ["a", "a", "b", "b", "c"]
CLIPS = [tones(hz, i) for i, hz in enumerate((900, 1000, 3000, 3100, 5000))]


def bands(samples):
    with torch.no_grad():
        return Frames()(torch.from_numpy(np.asarray(samples))[None])[0].numpy()


def test_a_file_and_a_function(encoder, tmp_path):
    by_function = OpenSetClassifier(bands).fit(CLIPS, LABELS)
    by_file = OpenSetClassifier(str(encoder)).fit(CLIPS, LABELS)
    tests = [tones(hz, 9) for hz in (950, 3050, 5100)]
    for model in (by_function, by_file, pickle.loads(pickle.dumps(by_file))):
        assert model.decision_function(tests).argmax(axis=1).tolist() == [0, 1, 2]
    by_file.save(tmp_path / "m.osc")
    loaded = OpenSetClassifier.load(tmp_path / "m.osc")
    np.testing.assert_array_equal(loaded.similarities(tests), by_file.similarities(tests))
    with pytest.raises(InputError, match="a function cannot be saved"):
        by_function.save(tmp_path / "f.osc")


def test_an_encoder_that_moved_lies_beside_the_model_or_is_missed(encoder, tmp_path):
    OpenSetClassifier(str(encoder)).fit(CLIPS, LABELS).save(tmp_path / "m.osc")
    folder, away = encoder.parent, tmp_path / "away"
    folder.rename(away)
    try:
        with pytest.raises(InputError, match=r"bands\.pt"):
            OpenSetClassifier.load(tmp_path / "m.osc")
        for file in away.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        assert OpenSetClassifier.load(tmp_path / "m.osc").classes_.tolist() == ["a", "b", "c"]
        (tmp_path / "bands.pt").write_bytes(b"x" + (away / "bands.pt").read_bytes())
        with pytest.raises(InputError):
            OpenSetClassifier.load(tmp_path / "m.osc")
    finally:
        away.rename(folder)


@pytest.mark.parametrize("representation", ["file", "shallow"])
def test_weights_of_wav2vec(tmp_path, representation):
    pytest.importorskip("torchaudio", exc_type=(ImportError, OSError))
    weights = str(tiny_file(tmp_path / "tiny.pth"))
    choice = {"representation": weights}
    if representation == "shallow":
        choice = {"representation": "shallow", "options": {"encoder": weights, "epochs": 1}}
    model = OpenSetClassifier(**choice).fit(CLIPS, LABELS)
    model.save(tmp_path / "m.osc")
    tests = [tones(hz, 9) for hz in (950, 3050, 5100)]
    again = OpenSetClassifier.load(tmp_path / "m.osc")
    np.testing.assert_allclose(again.similarities(tests), model.similarities(tests), atol=1e-6)


def test_the_mean_of_the_frames_is_centred():
    fitted = External(bands).fit(CLIPS, LABELS)
    means = np.stack([bands(clip).mean(axis=0) for clip in CLIPS])
    centred = means - means.mean(axis=0)
    expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.transform(CLIPS), expected, atol=1e-5)
    assert External(lambda samples: samples[:3]).fit(CLIPS[:1], ["a"]).mean_.tolist() == [0, 0, 0]


@pytest.mark.parametrize("wrong", [np.zeros((0, 4)), np.zeros((1, 2, 3)), np.full(3, np.nan)])
def test_a_function_must_give_finite_frames(wrong):
    with pytest.raises(InputError, match="it must give finite frames"):
        External(lambda samples: wrong).fit(CLIPS, LABELS)
