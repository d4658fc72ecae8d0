import numpy as np
import pytest
import torch
from machines import clips_in

from asd.explanation import (
    _spectrum,
    _waveforms,
    embedding_map,
    importance_map,
    joined_vectors,
    nearest_normal_distance,
)
from asd.model import MachineModel
from asd.systems import system_of
from asd.systems.training_free import view
from asd.training import train
from fewshot.errors import InputError

RATE = 16000


def naive_masks(rng, n, size, grid):
    """Small masks, enlarged between the middles of their cells, at random offsets."""
    kept = rng.random((n, grid)) < 0.75
    cell = int(np.ceil(size / grid))
    length = (grid + 1) * cell
    middles = (np.arange(length) + 0.5) * grid / length - 0.5
    offsets = rng.integers(cell, size=n)
    large = [np.interp(middles, np.arange(grid), row) for row in kept]
    return np.array([row[o : o + size] for row, o in zip(large, offsets, strict=True)])


def naive_map(score_of_mask, shape, n_masks, seed):
    """Definition: the sum of scores times masks over the number and the mean of masks."""
    rng = np.random.default_rng(seed)
    masks = []
    for first in range(0, n_masks, 16):
        n = min(16, n_masks - first)
        times, bins = naive_masks(rng, n, shape[0], 20), naive_masks(rng, n, shape[1], 34)
        masks += [np.outer(time, own) for time, own in zip(times, bins, strict=True)]
    scores = np.array([score_of_mask(mask) for mask in masks])
    # The mean score is taken off and added, as its expected part of the map is constant.
    centred = sum((s - scores.mean()) * m for s, m in zip(scores, masks, strict=True))
    return scores.mean() + centred / (n_masks * 0.75**2)


