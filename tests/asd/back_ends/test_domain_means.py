"""Distances to the means of the domains."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.back_ends import DomainMeans


def naive(train, target, test, regularisation=1e-3):
    means, offsets = {}, []
    for domain in (False, True):
        if (target == domain).any():
            means[domain] = train[target == domain].mean(axis=0)
    offsets = np.array([x - means[d] for x, d in zip(train, target, strict=True)])
    covariance = sum(np.outer(o, o) for o in offsets) / len(train)
    precision = np.linalg.inv(covariance + regularisation * np.eye(train.shape[1]))
    scores = []
    for x in test:
        scores.append(
            min(
                np.sqrt((x - mean) @ precision @ (x - mean))
                / np.sqrt(1 + 1 / np.sum(target == domain))
                for domain, mean in means.items()
            )
        )
    return np.array(scores)


@given(
    n=st.integers(2, 14), d=st.integers(1, 6), n_target=st.integers(0, 4), seed=st.integers(0, 99)
)
def test_scores_and_left_out_scores_are_those_of_the_definition(n, d, n_target, seed):
    rng = np.random.default_rng(seed)
    train, test = rng.standard_normal((n, d)), rng.standard_normal((5, d))
    target = np.arange(n) < min(n_target, n)
    train[target] += 3
    back_end = DomainMeans()
    scores = back_end.score(back_end.fit(train, target), test)
    np.testing.assert_allclose(scores, naive(train, target, test), rtol=1e-8)
    rest = ~np.eye(n, dtype=bool)
    expected = [naive(train[r], target[r], train[i : i + 1])[0] for i, r in enumerate(rest)]
    np.testing.assert_allclose(back_end.leave_one_out(train, target), expected, rtol=1e-6)


def test_a_shifted_target_domain_is_no_anomaly():
    rng = np.random.default_rng(0)
    train = rng.standard_normal((43, 4))
    target = np.arange(43) >= 40
    train[target] += 20
    back_end = DomainMeans()
    fitted = back_end.fit(train, target)
    normal = back_end.score(fitted, np.concatenate([train[:5], train[target]]))
    between = back_end.score(fitted, np.full((1, 4), 10.0))
    assert between[0] > 3 * normal.max()


def test_copies_of_a_clip_and_a_single_one():
    copies, target = np.ones((5, 3)), np.zeros(5, bool)
    back_end = DomainMeans()
    assert np.isfinite(back_end.leave_one_out(copies, target)).all()
    assert back_end.leave_one_out(copies[:1], target[:1]).size == 0
    assert back_end.score(back_end.fit(copies[:1], target[:1]), copies[:1]).tolist() == [0.0]


def test_regularisation_is_above_zero():
    with pytest.raises(ValueError, match="regularisation"):
        DomainMeans(0.0)
