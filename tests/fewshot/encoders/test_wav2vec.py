"""wav2vec 2.0 from files: layouts that are read, maps, principal components, messages."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fewshot.encoders.wav2vec import Wav2VecMaps, load_wav2vec, wav2vec_of
from fewshot.errors import InputError, MissingError
from fewshot.features import batch_mel_decibels

sys.path.insert(0, str(Path(__file__).parent))
from tiny_wav2vec import BLOCKS, WIDTH, tiny_file, tiny_model


@pytest.fixture(autouse=True)
def torchaudio():
    return pytest.importorskip("torchaudio", exc_type=(ImportError, OSError))


@pytest.fixture
def weights(tmp_path):
    return tiny_file(tmp_path / "tiny.pt")


WAVEFORMS = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))


def old_names(state):
    direction = "parametrizations.weight.original"
    return {
        name.replace(f"{direction}0", "weight_g").replace(f"{direction}1", "weight_v"): one
        for name, one in state.items()
    }


@pytest.mark.parametrize(
    "saved",
    [
        lambda: tiny_model().state_dict(),
        lambda: tiny_model(aux_num_out=29).state_dict(),
        lambda: old_names(tiny_model().state_dict()),
        lambda: {f"model.{name}": one for name, one in tiny_model().state_dict().items()},
    ],
    ids=["plain", "with a head for speech", "old names", "of a bundle"],
)
def test_a_file_gives_the_network_that_was_saved(tmp_path, saved):
    torch.save(saved(), tmp_path / "w.pt")
    model = load_wav2vec(tmp_path / "w.pt")
    expected, _ = tiny_model().extract_features(WAVEFORMS)
    found, _ = model.extract_features(WAVEFORMS)
    torch.testing.assert_close(found, expected)


def test_a_block_is_where_it_ends(weights):
    model = load_wav2vec(weights, block=1)
    expected, _ = tiny_model().extract_features(WAVEFORMS)
    (found,), _ = model.extract_features(WAVEFORMS)
    torch.testing.assert_close(found, expected[0])
    for block in (0, BLOCKS + 1):
        with pytest.raises(InputError, match=f"block {block} of 2; use one from 1 to 2"):
            load_wav2vec(weights, block=block)


def test_the_published_network_is_one_of_them():
    from torchaudio.models import wav2vec2_base

    with torch.device("meta"):
        state = wav2vec2_base().state_dict()
    model = wav2vec_of(state)
    assert sum(p.numel() for p in model.parameters()) == 94_370_944
    assert model.encoder.transformer.layers[0].attention.num_heads == 12


def test_maps_lie_on_the_frames_of_the_log_mel_spectrogram(weights):
    maps = Wav2VecMaps(load_wav2vec(weights), n_bands=6)
    found = maps(WAVEFORMS)
    assert found.shape == (*batch_mel_decibels(WAVEFORMS).shape[:2], 6)
    frames = maps.frames(WAVEFORMS)
    assert frames.shape == (2, 1 + (16_000 - 400) // 320, 6)
    places = (np.arange(32) + 0.5) * frames.shape[1] / 32 - 0.5
    naive = np.interp(places, np.arange(frames.shape[1]), frames[0, :, 3].detach())
    np.testing.assert_allclose(found[0, :, 3].detach(), naive, rtol=1e-4, atol=1e-5)


def test_all_but_the_convolutions_is_trained(weights):
    maps = Wav2VecMaps(load_wav2vec(weights), n_bands=6).train()
    maps(WAVEFORMS).square().mean().backward()
    frozen = {name for name, parameter in maps.named_parameters() if parameter.grad is None}
    assert frozen == {
        name for name, _ in maps.named_parameters() if name.startswith("model.feature_extractor")
    }
    assert maps.model.encoder.transformer.layers[0].attention.k_proj.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("n_bands", [5, WIDTH + 3])
def test_a_bottleneck_of_principal_components(weights, n_bands):
    from sklearn.decomposition import PCA

    maps = Wav2VecMaps(load_wav2vec(weights), n_bands).eval()
    maps.narrow_by(WAVEFORMS.split(1))
    with torch.no_grad():
        frames = maps.model.extract_features(WAVEFORMS)[0][-1].flatten(0, 1).double().numpy()
        found = maps.frames(WAVEFORMS).flatten(0, 1).numpy()
    n = min(5, n_bands)
    expected = PCA(n).fit_transform(frames)
    np.testing.assert_allclose(np.abs(found[:, :n]), np.abs(expected), rtol=1e-2, atol=1e-4)
    assert not found[:, WIDTH:].any()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no weights", "not what torch saved of a network's state; give another file"),
        ({}, "not the state of .* lacks feature_extractor.conv_layers.0.conv.weight"),
        ([1, 2], "not the state of torchaudio's wav2vec2_base .no state of a network"),
    ],
)
def test_other_files_are_refused(tmp_path, content, reason):
    path = tmp_path / "w.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(InputError, match=f"w.pt: {reason}"):
        load_wav2vec(path)


def test_a_state_that_lacks_a_part_is_refused(tmp_path):
    state = tiny_model().state_dict()
    del state["encoder.transformer.layers.1.final_layer_norm.bias"]
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(InputError, match="not the state of torchaudio's wav2vec2_base"):
        load_wav2vec(tmp_path / "w.pt")


def test_what_is_missing_is_told(weights, monkeypatch, tmp_path):
    with pytest.raises(InputError, match=r"none\.pt: no such file"):
        load_wav2vec(tmp_path / "none.pt")
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    with pytest.raises(MissingError, match=r"pip install 'fewshot-audio\[wav2vec\]'"):
        load_wav2vec(weights)
