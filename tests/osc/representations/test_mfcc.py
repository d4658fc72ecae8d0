import librosa
import numpy as np
import pytest

from osc.representations.mfcc import HOP, N_FFT, MfccStatistics, clip_statistics


def sound(seed, n=32000):
    rng = np.random.default_rng(seed)
    t = np.arange(n) / 16000
    tone = np.sin(2 * np.pi * 300 * (1 + t) * t) * (t > 0.4 * t[-1])
    return (0.2 * tone + 0.003 * rng.standard_normal(n)).astype(np.float32)


def reference(samples):
    """The same statistics, made with librosa."""
    mels = librosa.feature.melspectrogram(y=samples, sr=16000, n_mels=64)
    static = librosa.feature.mfcc(S=librosa.power_to_db(mels), n_mfcc=20)
    level = librosa.amplitude_to_db(librosa.feature.rms(y=samples)[0], top_db=None)
    loud = level >= level.max() - 25
    assert 0 < loud.sum() < len(loud)
    values = np.concatenate([static, librosa.feature.delta(static)])[:, loud]
    return np.concatenate([values.mean(axis=1), values.std(axis=1)])


@pytest.mark.parametrize("n", [8000, 32000, 33333])
def test_they_are_those_of_librosa(n):
    np.testing.assert_allclose(clip_statistics(sound(0, n)), reference(sound(0, n)), atol=1e-2)


@pytest.mark.parametrize("n", [1600, (9 - 1) * HOP, N_FFT, 64000])
def test_any_length_will_do(n):
    assert clip_statistics(sound(1, n)).shape == (80,)
    assert np.isfinite(clip_statistics(np.zeros(n, np.float32))).all()


def test_training_clips_are_standardised_and_of_unit_length():
    clips = [sound(seed) * gain for seed, gain in enumerate((1, 0.5, 2))]
    model = MfccStatistics().fit(clips, ["a", "b", "c"], seed=0)
    embeddings = model.transform(clips)
    assert embeddings.shape == (3, 80) and embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    raw = np.stack([clip_statistics(clip) for clip in clips])
    np.testing.assert_allclose(model.mean_, raw.mean(axis=0))
    restored = MfccStatistics.restore(*model.state())
    np.testing.assert_array_equal(restored.transform(clips), embeddings)
    with pytest.raises(ValueError, match="another size"):
        MfccStatistics.restore({"mean": raw[0, :3], "deviation": raw[0, :3]}, {})


def test_one_clip_is_not_subtracted_from_itself():
    only = MfccStatistics().fit([sound(0)], ["a"])
    assert np.linalg.norm(only.transform([sound(0)])) == pytest.approx(1)
