"""wav2vec 2.0 from files: layouts that are read, maps, principal components, frames, messages."""

import json
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from tiny_wav2vec import BLOCKS, WIDTH, tiny_file, tiny_model

from fewshot.encoders.external import EncoderSpec
from fewshot.encoders.loading import find_encoder, load_encoder
from fewshot.encoders.wav2vec import Wav2VecFrames, Wav2VecMaps, load_wav2vec, wav2vec_of
from fewshot.errors import InputError, MissingError
from fewshot.features import batch_mel_decibels


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


SOUND = (0.1 * np.random.default_rng(0).standard_normal(50_000)).astype(np.float32)


def heard(samples, block):
    """All frames of a block for what the network is given at once, shape (n_frames, WIDTH)."""
    with torch.inference_mode():
        blocks, _ = tiny_model().extract_features(torch.from_numpy(samples)[None])
    return blocks[block - 1][0].numpy()


def test_frames_are_the_middle_ones_of_two_seconds(weights):
    encoder = load_encoder(weights)
    assert (encoder.spec.dim, encoder.spec.block, encoder.hop_s) == (WIDTH, BLOCKS, 0.02)
    found = encoder.embed(SOUND)
    assert found.shape == (157, WIDTH)
    centre = encoder.spec.centre
    padded = np.pad(SOUND, (centre, 64_000))
    for first in (0, 32, 128):
        window = padded[first * 320 :][: 31 * 320 + encoder.spec.window]
        frames = heard(window, BLOCKS)
        assert len(frames) == 100
        # The middle of what frame 34 of 400 samples sees is the sample that the first one stands
        # for.
        assert 34 * 320 + 200 == centre
        kept = found[first : first + 32]
        np.testing.assert_allclose(kept, frames[34:66][: len(kept)], atol=1e-5)


@pytest.mark.parametrize("size", [7000, 20_480, 49_999])
def test_frames_do_not_depend_on_the_pieces(weights, size):
    encoder = load_encoder(weights)
    stream = encoder.stream()
    frames = [stream.push(SOUND[i : i + size]) for i in range(0, len(SOUND), size)]
    np.testing.assert_array_equal(np.concatenate([*frames, stream.finish()]), encoder.embed(SOUND))


def test_frames_hear_what_follows_as_far_as_it_is_known(weights):
    encoder = load_encoder(weights)
    n = 32 * 320 + 1  # the 33rd frame's window has all its other frames behind the end
    clip, after = SOUND[:n], SOUND[n : n + encoder.context]
    found = encoder.embed(clip, after=after)
    np.testing.assert_array_equal(found, encoder.embed(clip, after=SOUND[n:]))
    np.testing.assert_allclose(found, encoder.embed(SOUND)[:33], atol=1e-5)
    assert np.abs(found - encoder.embed(clip, after=after[:-320])).max() > 1e-5


def test_steps_of_a_clip_are_frames_with_all_they_hear_inside(weights):
    encoder = load_encoder(weights)
    steps = encoder.steps(SOUND)
    assert len(steps) == 1 + (len(SOUND) - 22_160) // 320
    np.testing.assert_allclose(steps[:32], heard(SOUND[: 31 * 320 + 22_160], 2)[34:66], atol=1e-5)
    assert encoder.steps(SOUND[:3000]).shape == (1, WIDTH)


def test_the_published_network_has_frames_of_its_eighth_block(monkeypatch, tmp_path):
    from torchaudio.models import wav2vec2_base

    with torch.device("meta"):
        model = wav2vec2_base()
    monkeypatch.setattr("fewshot.encoders.wav2vec.load_wav2vec", lambda _: model)
    (tmp_path / "base.pth").write_bytes(b"")
    spec = load_encoder(tmp_path / "base.pth").spec
    assert (spec.block, spec.dim, spec.window, spec.step) == (8, 768, 22_160, 320)
    assert len(model.encoder.transformer.layers) == 8


def test_what_stands_beside_the_weights(weights, tmp_path):
    plain = load_encoder(weights)
    assert (plain.spec.name, plain.spec.licence) == ("tiny.pt", "not stated")
    content = {"block": 1, "name": "tiny", "licence": "MIT"}
    weights.with_suffix(".json").write_text(json.dumps(content))
    described = load_encoder(weights)
    assert described.spec == replace(plain.spec, **content)
    window = np.pad(SOUND, (11_080, 0))[: 31 * 320 + 22_160]
    np.testing.assert_allclose(described.embed(SOUND)[:32], heard(window, 1)[34:66], atol=1e-5)
    spec = EncoderSpec(**asdict(plain.spec))
    with pytest.raises(InputError, match=r"m: was learnt with other values for .*tiny\.pt"):
        find_encoder(str(weights), spec, tmp_path / "m")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"block": 3}, r"tiny\.json: block 3 of 2; use one from 1 to 2"),
        ({"block": 0}, r"tiny\.json: block 0 of 2"),
        ({"block": "last"}, r"tiny\.json: block 'last' of 2"),
        ({"window": 400}, r"tiny\.json: no description .* \(it may hold block, licence, name\)"),
        ([1], r"tiny\.json: no description .* \(it may hold block, licence, name\)"),
    ],
)
def test_descriptions_of_weights_that_make_no_sense(weights, content, reason):
    weights.with_suffix(".json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=reason):
        load_encoder(weights)


def test_encoders_that_are_no_weights_or_lack_torchaudio(weights, monkeypatch, tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(
        InputError,
        match=r"other\.pt: no TorchScript file, and not the state of torchaudio's wav2vec2_base "
        r"\(it lacks feature_extractor.*\); give another file",
    ):
        load_encoder(tmp_path / "other.pt")
    torch.save(torch.nn.Linear(1, 1), tmp_path / "whole.pt")
    with pytest.raises(InputError, match=r"whole\.pt: no TorchScript file, and not what torch"):
        load_encoder(tmp_path / "whole.pt")
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    with pytest.raises(MissingError, match=r"^wav2vec 2.0 needs torchaudio; pip install"):
        load_encoder(weights)


def test_loading_weights_draws_no_random_numbers(weights):
    before = torch.get_rng_state()
    load_encoder(weights)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_frames_on_a_gpu_are_those_of_the_processor(weights):
    found, expected = (
        load_encoder(weights).to("cuda").embed(SOUND),
        load_encoder(weights).embed(SOUND),
    )
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((found * expected).sum(axis=1) / lengths).min() > 0.999


def test_frames_of_a_batch_are_those_of_each(weights):
    frames = Wav2VecFrames(load_wav2vec(weights))
    batch = torch.from_numpy(SOUND[:48_000].reshape(2, 24_000))
    with torch.inference_mode():
        both = frames(batch)
        assert both.shape == (2, 1 + (24_000 - frames.window) // 320, WIDTH)
        torch.testing.assert_close(both[1:], frames(batch[1:]))
