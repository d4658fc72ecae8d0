import subprocess
import sys
import threading

import numpy as np
import pytest
from matplotlib.image import imread

from fewshot import plot
from fewshot.errors import InputError


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
