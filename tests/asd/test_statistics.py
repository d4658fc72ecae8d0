"""Clip statistics: what they are of, and which clips are refused."""

import numpy as np
import pytest
import torch
from scipy.fft import dct

from asd.statistics import STATISTICS, clip_statistics, short_frames
from fewshot.errors import InputError
from fewshot.features import log_mel, mel_decibels, mfcc


def sound(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


def changes(samples, lengths):
    """Of stretches of so many frames of 5 ms, as they are described."""
    waveform = torch.from_numpy(samples)[None]
    frames = log_mel(waveform, n_mels=64, n_fft=512, hop=80)[0].double().numpy()
    found = []
    for n in lengths:
        n = min(n, len(frames) // 2)
        pairs = [(frames[i : i + n], frames[i + n : i + 2 * n]) for i in range(len(frames))]
        steps = [b.mean(axis=0) - a.mean(axis=0) for a, b in pairs if len(b) == n]
        of_bands = np.log(np.sqrt(np.mean(np.square(steps), axis=0)))
        found += [of_bands[4 * i : 4 * i + 4].mean() for i in range(16)]
    return found


def test_statistics_are_those_of_the_frames():
    samples = sound(20000)
    frames = mel_decibels(samples).astype(float)
    cepstra = dct(frames, norm="ortho", axis=1)[:, :20]
    for name, expected in {
        "log-mel": np.r_[frames.mean(axis=0), frames.std(axis=0)],
        "percentiles": np.r_[np.quantile(frames, 0.1, axis=0), np.median(frames, axis=0)],
        "mfcc": np.r_[cepstra.mean(axis=0), cepstra.std(axis=0)],
        "cepstrum": np.r_[mfcc(samples).mean(axis=0), mfcc(samples).std(axis=0)],
        "envelope": cepstra.mean(axis=0),
        "roughness": changes(samples, (1, 2, 4)),
        "fluctuation": changes(samples, (16, 32, 64)),
    }.items():
        assert clip_statistics(samples, name) == pytest.approx(expected, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("name", STATISTICS)
def test_clips_of_all_lengths_give_vectors_of_one_length(name):
    vectors = [clip_statistics(sound(n), name) for n in (1600, 16001, 48000)]
    assert len({vector.shape for vector in vectors}) == 1
    assert all(np.isfinite(vector).all() for vector in vectors)
    assert np.isfinite(clip_statistics(np.zeros(1600), name)).all()


@pytest.mark.parametrize("name", [name for name in STATISTICS if name != "cepstrum"])
def test_a_louder_clip_differs_in_level_alone(name):
    one, louder = clip_statistics(sound(16000), name), clip_statistics(10 * sound(16000), name)
    difference = louder - one
    if name == "percentiles":
        assert difference == pytest.approx(20, abs=1e-3)
    elif name == "log-mel":
        assert difference == pytest.approx(np.r_[np.full(128, 20), np.zeros(128)], abs=1e-3)
    elif name in ("roughness", "fluctuation"):
        assert difference == pytest.approx(np.zeros(48), abs=1e-4)
    else:
        rest = np.zeros(len(one) - 1)
        assert difference == pytest.approx(np.r_[20 * np.sqrt(128), rest], abs=1e-2)


def test_a_sound_that_beats_is_rough_or_fluctuates_by_its_rate():
    time = np.arange(32000) / 16000
    noise = sound(32000)

    def found(name, rate_hz):
        beating = noise * (1 + 0.9 * np.sin(2 * np.pi * rate_hz * time)) if rate_hz else noise
        return clip_statistics(beating.astype(np.float32), name).mean()

    roughness = [found("roughness", rate_hz) for rate_hz in (0, 3, 30)]
    fluctuation = [found("fluctuation", rate_hz) for rate_hz in (0, 3, 30)]
    assert roughness[2] > roughness[1] + 0.05 and roughness[2] > roughness[0] + 0.05
    assert fluctuation[1] > fluctuation[2] + 1 and fluctuation[1] > fluctuation[0] + 1


def test_short_clips_are_refused():
    with pytest.raises(InputError, match=r"^0\.099 s is shorter than 0\.1 s; record it again"):
        clip_statistics(sound(1590), "mfcc")


def test_long_clips_are_cut_into_pieces():
    samples = sound(16000 * 150)
    frames = short_frames(samples)
    assert [len(piece) for piece in frames] == [1 + 50 * 16000 // 80] * 3
    for name in ("roughness", "fluctuation"):
        pieces = [clip_statistics(piece, name) for piece in np.split(samples, 3)]
        # Of noise, all pieces are alike.
        assert clip_statistics(samples, name) == pytest.approx(np.mean(pieces, axis=0), abs=0.01)
