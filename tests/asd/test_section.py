"""Scores of a section from several views."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from asd.back_ends import Centres, Nearest
from asd.section import ScoredSection
from asd.systems import View
from asd.systems.gisp import GISP_3


@dataclass(frozen=True)
class Mapped(Nearest):
    """Scores on another scale, and from another zero."""

    factor: float = 1.0
    shift: float = 0.0

    def score(self, fitted, test):
        return self.factor * super().score(fitted, test) + self.shift

    def leave_one_out(self, train, target, seed=0, *, world=None):
        own = super().leave_one_out(train, target, seed, world=world)
        return self.factor * own + self.shift


@pytest.mark.parametrize(("factor", "shift"), [(5.0, 0.0), (1.0, -3.0), (0.01, 40.0)])
def test_scores_of_an_ensemble_do_not_change_under_affine_maps_of_a_members(factor, shift):
    rng = np.random.default_rng(0)
    train = [rng.standard_normal((30, d)) for d in (4, 6, 5)]
    test = [rng.standard_normal((12, d)) + 1 for d in (4, 6, 5)]
    target = np.arange(30) >= 25

    def scores(last):
        views = (
            View(GISP_3, Centres(4), scaled=False),
            View(replace(GISP_3, classes="sections"), Centres(4), scaled=False),
            View(replace(GISP_3, classes="machines"), last, scaled=False),
        )
        section = ScoredSection.fit(views, train, target)
        return section.score(views, test), section.left_out

    expected, left_out = scores(Mapped())
    found, others = scores(Mapped(factor=factor, shift=shift))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_allclose(others, left_out, rtol=1e-9)
    assert np.ptp(expected) > 0


def test_an_ensemble_beside_another_view_counts_as_one():
    rng = np.random.default_rng(1)
    train = [rng.standard_normal((30, d)) for d in (4, 4, 6)]
    test = [rng.standard_normal((12, d)) + 1 for d in (4, 4, 6)]
    target = np.arange(30) >= 25
    members = [View(replace(GISP_3, member=i), Nearest(), scaled=False) for i in range(2)]
    other = View(replace(GISP_3, classes="machines"), Mapped(factor=10.0), scaled=False)
    views = (members[0], other, members[1])
    arrays = [(one[0], one[2], one[1]) for one in (train, test)]
    section = ScoredSection.fit(views, arrays[0], target)

    parts = [
        ScoredSection.fit((view,), [own], target)
        for view, own in zip(views, arrays[0], strict=True)
    ]
    scores = [
        part.score((view,), [own]) for part, view, own in zip(parts, views, arrays[1], strict=True)
    ]
    both = [(scores[0] + scores[2]) / 2, scores[1]]
    of_training = [(parts[0].left_out + parts[2].left_out) / 2, parts[1].left_out]
    expected = np.mean(
        [
            np.log1p(np.exp((own - known.mean()) / known.std()))
            for own, known in zip(both, of_training, strict=True)
        ],
        axis=0,
    )
    np.testing.assert_allclose(section.score(views, arrays[1]), expected, rtol=1e-9)


def test_an_ensemble_of_an_older_model_needs_no_moments():
    rng = np.random.default_rng(2)
    train, test = ([rng.standard_normal((n, 4)) for _ in range(2)] for n in (20, 5))
    views = tuple(View(replace(GISP_3, member=i), Nearest(), scaled=False) for i in range(2))
    section = ScoredSection.fit(views, train, np.zeros(20, bool))
    older = replace(section, moments=np.ones((2, 2)))
    assert older.score(views, test).tolist() == section.score(views, test).tolist()
