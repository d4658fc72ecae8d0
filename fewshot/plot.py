"""Pictures: figures that need no screen, and what several applications draw in them.

Nothing here keeps state: each function draws into Matplotlib's Axes that it is given. Matplotlib is
imported when something is drawn, so that a program without pictures does not wait for it.
"""

import io
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fewshot.errors import one_line
from fewshot.outputs import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, PALE = "#222222", "#8c8c8c"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F3C8D")
"""Okabe and Ito's without yellow and black, and a violet: told apart with any colour vision."""
LINE_STYLES = ("-", ":", "-.")
DOTS_PER_INCH = 120
FONT_POINTS = 9
LETTER = 0.62
"""Width of a letter, of its height; on the safe side."""
LEFT, RIGHT, GAP, LEGEND_LINE = 0.7, 0.35, 0.06, 0.2
"""Margins of stacked Axes, room between them, height of a legend's line; in inches."""
# The first that a machine has is used for letters that the one before lacks.
FONTS = (
    *("DejaVu Sans", "Noto Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans Arabic"),
    *("Noto Sans Devanagari", "Arial Unicode MS", "Microsoft YaHei", "Yu Gothic", "PingFang SC"),
)

LONGEST_IN_S = 600.0
"""What is longer has times in hours, minutes and seconds."""
TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches that belongs to no window."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH)


def stacked_axes(figure: "Figure", top: float, heights: Sequence[float]) -> list["Axes"]:
    """Axes one under the other with one time axis.

    Parameters
    ----------
    figure : Figure
    top : float
        Inches from the figure's upper edge to the first.
    heights : sequence of float
        Of each, in inches.

    Returns
    -------
    list of Axes
        Only the last has numbers below it.
    """
    width, height = figure.get_size_inches()
    stack: list[Axes] = []
    for own in heights:
        top += own
        place = (LEFT / width, 1 - top / height, 1 - (LEFT + RIGHT) / width, own / height)
        axes = figure.add_axes(place, sharex=stack[0] if stack else None)
        _plain(axes).tick_params(labelbottom=len(stack) == len(heights) - 1)
        axes.yaxis.set_label_coords((0.2 - LEFT) / (width - LEFT - RIGHT), 0.5)
        stack.append(axes)
        top += GAP
    return stack


def side_by_side(figure: "Figure", count: int) -> list["Axes"]:
    """Axes beside each other that share a figure as their labels leave room."""
    figure.set_layout_engine("constrained")
    return [_plain(axes) for axes in figure.subplots(1, count, squeeze=False)[0]]


def _plain(axes: "Axes") -> "Axes":
    """Take off what says nothing: the frame's upper and right sides."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(color=PALE)
    return axes


def title(figure: "Figure", text: str) -> None:
    """Write a title into a figure's upper left corner."""
    width, height = figure.get_size_inches()
    figure.text(
        LEFT / width, 1 - 0.12 / height, text, ha="left", va="top", weight="bold", color=INK
    )


