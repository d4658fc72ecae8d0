import numpy as np
import pytest

from osc.synthesis import ALARMS, HOUSEHOLD, recording


def test_there_are_24_alarms_and_ten_other_sounds():
    assert (len(ALARMS), len(HOUSEHOLD)) == (24, 10)
    assert not ALARMS.keys() & HOUSEHOLD.keys()


@pytest.mark.parametrize("name", [*ALARMS, *HOUSEHOLD])
def test_takes_differ_and_repeat(name):
    one, other = recording(name, 0), recording(name, 1)
    assert one.shape == other.shape == (64000,) and one.dtype == np.float32
    assert np.abs(one).max() <= 1 and np.sqrt(np.mean(one**2)) > 0.02
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(recording(name, 0), one)
    assert not np.array_equal(recording(name, 0, seed=1), one)
