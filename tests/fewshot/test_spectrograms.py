import numpy as np
import pytest

from fewshot import plot
from fewshot.spectrograms import HOP, draw_spectrogram, spectrogram, spectrogram_overview


@pytest.mark.parametrize("n_samples", [0, 1, 600, 16000])
def test_spectrogram_of_any_length(n_samples):
    levels_db = spectrogram(np.zeros(n_samples, np.float32))
    assert levels_db.shape == (1 + max(n_samples, 1024) // 256, 64)
    np.testing.assert_allclose(levels_db, -100.0, rtol=1e-5)


def test_a_tone_lies_at_its_frequency():
    samples = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(32000) / 16000)
    levels_db = spectrogram(samples)
    axes = plot.new_figure(4, 3).add_subplot()
    axes.set_xlim(10, 12)
    draw_spectrogram(axes, levels_db, 10.0)
    (image,) = axes.images
    left, right, low, high = image.get_extent()
    assert (left, right) == pytest.approx((9.992, 12.008))
    row = int(np.argmax(levels_db[60]))
    ticks = dict(
        zip([t.get_text() for t in axes.get_yticklabels()], axes.get_yticks(), strict=True)
    )
    assert list(ticks) == ["0.5", "1", "2", "4"]
    assert low + (row + 0.5) * (high - low) / 64 == pytest.approx(ticks["1"], abs=(high - low) / 64)
    top_db = levels_db.max()
    assert image.get_clim() == pytest.approx((top_db - 60, top_db))
    assert axes.get_xlim() == (10, 12)


@pytest.mark.parametrize("n_columns", [7, 100, 10_000])
def test_an_overview_keeps_the_peaks_of_blocks(n_columns):
    samples = np.random.default_rng(0).standard_normal(40_000).astype(np.float32)
    samples[:20_000] *= 0.01
    blocks = np.split(samples, [16_000, 32_000])
    levels_db, step_s = spectrogram_overview(blocks, 2.5, n_columns)
    count = min(n_columns, 40_000 // HOP)
    assert levels_db.shape == (count, 64) and step_s * count == pytest.approx(2.5)
    wanted = np.full_like(levels_db, -np.inf)
    for start, block in zip((0, 16_000, 32_000), blocks, strict=True):
        for i, frame in enumerate(spectrogram(block)):
            column = min((start + i * HOP) * count // 40_000, count - 1)
            wanted[column] = np.maximum(wanted[column], frame)
    np.testing.assert_array_equal(levels_db, wanted)
    assert np.isfinite(levels_db).all()
    assert levels_db[-1].mean() > levels_db[0].mean() + 30
