"""An evaluation as it is told: as text for a terminal, as JSON and as CSV."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fewshot.errors import one_line, some
from fewshot.event_scores import Counts, micro_average
from fewshot.tables import csv_text
from kws.errors import RIGHT, Outcome, error_fields
from kws.evaluation import Evaluation, Scores, Tuned, TunedPerKeyword

COUNTS = ("n_ref", "n_sys", "n_tp", "n_fp", "n_fn")
FIGURES = ("f_score", "precision", "recall", "error_rate", "false_alarms_per_hour")
SHOWN_AT_MOST = 20
"""Errors on a terminal."""


def table(result: Evaluation, *, collar_s: float, percentage_of_length: float) -> str:
    """Scores of all keywords, one a line, below what they are of."""
    hours = "" if result.duration_s is None else f" ({_duration(result.duration_s)})"
    head = (
        f"{some(result.n_recordings, 'recording')}{hours}, "
        f"{some(result.n_ref, 'event')} in the reference, "
        f"{result.n_sys} found; collar {collar_s:g} s, "
        f"{100 * percentage_of_length:g} % of the length"
    )
    columns = ["keyword", "ref", "found", "TP", "FP", "FN", "F %", "P %", "R %", "ER"]
    timed = result.duration_s is not None
    rows = [columns + ["FA/h"] * timed]
    for label, scores in [("all", result), *result.keywords.items()]:
        rates = (
            f"{100 * value:.1f}" for value in (scores.f_score, scores.precision, scores.recall)
        )
        counts = (str(getattr(scores, name)) for name in COUNTS)
        alarms = [f"{scores.false_alarms_per_hour:.1f}"] if timed else []
        error_rate = "n/a" if scores.error_rate is None else f"{scores.error_rate:.2f}"
        rows.append([one_line(label), *counts, *rates, error_rate, *alarms])
    lines = list(_aligned(rows))
    rule = "-" * _width(lines[0])
    return "\n".join([head, "", lines[0], rule, lines[1], rule, *lines[2:]])


def percent(counts: Counts) -> str:
    """F-score, precision and recall.

    >>> percent(Counts(n_ref=2, n_sys=1, n_tp=1))
    'F 66.7 %, P 100.0 %, R 50.0 %'
    """
    figures = (counts.f_score, counts.precision, counts.recall)
    return "F {:.1f} %, P {:.1f} %, R {:.1f} %".format(*(100 * figure for figure in figures))


def tuned_lines(
    tuned: Tuned, best: Tuned, each: TunedPerKeyword, scores: Sequence[float], *, verbose: bool
) -> Iterator[str]:
    """A threshold for other recordings and how to use it; if asked for, those of each keyword.

    Parameters
    ----------
    tuned, best : Tuned
        For other recordings, and the best on these.
    each : TunedPerKeyword
    scores : sequence of float
        Of all candidates.
    verbose : bool
    """
    threshold = _brief(tuned.threshold, scores)
    yield f"threshold {threshold}: {percent(tuned)}"
    yield f"best on these recordings, {_brief(best.threshold, scores)}: {percent(best)}"
    yield f"for others: kws-detect --threshold {threshold} MODEL FILE..."
    if verbose:
        yield f"one threshold for each keyword: {percent(each)}"
        rows = [(one_line(k), _brief(t, scores)) for k, t in each.thresholds.items()]
        yield from (f"  {line}" for line in _aligned(rows))


def error_lines(found: Sequence[Outcome]) -> list[str]:
    """What went wrong, as far as a terminal has room for it."""
    errors = [outcome for outcome in found if outcome.kind != RIGHT]
    rows = [("error", "recording", "found", "from", "to", "true", "from", "to", "score")]
    for outcome in errors[:SHOWN_AT_MOST]:
        kind, name, onset, offset, label, *true, score = error_fields(outcome)
        found_there = (one_line(label) or "-", onset, offset)
        truth = (one_line(true[2]) or "-", *true[:2])
        score = f"{float(score):.3g}" if score else ""
        rows.append((kind, one_line(name), *found_there, *truth, score))
    more = len(errors) - SHOWN_AT_MOST
    rest = [f"... and {more} more (--errors ERRORS.csv)"] if more > 0 else []
    return [*_aligned(rows), *rest] if errors else ["no errors"]


def as_object(
    result: Evaluation,
    segments: Mapping[str, Counts],
    covered: Mapping[str, Counts],
    tuned: tuple[Tuned, Tuned, TunedPerKeyword] | None,
    *,
    segment_s: float,
    overlap: float,
) -> dict:
    """All scores, as values that JSON can hold.

    Parameters
    ----------
    result : Evaluation
    segments, covered : mapping of str to Counts
        Of each keyword, by segments and by intersections.
    tuned : (Tuned, Tuned, TunedPerKeyword) or None
        Thresholds for other recordings, the best on these, and those of each keyword.
    segment_s, overlap : float
        Length of segments, and the least share that is covered.
    """
    return {
        "n_recordings": result.n_recordings,
        "duration_s": result.duration_s,
        "overall": _figures(result),
        "keywords": {label: _figures(scores) for label, scores in result.keywords.items()},
        "segment_based": {"segment_s": segment_s, **_by_keyword(segments)},
        "intersection_based": {"dtc": overlap, "gtc": overlap, **_by_keyword(covered)},
        "tuned": tuned
        and {
            "threshold": tuned[0].threshold,
            **_counted(tuned[0]),
            "best": {"threshold": tuned[1].threshold, **_counted(tuned[1])},
            "per_keyword": {"thresholds": dict(tuned[2].thresholds), **_counted(tuned[2])},
        },
    }


def to_csv(result: Evaluation) -> str:
    """A row of all keywords and one of each."""
    rows = [("keyword", label, *_figures(own).values()) for label, own in result.keywords.items()]
    head = ("scope", "event_label", *COUNTS, *FIGURES)
    return csv_text([head, ("overall", "", *_figures(result).values()), *rows])


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.2f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        line = first + " " * (widths[0] - _width(first))
        for text, width in zip(others, widths[1:], strict=True):
            line += "  " + " " * (max(width, 5) - _width(text)) + text
        yield line


def _width(text: str) -> int:
    """Columns of a terminal: East Asian letters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _brief(threshold: float, scores: Iterable[float]) -> str:
    """The shortest text, from four digits up, that stays well away from every score."""
    # Half-way at most, since scores in the file are themselves rounded.
    room = min(abs(score - threshold) for score in scores) / 2
    texts = (f"{threshold:.{digits}g}" for digits in range(4, 18))
    return next(text for text in texts if abs(float(text) - threshold) <= room)


def _figures(scores: Scores) -> dict[str, float | int | None]:
    return {name: getattr(scores, name) for name in (*COUNTS, *FIGURES)}


def _by_keyword(counts: Mapping[str, Counts]) -> dict:
    return {
        "overall": _counted(micro_average(counts)),
        "keywords": {label: _counted(own) for label, own in counts.items()},
    }


def _counted(counts: Counts) -> dict[str, float | int]:
    return {name: getattr(counts, name) for name in (*COUNTS, *FIGURES[:3])}
