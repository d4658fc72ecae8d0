"""One normal distribution, against its definition refitted for every clip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, spearmanr

from asd.back_ends import Gaussian
from asd.back_ends.gaussian import COVARIANCES, left_out_squares


def covariance_of(train, kind, regularisation):
    offsets = train - train.mean(axis=0)
    covariance = offsets.T @ offsets / len(train)
    if kind == "diagonal":
        covariance = np.diag(np.diag(covariance))
    elif kind == "spherical":
        covariance = np.eye(train.shape[1]) * np.trace(covariance) / train.shape[1]
    return covariance + regularisation * np.eye(train.shape[1])


def naive(train, x, kind="full", regularisation=1e-3):
    offset = x - train.mean(axis=0)
    return np.sqrt(offset @ np.linalg.solve(covariance_of(train, kind, regularisation), offset))


def naive_left_out(train, *settings):
    rest = [np.arange(len(train)) != i for i in range(len(train))]
    return [naive(train[r], x, *settings) for r, x in zip(rest, train, strict=True)]


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 12),
    d=st.integers(1, 8),
    spread=st.sampled_from([1e-4, 1.0, 30.0]),
    kind=st.sampled_from(COVARIANCES),
    regularisation=st.sampled_from([1e-3, 0.5]),
)
def test_scores_and_left_out_scores_are_those_of_the_definition(
    seed, n, d, spread, kind, regularisation
):
    rng = np.random.default_rng(seed)
    train, test = spread * rng.standard_normal((n, d)) + 5, 5 + rng.standard_normal((3, d))
    target = rng.random(n) < 0.5
    back_end = Gaussian(kind, regularisation)
    scores = back_end.score(back_end.fit(train, target), test)
    assert scores == pytest.approx([naive(train, x, kind, regularisation) for x in test], rel=1e-5)
    left_out = back_end.leave_one_out(train, target)
    expected = naive_left_out(train, kind, regularisation) if n > 1 else []
    assert left_out == pytest.approx(np.array(expected), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("kind", COVARIANCES)
def test_unit_length_comes_first(kind):
    rng = np.random.default_rng(0)
    train, test, none = rng.standard_normal((9, 4)), rng.standard_normal((5, 4)), np.zeros(9, bool)
    unit = train / np.linalg.norm(train, axis=1, keepdims=True)
    plain, scaled = Gaussian(kind), Gaussian(kind, unit=True)
    fitted = scaled.fit(train, none)
    expected = plain.score(plain.fit(unit, none), test / np.linalg.norm(test, axis=1)[:, None])
    assert scaled.score(fitted, test) == pytest.approx(expected)
    assert scaled.leave_one_out(7 * train, none) == pytest.approx(plain.leave_one_out(unit, none))


@pytest.mark.parametrize("kind", COVARIANCES)
def test_clips_are_ranked_as_by_the_density(kind):
    rng = np.random.default_rng(1)
    train, test = rng.standard_normal((50, 4)) * [1, 2, 3, 0.1], rng.standard_normal((40, 4))
    back_end = Gaussian(kind)
    scores = back_end.score(back_end.fit(train, np.zeros(50, bool)), test)
    density = multivariate_normal(train.mean(axis=0), covariance_of(train, kind, 1e-3))
    assert spearmanr(scores, -density.logpdf(test)).statistic == pytest.approx(1)


def test_only_the_full_covariance_sees_what_goes_together():
    """Figure 10 of the dissertation: as far from the mean as many, but not along their line."""
    rng = np.random.default_rng(2)
    train = rng.standard_normal((300, 1)) + 0.05 * rng.standard_normal((300, 2))
    test = np.array([[1.0, 1.0], [0.7, -0.7]])
    normal, anomalous = np.transpose(
        [g.score(g.fit(train, np.zeros(300, bool)), test) for g in map(Gaussian, COVARIANCES)]
    )
    assert (anomalous > normal).tolist() == [True, False, False]


@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(2, 10), d=st.integers(1, 5), copies=st.booleans()
)
def test_a_vector_is_left_out_with_its_share(seed, n, d, copies):
    rng = np.random.default_rng(seed)
    vectors, shares = rng.standard_normal((n, d)), rng.uniform(0.05, 1, n)
    if copies:
        vectors[:] = vectors[0]
    chosen = np.arange(n) % 2 == 0
    squares, log_determinants = left_out_squares(vectors, shares, 0.01, chosen)
    for k, i in enumerate(np.flatnonzero(chosen)):
        rest = np.where(np.arange(n) == i, 0, shares)
        mean = rest @ vectors / rest.sum()
        offsets = vectors - mean
        covariance = (rest[:, None] * offsets).T @ offsets / rest.sum() + 0.01 * np.eye(d)
        square = offsets[i] @ np.linalg.solve(covariance, offsets[i])
        assert squares[k] == pytest.approx(square, rel=1e-6, abs=1e-9)
        assert log_determinants[k] == pytest.approx(np.linalg.slogdet(covariance)[1], abs=1e-8)


def test_far_outliers_do_not_drown_in_rounding():
    train = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1e8, 1e8]])
    for kind in COVARIANCES:
        scores = Gaussian(kind).leave_one_out(train, np.zeros(4, bool))
        assert np.isfinite(scores).all() and scores.argmax() == 3


@pytest.mark.parametrize("settings", [("tied",), (1e-3,), ("full", 0.0), ("full", -1.0)])
def test_unknown_settings_are_refused(settings):
    with pytest.raises(ValueError, match="must be"):
        Gaussian(*settings)
