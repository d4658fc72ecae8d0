"""asd-score: clips or recordings in, anomaly scores and decisions, or events, out."""

import argparse
import csv
import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd.commands.clips import add_machine, check_known, find_clips, key_of
from asd.config import WINDOW_S
from fewshot.console import (
    Problems,
    add_force,
    add_threads,
    base_parser,
    check_writable,
    positive_float,
    positive_int,
    progress,
    run,
    use_threads,
    write_whole,
)
from fewshot.errors import InputError
from fewshot.event_files import add_output, check_outputs, files_in, plan, write
from fewshot.events import CSV_HEADER, Event, csv_line, jsonl_line
from fewshot.inputs import STDIN, recordings, standard_input

if TYPE_CHECKING:
    from asd.dataset import Clip
    from asd.model import MachineModel
    from asd.monitor import Watched

COLUMNS = ("filename", "machine", "section", "score", "threshold", "decision")
CURVE_COLUMNS = ("filename", "time", "score", "threshold")
OF_MONITOR = ("output_format", "window", "hop", "scores_out", "plot", "rate")
"""Options that mean nothing without --monitor."""
LIVE_LINES = {"csv": csv_line, "jsonl": jsonl_line}
RATE = 16000

EPILOG = """\
examples:
  asd-score pump.asd today.wav yesterday.wav          a table on standard output
  asd-score pump.asd recordings -o scores.csv
  asd-score machines.asd dev_data -o scores.csv       the test clips of a data set
  asd-evaluate scores.csv --truth dev_data --year 2023
  asd-score pump.asd night.flac --monitor -o night.csv --plot night.png
  arecord -q -r 16000 -f S16_LE -c 1 -t raw | asd-score pump.asd - --monitor

Output: filename,machine,section,score,threshold,decision. A higher score is more anomalous; the
decision is 1 (anomalous) where the score is above the threshold, else 0.

Of a folder in a layout of the challenge, or a CSV as asd-train reads it, the test clips are scored,
or all if it has none. A model of one machine takes every clip for that machine; one of several goes
by the challenge's names of files and folders, by the CSV, or by --machine and --section.

--monitor slides a window over recordings of any length, all of one machine and section, and writes
events where scores are above the threshold, neighbouring windows together: csv
(filename,event_onset,event_offset,event_label,score; seconds), jsonl, rttm, and, one file per
recording, audacity (.txt) and textgrid (.TextGrid, for Praat). --window should be about as long as
the clips that the model learnt from. - reads WAV or raw 16-bit little-endian mono from standard
input and prints each event as soon as it is over; csv or jsonl.

Exit status: 0 done, 1 some clips failed (each is named), 2 nothing done, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run asd-score and return its exit status."""
    parser = base_parser("asd-score", "Says how anomalous clips of a machine sound.", EPILOG)
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file of asd-train")
    parser.add_argument(
        "inputs", nargs="+", metavar="FILE_OR_FOLDER", help="sound files, folders of them, CSVs"
    )
    add_output(parser)
    add_machine(parser)
    parser.add_argument("--monitor", action="store_true", help="look for events in long recordings")
    _add_monitor(parser)
    add_threads(parser)
    add_force(parser)
    return run(_run, parser, argv)


