"""Detected events against the truth: sed_eval's event-based scores, and thresholds by them."""

import math
import os
import warnings
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import PurePath

from fewshot.errors import InputError
from fewshot.event_scores import Counts
from fewshot.events import Event
from kws.matching import Curve


@dataclass(frozen=True)
class Scores(Counts):
    """How well detected events match a reference.

    Attributes
    ----------
    error_rate : float or None
        Substitutions, deletions and insertions per event of the reference, as sed_eval counts them;
        None where the reference is empty.
    false_alarms_per_hour : float or None
        `n_fp` by the duration of all recordings; None where that is unknown.
    """

    error_rate: float | None
    false_alarms_per_hour: float | None


@dataclass(frozen=True)
class Evaluation(Scores):
    """Scores over all keywords and recordings (micro average), and those of each keyword.

    Attributes
    ----------
    keywords : mapping of str to Scores
        By label, in alphabetical order. A keyword's error rate knows no substitutions.
    n_recordings : int
        Those that were listed, otherwise those with events.
    duration_s : float or None
        Of all recordings together.
    """

    keywords: Mapping[str, Scores]
    n_recordings: int
    duration_s: float | None


LEAST_EVENTS = 20
"""Thresholds are weighted as sharply as for so many events, at least."""


@dataclass(frozen=True)
class Tuned(Counts):
    """A threshold; the counts are those of the candidates that reach it."""

    threshold: float


@dataclass(frozen=True)
class TunedPerKeyword(Counts):
    """The thresholds, one for each label, that together have the best F-score."""

    thresholds: Mapping[str, float]


def evaluate(
    reference: Iterable[Event],
    estimated: Iterable[Event],
    recordings: Mapping[str, float] | Iterable[str] | None = None,
    *,
    collar_s: float = 0.2,
    percentage_of_length: float = 0.5,
) -> Evaluation:
    """Score events with sed_eval's event-based metrics, onset and offset both evaluated.

    Parameters
    ----------
    reference, estimated : iterable of Event
        Truth and detections; recordings have the same file names in both.
    recordings : mapping of str to float, or iterable of str, optional
        Every recording, also those without events, with its duration in seconds if that is known;
        by default those with events.
    collar_s : float
        How far onsets, and offsets of short events, may be off; above 0.
    percentage_of_length : float
        How far offsets may be off, as a share in [0, 1] of the length in the reference, where that
        is more than `collar_s`.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        If an event is in a recording that is not one of `recordings`.

    Examples
    --------
    >>> truth = [Event("a.wav", 1.0, 1.5, "lamp"), Event("a.wav", 4.0, 4.5, "door")]
    >>> result = evaluate(truth, [Event("a.wav", 1.1, 1.6, "lamp")], {"a.wav": 60.0})
    >>> result.precision, result.recall, result.error_rate, result.false_alarms_per_hour
    (1.0, 0.5, 0.5, 0.0)
    """
    reference, estimated = list(reference), list(estimated)
    by_file = [_by_file(reference), _by_file(estimated)]
    files = sorted(by_file[0].keys() | by_file[1].keys())
    duration_s = None
    if recordings is not None:
        listed = recordings if isinstance(recordings, Mapping) else set(recordings)
        strange = [file for file in files if file not in listed]
        if strange:
            raise InputError(f"{strange[0]}: has events but is not in the list of recordings")
        if isinstance(recordings, Mapping):
            duration_s = math.fsum(recordings.values())
    labels = sorted({event.label for event in reference + estimated})
    # dcase_util beneath sed_eval takes a label "none" for no label and strips others.
    codes = {label: f"label{i}" for i, label in enumerate(labels)}
    metrics = _metrics(list(codes.values()), collar_s, percentage_of_length)
    for file in files:
        metrics.evaluate(*([_item(event, codes) for event in part[file]] for part in by_file))

    def scores(counts: Mapping[str, float], error_rate: float) -> tuple:
        n_ref, n_sys, n_tp = (int(counts[key]) for key in ("Nref", "Nsys", "Ntp"))
        per_hour = (n_sys - n_tp) * 3600.0 / duration_s if duration_s else None
        return n_ref, n_sys, n_tp, error_rate if n_ref else None, per_hour

    keywords = {
        label: Scores(
            *scores(metrics.class_wise[code], metrics.class_wise_error_rate(code)["error_rate"])
        )
        for label, code in codes.items()
    }
    return Evaluation(
        *scores(metrics.overall, metrics.overall_error_rate()["error_rate"]),
        keywords=keywords,
        n_recordings=len(files if recordings is None else listed),
        duration_s=duration_s,
    )


