"""Pictures of machines: long recordings, scores of many clips, and what scores are made of."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asd.evaluation.figures import DOMAINS, MAX_FPR
from asd.evaluation.joining import SectionScores
from asd.evaluation.official import paired_clips
from asd.names import ANOMALY, NORMAL, SOURCE, TARGET
from fewshot import audio, plot
from fewshot.errors import some
from fewshot.lanes import Bar, draw_lanes, shade
from fewshot.metrics import count
from fewshot.plot import COLOURS, INK, PALE
from fewshot.spectrograms import draw_spectrogram, spectrogram_overview

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from asd.dataset import Clip
    from asd.explanation import ImportanceMap
    from asd.monitor import Watched

WIDTH = 13.0
COLUMNS = 1500
"""Points across the picture, about as many as it has dots."""
HEAD, SPECTROGRAM, CURVE, LANE, FOOT = 0.5, 1.6, 1.6, 0.28, 0.65
"""Heights of a picture's parts, in inches."""
N_BINS = 40
ROC_OF_ALL = "ROC all clips"
MOST_DOTS = 200
"""Windows that each get a dot on the curve."""
THRESHOLD_LINE = {"color": INK, "linestyle": "--", "linewidth": 0.9}
SCORE_COLOUR, EVENT_COLOUR = COLOURS[0], COLOURS[1]
RANGE_DB = 70.0
LOW_TO_HIGH = "cividis"
"""From blue to yellow, with any colour vision."""
MARKERS = {NORMAL: "o", ANOMALY: "X", None: "D"}


def recording_figure(path: str | Path, watched: "Watched") -> "Figure":
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
    plot.title(figure, f"{Path(path).name}   {length}, {some(n_events, 'event')}")
    spectrum, curve, lane = plot.stacked_axes(figure, head, heights)
    curve.set_xlim(0, duration_s)
    curve.axhline(watched.threshold, label=threshold, **THRESHOLD_LINE)
    times_s, scores = plot.envelope(watched.times_s, watched.scores[None], COLUMNS)
    dots = {"marker": "."} if len(times_s) <= MOST_DOTS else {}
    curve.plot(times_s, scores[0], color=SCORE_COLOUR, linewidth=1.1, **dots)
    curve.set_ylabel("score")
    bars = [Bar(e.onset_s, e.offset_s, e.label, EVENT_COLOUR) for e in watched.events]
    blocks = audio.read_blocks(path, highpass=False)
    levels_db, step_s = spectrogram_overview(blocks, duration_s, COLUMNS)
    draw_spectrogram(spectrum, levels_db, step_s / 2, step_s=step_s)
    for axes in (spectrum, curve):
        shade(axes, bars)
    draw_lanes(lane, {"events": bars})
    plot.name_time_axis(lane, duration_s)
    plot.legend(figure, HEAD - 0.1)
    return figure


def scores_figure(
    scores: np.ndarray,
    thresholds: Sequence[float],
    section: SectionScores | None = None,
    year: int | None = None,
) -> "Figure":
    """Draw how the scores of a section are distributed and, with the truth, its ROC curves.

    Parameters
    ----------
    scores : np.ndarray, shape (n,)
        Of all clips.
    thresholds : sequence of float
        Drawn as lines.
    section : SectionScores, optional
        The same clips with the truth.
    year : int, optional
        The challenge whose pairs of clips the curves of the domains are of; with `section`.

    Returns
    -------
    Figure
        The area below the curves up to a false positive rate of 0.1, which pAUC is made of, is
        tinted; a dot shows the decisions.
    """
    figure = plot.new_figure(WIDTH if section else WIDTH / 2, 3.6)
    histogram, *roc = plot.side_by_side(figure, 2 if section else 1)
    # Equal scores still have a bar.
    low, high = float(scores.min()), float(scores.max())
    edges = np.linspace(low, high, N_BINS + 1) if high > low else np.array([low - 0.5, low + 0.5])
    for label, style, clips in _groups(section):
        histogram.hist(scores[clips], edges, histtype="step", label=label, **style)
    for i, threshold in enumerate(thresholds):
        label = "threshold" if i == 0 else None
        histogram.axvline(threshold, label=label, **THRESHOLD_LINE)
    histogram.set(xlabel="score", ylabel="clips")
    histogram.yaxis.get_major_locator().set_params(integer=True)
    if section is not None:
        _draw_roc(roc[0], section, year)
    plot.legend(figure)
    return figure


def _groups(section: SectionScores | None) -> Iterator[tuple[str, dict, np.ndarray | slice]]:
    """Label, line and clips of each part of a section that has any."""
    if section is None:
        yield "clips", {"color": SCORE_COLOUR, "linewidth": 1.6}, slice(None)
        return
    domains = [("", "-", np.ones(len(section.scores), bool))]
    if section.target is not None:
        domains = [(SOURCE, "-", ~section.target), (TARGET, ":", section.target)]
    for condition, colour, of in (
        ("normal", SCORE_COLOUR, ~section.anomalous),
        ("anomalous", EVENT_COLOUR, section.anomalous),
    ):
        for domain, line, inside in domains:
            style = {"color": colour, "linestyle": line, "linewidth": 1.6}
            if (of & inside).any():
                yield f"{condition} {domain}".rstrip(), style, of & inside