def _add_monitor(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("with --monitor")
    group.add_argument(
        "--window",
        type=positive_float,
        metavar="S",
        help=f"length of the window in seconds (default: {WINDOW_S:g})",
    )
    group.add_argument(
        "--hop",
        type=positive_float,
        metavar="S",
        help="step of the window in seconds (default: half of it)",
    )
    group.add_argument(
        "--scores-out",
        type=Path,
        metavar="CSV",
        help=f"write the score of every window: {','.join(CURVE_COLUMNS)}",
    )
    group.add_argument(
        "--plot",
        type=Path,
        metavar="PNG",
        help="draw spectrogram, scores and events; of several recordings, a folder",
    )
    group.add_argument(
        "--rate",
        type=positive_int,
        metavar="HZ",
        help=f"sampling rate of raw standard input (default: {RATE})",
    )


def _run(args: argparse.Namespace) -> int:
    if args.monitor:
        return _monitor(args)
    for name in OF_MONITOR:
        if getattr(args, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} belongs to --monitor")
    return _score(args)


# --- clips ------------------------------------------------------------------------------------


def _score(args: argparse.Namespace) -> int:
    if args.output is not None:
        check_writable(args.output, args.force)
    use_threads(args.threads)
    from asd.dataset import clip_error
    from asd.model import MachineModel

    model = MachineModel.load(args.model)
    check_known(model, args)
    problems = Problems(args.console)
    clips = list(find_clips(args.inputs, problems))
    rows = []
    for clip in progress(clips, desc="clip", quiet=args.quiet):
        try:
            rows.append(_row(model, clip, args))
        except InputError as error:
            problems.add(clip_error(clip, error))
    if not rows:
        return problems.status(0)
    text = _table([COLUMNS, *rows])
    if args.output is None:
        sys.stdout.write(text)
    else:
        _write(args.output, text, args.force)
    found = sum(row[-1] for row in rows)
    args.console.info(f"{len(rows)} clip{'s' * (len(rows) != 1)}: {found} anomalous")
    return problems.status(len(rows))


def _table(rows: Iterable[tuple]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(path: Path, text: str, force: bool) -> None:
    with write_whole(path, force=force) as temporary:
        temporary.write_text(text, "utf-8", "surrogateescape", newline="\n")


def _row(model: "MachineModel", clip: "Clip", args: argparse.Namespace) -> tuple:
    key = key_of(model, clip, args)
    score = float(model.score([clip.path], *key)[0])
    threshold = model.thresholds[key]
    return (clip.path.as_posix(), *key, repr(score), repr(threshold), int(score > threshold))


# --- events -----------------------------------------------------------------------------------


def _monitor(args: argparse.Namespace) -> int:
    problems = Problems(args.console)
    durations = recordings(args.inputs, problems.add)
    if not durations:
        return problems.status(0)
    format, targets = plan(args.output, args.output_format, list(durations))
    pictures = _pictures(args.plot, list(durations))
    tables = [] if args.scores_out is None else [args.scores_out]
    paths = [*(target.path for target in targets), *pictures.values(), *tables]
    if len(set(paths)) < len(paths):
        raise InputError(f"{args.scores_out}: is named twice as an output; give two names")
    check_outputs(paths, args.output, args.force)
    use_threads(args.threads)
    from asd.model import MachineModel

    watching = _watching(MachineModel.load(args.model), args)
    if STDIN in durations:
        live = format if format in LIVE_LINES and not targets else None
        watched = _follow(watching, args, live)
        found, durations[STDIN] = {STDIN: watched}, watched.duration_s
    else:
        live = None
        found = _watch_files(watching, args, durations, pictures, problems)
    if not found:
        return problems.status(0)
    events = {
        name: [replace(event, filename=name) for event in watched.events]
        for name, watched in found.items()
    }
    if live is None:
        write(format, targets, events, durations, args.force)
    if args.scores_out is not None:
        _write(args.scores_out, _table(_curve_rows(found)), args.force)
    count = sum(map(len, events.values()))
    args.console.info(
        f"{count} event{'s' * (count != 1)} in {len(found)} recording{'s' * (len(found) != 1)}"
    )
    return problems.status(len(found))


def _pictures(path: Path | None, names: Sequence[str]) -> dict[str, Path]:
    """Where each recording is drawn."""
    if path is None:
        return {}
    if STDIN in names:
        raise InputError("--plot reads the sound once more; give it files, not standard input")
    if path.suffix.lower() != ".png" or path.is_dir():
        return files_in(path, names, ".png")
    if len(names) > 1:
        raise InputError(f"{path}: a picture shows one recording; give --plot a folder")
    return {names[0]: path}


def _watching(model: "MachineModel", args: argparse.Namespace) -> dict[str, Any]:
    """What `asd.monitor.Monitor` is told."""
    from asd.monitor import Monitor

    try:
        machine, section = model.key_of(args.machine, args.section)
    except InputError as error:
        raise InputError(f"{error}; see --machine and --section") from error
    window_s = WINDOW_S if args.window is None else args.window
    told = {"model": model, "machine": machine, "section": section}
    told |= {"window_s": window_s, "hop_s": args.hop}
    # A window or step out of range is refused here, before any work.
    Monitor(**told)
    return told


def _follow(watching: Mapping[str, Any], args: argparse.Namespace, live: str | None) -> "Watched":
    """Watch standard input; events are printed as they come in the format `live`."""
    from asd.monitor import Monitor, follow

    def show(event: Event) -> None:
        if live is not None:
            print(LIVE_LINES[live](replace(event, filename=STDIN)), flush=True)

    blocks = standard_input(args.rate or RATE, highpass=False)
    if live == "csv":
        print(CSV_HEADER, flush=True)
    return follow(Monitor(**watching), blocks, on_event=show)


def _watch_files(
    watching: Mapping[str, Any],
    args: argparse.Namespace,
    durations: Mapping[str, float],
    pictures: Mapping[str, Path],
    problems: Problems,
) -> "dict[str, Watched]":
    """What was heard in each recording; those that fail are named and left out."""
    from asd.monitor import watch

    found, before = {}, 0.0
    with progress(total=int(sum(durations.values())), desc="seconds", quiet=args.quiet) as bar:
        for name, duration_s in durations.items():

            def advance(done_s: float, before: float = before) -> None:
                bar.update(int(before + done_s) - bar.n)

            try:
                watched = watch(recording=name, on_progress=advance, **watching)
                if name in pictures:
                    _draw(name, watched, pictures[name], args.force)
                found[name] = watched
            except InputError as error:
                problems.add(error)
            before += duration_s
    return found


def _draw(name: str, watched: "Watched", path: Path, force: bool) -> None:
    from asd.pictures import recording_figure
    from fewshot.plot import save

    path.parent.mkdir(exist_ok=True)
    save(recording_figure(name, watched), path, force=force)


def _curve_rows(found: "Mapping[str, Watched]") -> Iterator[tuple]:
    yield CURVE_COLUMNS
    for name, watched in found.items():
        for time_s, score in zip(watched.times_s.tolist(), watched.scores.tolist(), strict=True):
            yield name, f"{time_s:.3f}", repr(score), repr(watched.threshold)
