"""osc-classify: clips or recordings in, answers or events out."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.console import (
    Problems,
    add_force,
    add_threads,
    base_parser,
    check_writable,
    finite_float,
    positive_float,
    positive_int,
    progress,
    run,
    use_threads,
    write_whole,
)
from fewshot.errors import InputError, some
from fewshot.event_files import add_output, check_outputs, counted, plan, write
from fewshot.events import CSV_HEADER, LIVE_LINES
from fewshot.inputs import STDIN, recordings, standard_input
from fewshot.tables import csv_text
from osc.config import UNKNOWN, WINDOW_STEPS

if TYPE_CHECKING:
    from fewshot.events import Event
    from osc.classifier import OpenSetClassifier
    from osc.monitor import Monitor

COLUMNS = ("filename", "label", "score", "runner_up", "runner_up_score")
TABLES = ("csv", "jsonl")
RATE = 16000
"""Of raw standard input."""
BATCH = 32
"""Files that are read and answered at a time."""

EPILOG = f"""\
examples:
  osc-classify alarms.osc kitchen.wav hall.wav         a table on standard output
  osc-classify alarms.osc clips -o answers.csv
  osc-classify alarms.osc evening.flac --monitor       when which alarm rang
  osc-classify alarms.osc recordings --monitor -o events.csv
  osc-classify alarms.osc evening.flac --monitor -o evening.TextGrid
  arecord -q -r 16000 -f S16_LE -c 1 -t raw | osc-classify alarms.osc - --monitor

Answers are filename,label,score,runner_up,runner_up_score. The label is a class, or "{UNKNOWN}"
where the score is below the model's threshold; a higher score is more surely known. Runner-up is
the next class with its similarity; of a clip that is unknown, the nearest class. Of files longer
than the model's clips the loudest part counts.

--monitor slides a window over recordings of any length and writes events, neighbouring windows of
one class together: csv (filename,event_onset,event_offset,event_label,score; seconds), jsonl, rttm,
and, one file per recording, audacity (.txt) and textgrid (.TextGrid, for Praat). - reads WAV or
raw 16-bit little-endian mono from standard input and prints each event as soon as it is over; csv
or jsonl.

