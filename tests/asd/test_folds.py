"""Parts of clips that a section can do without."""

import numpy as np
import pytest

from asd import folds
from asd.folds import N_FOLDS, folds_of_similar_clips


@pytest.mark.parametrize("at_once", [60, 1000])
def test_clips_of_a_recording_are_in_one_part(at_once, monkeypatch):
    monkeypatch.setattr(folds, "MOST_AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    recordings = np.repeat(np.arange(40), 3)
    vectors = 10 * rng.standard_normal((40, 8))[recordings] + 0.1 * rng.standard_normal((120, 8))
    parts = folds_of_similar_clips([vectors[:, :3], vectors[:, 3:]])
    assert set(parts) == set(range(N_FOLDS))
    assert all(len(set(parts[recordings == i])) == 1 for i in range(40))
    assert np.bincount(parts).max() == 12


def test_many_values_weigh_no_more_than_few():
    rng = np.random.default_rng(0)
    recordings = np.repeat(np.arange(10), 3)
    few = 10.0 * rng.standard_normal((10, 2))[recordings]
    many = rng.standard_normal((30, 500))
    parts = folds_of_similar_clips([few, 0.01 * many])
    together = [len(set(parts[recordings == i])) == 1 for i in range(10)]
    assert np.mean(together) > 0.7


@pytest.mark.parametrize("n", [2, 3, 5, 7])
def test_few_clips_are_two_parts_at_least(n):
    parts = folds_of_similar_clips([np.random.default_rng(n).standard_normal((n, 4))])
    assert sorted(set(parts)) == list(range(max(2, n // 3)))


def test_copies_of_a_clip_can_be_parted():
    assert set(folds_of_similar_clips([np.zeros((9, 4))])) == {0, 1, 2}
