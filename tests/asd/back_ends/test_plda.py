"""Two-covariance PLDA against its definition with whole matrices, and on planted sections."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from asd.back_ends import Plda, World
from fewshot.errors import InputError
from fewshot.metrics import auc


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def world_of(n_sections=5, n_clips=12, n_dims=4, seed=0):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(n_sections) * 3, n_clips))
    centres = 2 * rng.standard_normal((3 * n_sections, n_dims))
    return World(centres[groups] + rng.standard_normal((len(groups), n_dims)), groups)


def naive(train, world, x, regularisation):
    vectors, own = unit(world.vectors), unit(train)
    sections = [vectors[world.groups == name] for name in sorted(set(world.groups.tolist()))]
    means = [section.mean(axis=0) for section in sections]
    m, ridge = np.mean(means, axis=0), regularisation * np.eye(len(x))
    b = np.mean([np.outer(mean - m, mean - m) for mean in means], axis=0) + ridge
    w = ridge + np.mean(
        [np.outer(v - mean, v - mean) for s, mean in zip(sections, means, strict=True) for v in s],
        axis=0,
    )
    b_inverse, w_inverse = np.linalg.inv(b), np.linalg.inv(w)
    v = np.linalg.inv(b_inverse + len(own) * w_inverse)
    centre = v @ (b_inverse @ m + w_inverse @ own.sum(axis=0))
    same = multivariate_normal(centre, v + w).logpdf(unit(x))
    return multivariate_normal(m, b + w).logpdf(unit(x)) - same


@pytest.mark.parametrize("regularisation", [1e-3, 0.2])
@pytest.mark.parametrize("n_own", [1, 2, 12])
@pytest.mark.parametrize("n_sections", [2, 5])
def test_scores_are_those_of_the_definition(n_own, n_sections, regularisation):
    world = world_of(n_sections)
    train = world.vectors[world.groups == 3][:n_own]
    none, test = np.zeros(n_own, bool), np.random.default_rng(1).standard_normal((6, 4))
    back_end = Plda(regularisation=regularisation)
    scores = back_end.score(back_end.fit(train, none, world=world), test)
    assert scores == pytest.approx([naive(train, world, x, regularisation) for x in test])
    left_out = back_end.leave_one_out(train, none, world=world)
    rest = [np.arange(n_own) != i for i in range(n_own)]
    expected = [naive(train[r], world, x, regularisation) for r, x in zip(rest, train, strict=True)]
    assert left_out == pytest.approx(np.array(expected if n_own > 1 else []))


def test_directions_in_which_sections_differ_come_first():
    """Sections differ in the first two dimensions, clips in the last: that is the one that goes."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(20), 50)
    vectors = 0.05 * rng.standard_normal((1000, 4)) + [0, 0, 3, 0]
    vectors += rng.standard_normal((20, 4))[groups] * [1, 1, 0, 0]
    vectors[:, 3] += rng.standard_normal(1000)
    back_end = Plda(n_dims=3)
    fitted = back_end.fit(vectors[:50], np.zeros(50, bool), world=World(vectors, groups))
    assert fitted["projection"].shape == (4, 3)
    assert np.abs(fitted["projection"][3]).max() < 0.1 * np.abs(fitted["projection"][:3]).max()
    assert len(Plda(64).fit(vectors[:9], groups[:9], world=World(vectors, groups))["mean"]) == 4


def test_other_sections_and_new_directions_are_anomalous():
    """As many sections as here have one linear discriminant, which shows only the first."""
    rng = np.random.default_rng(3)
    centres = 5 * np.eye(2, 40)

    def clips(section, n):
        return centres[section] + 0.3 * rng.standard_normal((n, 40)) * (np.arange(40) < 20)

    world = World(np.concatenate([clips(0, 100), clips(1, 100)]), np.repeat([0, 1], 100))
    back_end = Plda()
    fitted = back_end.fit(world.vectors[:100], np.zeros(100, bool), world=world)
    normal, other = back_end.score(fitted, clips(0, 200)), back_end.score(fitted, clips(1, 200))
    new = back_end.score(fitted, clips(0, 200) + 0.5 * np.eye(40)[30])
    anomalous = np.repeat([False, True], 200)
    assert auc(anomalous, np.concatenate([normal, other])) > 0.99
    assert auc(anomalous, np.concatenate([normal, new])) > 0.95
    left_out = back_end.leave_one_out(world.vectors[:100], np.zeros(100, bool), world=world)
    assert np.median(left_out) == pytest.approx(np.median(normal), abs=0.5 * normal.std())


@pytest.mark.parametrize("world", [None, World(np.eye(3), np.zeros(3, int))])
def test_a_section_alone_is_refused(world):
    for method in (Plda().fit, Plda().leave_one_out):
        with pytest.raises(InputError, match="two sections or more"):
            method(np.eye(3), np.zeros(3, bool), world=world)


def test_no_regularisation_is_refused():
    with pytest.raises(ValueError, match="regularisation must be"):
        Plda(regularisation=0.0)
