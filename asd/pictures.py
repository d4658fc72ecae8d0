"""Pictures of machines: long recordings and their scores."""

from pathlib import Path
from typing import TYPE_CHECKING

from asd.monitor import Watched
from fewshot import audio, plot
from fewshot.plot import COLOURS, INK, Bar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 13.0
COLUMNS = 1500
"""Points across the picture, about as many as it has dots."""
HEAD, SPECTROGRAM, CURVE, LANE, FOOT = 0.5, 1.6, 1.6, 0.28, 0.65
"""Heights of a picture's parts, in inches."""
MOST_DOTS = 200
"""Windows that each get a dot on the curve."""
THRESHOLD_LINE = {"color": INK, "linestyle": "--", "linewidth": 0.9}
SCORE_COLOUR, EVENT_COLOUR = COLOURS[0], COLOURS[1]


def recording_figure(path: str | Path, watched: Watched) -> "Figure":
    """Draw a recording's spectrogram, the score over time with its threshold, and the events.

    Parameters
    ----------
    path : path
        The recording; it is read once more, in blocks, so that memory does not grow with its
        length.
    watched : Watched
        Of this recording.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        As `fewshot.audio.read_blocks`.
    """
    duration_s, n_events = watched.duration_s, len(watched.events)
    heights = (SPECTROGRAM, CURVE, LANE)
    threshold = f"threshold {watched.threshold:.3g}"
    head = HEAD + plot.legend_height([threshold], WIDTH)
    figure = plot.new_figure(WIDTH, head + sum(heights) + FOOT)
    length = plot.clock(duration_s) if duration_s > plot.LONGEST_IN_S else f"{duration_s:.1f} s"
    plot.title(figure, f"{Path(path).name}   {length}, {n_events} event{'s' * (n_events != 1)}")
    spectrum, curve, lane = plot.stacked_axes(figure, head, heights)
    curve.set_xlim(0, duration_s)
    curve.axhline(watched.threshold, label=threshold, **THRESHOLD_LINE)
    times_s, scores = plot.envelope(watched.times_s, watched.scores[None], COLUMNS)
    dots = {"marker": "."} if len(times_s) <= MOST_DOTS else {}
    curve.plot(times_s, scores[0], color=SCORE_COLOUR, linewidth=1.1, **dots)
    curve.set_ylabel("score")
    bars = [Bar(e.onset_s, e.offset_s, e.label, EVENT_COLOUR) for e in watched.events]
    blocks = audio.read_blocks(path, highpass=False)
    levels_db, step_s = plot.spectrogram_overview(blocks, duration_s, COLUMNS)
    plot.draw_spectrogram(spectrum, levels_db, step_s / 2, step_s=step_s)
    for axes in (spectrum, curve):
        plot.shade(axes, bars)
    plot.draw_lanes(lane, {"events": bars})
    plot.name_time_axis(lane, duration_s)
    plot.legend(figure, HEAD - 0.1)
    return figure