def _metrics(labels: list[str], collar_s: float, percentage_of_length: float):
    with warnings.catch_warnings():
        # dcase_util imports pkg_resources, which announces its end.
        warnings.simplefilter("ignore")
        from sed_eval.sound_event import EventBasedMetrics
    return EventBasedMetrics(
        labels, t_collar=float(collar_s), percentage_of_length=float(percentage_of_length)
    )


def _by_file(events: Iterable[Event]) -> Mapping[str, list[Event]]:
    groups = defaultdict(list)
    for event in events:
        groups[event.filename].append(event)
    return groups


def _item(event: Event, codes: Mapping[str, str]) -> dict:
    return {
        "event_onset": float(event.onset_s),
        "event_offset": float(event.offset_s),
        "event_label": codes[event.label],
    }


def tune(
    reference: Iterable[Event],
    candidates: Iterable[Event],
    *,
    collar_s: float = 0.2,
    percentage_of_length: float = 0.5,
) -> Tuned:
    """Find the threshold with the best micro-averaged F-score, exactly.

    As the threshold falls, candidates are only added. So one maximum matching per recording and
    label is grown along augmenting paths, and every threshold is tried in one pass.

    Parameters
    ----------
    reference : iterable of Event
        The truth.
    candidates : iterable of Event
        With scores; at a threshold t the detections are those with ``score >= t``.
    collar_s, percentage_of_length : float
        As for `evaluate`.

    Returns
    -------
    Tuned
        Its threshold lies midway between two neighbouring scores (or beyond the last); of several
        equally good ones it is the highest. It keeps nothing if nothing matches.

    Raises
    ------
    InputError
        If there are no candidates, or one has no score.
    """
    curve = Curve(reference, candidates, collar_s, percentage_of_length)
    best = max(range(len(curve.n_sys)), key=lambda k: curve.counts(k).f_score)
    return Tuned(*astuple(curve.counts(best)), threshold=curve.threshold(best))


def tune_for_others(
    reference: Iterable[Event],
    candidates: Iterable[Event],
    *,
    collar_s: float = 0.2,
    percentage_of_length: float = 0.5,
) -> Tuned:
    """Find a threshold that holds for other recordings, where that of `tune` may be a narrow peak.

    It is the mean of all thresholds, weighted by exp(n F), where n is the number of events in the
    reference (20 where there are fewer) and F the micro-averaged F-score that they reach. So those
    that are an event or two behind the best count nearly as much. What is returned lies midway
    between the scores next to that mean.

    Parameters, Raises
        As for `tune`.

    Returns
    -------
    Tuned
        It keeps nothing if nothing matches.
    """
    curve = Curve(reference, candidates, collar_s, percentage_of_length)
    if not curve.n_tp[-1]:
        return Tuned(*astuple(curve.counts(0)), threshold=curve.threshold(0))
    f_scores = [curve.counts(k).f_score for k in range(len(curve.n_sys))]
    sharpness, best = max(curve.n_ref, LEAST_EVENTS), max(f_scores)
    weights = [curve.width(k) * math.exp(sharpness * (f - best)) for k, f in enumerate(f_scores)]
    mean = math.fsum(w * curve.threshold(k) for k, w in enumerate(weights)) / math.fsum(weights)
    accepted = bisect_right(curve.scores, -mean, key=lambda score: -score)
    return Tuned(*astuple(curve.counts(accepted)), threshold=curve.threshold(accepted))


