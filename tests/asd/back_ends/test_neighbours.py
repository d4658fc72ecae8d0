"""Nearest neighbours against a few lines of their definitions."""

from dataclasses import replace

import numpy as np
import pytest

from asd.back_ends import LocalDensity, Nearest, Standardised


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


TWINS = [
    (Nearest(), lambda *a: nearest(*a, 1)),
    (Nearest(10), lambda *a: nearest(*a, 10)),
    (Standardised(), standardised),
    (LocalDensity(), lambda *a: local_density(*a, 4)),
    (LocalDensity(1), lambda *a: local_density(*a, 1)),
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


@pytest.mark.parametrize("back_end", [Nearest(), Nearest(10), Standardised(), LocalDensity()])
def test_cosine_distances_are_those_of_directions(back_end):
    """The length of a vector says nothing, and half the squared distance of unit vectors does."""
    rng = np.random.default_rng(4)
    train, test = rng.standard_normal((12, 3)), rng.standard_normal((5, 3))
    target = np.arange(12) >= 8
    cosine = replace(back_end, cosine=True)
    scores = cosine.score(cosine.fit(train, target), test)
    longer = cosine.fit(train * rng.uniform(1, 9, (12, 1)), target)
    assert cosine.score(longer, 0.1 * test) == pytest.approx(scores)
    assert scores != pytest.approx(back_end.score(back_end.fit(train, target), test))
    assert cosine.leave_one_out(7 * train, target) == pytest.approx(
        cosine.leave_one_out(train, target)
    )


def test_the_nearest_by_cosine():
    train, target = np.array([[2.0, 0.0], [0.0, 0.5], [3.0, 3.0]]), np.zeros(3, bool)
    back_end = Nearest(2, cosine=True)
    scores = back_end.score(back_end.fit(train, target), np.array([[1.0, 0.0], [-1.0, 0.0]]))
    assert scores == pytest.approx([(0 + 1 - np.sqrt(0.5)) / 2, (1 + 1 + np.sqrt(0.5)) / 2])
    expected = [(2 - np.sqrt(0.5)) / 2, (2 - np.sqrt(0.5)) / 2, 1 - np.sqrt(0.5)]
    assert back_end.leave_one_out(train, target) == pytest.approx(expected)
