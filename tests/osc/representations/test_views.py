from dataclasses import replace

import numpy as np
import pytest

from fewshot import audio
from fewshot.encoders.external import ExternalEncoder
from fewshot.encoders.loading import BUNDLED, load_encoder
from fewshot.errors import InputError
from osc.representations import views
from osc.representations.views import OtherSounds, ThreeViews, clip_views
from tests.osc.tones import clip


def naive_power(samples):
    window, bank = np.hanning(400), views.mel_filterbank(64, 512, 16000).numpy()
    padded = np.pad(samples, 200, mode="reflect")
    rows = []
    for i in range(0, len(padded) - 399, 160):
        spectrum = np.fft.rfft(padded[i : i + 400] * window, 512)
        rows.append((spectrum.real**2 + spectrum.imag**2) @ bank)
    power = np.array(rows)
    return np.maximum(power / power.max(), 1e-6)


def test_the_spectrogram_is_relative_to_its_maximum_and_has_a_floor():
    samples = clip("sweep", 0)
    samples[:4000] = 0
    power = views.power_spectrogram(samples)
    assert power.shape == (101, 64)
    assert power.max() == 1 and power.min() == pytest.approx(1e-6)
    np.testing.assert_allclose(power, naive_power(samples), rtol=1e-3, atol=1e-9)


def test_timbre_takes_the_loud_frames_only():
    rng = np.random.default_rng(0)
    loud = rng.uniform(0.1, 1, (30, 64))
    quiet = rng.uniform(1e-5, 1e-4, (50, 64))
    np.testing.assert_allclose(views.timbre(np.concatenate([loud, quiet])), views.timbre(loud))


@pytest.mark.parametrize(("rate_hz", "band"), [(0.5, 0), (2, 2), (6, 4), (12, 5), (24, 6)])
def test_movement_knows_the_rate_of_modulations(rate_hz, band):
    t = np.arange(401) / 100
    swelling = 1 + 0.9 * np.sin(2 * np.pi * rate_hz * t)
    power = np.tile(swelling[:, None], (1, 64))
    magnitudes = views.movement(views.above_noise(power)).reshape(8, 8)
    assert magnitudes.shape == (8, 8)  # modulations x groups of bands
    assert (magnitudes.argmax(axis=0) == band).all()


def test_movement_hardly_depends_on_the_duration():
    def of(duration_s):
        t = np.arange(round(100 * duration_s) + 1) / 100
        swelling = 1 + 0.9 * np.sin(2 * np.pi * 3 * t)
        return views.movement(views.above_noise(np.tile(swelling[:, None], (1, 64)))).reshape(8, 8)[
            3
        ]

    np.testing.assert_allclose(of(4), of(8), rtol=0.02)


def test_activity_follows_what_stands_out_of_the_noise():
    power = np.full((100, 64), 0.01)
    power[40:60] = 1.0
    weights = views.activity(views.above_noise(power), np.arange(0, 100, 8.0))
    assert weights.sum() == pytest.approx(1)
    inside = (np.arange(0, 100, 8) >= 40) & (np.arange(0, 100, 8) < 60)
    assert weights[inside].sum() > 0.99
    even = views.activity(np.full((100, 64), 0.5), np.arange(100.0))
    np.testing.assert_allclose(even, 0.01)  # a sound that fills the clip counts everywhere


def test_the_speech_view_is_a_weighted_mean_of_frames():
    samples = np.tile(clip("sweep", 1), 4)
    levels = views.above_noise(views.power_spectrogram(samples))
    encoder = load_encoder(BUNDLED)
    slow = ExternalEncoder(replace(encoder.spec, hop=encoder.spec.step), encoder.run)
    frames = slow.embed(audio.normalise(samples))
    weights = views.activity(levels, np.arange(len(frames)) * 8.0)
    np.testing.assert_allclose(
        views.speech(samples, levels, encoder), weights @ frames, rtol=1e-4, atol=1e-3
    )