def line_styles(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Colour and line style of each name, as keywords of Matplotlib's ``plot``.

    >>> line_styles(["door", "lamp"])["lamp"]
    {'color': '#D55E00', 'linestyle': '-'}
    """
    return {
        name: {
            "color": COLOURS[i % len(COLOURS)],
            "linestyle": LINE_STYLES[i // len(COLOURS) % len(LINE_STYLES)],
        }
        for i, name in enumerate(names)
    }


def save(figure: "Figure", path: str | os.PathLike, *, force: bool = False) -> None:
    """Write a figure as `png`, whole or not at all; InputError as `fewshot.outputs.write_whole`."""
    data = png(figure)
    with write_whole(path, force=force) as temporary:
        temporary.write_bytes(data)


def png(figure: "Figure") -> bytes:
    """A figure as PNG.

    Texts are drawn as they are, never as formulas; letters that no font of this machine has become
    boxes.
    """
    from matplotlib import font_manager
    from matplotlib.text import Text

    present = {font.name for font in font_manager.fontManager.ttflist}
    families = [name for name in FONTS if name in present]
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_family(families)
        text.set_text(_printable(text.get_text()))
    data = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        figure.savefig(data, format="png", facecolor="white")
    return data.getvalue()


def _printable(text: str) -> str:
    """Text whose lines hold no characters that cannot be drawn."""
    return "\n".join(map(one_line, text.split("\n")))


def envelope(times: np.ndarray, values: np.ndarray, n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest values of so many pieces, so that a long curve keeps its peaks in a small picture.

    Parameters
    ----------
    times : np.ndarray, shape (n,)
    values : np.ndarray, shape (n_curves, n)
    n_points : int
        Pieces at most.

    Returns
    -------
    times : np.ndarray, shape (m,)
        Beginnings of the pieces, m <= n_points.
    values : np.ndarray, shape (n_curves, m)

    Examples
    --------
    >>> times, values = envelope(np.arange(6), np.array([[1, 5, 2, 0, 3, 4]]), 3)
    >>> times.tolist(), values.tolist()
    ([0, 2, 4], [[5, 2, 4]])
    """
    if len(times) <= n_points:
        return times, values
    first = np.arange(n_points) * len(times) // n_points
    return times[first], np.maximum.reduceat(values, first, axis=1)


def draw_matrix(
    axes: "Axes", counts: np.ndarray, rows: Sequence[str], columns: Sequence[str]
) -> None:
    """Draw a table of counts, the darker the larger a count's share of its row.

    Parameters
    ----------
    axes : Axes
    counts : np.ndarray, shape (len(rows), len(columns))
        Zeros are left blank.
    rows, columns : sequence of str
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    for row, column in zip(*np.nonzero(counts), strict=True):
        axes.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            color="white" if shares[row, column] > 0.6 else INK,
        )
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(np.arange(0.5, len(columns) - 1), minor=True)
    axes.set_yticks(np.arange(0.5, len(rows) - 1), minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.spines[:].set_visible(False)


def name_time_axis(axes: "Axes", duration_s: float) -> None:
    """Label an axis of time whose limits are set.

    In seconds; as h:mm:ss, with ticks at round times, in what is longer than ten minutes.
    """
    if duration_s <= LONGEST_IN_S:
        axes.set_xlabel("time (s)")
        return
    from matplotlib.ticker import MultipleLocator

    first_s, last_s = axes.get_xlim()
    step_s = next((step for step in TICKS_S if (last_s - first_s) / step <= 10), 3600 * 24)
    axes.xaxis.set_major_locator(MultipleLocator(step_s))
    axes.xaxis.set_major_formatter(lambda time_s, _: clock(time_s))
    axes.set_xlabel("time (h:mm:ss)")


def clock(time_s: float) -> str:
    """Seconds as h:mm:ss.

    >>> clock(3725)
    '1:02:05'
    """
    minutes, seconds = divmod(round(time_s), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def legend_height(labels: Sequence[str], width: float) -> float:
    """Inches that `legend` takes below each other in a figure of so many inches."""
    return LEGEND_LINE * -(-len(labels) // _columns(labels, width))


def legend(figure: "Figure", top: float | None = None) -> None:
    """Name the lines of a figure once, in as many columns as there is room for.

    Parameters
    ----------
    figure : Figure
    top : float, optional
        Inches from the figure's upper edge, for stacked Axes; by default the legend takes its own
        room above the Axes.
    """
    named = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    if not named:
        return
    width, height = figure.get_size_inches()
    place = {"loc": "outside upper center"}
    if top is not None:
        corner = (LEFT / width, 1 - top / height)
        place = {"loc": "upper left", "bbox_to_anchor": corner, "borderpad": 0, "borderaxespad": 0}
    figure.legend(
        named.values(),
        named.keys(),
        ncols=_columns(list(named), width),
        frameon=False,
        fontsize=FONT_POINTS,
        **place,
    )


def _columns(labels: Sequence[str], width: float) -> int:
    widest = max(map(len, labels), default=0) * LETTER * FONT_POINTS / 72 + 0.6
    return max(1, min(len(labels), int((width - LEFT - RIGHT) / widest)))