def tune_per_keyword(
    reference: Iterable[Event],
    candidates: Iterable[Event],
    *,
    collar_s: float = 0.2,
    percentage_of_length: float = 0.5,
) -> TunedPerKeyword:
    """Find one threshold per label so that the micro-averaged F-score over all labels is best.

    Parameters, Raises
        As for `tune`. A search that ranks overlapping matches by score minus threshold may give
        other events with these thresholds than the candidates that reach them.

    Returns
    -------
    TunedPerKeyword
        Thresholds of all labels that have candidates.

    Notes
    -----
    The F-score is a ratio of two sums over labels, whose best value is found by Dinkelbach's
    iteration: with the ratio reached so far as the price of a detection each label chooses alone.
    """
    reference, candidates = list(reference), list(candidates)
    settings = collar_s, percentage_of_length
    if not candidates:
        raise InputError("no candidates to choose a threshold from")
    curves = {
        label: Curve(
            [event for event in reference if event.label == label],
            [event for event in candidates if event.label == label],
            *settings,
        )
        for label in sorted({event.label for event in candidates})
    }
    best, chosen = Counts(len(reference), 0, 0), dict.fromkeys(curves, 0)
    while True:
        price = best.f_score / 2
        step = {
            label: max(
                range(len(c.n_sys)),
                key=lambda k, c=c: (c.n_tp[k] - price * c.n_sys[k], -c.n_sys[k]),
            )
            for label, c in curves.items()
        }
        counts = Counts(
            len(reference),
            sum(curves[label].n_sys[k] for label, k in step.items()),
            sum(curves[label].n_tp[k] for label, k in step.items()),
        )
        if counts.f_score <= best.f_score:
            break
        best, chosen = counts, step
    return TunedPerKeyword(
        best.n_ref,
        best.n_sys,
        best.n_tp,
        thresholds={label: curves[label].threshold(k) for label, k in chosen.items()},
    )


def join_files(
    reference_files: Iterable[str],
    event_files: Iterable[str],
    root: str | os.PathLike[str] | None = None,
) -> dict[str, str | None]:
    """Which recording of the reference each recording of the events is.

    Parameters
    ----------
    reference_files : iterable of str
        Names relative to `root`, or absolute.
    event_files : iterable of str
        Names relative to the current folder, or absolute.
    root : path, optional
        None compares the names as they are.

    Returns
    -------
    dict of str to (str or None)
        For each of `event_files` the same recording in `reference_files`: the one with the same
        path, or the same name as written, or the same base name where that is unique on both sides
        (a name without extension, as from an Audacity label track, stands for any extension). None
        for recordings that are not there.

    Raises
    ------
    InputError
        If base names leave a choice, or if no recording is found and paths do not say why.
    """
    references, files = list(dict.fromkeys(reference_files)), list(dict.fromkeys(event_files))
    by_path = {} if root is None else {_place(os.path.join(root, r)): r for r in references}
    by_text = {os.path.normpath(r): r for r in references}
    joined = {f: by_path.get(_place(f)) or by_text.get(os.path.normpath(f)) for f in files}
    taken = {reference for reference in joined.values() if reference is not None}
    names, stems = defaultdict(list), defaultdict(list)
    for reference in references:
        names[PurePath(reference).name].append(reference)
        stems[PurePath(reference).stem].append(reference)
    alike = {
        file: names.get(path.name) or names.get(path.stem) or stems.get(path.name) or []
        for file, path in ((f, PurePath(f)) for f in files if joined[f] is None)
    }
    claims = Counter(reference for found in alike.values() for reference in found)
    for file, found in alike.items():
        if not found or taken & set(found):
            continue
        if len(found) > 1 or claims[found[0]] > 1:
            raise InputError(
                f"{file}: its name alone does not tell which recording of the reference it is; "
                "give --root, the folder that the reference's files are relative to"
            )
        # Where paths do join, another file of the same name is another recording.
        path = None if root is None else os.path.join(root, found[0])
        if not (taken and path and os.path.exists(path) and os.path.exists(file)):
            joined[file] = found[0]
    lost = references and files and not any(joined.values())
    if lost and (root is None or not all(map(os.path.exists, files))):
        raise InputError(
            f"no recording of the events is in the reference (there {references[0]}, "
            f"here {files[0]}); give --root, the folder that the reference's files are relative to"
        )
    return joined


def _place(path: str | os.PathLike[str]) -> str:
    # Links to folders are followed, links to files kept: they may share what they point at.
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)