def noise(duration_s=1.0, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(round(duration_s * RATE))


@pytest.mark.parametrize("n_samples", [1600, 16000, 16001, 16383, 16384])
def test_a_clip_of_which_nothing_is_hidden_is_the_clip(n_samples):
    samples = noise()[:n_samples] if n_samples <= RATE else noise(1.1)[:n_samples]
    spectrum = _spectrum(samples.astype(np.float32))
    again = _waveforms(spectrum[None], n_samples)
    np.testing.assert_allclose(again[0], samples, atol=1e-6)


def test_the_map_is_that_of_the_definition():
    samples = noise(0.7)

    def peak(clips):
        return np.array([np.abs(clip).max() for clip in clips])

    spectrum = _spectrum(samples.astype(np.float32))
    level = spectrum.abs()

    def score(mask):
        mask = torch.from_numpy(mask).float()
        masked = spectrum * (mask + (1 - mask) * level.mean(dim=0) / level)
        return peak(_waveforms(masked[None], len(samples)))[0]

    found = importance_map(peak, samples, n_masks=20, seed=3)
    np.testing.assert_allclose(found.map, naive_map(score, level.shape, 20, 3), atol=1e-5)
    assert found.map.dtype == np.float32
    assert found.score == pytest.approx(np.abs(samples).max())
    assert found.levels_db.max() == 0
    assert found.frequencies_hz[-1] == RATE / 2
    np.testing.assert_allclose(np.diff(found.times_s), 0.032)


def with_event():
    """Noise, and more of it between 2 and 3 kHz from 0.8 s to 1.2 s; and a score that hears it."""
    rng = np.random.default_rng(1)
    samples = 0.01 * rng.standard_normal(2 * RATE)
    phases = rng.uniform(0, 2 * np.pi, 40)
    times = np.arange(round(0.4 * RATE)) / RATE
    tones = np.linspace(2000, 3000, 40)[:, None]
    samples[12800:19200] += 0.05 * np.sin(2 * np.pi * tones * times + phases[:, None]).sum(axis=0)

    def energy(clips):
        return np.array([np.sum(np.abs(np.fft.rfft(c[12800:19200])[800:1200]) ** 2) for c in clips])

    return samples, energy


def test_the_map_shows_the_part_that_the_score_hears():
    samples, energy = with_event()
    found = importance_map(energy, samples, n_masks=400)
    time, frequency = np.unravel_index(found.map.argmax(), found.map.shape)
    assert 0.75 < found.times_s[time] < 1.25
    assert 1900 < found.frequencies_hz[frequency] < 3100
    inside = np.outer(
        (found.times_s > 0.85) & (found.times_s < 1.15),
        (found.frequencies_hz > 2100) & (found.frequencies_hz < 2900),
    )
    assert np.median(found.map[inside]) > np.quantile(found.map[~inside], 0.99)


def test_a_seed_gives_the_same_map_and_batches_are_of_16():
    sizes, masks = [], []

    def score(clips):
        sizes.append(len(clips))
        return np.array([clip.std() for clip in clips])

    def found(seed):
        return importance_map(
            score, noise(0.2), n_masks=20, seed=seed, on_mask=lambda: masks.append(1)
        ).map

    first = found(1)
    assert sizes == [1, 16, 4] and len(masks) == 20
    np.testing.assert_array_equal(found(1), first)
    assert not np.array_equal(found(2), first)


@pytest.mark.parametrize(
    "samples",
    [noise(0.3), np.zeros(1600), np.append(noise(0.2), np.zeros(3200))],
    ids=["noise", "silence", "half of each"],
)
def test_a_score_that_hears_nothing_gives_a_flat_map(samples):
    def score(clips):
        assert np.isfinite(clips).all()
        return np.full(len(clips), 7.0)

    found = importance_map(score, samples, n_masks=17)
    np.testing.assert_allclose(found.map, 7.0, rtol=1e-6)
    assert found.score == 7.0 and np.isfinite(found.levels_db).all()


def test_no_masks_are_refused():
    with pytest.raises(ValueError, match="0 masks"):
        importance_map(lambda clips: np.zeros(len(clips)), noise(0.2), n_masks=0)


def test_groups_stay_together_on_the_map():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((30, 6)) + 20 * np.repeat(np.eye(6)[:3], 10, axis=0)
    points = embedding_map(vectors, seed=1)
    np.testing.assert_array_equal(embedding_map(vectors, seed=1), points)
    distances = np.linalg.norm(points[:, None] - points, axis=2) + 1e9 * np.eye(30)
    nearest = distances.argmin(axis=1)
    assert (nearest // 10 == np.arange(30) // 10).all()


@pytest.mark.parametrize(
    "vectors",
    [np.eye(3), np.arange(12.0)[:, None], np.ones((5, 4)), np.arange(8)[:, None] * np.ones(3)],
    ids=["three", "values", "equal", "a line"],
)
def test_maps_of_few_or_flat_vectors(vectors):
    points = embedding_map(vectors)
    assert points.shape == (len(vectors), 2) and np.isfinite(points).all()


def test_two_clips_make_no_map():
    with pytest.raises(InputError, match="3 clips or more, not 2"):
        embedding_map(np.eye(2))


def test_the_nearest_normal_distance_is_that_of_the_definition():
    rng = np.random.default_rng(2)
    points, anomalous = rng.standard_normal((40, 2)), rng.random(40) < 0.4
    normal = points[~anomalous]
    naive = np.mean([np.linalg.norm(normal - point, axis=1).min() for point in points[anomalous]])
    assert nearest_normal_distance(points, anomalous) == pytest.approx(naive)


def test_vectors_of_several_representations_weigh_the_same():
    rng = np.random.default_rng(0)
    few, many = 1000 * rng.standard_normal((50, 3)) + 5, rng.standard_normal((50, 30))
    joined = joined_vectors(system_of("standardised"), [few, many])
    np.testing.assert_allclose(joined.mean(axis=0), 0, atol=1e-5)
    lengths = [np.square(part).sum(axis=1).mean() for part in (joined[:, :3], joined[:, 3:])]
    assert lengths == pytest.approx([1, 1], rel=1e-4)


def test_a_single_representation_is_standardised_as_its_view_is():
    vectors = np.array([[1.0, 10.0], [3.0, 10.0]])
    as_they_are = joined_vectors((view("cepstrum", "nearest"),), [vectors])
    np.testing.assert_array_equal(as_they_are, vectors)
    scaled = joined_vectors((view("mfcc", "nearest"),), [vectors])
    np.testing.assert_allclose(scaled, np.array([[-1, 0], [1, 0]]) / np.sqrt(2), atol=1e-6)


def test_a_model_scores_by_the_vectors_that_it_gives(tmp_path):
    model: MachineModel = train(clips_in(tmp_path / "fan", 5), system="standardised")
    clips = [noise(0.5, seed) for seed in range(3)]
    vectors = model.vectors(clips)
    assert [len(own) for own in vectors] == [3, 3]
    (section,) = model.sections.values()
    np.testing.assert_array_equal(section.score(model.views, vectors), model.score(clips))
