import numpy as np
import pytest

from kws.surroundings import COUNT, embed_as_recorded, embed_in_speech


class Recorder:
    """A source whose frames are the samples around a clip."""

    context = 8000
    hop_s, first_s = 1 / 16000, 0.0

    def __init__(self):
        self.heard = []

    def stream(self, before):
        self.before = before
        return self

    def push(self, samples):
        self.clip = samples
        return np.zeros((0, 2), np.float32)

    def finish(self, after):
        self.heard.append((self.before, self.clip, after))
        return np.array([[self.before.mean() + 2, 1.0]], np.float32)


def rms(samples):
    return np.sqrt(np.mean(samples**2))


def test_a_clip_is_put_into_backward_speech_as_loud_as_itself():
    rng = np.random.default_rng(0)
    clip, source = 0.5 * rng.standard_normal(3000), Recorder()
    pool = [np.linspace(0.001, 0.01, 4000), np.linspace(0.001, 0.02, 12000)]
    frames = embed_in_speech(source, clip, pool, np.random.default_rng(1))
    assert len(source.heard) == COUNT
    for before, samples, after in source.heard[::2]:
        np.testing.assert_array_equal(samples, clip)
        for piece in (before, after):
            assert len(piece) <= 8000 and (np.diff(piece) < 0).all(), "backwards"
            assert rms(piece) == pytest.approx(rms(clip), rel=1e-3)
    mean = np.mean([before.mean() + 2 for before, _, _ in source.heard])
    np.testing.assert_allclose(frames[0, 0] / frames[0, 1], mean, rtol=1e-5)


def test_a_clip_that_is_broken_off_goes_on_in_other_speech():
    rng = np.random.default_rng(0)
    clip, source = 0.5 * rng.standard_normal(30000), Recorder()
    pool = [np.linspace(0.001, 0.01, 4000), np.linspace(0.001, 0.02, 12000)]
    frames = embed_in_speech(source, clip, pool, np.random.default_rng(1), said=0.6)
    assert len(source.heard) == COUNT and np.linalg.norm(frames) == pytest.approx(1)
    for _, samples, after in source.heard:
        assert len(samples) == len(clip), "so that frames lie in the places of the clip's"
        np.testing.assert_array_equal(samples[:18000], clip[:18000])
        rest = samples[18000:]
        assert (np.diff(rest) < 0).mean() > 0.999, "pieces of backward speech"
        assert rms(rest) == pytest.approx(rms(clip), rel=0.2)
        assert len(after) >= 4000, "and behind it too"


def test_every_other_one_has_noise_at_10_db():
    rng = np.random.default_rng(0)
    clip, source = 0.5 * rng.standard_normal(30000), Recorder()
    embed_in_speech(source, clip, [np.linspace(0.001, 0.01, 9000)], rng)
    for before, samples, after in source.heard[1::2]:
        noise = samples - clip
        assert 20 * np.log10(rms(clip) / rms(noise)) == pytest.approx(10, abs=3)
        assert len(before) == len(after) == Recorder.context


def test_a_clip_as_recorded_keeps_what_is_around_it():
    rng, source = np.random.default_rng(0), Recorder()
    parts = rng.standard_normal(500), rng.standard_normal(30000), np.zeros(0)
    embed_as_recorded(source, parts, rng)
    recorded, noisy = source.heard
    for kept, given in zip(recorded, parts, strict=True):
        np.testing.assert_array_equal(kept, given)
    before, _, after = noisy
    assert len(before) == len(after) == Recorder.context
    assert np.corrcoef(before[-500:], parts[0])[0, 1] > 0.8
    assert rms(after) > 0.1, "noise, where nothing was recorded"


def test_the_same_seed_chooses_the_same_surroundings():
    clip, pool = np.ones(3000), [np.random.default_rng(0).standard_normal(9000)]
    first, second = (
        embed_in_speech(Recorder(), clip, pool, np.random.default_rng(5)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
