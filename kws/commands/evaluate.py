"""kws-evaluate: how well events match the truth."""

import argparse
import json
import math
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fewshot.console import (
    Console,
    add_force,
    base_parser,
    check_writable,
    positive_float,
    run,
    write_whole,
)
from fewshot.errors import InputError, some
from fewshot.event_scores import intersection_counts, micro_average, segment_counts
from fewshot.events import Event, read_events
from fewshot.tables import nearest_root, number, read_table
from kws import errors, results
from kws.errors import Outcome, outcomes
from kws.evaluation import evaluate, join_files, tune, tune_for_others, tune_per_keyword

EPILOG = """\
An event is right if the reference has one of the same label whose onset is at most the collar away
and whose offset at most the collar or the share of its length (sed_eval, event-based). "all" is the
micro average. ER is the error rate, FA/h false alarms per hour.

Two more lines do not ask for borders. Segment-based: what is compared are segments (--segment, 1 s)
in which a keyword occurs (sed_eval). Intersection-based: a detection must lie on true events of its
keyword with half of its length (--overlap; detection tolerance criterion), and such detections must
cover half of a true event (ground truth intersection criterion; sed_scores_eval, PSDS).

file formats:
  REFERENCE.csv   file,event_label,event_onset,event_offset     seconds; other columns are ignored
                  calls/a.wav,lamp,1.25,1.71                    file relative to --root
  EVENTS.csv      filename,event_onset,event_offset,event_label,score     as kws-detect writes it
                  calls/a.wav,1.264,1.696,lamp,-0.214                     relative to this folder
  LIST.csv        file,duration
                  calls/a.wav,61.5

REFERENCE and EVENTS may also be JSON lines, RTTM, Audacity labels, TextGrid or DCASE's tables.
Recordings are joined by path; by base name only where that is unique.

examples:
  kws-evaluate truth.csv events.csv --recordings recordings.csv
  kws-detect keywords.kws recordings --candidates -o candidates.csv
  kws-evaluate truth.csv candidates.csv --tune
  kws-evaluate truth.csv candidates.csv --tune --recordings recordings.csv --plot pictures
  kws-evaluate truth.csv events.csv --errors errors.csv

--plot writes precision-recall.png (and F over the threshold), false-alarms.png (missed events over
false alarms per hour; needs --recordings with durations) and confusion.png. Curves reach down to
the lowest score in EVENTS. --errors names the events that were missed, confused (found where
another keyword is), invented (found where nothing is) or moved (borders too far off).

Exit status: 0 done, 2 unusable input.
"""

NAMED_AT_MOST = 3
CURVES, ALARMS, CONFUSION = "precision-recall.png", "false-alarms.png", "confusion.png"


@dataclass(frozen=True)
class Inputs:
    """Truth and events with the same names for the same recordings."""

    reference: list[Event]
    events: list[Event]
    recordings: Mapping[str, float] | Sequence[str] | None


