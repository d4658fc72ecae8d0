"""Centres and target clips, against the clusters that they are means of."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from asd.back_ends import DOMAINS, Centres

SIZES = [(1, 0), (2, 0), (4, 0), (1, 1), (9, 2), (9, 1), (0, 1), (0, 3), (40, 4)]


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def clips(n_source, n_target, seed=3):
    rng = np.random.default_rng(seed)
    target = rng.permutation(np.arange(n_source + n_target) < n_target)
    return rng.standard_normal((len(target), 4)), target, rng.standard_normal((6, 4))


def naive(members, clips, x, domains, normalise):
    """Score from the lists of vectors in each source cluster and the target clips."""
    means = [np.mean(own, axis=0) for own in members if len(own)]
    distances = [
        [1 - (unit(mean) if normalise else mean) @ unit(x) for mean in means],
        [1 - clip @ unit(x) for clip in clips],
    ]
    source, target = (min(own) if own else None for own in distances)
    there = [least for least in (source, target) if least is not None]
    if domains == "joint":
        return min(there)
    if domains == "sum":
        return sum(there)
    return there[0] if domains == "source" else there[-1]


def clusters_of(source, n_centres):
    n = min(n_centres, len(source))
    labels = KMeans(n, n_init=10, random_state=1).fit(source).labels_ if n > 1 else [0] * n
    return np.array(labels, int)


@pytest.mark.parametrize("domains", DOMAINS)
@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("n_source, n_target", SIZES)
def test_scores_are_those_of_the_definition(domains, normalise, n_source, n_target):
    train, target, test = clips(n_source, n_target)
    back_end = Centres(5, domains, normalise)
    vectors = unit(train)
    labels = np.full(len(train), -1)
    labels[~target] = clusters_of(vectors[~target], 5)

    def expected(x, rest):
        members = [vectors[rest & (labels == name)] for name in range(5)]
        return naive(members, vectors[rest & target], x, domains, normalise)

    scores = back_end.score(back_end.fit(train, target, seed=1), test)
    assert scores == pytest.approx([expected(x, np.ones(len(train), bool)) for x in test])
    left_out = back_end.leave_one_out(train, target, seed=1)
    if len(train) == 1:
        assert left_out.shape == (0,)
    else:
        assert left_out == pytest.approx(
            [expected(x, np.arange(len(train)) != i) for i, x in enumerate(train)]
        )


def test_what_is_kept():
    train, target, _ = clips(9, 2)
    fitted = Centres(5).fit(train, target)
    assert fitted["target"].tolist() == [False] * 5 + [True] * 2
    assert np.linalg.norm(fitted["directions"], axis=1) == pytest.approx(1)
    raw = Centres(5, normalise=False).fit(train, target)
    assert np.linalg.norm(raw["directions"], axis=1).min() < 0.99
    assert unit(raw["directions"]) == pytest.approx(fitted["directions"])


def test_models_that_do_not_tell_target_clips_from_centres_give_the_joint_score():
    train, target, test = clips(9, 2)
    fitted = Centres(5).fit(train, target)
    expected = Centres(5).score(fitted, test)
    assert Centres(5).score({"directions": fitted["directions"]}, test) == pytest.approx(expected)


def test_target_clips_are_at_no_distance():
    train, target, _ = clips(20, 4)
    for domains in ("joint", "target"):
        back_end = Centres(5, domains)
        scores = back_end.score(back_end.fit(train, target), 3 * train[target])
        assert scores == pytest.approx(0, abs=1e-12)


def test_each_domain_is_best_seen_by_its_own_scores():
    rng = np.random.default_rng(5)
    source = np.concatenate([[5, 0, 0], [0, 5, 0]]).reshape(2, 3).repeat(50, 0)
    train = np.concatenate([source, np.tile([0, 0, 5], (5, 1))]) + rng.standard_normal((105, 3)) / 5
    target = np.arange(105) >= 100
    test = np.array([[1.0, 0, 0], [0, 0, 1.0], [-1.0, -1.0, -1.0]])
    scores = {
        domains: back_end.score(back_end.fit(train, target), test)
        for domains, back_end in ((name, Centres(2, name)) for name in DOMAINS)
    }
    assert scores["source"] == pytest.approx([0, 1, 1.58], abs=0.1)
    assert scores["target"] == pytest.approx([1, 0, 1.58], abs=0.15)
    assert scores["joint"] == pytest.approx([0, 0, 1.58], abs=0.1)
    assert scores["sum"] == pytest.approx(scores["source"] + scores["target"])


def test_a_clip_left_out_is_not_in_its_own_centre():
    train = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    scores = Centres(2).leave_one_out(train, np.zeros(4, bool))
    cosine = 1 / np.sqrt(1.01)
    assert scores == pytest.approx([1 - cosine] * 4)


def test_raw_means_are_farther_away_where_clips_differ():
    train = np.array([[1.0, 0.1], [1.0, -0.1], [-0.2, 1.0], [-0.2, -1.0]])
    back_end = Centres(1, normalise=False)
    (score,) = back_end.score(back_end.fit(train[:2], np.zeros(2, bool)), np.array([[1.0, 0.0]]))
    assert score == pytest.approx(1 - 1 / np.sqrt(1.01))
    (score,) = back_end.score(back_end.fit(train[2:], np.zeros(2, bool)), np.array([[-1.0, 0.0]]))
    assert score == pytest.approx(1 - 0.2 / np.sqrt(1.04))


def test_unknown_domains_are_refused():
    with pytest.raises(ValueError, match="joint, source, target, sum"):
        Centres(domains="both")
