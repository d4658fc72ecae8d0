import subprocess
import sys
import threading

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from fewshot import plot
from fewshot.errors import InputError
from fewshot.plot import Bar


def lanes(bars, span=(0.0, 30.0)):
    figure = plot.new_figure(13, 2)
    (axes,) = plot.stacked_axes(figure, 0.2, [1.0])
    axes.set_xlim(span)
    plot.draw_lanes(axes, {"found": bars})
    return axes


def test_stacked_axes_stand_where_they_were_told():
    figure = plot.new_figure(10, 4)
    upper, lower = plot.stacked_axes(figure, 0.5, [1.0, 2.0])
    assert upper.get_position().y1 == pytest.approx(1 - 0.5 / 4)
    assert upper.get_position().height == pytest.approx(0.25)
    assert lower.get_position().height == pytest.approx(0.5)
    lower.set_xlim(3, 5)
    assert upper.get_xlim() == (3, 5)
    shown = [axes.xaxis.get_tick_params()["labelbottom"] for axes in (upper, lower)]
    assert shown == [False, True]


def test_line_styles_stay_apart_when_colours_run_out():
    styles = plot.line_styles([str(i) for i in range(20)])
    assert len({tuple(style.values()) for style in styles.values()}) == 20


@pytest.mark.parametrize("n_samples", [0, 1, 600, 16000])
def test_spectrogram_of_any_length(n_samples):
    levels_db = plot.spectrogram(np.zeros(n_samples, np.float32))
    assert levels_db.shape == (1 + max(n_samples, 1024) // 256, 64)
    np.testing.assert_allclose(levels_db, -100.0, rtol=1e-5)


def test_a_tone_lies_at_its_frequency():
    samples = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(32000) / 16000)
    levels_db = plot.spectrogram(samples)
    axes = plot.new_figure(4, 3).add_subplot()
    axes.set_xlim(10, 12)
    plot.draw_spectrogram(axes, levels_db, 10.0)
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
    levels_db, step_s = plot.spectrogram_overview(blocks, 2.5, n_columns)
    count = min(n_columns, 40_000 // plot.HOP)
    assert levels_db.shape == (count, 64) and step_s * count == pytest.approx(2.5)
    wanted = np.full_like(levels_db, -np.inf)
    for start, block in zip((0, 16_000, 32_000), blocks, strict=True):
        for i, frame in enumerate(plot.spectrogram(block)):
            column = min((start + i * plot.HOP) * count // 40_000, count - 1)
            wanted[column] = np.maximum(wanted[column], frame)
    np.testing.assert_array_equal(levels_db, wanted)
    assert np.isfinite(levels_db).all()
    assert levels_db[-1].mean() > levels_db[0].mean() + 30


def test_envelope_keeps_every_peak():
    times, values = np.arange(1000) / 10, np.zeros((2, 1000))
    values[0, 777], values[1, 3] = 5, 7
    short, largest = plot.envelope(times, values, 64)
    assert (len(short), largest.shape) == (64, (2, 64))
    assert largest.max(axis=1).tolist() == [5, 7]
    place = int(np.argmax(largest[0]))
    assert short[place] <= 77.7 < short[place + 1]
    assert plot.envelope(times, values, 1000)[1] is values
    assert plot.envelope(times[:0], values[:, :0], 64)[1].shape == (2, 0)


def test_bars_are_labelled_where_there_is_room():
    bars = [
        Bar(2.0, 2.5, "lamp", "#0072B2"),
        Bar(2.6, 3.0, "door", "#D55E00"),
        Bar(9.0, 9.5, "door", "#D55E00", faint=True),
        Bar(29.5, 31.0, "telephone", "#009E73"),
        Bar(40.0, 41.0, "lamp", "#0072B2"),
    ]
    axes = lanes(bars)
    assert [text.get_text() for text in axes.texts] == ["lamp", "telephone"]
    assert axes.texts[1].get_horizontalalignment() == "right"
    (shown,) = axes.collections
    spans = [path.get_extents().intervalx for path in shown.get_paths()]
    np.testing.assert_allclose(spans, [(2, 2.5), (2.6, 3), (9, 9.5), (29.5, 30)])
    assert [colour[3] for colour in shown.get_facecolor()] == [1, 1, 0, 1]
    assert [to_hex(colour) for colour in shown.get_edgecolor()[:2]] == ["#0072b2", "#d55e00"]
    assert axes.get_xlim() == (0, 30)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["found"]
    assert lanes([]).texts[:] == []


def test_shade_leaves_faint_bars_out():
    axes = plot.new_figure(4, 3).add_subplot(xlim=(0, 5))
    bars = [Bar(1, 2, "a", "red"), Bar(3, 4, "a", "red", faint=True), Bar(5, 6, "a", "red")]
    plot.shade(axes, bars)
    assert len(axes.patches) == 1


def test_matrix_shows_what_is_not_zero():
    axes = plot.new_figure(4, 3).add_subplot()
    plot.draw_matrix(axes, np.array([[8, 2], [0, 0]]), ["a", "b"], ["c", "d"])
    assert [(t.get_position(), t.get_text()) for t in axes.texts] == [((0, 0), "8"), ((1, 0), "2")]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.8, 0.2], [0, 0]])


