import warnings

import numba
import numpy as np
import pytest

from kws.templates import barycentre, in_place, templates_of


def random_clip(rng, n, dim=4):
    rows = np.cumsum(rng.standard_normal((n, dim)), axis=0) + rng.standard_normal((n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def tslearn_dba(monkeypatch):
    # tslearn compiles for ten seconds; on sequences as short as these it need not.
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        barycenters = pytest.importorskip("tslearn.barycenters")
    return barycenters.dtw_barycenter_averaging


@pytest.mark.parametrize("seed", range(3))
def test_barycentre_is_that_of_tslearn(seed, tslearn_dba):
    rng = np.random.default_rng(seed)
    clips = [random_clip(rng, n) for n in (9, 12, 10, 8, 11)]
    stretched = [
        np.array([np.interp(np.linspace(0, len(c) - 1, 10), np.arange(len(c)), x) for x in c.T]).T
        for c in clips
    ]
    expected = tslearn_dba(clips, init_barycenter=np.mean(stretched, axis=0))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(barycentre(clips), expected, rtol=0, atol=1e-6)


def test_barycentre_of_one_clip_is_the_clip():
    clip = random_clip(np.random.default_rng(0), 7)
    np.testing.assert_allclose(barycentre([clip]), clip, atol=1e-6)


def test_barycentre_has_unit_rows_and_the_median_length():
    rng = np.random.default_rng(0)
    for lengths, median in (((3, 9, 4), 4), ((3, 4), 4), ((1, 1, 5), 1), ((1, 6), 4)):
        centre = barycentre([random_clip(rng, n) for n in lengths])
        assert centre.shape == (median, 4)
        assert centre.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(centre, axis=1), 1, atol=1e-6)


def test_barycentre_lies_between_clips_spoken_at_different_speed():
    rng = np.random.default_rng(0)
    word = random_clip(rng, 6)
    clips = [np.repeat(word, n, axis=0) for n in (1, 2, 3)]
    np.testing.assert_allclose(barycentre(clips), clips[1], atol=1e-6)


def test_what_others_hold_in_place_of_a_template():
    rng = np.random.default_rng(0)
    word = random_clip(rng, 6)
    clips = [np.repeat(word, n, axis=0) for n in (1, 2, 3)]
    others = [random_clip(rng, len(clip)) for clip in clips]
    found = in_place(word, clips, others)
    assert found.dtype == np.float32
    for i, row in enumerate(found):
        places = [other[n * i : n * (i + 1)] for n, other in zip((1, 2, 3), others, strict=True)]
        expected = np.concatenate(places).mean(axis=0)
        np.testing.assert_allclose(row, expected / np.linalg.norm(expected), atol=1e-6)
    np.testing.assert_allclose(in_place(word, clips, clips), word, atol=1e-6)


def test_templates():
    rng = np.random.default_rng(0)
    clips = [random_clip(rng, n) for n in (5, 6, 7)]
    (centre,) = templates_of(clips, "barycenter")
    np.testing.assert_array_equal(centre, barycentre(clips))
    shots = templates_of([2 * clip for clip in clips], "shots")
    for shot, clip in zip(shots, clips, strict=True):
        np.testing.assert_allclose(shot, clip, atol=1e-6)


def test_frames_of_zeros_stay_zero():
    (shot,) = templates_of([np.zeros((2, 3))], "shots")
    assert not shot.any()


@pytest.mark.parametrize("clips", [[], [np.ones((2, 3)), np.ones((0, 3))]])
@pytest.mark.parametrize("mode", ["barycenter", "shots"])
def test_nothing_to_make_templates_of(clips, mode):
    with pytest.raises(ValueError, match="at least one"):
        templates_of(clips, mode)


def test_unknown_mode():
    with pytest.raises(ValueError, match="'median'"):
        templates_of([np.ones((2, 3))], "median")
