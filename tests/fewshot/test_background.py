import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot import background, bundle
from fewshot.background import KIND, VERSION, Background
from fewshot.encoders.loading import SPEECH_EMBEDDING
from fewshot.errors import InputError


def frames_of(seed, *lengths, dim=4):
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((dim, dim))
    return [(rng.standard_normal((n, dim)) @ mixing + 3).astype(np.float32) for n in lengths]


@settings(max_examples=20)
@given(st.integers(0, 100))
def test_whitened_frames_have_no_mean_and_unit_covariance(seed):
    frames = frames_of(seed, 50, 80)
    model = Background.learn(frames, encoder="e")
    white = (np.concatenate(frames) - model.mean) @ model.whitening()
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(4), atol=1e-3)


def test_hearing_more_equals_hearing_all_at_once():
    first, second = frames_of(1, 50, 80), frames_of(2, 30)
    at_once = Background.learn([*first, *second], encoder="e")
    added = Background.learn(first, encoder="e").with_more(second)
    np.testing.assert_allclose(added.mean, at_once.mean, rtol=1e-6)
    np.testing.assert_allclose(added.covariance, at_once.covariance, rtol=1e-6)
    assert added.count == at_once.count and len(added.frames) == 3


def test_a_direction_that_never_varies_is_not_raised():
    frames = frames_of(0, 100)[0]
    frames[:, 0] = 1.0
    white = Background.learn([frames], encoder="e").whitening()
    assert np.isfinite(white).all()


def test_round_trip(tmp_path):
    model = Background.learn(frames_of(3, 40, 60), encoder="abc", source="read aloud")
    model.save(tmp_path / "x.background")
    loaded = Background.load(tmp_path / "x.background")
    assert (loaded.count, loaded.encoder, loaded.source) == (100, "abc", "read aloud")
    np.testing.assert_allclose(loaded.covariance, model.covariance, rtol=1e-5)
    white = model.whitening()
    for a, b in zip(loaded.frames, model.frames, strict=True):
        np.testing.assert_allclose((a - model.mean) @ white, (b - model.mean) @ white, atol=0.03)


@pytest.mark.parametrize("damage", [{"lengths": [1]}, {"lengths": []}, {"count": None}])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "x.background"
    Background.learn(frames_of(3, 40), encoder="abc").save(path)
    tensors, header = bundle.load(path, kind=KIND, version=VERSION)
    header = {k: v for k, v in header.items() if k not in bundle.OWN_FIELDS} | damage
    bundle.save(path, tensors, header, kind=KIND, version=VERSION, force=True)
    with pytest.raises(InputError, match="damaged background model"):
        Background.load(path)


def test_too_little_and_bad_frames_are_refused():
    with pytest.raises(InputError, match="too few"):
        Background.learn(frames_of(0, 4), encoder="e")
    bad = frames_of(0, 40)
    bad[0][3, 1] = np.nan
    with pytest.raises(InputError, match="NaN"):
        Background.learn(bad, encoder="e")
    with pytest.raises(InputError, match="silent"):
        Background.learn([np.ones((40, 4), np.float32)], encoder="e")


def test_the_bundled_one_is_of_the_bundled_encoder():
    model = background.bundled(SPEECH_EMBEDDING.sha256)
    assert model.mean.shape == (96,) and "CC BY 4.0" in model.source
    assert sum(map(len, model.frames)) * 0.02 > 600
    assert background.bundled("another") is None
