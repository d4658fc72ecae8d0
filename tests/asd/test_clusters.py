"""Clusters of clips by their statistics."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asd.clusters import (
    STATISTICS,
    Clustering,
    cluster_names,
    machine_statistics,
    ranked_mean,
)
from asd.dataset import Clip
from asd.recordings import Recordings
from fewshot.errors import InputError


def kept(path, sounds):
    recordings = Recordings(path / "waveforms")
    for sound in sounds:
        recordings.append(sound)
    return recordings


def clip(machine="fan"):
    return Clip(Path("a.wav"), machine, "00", "source", "train", "normal", 0, ())


def tones(n, hz, rng):
    """Clips of 0.3 s of one tone in noise."""
    time = np.arange(4800) / 16000
    phases = rng.uniform(0, 6, (n, 1))
    return 0.1 * np.sin(2 * np.pi * hz * time + phases) + 0.01 * rng.standard_normal((n, 4800))


def planted(rng, n_groups, n_each=20, d=40):
    centres = 6 * rng.standard_normal((n_groups, d))
    truth = np.repeat(np.arange(n_groups), n_each)
    return centres[truth] + rng.standard_normal((len(truth), d)), truth


def same_partition(one, other):
    return len(set(zip(one, other, strict=True))) == len(set(one)) == len(set(other))


@pytest.mark.parametrize("method", ["mixture", "k-means"])
def test_planted_clusters_are_found(method):
    vectors, truth = planted(np.random.default_rng(0), 3)
    assert same_partition(Clustering(n_clusters=3, method=method).labels(vectors), truth)


@pytest.mark.parametrize("n_groups", [1, 2, 5])
def test_bic_finds_how_many_there_are(n_groups):
    vectors, truth = planted(np.random.default_rng(1), n_groups, 100, d=6)
    assert same_partition(Clustering(n_clusters="bic").labels(vectors), truth)


@pytest.mark.parametrize(
    ("n", "least", "expected"), [(9, 1, 1), (29, 1, 2), (9, 2, 2), (1, 2, 1), (400, 1, 8)]
)
def test_few_clips_have_few_clusters(n, least, expected):
    vectors = np.random.default_rng(0).standard_normal((n, 5))
    labels = Clustering(method="k-means").labels(vectors, least=least)
    assert sorted(set(labels)) == list(range(expected))


def test_clips_that_are_all_the_same_are_one_cluster():
    assert Clustering().labels(np.ones((30, 4)), least=2).tolist() == [0] * 30


@pytest.mark.parametrize("name", STATISTICS)
def test_tones_of_each_machine_are_clusters_of_it(tmp_path, name):
    rng = np.random.default_rng(0)
    # A square of a tone is another waveform with another spectrum, whatever is looked at.
    sounds = np.concatenate([tones(10, 300, rng), 9 * tones(10, 2500, rng) ** 2])
    order = rng.permutation(20)
    recordings = kept(tmp_path, [*sounds[order], *sounds[order]])
    clips = [clip("fan")] * 20 + [clip("pump")] * 20
    names = cluster_names(recordings, clips, options=Clustering(name, n_clusters=2))
    assert {one.rsplit(" ", 1)[0] for one in names[:20]} == {"fan cluster"}
    assert {one.rsplit(" ", 1)[0] for one in names[20:]} == {"pump cluster"}
    for own in (names[:20], names[20:]):
        assert same_partition(own, order < 10)
    recordings.close()


def test_one_machine_alone_has_two_clusters_where_others_have_one(tmp_path):
    rng = np.random.default_rng(0)
    recordings = kept(tmp_path, tones(4, 300, rng))
    assert len(set(cluster_names(recordings, [clip()] * 4))) == 2
    several = [clip("fan")] * 2 + [clip("pump")] * 2
    assert cluster_names(recordings, several)[1:3] == ["fan cluster 0", "pump cluster 0"]
    recordings.close()


def test_statistics_of_each_machine_are_standardised(tmp_path):
    rng = np.random.default_rng(0)
    recordings = kept(tmp_path, [*tones(5, 300, rng), *tones(5, 2500, rng)])
    found = machine_statistics(recordings, [clip("fan")] * 5 + [clip("pump")] * 5)
    for own in (found[:5], found[5:]):
        np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(own.std(axis=0), 1, rtol=1e-6)
    recordings.close()


@pytest.mark.parametrize("rank_weight", [0.0, 0.3, 1.0])
def test_ranked_means_against_the_definition(rank_weight):
    frames = np.random.default_rng(0).standard_normal((7, 3))
    weights = [rank_weight**k for k in range(7)]
    naive = [
        sum(w * x for w, x in zip(weights, sorted(band, reverse=True), strict=True)) / sum(weights)
        for band in frames.T
    ]
    np.testing.assert_allclose(ranked_mean(frames, rank_weight), naive)
    if rank_weight == 0:
        np.testing.assert_allclose(naive, frames.max(axis=0))


@pytest.mark.parametrize("name", ["gwrp", "mean-deviation", "mean", "shape"])
def test_level_and_length_of_clips_do_not_break_statistics(name):
    rng = np.random.default_rng(0)
    options = Clustering(name)
    sizes = {len(options.vector(0.1 * rng.standard_normal(n))) for n in (3200, 5000)}
    assert len(sizes) == 1
    assert np.isfinite(options.vector(np.zeros(3200))).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"statistics": "magic"}, "statistics is 'magic'; use mean-deviation"),
        ({"method": "magic"}, "method is 'magic'; use mixture, k-means"),
        ({"n_clusters": 0}, "n_clusters is 0; use a number from 1, or 'bic'"),
        ({"n_clusters": "aic"}, "n_clusters is 'aic'"),
        ({"n_clusters": "bic", "method": "k-means"}, "'bic' is a criterion of mixtures"),
        ({"rank_weight": 1.5}, "rank_weight is 1.5; it must be 0 to 1"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(Clustering(), **changes)
