"""Waveforms kept at 16 bits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asd.recordings import Recordings
from fewshot.errors import InputError


@pytest.fixture
def kept(tmp_path):
    recordings = Recordings(tmp_path / "waveforms")
    yield recordings
    recordings.close()


def test_clips_of_16_bits_come_back_exactly_and_others_closely(kept):
    rng = np.random.default_rng(0)
    exact = rng.integers(-32768, 32768, 500) / 32768
    quiet, loud = 1e-6 * rng.standard_normal(7), 30 * rng.standard_normal(9)
    for samples in (exact, quiet, loud):
        kept.append(samples)
        np.testing.assert_allclose(
            kept.waveform(len(kept) - 1), samples, atol=2e-5 * np.abs(samples).max()
        )
    assert kept.lengths == [500, 7, 9]
    np.testing.assert_array_equal(kept.waveform(0), exact.astype(np.float32))
    assert kept.waveform(0).dtype == np.float32


def test_silence_stays_silence(kept):
    kept.append(np.zeros(5))
    assert not kept.waveform(0).any()


@given(length=st.integers(1, 20), n=st.integers(1, 50), place=st.floats(0, 1, exclude_max=True))
def test_excerpts_start_again_behind_the_end(tmp_path_factory, length, n, place):
    kept = Recordings(tmp_path_factory.mktemp("x") / "waveforms")
    kept.append(np.full(3, 0.5))
    samples = np.arange(1, length + 1) / 32
    kept.append(samples)
    offset = int(place * length)
    expected = np.tile(samples, 60)[offset : offset + n]
    np.testing.assert_array_equal(kept.excerpt(1, n, offset), expected.astype(np.float32))
    kept.close()


def test_the_file_goes(tmp_path):
    kept = Recordings(tmp_path / "waveforms")
    kept.append(np.ones(4) / 2)
    kept.waveform(0)
    kept.close()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told(tmp_path):
    kept = Recordings("/dev/full")
    kept._path = tmp_path / "waveforms"
    with pytest.raises(InputError, match="waveforms: cannot be written: No space left on device"):
        kept.append(np.ones(100))
    kept.close()
