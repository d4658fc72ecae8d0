"""Pictures of keywords: what was found in a recording, and how well on many."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fewshot import audio, plot
from fewshot.events import Event
from fewshot.lanes import Bar, draw_lanes, shade
from fewshot.plot import INK
from fewshot.spectrograms import draw_spectrogram, spectrogram
from kws.errors import Outcome, confusion
from kws.matching import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_S = 30.0
MOST_ROWS = 10
WIDTH = 13.0
POINTS = 2000
"""Points of a curve across the picture, more than it has dots."""
HEAD, SPECTROGRAM, CURVES, LANE, FOOT = 0.5, 1.1, 1.2, 0.28, 0.65
"""Heights of a picture's title and of a row's parts, in inches."""
MOST_LINES = 7
"""Keywords that each have a line of their own, beside the one of all."""
ALL, NOTHING = "all keywords", "nothing"


def recording_figure(
    path: str | Path,
    curves: tuple[Sequence[str], np.ndarray, np.ndarray],
    thresholds: Mapping[str, float],
    events: Sequence[Event],
    reference: Sequence[Event] | None = None,
) -> "Figure":
    """Draw a recording's spectrogram, the keywords' score curves and the events.

    Up to five minutes are drawn in equal rows of 30 s at most. Of a longer recording the ten rows
    are drawn that matter most, below an overview without spectrogram: those of true events that
    were not found, then those of the events with the highest scores.

    Parameters
    ----------
    path : path
        The recording. The drawn rows alone are read, one after the other, so that memory does not
        grow with its length (time does in MP3 and Ogg, which are decoded from the beginning).
    curves : list of str, np.ndarray, np.ndarray
        Keywords, times and scores as `kws.detection.Detector.scores` gives them.
    thresholds : mapping of str to float
        Of each of these keywords. Events that do not reach theirs are drawn as outlines.
    events : sequence of Event
        What was found in it.
    reference : sequence of Event, optional
        Its true events, which get a lane of their own.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        As `fewshot.audio.read_clip`.
    """
    duration_s = audio.info(path).duration_s
    n_rows = max(1, math.ceil(duration_s / ROW_S))
    sure = [event for event in events if event.score >= thresholds[event.label]]
    chosen = _chosen_rows(n_rows, duration_s, sure, reference or ())
    whole = len(chosen) == n_rows
    labels = sorted({*curves[0], *(event.label for event in [*events, *(reference or ())])})
    styles = plot.line_styles(labels)
    lanes = {"found": _bars(events, styles, thresholds)}
    brief = {"found": _bars(sure, styles, thresholds)}
    if reference is not None:
        lanes["true"] = brief["true"] = _bars(reference, styles, {})

    head = HEAD + plot.legend_height([*curves[0], "threshold"], WIDTH)
    heights = [SPECTROGRAM, CURVES, LANE * len(lanes)]
    overview = 0.0 if whole else sum(heights[1:]) + FOOT
    figure = plot.new_figure(WIDTH, head + overview + len(chosen) * (sum(heights) + FOOT))
    length = plot.clock(duration_s) if duration_s > plot.LONGEST_IN_S else f"{duration_s:.1f} s"
    title = f"{Path(path).name}   {length}"
    if not whole:
        title += f"   (overview, and {len(chosen)} of {n_rows} half minutes)"
    plot.title(figure, title)
    if not whole:
        axes = plot.stacked_axes(figure, head, heights[1:])
        _draw_scores(axes, (0.0, duration_s), duration_s, curves, thresholds, styles, brief)
    rows = [(i * duration_s / n_rows, (i + 1) * duration_s / n_rows) for i in chosen]
    levels = [spectrogram(audio.read_clip(path, *row)[0]) for row in rows]
    top_db = max((part.max() for part in levels), default=0.0)
    for i, (row, part) in enumerate(zip(rows, levels, strict=True)):
        below = head + overview + i * (sum(heights) + FOOT)
        axes = plot.stacked_axes(figure, below, heights)
        _draw_scores(axes[1:], row, duration_s, curves, thresholds, styles, lanes)
        draw_spectrogram(axes[0], part, row[0], top_db)
        shade(axes[0], lanes["found"])
    plot.legend(figure, HEAD - 0.1)
    return figure


def _chosen_rows(
    n_rows: int, duration_s: float, events: Sequence[Event], reference: Sequence[Event]
) -> list[int]:
    if n_rows <= MOST_ROWS:
        return list(range(n_rows))
    missed = [truth for truth in reference if not any(_meet(truth, event) for event in events)]
    by_weight = missed + sorted(events, key=lambda event: -event.score)
    middles = ((event.onset_s + event.offset_s) / 2 for event in by_weight)
    places = (min(int(middle * n_rows / duration_s), n_rows - 1) for middle in middles)
    return sorted(list(dict.fromkeys(places))[:MOST_ROWS])


def _meet(truth: Event, event: Event) -> bool:
    overlap = truth.onset_s < event.offset_s and event.onset_s < truth.offset_s
    return overlap and truth.label == event.label


def _bars(
    events: Sequence[Event], styles: Mapping[str, dict], thresholds: Mapping[str, float]
) -> list[Bar]:
    return [
        Bar(
            event.onset_s,
            event.offset_s,
            event.label,
            styles[event.label]["color"],
            faint=event.label in thresholds and event.score < thresholds[event.label],
        )
        for event in events
    ]


def _draw_scores(
    axes: Sequence["Axes"],
    row: tuple[float, float],
    duration_s: float,
    curves: tuple[Sequence[str], np.ndarray, np.ndarray],
    thresholds: Mapping[str, float],
    styles: Mapping[str, dict],
    lanes: Mapping[str, Sequence[Bar]],
) -> None:
    """Draw a part of the curves into the first Axes, the events below them into the second."""
    keywords, times_s, scores = curves
    first, last = np.searchsorted(times_s, row)
    # One more on either side, so that the lines reach the edges.
    drawn = slice(max(first - 1, 0), last + 1)
    times_s, part = plot.envelope(times_s[drawn], scores[:, drawn], POINTS)
    for keyword, values in zip(keywords, part, strict=True):
        values = np.where(np.isfinite(values), values, np.nan)
        axes[0].plot(times_s, values, label=keyword, linewidth=1.1, **styles[keyword])
    if len(set(thresholds.values())) == 1:
        threshold = next(iter(thresholds.values()))
        axes[0].axhline(
            threshold, color=INK, linestyle="--", linewidth=0.9, label=f"threshold {threshold:.3g}"
        )
    else:
        for keyword, threshold in thresholds.items():
            colour = styles[keyword]["color"]
            axes[0].axhline(threshold, color=colour, linestyle="--", linewidth=0.9)
    axes[0].set_ylim(_limits(scores, thresholds))
    axes[0].set_ylabel("score")
    axes[0].set_xlim(row)
    draw_lanes(axes[1], lanes)
    plot.name_time_axis(axes[1], duration_s)


def _limits(scores: np.ndarray, thresholds: Mapping[str, float]) -> tuple[float, float]:
    """Scores that are drawn: all peaks, but not the deepest valleys."""
    finite = scores[np.isfinite(scores)]
    marks = list(thresholds.values())
    if len(finite):
        marks += [float(np.quantile(finite, 0.02)), float(finite.max())]
    room = 0.08 * (max(marks) - min(marks)) or 0.1
    return min(marks) - room, max(marks) + room


def threshold_figure(
    reference: Sequence[Event],
    candidates: Sequence[Event],
    *,
    collar_s: float = 0.2,
    percentage_of_length: float = 0.5,
) -> "Figure":
    """Draw precision over recall, and F over the threshold, at all thresholds.

    Parameters
    ----------
    reference : sequence of Event
        The truth.
    candidates : sequence of Event
        With scores; at least one.
    collar_s, percentage_of_length : float
        As for `kws.evaluation.evaluate`.

    Returns
    -------
    Figure
        The line of all keywords together is the thick one; up to seven have lines of their own.

    Raises
    ------
    InputError
        As `kws.matching.Curve`.
    """
    figure = plot.new_figure(10.5, 4.8)
    rates, scores = plot.side_by_side(figure, 2)
    for label, style, n_ref, curve in _curves(
        reference, candidates, collar_s, percentage_of_length
    ):
        n_sys, n_tp = np.array(curve.n_sys), np.array(curve.n_tp)
        f_score = 200 * n_tp / np.maximum(n_sys + n_ref, 1)
        recall, precision = 100 * n_tp[1:] / max(n_ref, 1), 100 * n_tp[1:] / n_sys[1:]
        rates.plot(recall, precision, label=label, **style)
        # A threshold from one score up to the next keeps what reaches the next.
        scores.plot(curve.scores[::-1], f_score[:0:-1], drawstyle="steps-pre", **style)
        if label == ALL:
            best = int(np.argmax(f_score[1:]))
            text = f"best F: {f_score[best + 1]:.1f} % at {curve.threshold(best + 1):.3g}"
            rates.plot(recall[best], precision[best], "o", color=INK, label=text)
            scores.plot(curve.scores[best], f_score[best + 1], "o", color=INK)
    for axes in (rates, scores):
        axes.set_ylim(-2, 103)
    rates.set(xlim=(-2, 103), xlabel="recall (%)", ylabel="precision (%)")
    scores.set(xlabel="threshold", ylabel="F (%)")
    plot.legend(figure)
    return figure


def _curves(
    reference: Sequence[Event],
    candidates: Sequence[Event],
    collar_s: float,
    percentage_of_length: float,
) -> list[tuple[str, dict, int, Curve]]:
    """Name, line, number of true events and counts of each keyword, and of all together."""
    settings = collar_s, percentage_of_length
    labels = sorted({event.label for event in candidates} & {event.label for event in reference})
    lines = []
    for label, style in plot.line_styles(labels).items():
        truth = [event for event in reference if event.label == label]
        own = [event for event in candidates if event.label == label]
        lines.append((label, style | {"linewidth": 1.1}, len(truth), Curve(truth, own, *settings)))
    if not 2 <= len(lines) <= MOST_LINES:
        lines = []
    thick = {"color": INK, "linewidth": 2.2}
    return [*lines, (ALL, thick, len(reference), Curve(reference, candidates, *settings))]


def false_alarm_figure(
    reference: Sequence[Event],
    candidates: Sequence[Event],
    duration_s: float,
    *,
    collar_s: float = 0.2,
    percentage_of_length: float = 0.5,
) -> "Figure":
    """Draw the share of missed events over the false alarms per hour, at all thresholds.

    Parameters
    ----------
    reference, candidates, collar_s, percentage_of_length
        As for `threshold_figure`.
    duration_s : float
        Of all recordings together.

    Returns
    -------
    Figure
        No false alarm at all is at the left edge.

    Raises
    ------
    InputError
        As `kws.matching.Curve`.
    """
    figure = plot.new_figure(6.5, 4.8)
    (axes,) = plot.side_by_side(figure, 1)
    hours = duration_s / 3600
    lowest, highest = 0.5 / hours, 1.0 / hours
    for label, style, n_ref, curve in _curves(
        reference, candidates, collar_s, percentage_of_length
    ):
        n_tp = np.array(curve.n_tp)
        alarms = (np.array(curve.n_sys) - n_tp) / hours
        misses = 100 * (1 - n_tp / max(n_ref, 1))
        shown = np.maximum(alarms, lowest)
        axes.plot(shown, misses, label=label, drawstyle="steps-post", **style)
        highest = max(highest, shown[-1])
    axes.set_xscale("log")
    powers = range(math.ceil(math.log10(2 * lowest) - 1e-9), math.floor(math.log10(highest)) + 1)
    ticks = [10.0**power for power in powers] or [highest]
    axes.set_xticks([lowest, *ticks], ["0", *(f"{tick:.3g}" for tick in ticks)])
    axes.xaxis.set_minor_formatter("")
    axes.set(xlim=(0.85 * lowest, 1.1 * highest), ylim=(-2, 103))
    axes.set(xlabel="false alarms per hour", ylabel="missed (%)")
    plot.legend(figure)
    return figure


def confusion_figure(found: Sequence[Outcome]) -> "Figure":
    """Draw which keyword was found where which was said.

    Parameters
    ----------
    found : sequence of Outcome
        As `kws.errors.outcomes` gives them.

    Returns
    -------
    Figure
        One Axes; the last row and column stand for nothing.
    """
    events = [event for outcome in found for event in (outcome.truth, outcome.event) if event]
    keywords = sorted({event.label for event in events})
    size = 1.8 + 0.55 * (len(keywords) + 1)
    figure = plot.new_figure(max(size + 0.6, 4.5), max(size, 3.6))
    (axes,) = plot.side_by_side(figure, 1)
    names = [*keywords, NOTHING]
    plot.draw_matrix(axes, np.array(confusion(found, keywords)), names, names)
    axes.set(xlabel="found", ylabel="true")
    return figure
