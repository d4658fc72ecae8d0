import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc.sounds import STEP, is_silent, load, loudest


def naive_loudest(samples, n):
    """The first of the loudest parts that begin at a multiple of the step."""
    starts = range(0, len(samples) - n + 1, STEP)
    return max(starts, key=lambda s: np.sum(samples[s : s + n].astype(float) ** 2))


@given(st.integers(0, 99), st.integers(1, 40000), st.integers(STEP, 12000), st.integers(1, 9))
def test_the_loudest_part_does_not_depend_on_the_blocks(seed, length, n, pieces):
    rng = np.random.default_rng(seed)
    loudness = np.repeat(rng.uniform(0, 1, length // 1000 + 1), 1000)[:length]
    samples = (loudness * rng.standard_normal(length)).astype(np.float32)
    found = loudest(np.array_split(samples, pieces), n)
    if length < n + STEP:
        np.testing.assert_array_equal(found, samples[:n])
        return
    np.testing.assert_array_equal(found, loudest([samples], n))
    start = naive_loudest(samples, n)
    energy = np.sum(samples[start : start + n].astype(float) ** 2)
    assert np.sum(found.astype(float) ** 2) >= energy * (1 - 1e-6)
    assert len(found) > n - STEP


def test_loading_cuts_to_the_loudest_part():
    samples = np.zeros(64000, np.float32)
    samples[40000:48000] = np.sin(np.arange(8000))
    found = load(samples, "it", 0.5, highpass=False)
    assert len(found) == 8000 and np.mean(found**2) > 0.45


@pytest.mark.parametrize(("value", "silent"), [(0.0, True), (0.7, True), (1e-3, False)])
def test_silence_is_what_stays_at_one_level(value, silent):
    samples = np.full(1000, value, np.float32)
    if not silent:
        samples[::2] *= -1
    assert is_silent(samples) is silent
