"""Vectors that are scores already."""

import numpy as np

from asd.back_ends import Value


def test_the_score_is_the_smallest_column():
    values = np.array([[3.0, 1.0], [-2.0, 5.0], [0.5, 0.5]], np.float32)
    target = np.array([False, True, False])
    back_end = Value()
    assert back_end.score(back_end.fit(values, target), values).tolist() == [1.0, -2.0, 0.5]
    assert back_end.leave_one_out(values, target).tolist() == [1.0, -2.0, 0.5]
    assert back_end.leave_one_out(values[:1, :1], target[:1]).tolist() == [3.0]
