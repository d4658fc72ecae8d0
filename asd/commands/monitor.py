"""What asd-score does with --monitor: recordings of any length in, events out."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asd.commands.clips import load_model, write_text
from asd.config import WINDOW_S
from fewshot.console import Problems, positive_float, positive_int, progress, use_threads
from fewshot.errors import InputError
from fewshot.event_files import check_outputs, counted, files_in, plan, write
from fewshot.events import CSV_HEADER, LIVE_LINES, Event
from fewshot.inputs import STDIN, recordings, standard_input
from fewshot.tables import csv_text

if TYPE_CHECKING:
    from asd.model import MachineModel
    from asd.monitor import Watched

CURVE_COLUMNS = ("filename", "time", "score", "threshold")
OPTIONS = ("output_format", "window", "hop", "scores_out", "plot", "rate")
"""Options that mean nothing without --monitor."""
RATE = 16000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that belong to --monitor."""
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


def refuse_options(args: argparse.Namespace) -> None:
    """InputError for an option that means nothing without --monitor."""
    for name in OPTIONS:
        if getattr(args, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} belongs to --monitor")


def monitor(args: argparse.Namespace) -> int:
    """Write the events of long recordings and return the exit status."""
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
    watching = _watching(load_model(args), args)
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
        write_text(args.scores_out, csv_text(_curve_rows(found)), args.force)
    args.console.info(counted(events))
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
