"""What holds for every back end: shapes, seeds, copies of clips, domains without clips."""

from dataclasses import asdict

import numpy as np
import pytest

from asd.back_ends import (
    Centres,
    Gaussian,
    LocalDensity,
    Mixture,
    Nearest,
    Plda,
    Standardised,
    Value,
    WhitenedDensity,
    World,
)
from fewshot import bundle

ALL = [
    WhitenedDensity(),
    WhitenedDensity(1, 0.1),
    Nearest(),
    Nearest(10),
    Nearest(10, cosine=True),
    Standardised(),
    Standardised(cosine=True),
    LocalDensity(),
    LocalDensity(1, cosine=True),
    Gaussian(),
    Gaussian("diagonal"),
    Gaussian("spherical", unit=True),
    Centres(),
    Centres(3, "source", normalise=False),
    Centres(3, "target"),
    Centres(3, "sum"),
    Mixture(),
    Mixture(3, weights=False, domains="source"),
    Mixture(3, domains="target"),
    Mixture(3, domains="sum"),
    Plda(),
    Value(),
]
OF_DIRECTIONS = (Centres, Mixture, Plda)
WORLD = World(np.random.default_rng(9).standard_normal((12, 2)), np.arange(12) % 3)


@pytest.mark.parametrize("back_end", ALL, ids=repr)
@pytest.mark.parametrize("n_source, n_target", [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (20, 4)])
def test_results_are_finite_repeatable_and_survive_a_file(back_end, n_source, n_target, tmp_path):
    rng = np.random.default_rng(n_source + 10 * n_target)
    n = n_source + n_target
    train, target = rng.standard_normal((n, 2)).astype(np.float32), np.arange(n) >= n_source
    test = rng.standard_normal((5, 2)).astype(np.float32)
    fitted = back_end.fit(train, target, 4, world=WORLD)
    scores = back_end.score(fitted, test)
    assert scores.shape == (5,) and np.isfinite(scores).all()
    left_out = back_end.leave_one_out(train, target, 4, world=WORLD)
    assert left_out.shape == (n if n > 1 or isinstance(back_end, Value) else 0,)
    assert np.isfinite(left_out).all()
    bundle.save(tmp_path / "a.model", fitted, {}, kind="test", version=1)
    tensors, _ = bundle.load(tmp_path / "a.model", kind="test", version=1)
    again = type(back_end)(**asdict(back_end))
    assert again.score(tensors, test).tolist() == scores.tolist()
    assert again.leave_one_out(train, target, 4, world=WORLD).tolist() == left_out.tolist()


@pytest.mark.parametrize("back_end", ALL, ids=repr)
def test_copies_of_a_clip_and_constant_values_give_finite_scores(back_end):
    rng = np.random.default_rng(0)
    train = np.concatenate([np.zeros((6, 2)), rng.standard_normal((3, 2))])
    target = np.arange(9) >= 7
    fitted = back_end.fit(train, target, world=WORLD)
    scores = back_end.score(fitted, np.concatenate([train, train + 50]))
    assert np.isfinite(scores).all()
    # A vector of zeros has no direction.
    by_direction = isinstance(back_end, OF_DIRECTIONS) or getattr(back_end, "unit", False)
    if not (by_direction or getattr(back_end, "cosine", False)):
        assert scores[0] < scores[9]
    assert np.isfinite(back_end.leave_one_out(train, target, world=WORLD)).all()
    same = np.ones((4, 2))
    assert np.isfinite(back_end.score(back_end.fit(same, target[:4], world=WORLD), same)).all()
    assert np.isfinite(back_end.leave_one_out(same, target[:4], world=WORLD)).all()


@pytest.mark.parametrize("back_end", ALL, ids=repr)
def test_a_clip_that_is_there_twice_is_not_anomalous_when_left_out(back_end):
    rng = np.random.default_rng(5)
    train = np.abs(rng.standard_normal((10, 6))) + 3 * np.eye(10, 6)
    train[1], train[-1] = train[0], train[-2]
    left_out = back_end.leave_one_out(
        train, np.arange(10) >= 6, world=World(train, np.arange(10) % 2)
    )
    if (
        isinstance(back_end, (Nearest, LocalDensity, Standardised))
        and getattr(back_end, "k", 1) == 1
    ):
        assert left_out[[0, 1, 8, 9]].max() <= left_out[2:8].min()
    assert left_out[0] == pytest.approx(left_out[1]) and left_out[8] == pytest.approx(left_out[9])
