import numpy as np
from matplotlib.colors import to_hex

from fewshot import plot
from fewshot.lanes import Bar, draw_lanes, shade


def lanes(bars, span=(0.0, 30.0)):
    figure = plot.new_figure(13, 2)
    (axes,) = plot.stacked_axes(figure, 0.2, [1.0])
    axes.set_xlim(span)
    draw_lanes(axes, {"found": bars})
    return axes


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
    shade(axes, bars)
    assert len(axes.patches) == 1
