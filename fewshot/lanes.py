"""Events in pictures: labelled bars in lanes, and the time that they take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fewshot.plot import FONT_POINTS, INK, LETTER

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Bar:
    """A stretch of time with a label.

    Parameters
    ----------
    onset_s, offset_s : float
    label : str
    colour : str
    faint : bool
        Drawn as an outline and without its label.
    """

    onset_s: float
    offset_s: float
    label: str
    colour: str
    faint: bool = False


def draw_lanes(axes: "Axes", lanes: Mapping[str, Sequence[Bar]]) -> None:
    """Draw events as labelled bars, one lane under the other.

    Where labels would run into each other the later one is left out; its colour still tells.

    Parameters
    ----------
    axes : Axes
        Its limits of time say what is drawn, and stay as they are.
    lanes : mapping of str to sequence of Bar
        From the upper one to the lower one.
    """
    first_s, last_s = axes.get_xlim()
    width_points = 72 * axes.figure.get_figwidth() * axes.get_position().width
    letter_s = LETTER * FONT_POINTS * (last_s - first_s) / width_points
    for i, bars in enumerate(lanes.values()):
        shown = sorted(_within(bars, first_s, last_s), key=lambda bar: bar.onset_s)
        _draw_bars(axes, shown, i + 0.55)
        free_s = first_s
        for bar in shown:
            left = max(bar.onset_s, first_s)
            if bar.faint or left < free_s:
                continue
            free_s = left + (len(bar.label) + 1) * letter_s
            # The last label ends where its bar does, not beyond the picture.
            at, side = (left, "left") if free_s <= last_s else (min(bar.offset_s, last_s), "right")
            axes.text(at, i + 0.5, bar.label, color=INK, size=FONT_POINTS, ha=side, va="bottom")
    axes.set_xlim(first_s, last_s)
    axes.set_ylim(len(lanes), 0)
    axes.set_yticks([i + 0.7 for i in range(len(lanes))], list(lanes))
    axes.tick_params(axis="y", length=0)


def shade(axes: "Axes", bars: Sequence[Bar]) -> None:
    """Tint the time of the bars that are not faint, within the limits of an Axes."""
    for bar in _within(bars, *axes.get_xlim()):
        if not bar.faint:
            axes.axvspan(bar.onset_s, bar.offset_s, color=bar.colour, alpha=0.15, linewidth=0)


def _draw_bars(axes: "Axes", bars: Sequence[Bar], top: float) -> None:
    from matplotlib.colors import to_rgba

    first_s, last_s = axes.get_xlim()
    spans = [(max(bar.onset_s, first_s), min(bar.offset_s, last_s)) for bar in bars]
    axes.broken_barh(
        [(left, right - left) for left, right in spans],
        (top, 0.35),
        facecolors=[to_rgba(bar.colour, 0.0 if bar.faint else 1.0) for bar in bars],
        edgecolors=[to_rgba(bar.colour, 0.5 if bar.faint else 1.0) for bar in bars],
    )


def _within(bars: Sequence[Bar], first_s: float, last_s: float) -> list[Bar]:
    return [bar for bar in bars if bar.onset_s < last_s and bar.offset_s > first_s]