def test_no_view_depends_on_the_level():
    samples = clip("sweep", 2, 4.0)
    loud, quiet = clip_views(samples), clip_views(0.01 * samples)
    for view in views.VIEWS:
        np.testing.assert_allclose(loud[view], quiet[view], rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("n", [1600, 16000, 63999, 64000, 100000])
def test_any_length_will_do(n):
    rng = np.random.default_rng(n)
    found = clip_views(rng.standard_normal(n).astype(np.float32))
    assert [found[view].shape for view in views.VIEWS] == [(40,), (64,), (96,)]
    assert all(np.isfinite(values).all() for values in found.values())
    silent = clip_views(np.zeros(n, np.float32))
    assert all(np.isfinite(values).all() for values in silent.values())


def classes(rng, n_classes, n_clips, dim):
    """Clips that vary within classes in the first direction, between them in the others."""
    centres = rng.standard_normal((n_classes, dim)) * 0.5
    inner = 0.1 * rng.standard_normal((n_classes, n_clips, dim))
    inner[:, :, 0] *= 50
    labels = np.repeat(np.arange(n_classes), n_clips)
    return (centres[:, None] + inner).reshape(-1, dim), labels


def test_what_varies_within_classes_is_damped():
    rng = np.random.default_rng(3)
    others = OtherSounds.learn(*classes(rng, 10, 40, 6))
    assert others.count == 390
    values, labels = classes(rng, 3, 2, 6)
    _, matrix = others.projection(values[::2], labels[::2])
    # In units of the deviation, as without a background, the first direction counts least.
    assert (
        np.abs(matrix * others.deviation[:, None])[0, 0]
        < 0.7 * np.abs(matrix * others.deviation[:, None])[1:, 1:].diagonal().min()
    )


def test_clips_of_the_user_move_mean_and_matrix():
    rng = np.random.default_rng(4)
    others = OtherSounds.learn(*classes(rng, 5, 20, 4))
    values, labels = classes(rng, 2, 2, 4)
    mean, matrix = others.projection(values, labels)
    np.testing.assert_allclose(mean, (4 * values.mean(axis=0) + 12 * others.mean) / 16)
    alone, same = others.projection(values[:1], labels[:1])
    np.testing.assert_allclose(alone, (values[0] + 12 * others.mean) / 13)
    assert not np.allclose(matrix, same)
    # Clips that are alone in their class say nothing of what varies within one.
    np.testing.assert_allclose(others.projection(values[[0, 2]], labels[[0, 2]])[1], same)


def test_the_covariance_is_the_pooled_and_shrunk_one():
    rng = np.random.default_rng(5)
    others = OtherSounds.learn(*classes(rng, 4, 10, 3))
    values, labels = classes(rng, 2, 3, 3)
    inner = [values[labels == c] - values[labels == c].mean(axis=0) for c in (0, 1)]
    own = sum(d.T @ d for d in inner) / np.outer(others.deviation, others.deviation)
    pooled = (36 * others.scatter + 8 * own) / (36 + 8 * 4)
    shrunk = 0.3 * pooled + 0.7 * np.eye(3) * np.trace(pooled) / 3
    _, matrix = others.projection(values, labels)
    scaled = matrix * others.deviation[:, None]
    np.testing.assert_allclose(scaled @ scaled.T, np.linalg.inv(shrunk))


@pytest.fixture(scope="module")
def learnt():
    names = ["high", "low", "sweep", "noise"]
    return ThreeViews().fit([clip(name, 0) for name in names], names)


def test_other_takes_of_a_sound_are_nearest_to_it(learnt):
    names = ["high", "low", "sweep", "noise"]
    first = learnt.transform([clip(name, 0) for name in names])
    other = learnt.transform([clip(name, 7) for name in names])
    assert first.shape == (4, 200) and first.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
    assert (other @ first.T).argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_what_is_restored_gives_the_same(learnt):
    tensors, settings = learnt.state()
    restored = ThreeViews.restore(tensors, settings)
    clips = [clip("low", 3), clip("sweep", 3)]
    np.testing.assert_array_equal(restored.transform(clips), learnt.transform(clips))
    with pytest.raises(ValueError, match="another size"):
        ThreeViews.restore(tensors | {"timbre.mean": np.zeros(3)}, settings)
    with pytest.raises(ValueError, match="another speech encoder"):
        ThreeViews.restore(tensors, settings | {"sha256": "0"})


def test_views_can_be_left_out():
    names = ["high", "low", "sweep"]
    clips = [clip(name, 0) for name in names]
    some = ThreeViews(["movement", "timbre"]).fit(clips, names)
    assert some.transform(clips).shape == (3, 104)
    restored = ThreeViews.restore(*some.state())
    np.testing.assert_array_equal(restored.transform(clips), some.transform(clips))
    for wrong in ([], ["timbre", "smell"]):
        with pytest.raises(InputError, match="choose among timbre, movement, speech"):
            ThreeViews(wrong)


def test_the_statistics_that_come_with_the_package():
    others = views.other_sounds()
    assert [others[view].mean.shape for view in views.VIEWS] == [(40,), (64,), (96,)]
    assert {own.count for own in others.values()} == {390}
    for own in others.values():
        np.testing.assert_allclose(own.scatter, own.scatter.T, atol=1e-5)
        assert np.linalg.eigvalsh(own.scatter).min() > -1e-6
