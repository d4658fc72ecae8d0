"""Clip statistics: what they are of, and which clips are refused."""

import numpy as np
import pytest
from scipy.fft import dct

from asd.statistics import STATISTICS, clip_statistics
from fewshot.errors import InputError
from fewshot.features import mel_decibels, mfcc


def sound(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


def test_statistics_are_those_of_the_frames():
    samples = sound(20000)
    frames = mel_decibels(samples).astype(float)
    cepstra = dct(frames, norm="ortho", axis=1)[:, :20]
    for name, expected in {
        "log-mel": np.r_[frames.mean(axis=0), frames.std(axis=0)],
        "percentiles": np.r_[np.quantile(frames, 0.1, axis=0), np.median(frames, axis=0)],
        "mfcc": np.r_[cepstra.mean(axis=0), cepstra.std(axis=0)],
        "cepstrum": np.r_[mfcc(samples).mean(axis=0), mfcc(samples).std(axis=0)],
    }.items():
        assert clip_statistics(samples, name) == pytest.approx(expected, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("name", STATISTICS)
def test_clips_of_all_lengths_give_vectors_of_one_length(name):
    vectors = [clip_statistics(sound(n), name) for n in (1600, 16001, 48000)]
    assert len({vector.shape for vector in vectors}) == 1
    assert all(np.isfinite(vector).all() for vector in vectors)
    assert np.isfinite(clip_statistics(np.zeros(1600), name)).all()


@pytest.mark.parametrize("name", ["mfcc", "log-mel", "percentiles"])
def test_a_louder_clip_differs_in_level_alone(name):
    one, louder = clip_statistics(sound(16000), name), clip_statistics(10 * sound(16000), name)
    difference = louder - one
    if name == "percentiles":
        assert difference == pytest.approx(20, abs=1e-3)
    elif name == "log-mel":
        assert difference == pytest.approx(np.r_[np.full(128, 20), np.zeros(128)], abs=1e-3)
    else:
        assert difference == pytest.approx(np.r_[20 * np.sqrt(128), np.zeros(39)], abs=1e-2)


def test_short_clips_are_refused():
    with pytest.raises(InputError, match=r"^0\.099 s is shorter than 0\.1 s; record it again"):
        clip_statistics(sound(1590), "mfcc")
