"""Networks that take log-Mel spectra: what they are given, and the frames that come of it."""

import json
import warnings
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import nn

from fewshot.encoders.external import EncoderSpec, ExternalEncoder
from fewshot.encoders.loading import find_encoder, load_encoder
from fewshot.encoders.mel_input import MelSpec, log_mel_spectra
from fewshot.errors import InputError
from fewshot.features import mel_filterbank

MEL = MelSpec(n_mels=6, window=40, hop=10, n_fft=64, fmin=100, fmax=7500, offset=0.01)
SPEC = EncoderSpec(
    window=60, step=20, hop=5, centre=24, dim=4, input="log-mel", mel=MEL, layout="time-last"
)
SAMPLES = np.random.default_rng(0).standard_normal((2, 500)).astype(np.float32)


def naive_spectra(samples):
    """By their definition, for `MEL`."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(40) / 40)
    cut = [samples[i : i + 40] * hann for i in range(0, len(samples) - 39, 10)]
    bank = mel_filterbank(6, 64, 16000, 100, 7500).numpy()
    return np.log(np.abs(np.fft.rfft(cut, 64)) @ bank + 0.01)


def test_spectra_by_hand():
    found = log_mel_spectra(SAMPLES, MEL)
    assert found.shape == (2, 47, 6) and found.dtype == np.float32
    np.testing.assert_allclose(found, [naive_spectra(one) for one in SAMPLES], atol=1e-4)


def test_decibels_are_those_of_librosa():
    librosa = pytest.importorskip("librosa")
    mel = MelSpec(64, 512, 160, fmin=50, scale="slaney", power=2, log="decibel", floor=1e-10)
    samples = np.random.default_rng(1).standard_normal(4000).astype(np.float32)
    power = librosa.feature.melspectrogram(
        y=samples, sr=16000, n_fft=512, hop_length=160, center=False, n_mels=64, fmin=50
    )
    expected = librosa.power_to_db(power, amin=1e-10, top_db=None).T
    np.testing.assert_allclose(log_mel_spectra(samples[None], mel)[0], expected, atol=1e-3)
    silence = np.zeros((1, 512), np.float32)
    np.testing.assert_allclose(log_mel_spectra(silence, mel), -100)
    np.testing.assert_allclose(log_mel_spectra(silence, replace(mel, log="log10")), -10)


class OfThree(nn.Module):
    """Four products of three spectra each, every other spectrum: (batch, 4, n_frames)."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.linspace(-1, 1, 4 * 18).reshape(4, 18).sin())

    def forward(self, spectra: torch.Tensor) -> torch.Tensor:
        return self.weights @ spectra.unfold(1, 3, 2).flatten(2).transpose(1, 2)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    path = tmp_path_factory.mktemp("encoder") / "three.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(OfThree()).save(str(path))
    left_out = {"name", "licence", "sha256", "block"}
    content = {name: value for name, value in asdict(SPEC).items() if name not in left_out}
    path.with_suffix(".json").write_text(json.dumps(content))
    return path


def test_frames_are_those_of_the_spectra_around_them(encoder):
    loaded, samples = load_encoder(encoder), SAMPLES[0]
    network, padded = OfThree(), np.pad(samples, (24, 60))
    found = loaded.embed(samples)
    assert found.shape == (100, 4)
    for frame in (0, 1, 5, 63, 64, 99):
        spectra = naive_spectra(padded[frame * 5 : frame * 5 + 60])[None].astype(np.float32)
        expected = network(torch.from_numpy(spectra))[0, :, 0].detach()
        np.testing.assert_allclose(found[frame], expected, atol=1e-3)
    steps = loaded.steps(samples)
    assert steps.shape == (23, 4)
    np.testing.assert_allclose(steps[3], loaded.run(samples[None, 60:120])[0, 0], atol=1e-5)


@pytest.mark.parametrize("size", [1, 7, 320, 499])
def test_frames_do_not_depend_on_the_pieces(encoder, size):
    loaded, samples = load_encoder(encoder), np.tile(SAMPLES[0], 4)
    stream = loaded.stream()
    frames = [stream.push(samples[i : i + size]) for i in range(0, len(samples), size)]
    found = np.concatenate([*frames, stream.finish()])
    np.testing.assert_array_equal(found, loaded.embed(samples))


def test_what_it_takes_belongs_to_what_a_model_was_learnt_with(encoder, tmp_path):
    kept = json.loads(json.dumps(asdict(load_encoder(encoder).spec)))
    assert find_encoder(str(encoder), EncoderSpec(**kept), tmp_path / "m").spec.mel == MEL
    kept["mel"]["offset"] = 0.1
    with pytest.raises(InputError, match="m: was learnt with other values for"):
        find_encoder(str(encoder), EncoderSpec(**kept), tmp_path / "m")


def test_the_wrong_layout_is_told():
    network = ExternalEncoder(replace(SPEC, layout="time-first"), lambda spectra: spectra[:, ::4].T)
    with pytest.raises(InputError, match=r"gave frames of shape .* says \(2, 2, 4\); mend"):
        network.run(SAMPLES[:, :80])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"input": "mfcc"}, "input is 'mfcc'; use waveform or log-mel"),
        ({"layout": "dim-first"}, "layout is 'dim-first'; use time-first or time-last"),
        ({"input": "waveform"}, "mel belongs to input 'log-mel', not to 'waveform'"),
        ({"mel": None}, "mel is None; input 'log-mel' needs its values"),
        ({"window": 65}, "window is 65; it must hold whole spectra: 40 samples and a multiple of"),
        ({"window": 30, "centre": 0}, "window is 30; it must hold whole spectra"),
        ({"step": 25}, "step is 25; it must be a multiple of mel's hop, 10"),
        ({"block": 3}, "it may hold centre, dim"),
    ],
)
def test_descriptions_that_make_no_sense(tmp_path, changes, reason):
    refused(tmp_path, asdict(SPEC) | changes, reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bands": 6}, "mel may hold floor, fmax, fmin, hop, log, n_fft, n_mels,"),
        ({"n_mels": 0}, "mel: n_mels is 0; it must be a whole number above 0"),
        ({"hop": 2.5}, "mel: hop is 2.5"),
        ({"n_fft": 32}, "mel: n_fft is 32; it must be a whole number, at least the window, 40"),
        ({"fmin": 7600}, "mel: fmin is 7600 and fmax 7500; they must rise, up to 8000 Hz"),
        ({"fmax": 9000}, "fmax 9000; they must rise"),
        ({"fmax": "high"}, "mel: fmax is 'high'; it must be a number from 0 on"),
        ({"scale": "bark"}, "mel: scale is 'bark'; use one of htk, slaney"),
        ({"power": 3}, "mel: power is 3; use one of 1, 2"),
        ({"log": "ln"}, "mel: log is 'ln'; use one of natural, log10, decibel"),
        ({"offset": 0}, "mel: floor and offset are 0; one must be above 0"),
    ],
)
def test_spectra_that_make_no_sense(tmp_path, changes, reason):
    refused(tmp_path, asdict(SPEC) | {"mel": asdict(MEL) | changes}, reason)


def refused(folder, content, reason):
    left_out = {"name", "licence", "sha256"} | ({"block"} if content["block"] is None else set())
    (folder / "x.onnx").write_bytes(b"")
    (folder / "x.json").write_text(
        json.dumps({name: value for name, value in content.items() if name not in left_out})
    )
    with pytest.raises(InputError, match=reason) as error:
        load_encoder(folder / "x.onnx")
    assert "x.json: no description of an encoder" in str(error.value)