def _draw_roc(axes: "Axes", section: SectionScores, year: int) -> None:
    curves = []
    if year != 2021:
        curves = [(ROC_OF_ALL, INK, 2.0, slice(None))]
    if year > 2020:
        curves += [
            (f"ROC {domain}", colour, 1.1, paired_clips(section, domain, year))
            for domain, colour in zip(DOMAINS, COLOURS[2:], strict=False)
        ]
    for label, colour, width, clips in curves:
        anomalous, scores = section.anomalous[clips], section.scores[clips]
        counts = count(anomalous, scores, np.append(np.unique(scores)[::-1], -np.inf))
        fpr, tpr = counts.fp / (~anomalous).sum(), counts.tp / anomalous.sum()
        axes.plot(fpr, tpr, label=label, color=colour, linewidth=width)
        if label == ROC_OF_ALL or year == 2021:
            first = fpr < MAX_FPR
            # Where the curve rises just there, the area ends below the step.
            last = np.interp(np.nextafter(MAX_FPR, 0), fpr, tpr)
            shares = np.append(fpr[first], MAX_FPR), np.append(tpr[first], last)
            axes.fill_between(*shares, color=colour, alpha=0.15)
    if section.decisions is not None:
        rates = [section.decisions[own].mean() for own in (~section.anomalous, section.anomalous)]
        axes.plot(*rates, "o", color=INK, label="decisions")
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=0.8, linestyle=":")
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))


def importance_figure(found: "ImportanceMap", name: str, threshold: float) -> "Figure":
    """Draw a clip's spectrogram, and below it which parts of it make it anomalous.

    Parameters
    ----------
    found : ImportanceMap
    name : str
        Of the clip, for the title.
    threshold : float

    Returns
    -------
    Figure
        Each part has its own scale of colours; the map's is from blue (low) to yellow (high).
    """
    figure = plot.new_figure(WIDTH * 0.7, 5.6)
    figure.set_layout_engine("constrained")
    taken = "anomalous" if found.score > threshold else "normal"
    line = f"score {found.score:.4g}, threshold {threshold:.4g}: {taken}"
    figure.suptitle(f"{name}\n{line}", x=0.01, ha="left", weight="bold", size="medium", color=INK)
    spectrum, importance = figure.subplots(2, 1, sharex=True, sharey=True)
    step_s, step_khz = found.times_s[1] - found.times_s[0], found.frequencies_hz[1] / 1000
    first_s, last_s = found.times_s[0] - step_s / 2, found.times_s[-1] + step_s / 2
    last_khz = found.frequencies_hz[-1] / 1000 + step_khz / 2
    for axes, values, colours, low, label in (
        (spectrum, found.levels_db, "Greys", -RANGE_DB, "level (dB)"),
        (importance, found.map, LOW_TO_HIGH, None, "mean score where heard"),
    ):
        image = axes.imshow(
            values.T,
            extent=(first_s, last_s, -step_khz / 2, last_khz),
            origin="lower",
            aspect="auto",
            cmap=colours,
            vmin=low,
        )
        figure.colorbar(image, ax=axes, label=label, pad=0.02)
        axes.set_ylabel("kHz")
    importance.set_xlim(max(first_s, 0), last_s)
    importance.set_xlabel("time (s)")
    return figure


def embedding_figure(points: np.ndarray, clips: Sequence["Clip"]) -> "Figure":
    """Draw where clips lie in an embedding map.

    Parameters
    ----------
    points : np.ndarray, shape (n, 2)
    clips : sequence of Clip
        Colours tell machines and sections, markers normal, anomalous and unknown clips; those of
        the target domain are hollow.
    """
    from matplotlib import colormaps

    figure = plot.new_figure(9.0, 8.0)
    (axes,) = plot.side_by_side(figure, 1)
    groups: dict[tuple, list[int]] = {}
    for i, clip in enumerate(clips):
        kind = (clip.condition, clip.domain == TARGET)
        groups.setdefault((clip.machine, clip.section, *kind), []).append(i)
    keys = sorted({group[:2] for group in groups})
    colours = COLOURS
    if len(keys) > len(COLOURS):
        colours = colormaps["turbo"](np.linspace(0.02, 0.98, len(keys)))
    own = dict(zip(keys, colours, strict=False))
    for (machine, section, condition, target), members in groups.items():
        axes.plot(*points[members].T, **_dot(own[machine, section], condition, target))
    for key in keys:
        axes.plot([], [], **_dot(own[key], NORMAL, False), label=" ".join(key))
    for condition, target in sorted({group[2:] for group in groups}, key=str):
        label = (condition or "unknown") + (f" {TARGET}" if target else "")
        axes.plot([], [], **_dot(PALE, condition, target), label=label)
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_visible(False)
    plot.legend(figure)
    return figure


def _dot(colour: str | np.ndarray, condition: str | None, target: bool) -> dict:
    return {
        "color": colour,
        "linestyle": "none",
        "marker": MARKERS[condition],
        "markerfacecolor": "none" if target else colour,
        "alpha": 0.8,
    }
