import numpy as np

from kws.surroundings import COUNT, embed_in_speech


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
        return np.zeros((0, 2), np.float32)

    def finish(self, after):
        self.heard.append((self.before, after))
        return np.array([[self.before.mean() + 2, 1.0]], np.float32)


def test_a_clip_is_put_into_backward_speech_as_loud_as_itself():
    rng = np.random.default_rng(0)
    clip, source = 0.5 * rng.standard_normal(3000), Recorder()
    pool = [np.linspace(0.001, 0.01, 4000), np.linspace(0.001, 0.02, 12000)]
    frames = embed_in_speech(source, clip, pool, np.random.default_rng(1))
    assert len(source.heard) == COUNT
    for piece in (piece for pair in source.heard for piece in pair):
        assert len(piece) <= 8000 and (np.diff(piece) < 0).all(), "backwards"
        np.testing.assert_allclose(np.sqrt(np.mean(piece**2)), np.sqrt(np.mean(clip**2)), rtol=1e-3)
    mean = np.mean([before.mean() + 2 for before, _ in source.heard])
    np.testing.assert_allclose(frames[0, 0] / frames[0, 1], mean, rtol=1e-5)


def test_the_same_seed_chooses_the_same_surroundings():
    clip, pool = np.ones(3000), [np.random.default_rng(0).standard_normal(9000)]
    first, second = (
        embed_in_speech(Recorder(), clip, pool, np.random.default_rng(5)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
