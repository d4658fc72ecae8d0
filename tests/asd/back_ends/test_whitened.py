"""Local density of whitened vectors against its definition."""

import numpy as np
import pytest

from asd.back_ends import LocalDensity, WhitenedDensity
from asd.back_ends.whitened import EXACT, N_PARTS


def whitened(train, target, test, shrinkage):
    """Vectors whose Euclidean distances are Mahalanobis distances."""
    means = {domain: train[target == domain].mean(axis=0) for domain in set(target.tolist())}
    offsets = np.array(
        [x - means[domain] for x, domain in zip(train, target.tolist(), strict=True)]
    )
    covariance = sum(np.outer(o, o) for o in offsets) / len(train)
    variance = np.diag(covariance).mean() or 1.0
    values, axes = np.linalg.eigh(covariance + shrinkage * variance * np.eye(train.shape[1]))
    return train @ axes / np.sqrt(values), test @ axes / np.sqrt(values)


def twin(train, target, test, k, shrinkage):
    train, test = whitened(train, target, test, shrinkage)
    density = LocalDensity(k)
    return density.score(density.fit(train, target), test)


@pytest.mark.parametrize("n_source, n_target", [(2, 0), (3, 1), (8, 3), (30, 4), (0, 5)])
@pytest.mark.parametrize("k, shrinkage", [(4, 1.0), (1, 0.1)])
def test_scores_are_those_of_the_definition(n_source, n_target, k, shrinkage):
    rng = np.random.default_rng(n_source + 100 * n_target)
    n = n_source + n_target
    target = rng.permutation(np.arange(n) < n_target)
    train = rng.standard_normal((n, 5)) * [1, 2, 3, 4, 5] + 4.0 * target[:, None]
    test = rng.standard_normal((7, 5)) * 3
    back_end = WhitenedDensity(k, shrinkage)
    scores = back_end.score(back_end.fit(train, target), test)
    assert scores == pytest.approx(twin(train, target, test, k, shrinkage))
    rest = [np.arange(n) != i for i in range(n)]
    expected = [twin(train[r], target[r], train[~r], k, shrinkage)[0] for r in rest]
    assert back_end.leave_one_out(train, target) == pytest.approx(expected)


def test_what_clips_differ_by_anyway_counts_less():
    rng = np.random.default_rng(0)
    train = rng.standard_normal((60, 2)) * [10.0, 0.1]
    test = np.array([[5.0, 0.0], [0.0, 5.0]])
    target = np.zeros(60, bool)
    usual, unusual = WhitenedDensity(shrinkage=1e-3).score(
        WhitenedDensity(shrinkage=1e-3).fit(train, target), test
    )
    assert unusual > 10 * usual


def test_many_clips_are_left_out_some_together():
    rng = np.random.default_rng(3)
    n = EXACT + 20
    train, target = rng.standard_normal((n, 3)), np.arange(n) >= n - 12
    back_end = WhitenedDensity()
    left_out = back_end.leave_one_out(train, target, 1)
    parts = np.random.default_rng(1).permutation(n) % N_PARTS
    own = parts == parts[7]
    expected = back_end.score(back_end.fit(train[~own], target[~own]), train[own])
    assert left_out[own] == pytest.approx(expected)
    exact = [
        back_end.score(back_end.fit(np.delete(train, i, 0), np.delete(target, i)), train[[i]])[0]
        for i in range(n)
    ]
    assert np.corrcoef(left_out, exact)[0, 1] > 0.95


@pytest.mark.parametrize("shrinkage", [0.0, -1.0, np.inf])
def test_shrinkage_is_above_zero(shrinkage):
    with pytest.raises(ValueError, match=f"must be above 0 and finite, not {shrinkage}"):
        WhitenedDensity(shrinkage=shrinkage)
