"""asd-score: clips in, anomaly scores and decisions out."""

import argparse
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fewshot.console import (
    Problems,
    add_force,
    add_threads,
    base_parser,
    check_writable,
    progress,
    run,
    use_threads,
    write_whole,
)
from fewshot.errors import InputError

if TYPE_CHECKING:
    from asd.dataset import Clip
    from asd.model import MachineModel

COLUMNS = ("filename", "machine", "section", "score", "threshold", "decision")

EPILOG = """\
examples:
  asd-score pump.asd today.wav yesterday.wav          a table on standard output
  asd-score pump.asd recordings -o scores.csv
  asd-score machines.asd dev_data -o scores.csv       the test clips of a data set
  asd-evaluate scores.csv --truth dev_data --year 2023

Output: filename,machine,section,score,threshold,decision. A higher score is more anomalous; the
decision is 1 (anomalous) where the score is above the threshold, else 0.

Of a folder in a layout of the challenge, or a CSV as asd-train reads it, the test clips are scored,
or all if it has none. A model of one machine takes every clip for that machine; one of several goes
by the challenge's names of files and folders, by the CSV, or by --machine and --section.

Exit status: 0 done, 1 some clips failed (each is named), 2 nothing done, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run asd-score and return its exit status."""
    parser = base_parser("asd-score", "Says how anomalous clips of a machine sound.", EPILOG)
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file of asd-train")
    parser.add_argument(
        "inputs", nargs="+", metavar="FILE_OR_FOLDER", help="sound files, folders of them, CSVs"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="SCORES.csv", help="write the table to a file"
    )
    parser.add_argument("--machine", metavar="NAME", help="machine that the clips are of")
    parser.add_argument("--section", metavar="NN", help="section that the clips are of")
    add_threads(parser)
    add_force(parser)
    return run(_score, parser, argv)


def _score(args: argparse.Namespace) -> int:
    if args.output is not None:
        check_writable(args.output, args.force)
    use_threads(args.threads)
    from asd.model import MachineModel

    model = MachineModel.load(args.model)
    if args.machine is not None or args.section is not None:
        _check_known(model, args)
    problems = Problems(args.console)
    clips = list(_clips(args.inputs, problems))
    rows = []
    for clip in progress(clips, desc="clip", quiet=args.quiet):
        try:
            rows.append(_row(model, clip, args))
        except InputError as error:
            problems.add(f"{clip.where}: {error}" if clip.where else error)
    if not rows:
        return problems.status(0)
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([COLUMNS, *rows])
    if args.output is None:
        sys.stdout.write(buffer.getvalue())
    else:
        with write_whole(args.output, force=args.force) as temporary:
            temporary.write_text(buffer.getvalue(), "utf-8", "surrogateescape", newline="\n")
    found = sum(row[-1] for row in rows)
    args.console.info(f"{len(rows)} clip{'s' * (len(rows) != 1)}: {found} anomalous")
    return problems.status(len(rows))


def _check_known(model: "MachineModel", args: argparse.Namespace) -> None:
    """Refuse a machine or a section that the model does not know at all."""
    for option, told, place in (("machine", args.machine, 0), ("section", args.section, 1)):
        known = sorted({key[place] for key in model.sections})
        if told is not None and told not in known:
            raise InputError(f"--{option} {told}: the model knows {', '.join(known)}")


def _clips(inputs: Sequence[str], problems: Problems) -> "Iterator[Clip]":
    """Clips of all inputs, each file once; what cannot be found is named."""
    from asd.dataset import clip_of_file, read_dataset
    from asd.names import TEST

    seen = set()
    for text in dict.fromkeys(inputs):
        path = Path(text)
        try:
            if path.is_dir() or path.suffix.lower() in {".csv", ".tsv", ".txt"}:
                dataset = read_dataset(path)
                for problem in dataset.problems:
                    problems.add(problem)
                tests = [clip for clip in dataset.clips if clip.split == TEST]
                found = tests or dataset.clips
            else:
                found = [clip_of_file(path)]
        except InputError as error:
            problems.add(error)
            continue
        for clip in found:
            if clip.path not in seen:
                seen.add(clip.path)
                yield clip


def _row(model: "MachineModel", clip: "Clip", args: argparse.Namespace) -> tuple:
    machine, section = args.machine, args.section
    if len(model.sections) > 1:
        machine, section = machine or clip.machine, section or clip.section
    try:
        key = model.key_of(machine, section)
    except InputError as error:
        raise InputError(f"{clip.path}: {error}; see --machine and --section") from error
    score = float(model.score([clip.path], *key)[0])
    threshold = model.thresholds[key]
    return (clip.path.as_posix(), *key, repr(score), repr(threshold), int(score > threshold))