def main(argv: Sequence[str] | None = None) -> int:
    """Run kws-evaluate and return its exit status."""
    parser = base_parser("kws-evaluate", "Compares detected events with the truth.", EPILOG)
    parser.add_argument("reference", type=Path, metavar="REFERENCE.csv", help="the true events")
    parser.add_argument("events", type=Path, metavar="EVENTS.csv", help="what kws-detect found")
    parser.add_argument(
        "--recordings",
        type=Path,
        metavar="LIST.csv",
        help="every recording, also those without a keyword; needed for false alarms per hour",
    )
    parser.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="what files in REFERENCE and LIST are relative to (default: the folder of REFERENCE "
        "or its parent, the nearest that holds them)",
    )
    parser.add_argument(
        "--collar", type=positive_float, default=0.2, metavar="S", help="tolerance in seconds"
    )
    parser.add_argument(
        "--percentage-of-length",
        type=_share,
        default=0.5,
        metavar="X",
        help="tolerance of offsets as a share of the true length, 0 to 1",
    )
    parser.add_argument(
        "--segment",
        type=positive_float,
        default=1.0,
        metavar="S",
        help="length of segments in seconds (default: 1)",
    )
    parser.add_argument(
        "--overlap",
        type=_share_above_0,
        default=0.5,
        metavar="X",
        help="least share that is covered, intersection-based, above 0 up to 1 (default: 0.5)",
    )
    parser.add_argument(
        "--tune",
        action="store_true",
        help="find a threshold with a high F; EVENTS from kws-detect --candidates",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="REPORT.csv", help="write the table as CSV as well"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="DIR", help="draw curves and confusion, as .png files"
    )
    parser.add_argument(
        "--errors",
        type=Path,
        metavar="ERRORS.csv",
        help="write a table of what went wrong, worst first (--verbose shows it)",
    )
    add_force(parser)
    return run(_evaluate, parser, argv)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def _share_above_0(text: str) -> float:
    if not (value := _share(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return value


def _evaluate(args: argparse.Namespace) -> None:
    for path in _outputs(args):
        check_writable(path, args.force)
    inputs = _read(args)
    tolerance = {"collar_s": args.collar, "percentage_of_length": args.percentage_of_length}
    events, tuned = inputs.events, None
    if args.tune:
        if not events:
            raise InputError(f"{args.events}: no events; write them with kws-detect --candidates")
        unscored = sum(event.score is None for event in events)
        if unscored:
            what = f"{unscored} of {len(events)} events have no score; --tune needs one for each"
            raise InputError(f"{args.events}: {what} (kws-detect --candidates)")
        tuned = (
            tune_for_others(inputs.reference, events, **tolerance),
            tune(inputs.reference, events, **tolerance),
            tune_per_keyword(inputs.reference, events, **tolerance),
        )
        if not tuned[0].n_tp:
            args.console.warning("no event matches the reference at any threshold")
        events = [event for event in events if event.score >= tuned[0].threshold]
    result = evaluate(inputs.reference, events, inputs.recordings, **tolerance)
    segments = segment_counts(inputs.reference, events, args.segment)
    covered = intersection_counts(inputs.reference, events, dtc=args.overlap, gtc=args.overlap)
    found = outcomes(inputs.reference, events, **tolerance)
    if args.output is not None:
        _write(args.output, results.to_csv(result), args.force)
    if args.errors is not None:
        _write(args.errors, errors.to_csv(found), args.force)
    if args.plot is not None:
        _draw(args, inputs, found, result.duration_s, tolerance)
    if args.json:
        asked = {"reference": str(args.reference), "events": str(args.events), **tolerance}
        told = results.as_object(
            result, segments, covered, tuned, segment_s=args.segment, overlap=args.overlap
        )
        print(json.dumps(asked | told, indent=2))
        return
    print(results.table(result, **tolerance))
    print(f"\nsegment-based, {args.segment:g} s: {results.percent(micro_average(segments))}")
    print(f"intersection-based, {args.overlap:g}: {results.percent(micro_average(covered))}")
    if result.duration_s is None:
        args.console.info(
            "FA/h (false alarms per hour) needs --recordings LIST.csv (file,duration)"
        )
    if args.verbose:
        print("\n".join(["", *results.error_lines(found)]))
    if tuned:
        scores = [event.score for event in inputs.events]
        print("\n".join(["", *results.tuned_lines(*tuned, scores, verbose=args.verbose)]))
        args.console.info(
            "The threshold was chosen on these recordings; see how well it does on others."
        )


def _outputs(args: argparse.Namespace) -> list[Path]:
    outputs = [path for path in (args.output, args.errors) if path is not None]
    if args.plot is not None and args.plot.exists():
        outputs += [args.plot / name for name in (CURVES, ALARMS, CONFUSION)]
    elif args.plot is not None:
        outputs.append(args.plot)
    return outputs


def _read(args: argparse.Namespace) -> Inputs:
    # "." and ".." apart, names of the reference and the list are compared as they are.
    reference = [
        replace(event, filename=posixpath.normpath(event.filename))
        for event in read_events(args.reference)
    ]
    events = read_events(args.events)
    recordings = None if args.recordings is None else _recordings(args.recordings)
    names = {event.filename for event in reference}
    if recordings is not None:
        unlisted = sorted(names - set(recordings))
        if unlisted:
            raise InputError(
                f"{args.recordings}: lacks {unlisted[0]}, which {args.reference} has; add it"
            )
        names = set(recordings)
    root = args.root
    if root is None:
        root = nearest_root(args.reference, names)
    elif not root.is_dir():
        raise InputError(f"{root}: no such folder")
    args.console.detail(f"files of the reference are relative to {root or 'an unknown folder'}")
    joined = join_files(sorted(names), sorted({event.filename for event in events}), root)
    strange = [file for file, name in joined.items() if name is None]
    if strange:
        _tell_strange(args.console, strange, listed=recordings is not None)
    if recordings is not None:
        events = [event for event in events if joined[event.filename] is not None]
    events = [replace(e, filename=joined[e.filename] or e.filename) for e in events]
    return Inputs(reference, events, recordings)


def _recordings(path: Path) -> Mapping[str, float] | Sequence[str]:
    """Durations by recording, or only the recordings if the table has no durations."""
    durations: dict[str, float | None] = {}
    for row, fields in read_table(path, [("file", "filename")]):
        where = f"{path}:{row}"
        name = fields.get("file") or fields.get("filename")
        if not name:
            raise InputError(f"{where}: the file is empty")
        name = posixpath.normpath(name.replace("\\", "/"))
        if name in durations:
            raise InputError(f"{where}: {name} is there twice")
        durations[name] = None
        if "duration" in fields:
            durations[name] = number(where, "the duration", fields["duration"])
            if durations[name] <= 0:
                raise InputError(f"{where}: the duration {durations[name]:g} s is not above 0")
    if not durations:
        raise InputError(f"{path}: no recordings in it")
    return list(durations) if None in durations.values() else durations


def _tell_strange(console: Console, files: Sequence[str], *, listed: bool) -> None:
    lacking, so = ("the list", "left out") if listed else ("REFERENCE", "counted as false alarms")
    named = ", ".join(files[:NAMED_AT_MOST]) + (", ..." if len(files) > NAMED_AT_MOST else "")
    recordings = some(len(files), "recording")
    console.warning(f"events of {recordings} that {lacking} lacks are {so}: {named}")


def _draw(
    args: argparse.Namespace,
    inputs: Inputs,
    found: Sequence[Outcome],
    duration_s: float | None,
    tolerance: Mapping[str, float],
) -> None:
    from fewshot.plot import save
    from kws.pictures import confusion_figure, false_alarm_figure, threshold_figure

    args.plot.mkdir(exist_ok=True)
    save(confusion_figure(found), args.plot / CONFUSION, force=args.force)
    truth, events = inputs.reference, inputs.events
    if not events or any(event.score is None for event in events):
        args.console.info(f"{CONFUSION} only: curves need scores; see kws-detect --candidates")
        return
    figure = threshold_figure(truth, events, **tolerance)
    save(figure, args.plot / CURVES, force=args.force)
    if duration_s is None:
        args.console.info(f"no {ALARMS}: it needs --recordings LIST.csv (file,duration)")
    else:
        figure = false_alarm_figure(truth, events, duration_s, **tolerance)
        save(figure, args.plot / ALARMS, force=args.force)
    if not args.tune:
        what = "the curves end at the lowest score in EVENTS"
        args.console.info(f"{what}; for whole ones use kws-detect --candidates, and --tune here")


def _write(path: Path, text: str, force: bool) -> None:
    with write_whole(path, force=force) as temporary:
        temporary.write_text(text, "utf-8", "backslashreplace", newline="\n")
