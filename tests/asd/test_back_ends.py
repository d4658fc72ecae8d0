"""Back ends against a few lines of their definitions, and what they do with very few clips."""

import numpy as np
import pytest

from asd.back_ends import Centres, Gaussian, LocalDensity, Nearest, Standardised

RNG = np.random.default_rng(0)
ALL = [Nearest(), Nearest(10), Standardised(), LocalDensity(), LocalDensity(1), Gaussian()]


def distance(a, b):
    return float(np.sqrt(np.sum((np.asarray(a, float) - b) ** 2)))


def nearest(train, target, x, k):
    return np.mean(sorted(distance(x, t) for t in train)[:k])


def standardised(train, target, x):
    own = {}
    for domain in (False, True):
        members = [t for t, d in zip(train, target, strict=True) if d == domain]
        own[domain] = [
            min(distance(a, b) for j, b in enumerate(members) if j != i)
            for i, a in enumerate(members)
            if len(members) > 1
        ]
    scores = []
    for domain in {bool(d) for d in target}:
        to = min(distance(x, t) for t, d in zip(train, target, strict=True) if d == domain)
        of = own[domain] if len(own[domain]) >= 3 else own[False] + own[True]
        mean, deviation = (np.mean(of), np.std(of)) if of else (0.0, 1.0)
        scores.append((to - mean) / (max(deviation, 1e-3 * mean) or 1.0))
    return min(scores)


def local_density(train, target, x, k):
    local = []
    for i, t in enumerate(train):
        others = sorted(distance(t, other) for j, other in enumerate(train) if j != i)
        local.append(np.mean(others[:k]) if others else 1.0)
    return min(distance(x, t) / d for t, d in zip(train, local, strict=True))


def gaussian(train, target, x):
    offsets = train - train.mean(axis=0)
    covariance = offsets.T @ offsets / len(train) + 1e-3 * np.eye(train.shape[1])
    offset = x - train.mean(axis=0)
    return np.sqrt(offset @ np.linalg.solve(covariance, offset))


TWINS = [
    (Nearest(), lambda *a: nearest(*a, 1)),
    (Nearest(10), lambda *a: nearest(*a, 10)),
    (Standardised(), standardised),
    (LocalDensity(), lambda *a: local_density(*a, 4)),
    (LocalDensity(1), lambda *a: local_density(*a, 1)),
    (Gaussian(), gaussian),
]
SIZES = [(1, 0), (2, 0), (3, 0), (3, 1), (4, 2), (5, 3), (20, 0), (20, 1), (20, 5), (0, 6)]


@pytest.mark.parametrize("back_end, twin", TWINS, ids=lambda x: repr(x)[:20])
@pytest.mark.parametrize("n_source, n_target", SIZES)
def test_scores_are_those_of_the_definition(back_end, twin, n_source, n_target):
    rng = np.random.default_rng(n_source + 100 * n_target)
    target = rng.permutation(np.arange(n_source + n_target) < n_target)
    train = rng.standard_normal((len(target), 3)) + 4.0 * target[:, None]
    test = rng.standard_normal((7, 3)) * 3
    scores = back_end.score(back_end.fit(train, target), test)
    assert scores == pytest.approx([twin(train, target, x) for x in test])
    left_out = back_end.leave_one_out(train, target)
    rest = [np.arange(len(train)) != i for i in range(len(train))]
    if len(train) < 2:
        assert left_out.shape == (0,)
    else:
        expected = [twin(train[r], target[r], x) for r, x in zip(rest, train, strict=True)]
        assert left_out == pytest.approx(expected)


@pytest.mark.parametrize("n_source, n_target", [(1, 0), (4, 0), (9, 2), (0, 3), (40, 4)])
def test_centres_are_normalised_means_of_clusters_and_target_clips(n_source, n_target):
    rng = np.random.default_rng(3)
    target = np.arange(n_source + n_target) >= n_source
    train = rng.standard_normal((len(target), 4))
    back_end = Centres(5)
    fitted = back_end.fit(train, target, seed=1)
    assert len(fitted["directions"]) == min(5, n_source) + n_target
    assert np.linalg.norm(fitted["directions"], axis=1) == pytest.approx(1)
    unit = train / np.linalg.norm(train, axis=1, keepdims=True)
    assert back_end.score(fitted, 3 * train[target]) == pytest.approx(0, abs=1e-12)
    if n_source == 1:
        assert back_end.leave_one_out(train, target).shape == (0,)
    elif n_source == 4:
        expected = 1 - (unit @ unit.T).max(axis=1, where=~np.eye(len(unit), dtype=bool), initial=-1)
        assert back_end.leave_one_out(train, target) == pytest.approx(expected)
    x = rng.standard_normal((6, 4))
    cosines = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ fitted["directions"].T
    assert back_end.score(fitted, x) == pytest.approx(1 - cosines.max(axis=1))


def test_a_clip_left_out_is_not_in_its_own_centre():
    train = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    scores = Centres(2).leave_one_out(train, np.zeros(4, bool))
    cosine = 1 / np.sqrt(1.01)
    assert scores == pytest.approx([1 - cosine] * 4)


@pytest.mark.parametrize("back_end", [*ALL, Centres()], ids=repr)
def test_copies_of_a_clip_and_constant_values_give_finite_scores(back_end):
    train = np.concatenate([np.zeros((6, 2)), RNG.standard_normal((3, 2))])
    target = np.arange(9) >= 7
    scores = back_end.score(back_end.fit(train, target), np.concatenate([train, train + 50]))
    assert np.isfinite(scores).all()
    # A vector of zeros has no direction.
    assert isinstance(back_end, Centres) or scores[0] < scores[9]
    assert np.isfinite(back_end.leave_one_out(train, target)).all()
    same = np.ones((4, 2))
    assert np.isfinite(back_end.score(back_end.fit(same, target[:4]), same)).all()
    assert np.isfinite(back_end.leave_one_out(same, target[:4])).all()


def test_a_sparse_target_domain_is_no_farther_away_when_distances_are_standardised():
    rng = np.random.default_rng(1)
    train = np.concatenate([rng.standard_normal((200, 2)), 30 + 5 * rng.standard_normal((20, 2))])
    target = np.arange(220) >= 200
    source_test, target_test = rng.standard_normal((50, 2)), 30 + 5 * rng.standard_normal((50, 2))

    def ratio(back_end):
        fitted = back_end.fit(train, target)
        limit = np.quantile(back_end.score(fitted, source_test), 0.9)
        return np.mean(back_end.score(fitted, target_test) > limit)

    assert ratio(Nearest()) > 0.8
    assert ratio(Standardised()) < 0.4 and ratio(LocalDensity()) < 0.4