@pytest.mark.parametrize(
    ("duration_s", "label", "tick"),
    [(600, "time (s)", "90"), (7200, "time (h:mm:ss)", "0:01:30")],
)
def test_time_axes_name_their_unit(duration_s, label, tick):
    axes = plot.new_figure(4, 3).add_subplot()
    axes.set_xlim(0, duration_s)
    plot.name_time_axis(axes, duration_s)
    assert axes.get_xlabel() == label
    assert axes.xaxis.get_major_formatter().format_ticks([90.0]) == [tick]


def test_times_of_hours_are_round():
    axes = plot.new_figure(4, 3).add_subplot()
    axes.set_xlim(0, 7200)
    plot.name_time_axis(axes, 7200)
    assert set(np.diff(axes.get_xticks())) == {900}


def test_legend_names_each_line_once():
    figure = plot.new_figure(10, 4)
    for axes in plot.stacked_axes(figure, 0.5, [1.0, 1.0]):
        axes.plot([0, 1], label="door")
        axes.plot([1, 0], label="lamp")
    plot.legend(figure)
    assert [text.get_text() for text in figure.legends[0].texts] == ["door", "lamp"]
    bare = plot.new_figure(10, 4)
    plot.legend(bare)
    assert not bare.legends


def test_a_legend_has_the_columns_that_fit():
    labels = [f"a rather long keyword {i}" for i in range(12)]
    assert plot.legend_height(labels, 13) == pytest.approx(3 * plot.LEGEND_LINE)
    assert plot.legend_height(["door", "lamp"], 13) == plot.legend_height(["door"], 13)
    figure = plot.new_figure(13, 4)
    (axes,) = plot.stacked_axes(figure, 1.0, [2.0])
    for label in labels:
        axes.plot([0, 1], label=label)
    plot.legend(figure, 0.3)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x1 < figure.bbox.x1 and box.y0 > axes.get_window_extent().y1


def test_any_text_can_be_drawn(tmp_path):
    """Formulas, letters without a font, characters that break lines, bytes that are no text."""
    figure = plot.new_figure(4, 3)
    axes = figure.add_subplot(title="電灯 $x^ \u0e01", xlabel="a\x1bb\udcff\ud7ff\U000f0000")
    axes.set_xscale("log")
    plot.draw_matrix(
        figure.add_subplot(), np.eye(2, dtype=int), ["$x^$", "電\x1b"], ["$\\frac$", "_"]
    )
    axes.plot([1, 2], label="_$^$")
    plot.legend(figure)
    plot.title(figure, "two\nlines\r")
    plot.save(figure, tmp_path / "ü $.png")
    assert imread(tmp_path / "ü $.png").shape[:2] == (360, 480)
    assert axes.get_title() == "電灯 $x^ \u0e01"
    assert "\x1b" not in axes.get_xlabel() and "\r" not in figure.texts[0].get_text()


def test_saved_whole_or_not_at_all(tmp_path):
    figure = plot.new_figure(2, 1)
    plot.save(figure, tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(InputError, match="exists"):
        plot.save(figure, tmp_path / "a.png")
    figure.add_subplot().plot([0, 1])
    plot.save(figure, tmp_path / "a.png", force=True)
    assert (tmp_path / "a.png").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(InputError, match="no such folder"):
        plot.save(figure, tmp_path / "nowhere" / "a.png")


def test_no_window_and_no_global_state(tmp_path):
    code = (
        "import sys; from fewshot import plot; assert 'matplotlib' not in sys.modules\n"
        f"plot.save(plot.new_figure(2, 1), {str(tmp_path / 'a.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    other = threading.Thread(
        target=lambda: plot.save(plot.new_figure(2, 1), tmp_path / "thread.png")
    )
    other.start()
    other.join()
    assert (tmp_path / "thread.png").exists()