Exit status: 0 done, 1 some files failed (each is named), 2 nothing done, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run osc-classify and return its exit status."""
    parser = base_parser(
        "osc-classify", 'Says which class of a model sounds are of, or "unknown".', EPILOG
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file of osc-train")
    parser.add_argument(
        "inputs", nargs="+", metavar="FILE_OR_FOLDER", help="sound files, or folders of them"
    )
    add_output(parser)
    parser.add_argument(
        "--threshold",
        type=finite_float,
        metavar="X",
        help="least score of a known class (default: the model's own)",
    )
    parser.add_argument("--monitor", action="store_true", help="look for events in long recordings")
    parser.add_argument(
        "--window",
        type=positive_float,
        metavar="S",
        help="with --monitor: its window in seconds (default: the length of the model's clips)",
    )
    parser.add_argument(
        "--hop",
        type=positive_float,
        metavar="S",
        help="with --monitor: step of the window in seconds (default: "
        f"one part in {WINDOW_STEPS} of it)",
    )
    parser.add_argument(
        "--rate",
        type=positive_int,
        metavar="HZ",
        help=f"sampling rate of raw standard input (default: {RATE})",
    )
    add_threads(parser)
    add_force(parser)
    return run(_classify, parser, argv)


def _classify(args: argparse.Namespace) -> int:
    if not args.monitor:
        for option in ("window", "hop", "rate"):
            if getattr(args, option) is not None:
                raise InputError(f"--{option} belongs to --monitor")
        if STDIN in args.inputs:
            raise InputError("standard input is listened to with --monitor")
    problems = Problems(args.console)
    durations = recordings(args.inputs, problems.add)
    if not durations:
        return problems.status(0)
    return (_monitor if args.monitor else _answer)(args, durations, problems)


def _model(args: argparse.Namespace) -> "OpenSetClassifier":
    use_threads(args.threads)
    from osc.classifier import OpenSetClassifier

    model = OpenSetClassifier.load(args.model)
    return model if args.threshold is None else model.set_threshold(args.threshold)


def _answer(args: argparse.Namespace, durations: dict[str, float], problems: Problems) -> int:
    format = _table_format(args)
    if args.output is not None:
        check_writable(args.output, args.force)
    model = _model(args)
    rows, names = [], list(durations)
    with progress(total=len(names), desc="file", quiet=args.quiet) as bar:
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            rows += _rows_of(model, batch, problems)
            bar.update(len(batch))
    text = _table(rows, format)
    if not rows:
        return problems.status(0)
    if args.output is None:
        sys.stdout.write(text)
    else:
        with write_whole(args.output, force=args.force) as temporary:
            temporary.write_text(text, "utf-8", "backslashreplace", newline="\n")
    known = sum(row[1] != model.unknown_label for row in rows)
    args.console.info(f"{some(len(rows), 'file')}: {known} known, {len(rows) - known} unknown")
    return problems.status(len(rows))


def _table_format(args: argparse.Namespace) -> str:
    format = args.output_format
    if format is None:
        suffix = "" if args.output is None else args.output.suffix.lower()
        format = suffix.lstrip(".") or "csv"
    if format not in TABLES:
        raise InputError(f"answers are written as csv or jsonl, not {format}; events: --monitor")
    return format


def _rows_of(
    model: "OpenSetClassifier", names: Sequence[str], problems: Problems
) -> list[tuple[Any, ...]]:
    """Answers to the files that can be read; the others are named."""
    import numpy as np

    from osc.sounds import load

    good, waveforms = [], []
    for name in names:
        try:
            waveforms.append(load(name, name, model.length_s, highpass=model.highpass))
            good.append(name)
        except InputError as error:
            problems.add(error)
    if not good:
        return []
    similarities = model.similarities_of(waveforms)
    answers, scores = model.answers_of(similarities), model.scores_of(similarities)
    n_known = len(model.classes_)
    rows = []
    for name, answer, score, own in zip(good, answers, scores, similarities, strict=True):
        others = dict(zip(model.classes_.tolist(), own[:n_known].tolist(), strict=True))
        if answer != model.unknown_label:
            del others[answer.item()]
            if len(own) > n_known:
                others[model.unknown_label] = float(np.max(own[n_known:]))
        runner_up = max(others, key=others.__getitem__) if others else ""
        rows.append((name, answer.item(), float(score), runner_up, others.get(runner_up)))
    return rows


def _table(rows: Sequence[tuple[Any, ...]], format: str) -> str:
    if format == "jsonl":
        lines = (dict(zip(COLUMNS, map(_rounded, row), strict=True)) for row in rows)
        return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    return csv_text([COLUMNS, *([_text(value) for value in row] for row in rows)])


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _rounded(value: object) -> object:
    return float(_text(value)) if isinstance(value, float) else value


def _monitor(args: argparse.Namespace, durations: dict[str, float], problems: Problems) -> int:
    format, targets = plan(args.output, args.output_format, list(durations))
    check_outputs((target.path for target in targets), args.output, args.force)
    model = _model(args)
    from osc.monitor import Monitor

    monitor = Monitor(model, window_s=args.window, hop_s=args.hop)
    if STDIN in durations:
        live = format if format in LIVE_LINES and not targets else None
        found = {STDIN: _follow(monitor, args.rate or RATE, live)}
        durations[STDIN] = monitor.duration_s
    else:
        live = None
        found = _watch(model, args, durations, problems)
    if not found:
        return problems.status(0)
    if live is None:
        write(format, targets, found, durations, args.force)
    args.console.info(counted(found))
    return problems.status(len(found))


def _follow(monitor: "Monitor", rate: int, live: str | None) -> list["Event"]:
    """Listen to standard input; events are printed as they come in the format `live`."""
    from osc.monitor import follow

    blocks = standard_input(rate, highpass=monitor.model.highpass)
    if live == "csv":
        print(CSV_HEADER, flush=True)
    events = []
    for event in follow(monitor, blocks, STDIN):
        events.append(event)
        if live is not None:
            print(LIVE_LINES[live](event), flush=True)
    return events


def _watch(
    model: "OpenSetClassifier",
    args: argparse.Namespace,
    durations: dict[str, float],
    problems: Problems,
) -> dict[str, list["Event"]]:
    """Events of each recording; those that fail are named and left out."""
    from osc.monitor import watch

    found = {}
    with progress(total=int(sum(durations.values())), desc="seconds", quiet=args.quiet) as bar:
        before = 0.0
        for name, duration_s in durations.items():
            try:
                found[name] = watch(
                    model,
                    name,
                    window_s=args.window,
                    hop_s=args.hop,
                    progress=lambda done_s, before=before: bar.update(int(before + done_s) - bar.n),
                )
            except InputError as error:
                problems.add(error)
            before += duration_s
    return found
