import pickle

import numpy as np
import pytest

from fewshot.errors import InputError
from osc.representations.shallow import Shallow


def spectrum(samples):
    """An embedding: 20 bands of the spectrum, (dim,)."""
    return np.log1p(np.abs(np.fft.rfft(samples, 400))[:200].reshape(20, 10).sum(axis=1))


def frames(samples):
    """The same of halves, (n_frames, dim)."""
    return np.stack([spectrum(half) for half in np.array_split(samples, 2)])


def clips(seed=0):
    rng = np.random.default_rng(seed)
    t = np.arange(4000) / 16000
    tones = [np.sin(2 * np.pi * hz * t + rng.uniform(0, 6)) for hz in (400, 1500, 4000) * 2]
    noisy = [tone + 0.1 * rng.standard_normal(4000) for tone in tones]
    return [clip.astype(np.float32) for clip in noisy], ["low", "middle", "high"] * 2


@pytest.mark.parametrize("encoder", [spectrum, frames])
def test_learns_on_what_a_function_gives(encoder):
    learnt = Shallow(encoder, epochs=60).fit(*clips())
    new, expected = clips(seed=1)
    found = learnt.transform(new)
    assert found.shape == (6, 128) and found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    similarities = found @ learnt.transform(clips()[0]).T
    assert [clips()[1][i] for i in similarities.argmax(axis=1)] == expected
    assert [learnt.classes_[i] for i in learnt.logits(new).argmax(axis=1)] == expected
    with pytest.raises(InputError, match="a function cannot be saved"):
        learnt.state()
    copy = pickle.loads(pickle.dumps(learnt))
    np.testing.assert_array_equal(copy.transform(new), found)


def test_survives_a_file_with_an_encoder_from_a_file():
    samples, labels = clips()
    learnt = Shallow("speech-embedding", epochs=2, loss="softmax").fit(samples, labels)
    restored = Shallow.restore(*learnt.state())
    np.testing.assert_allclose(restored.transform(samples), learnt.transform(samples), atol=1e-6)
    np.testing.assert_allclose(restored.logits(samples), learnt.logits(samples), atol=1e-5)
    copy = pickle.loads(pickle.dumps(learnt))
    np.testing.assert_array_equal(copy.transform(samples), learnt.transform(samples))
    tensors, settings = learnt.state()
    with pytest.raises(InputError, match="not the encoder that the model was learnt with"):
        Shallow.restore(tensors, settings | {"sha256": "0"})


@pytest.mark.parametrize(
    "frames", [np.zeros((0, 4)), np.full(4, np.nan), np.zeros((2, 2, 2)), np.float32(3)]
)
def test_what_no_encoder_should_give_is_refused(frames):
    with pytest.raises(InputError, match="the encoder gave an array of shape"):
        Shallow(lambda samples: frames).fit(*clips())
