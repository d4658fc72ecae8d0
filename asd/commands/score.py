"""asd-score: clips or recordings in, anomaly scores and decisions, or events, out."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asd.commands.clips import (
    add_machine,
    check_known,
    find_clips,
    key_of,
    load_model,
    write_text,
)
from asd.commands.monitor import add_options, monitor, refuse_options
from fewshot.console import (
    Problems,
    add_device,
    add_force,
    add_threads,
    base_parser,
    check_writable,
    progress,
    run,
    use_threads,
)
from fewshot.errors import InputError, some
from fewshot.event_files import add_output
from fewshot.tables import csv_text

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
    add_options(parser)
    add_device(parser)
    add_threads(parser)
    add_force(parser)
    return run(_run, parser, argv)


def _run(args: argparse.Namespace) -> int:
    if args.monitor:
        return monitor(args)
    refuse_options(args)
    return _score(args)


def _score(args: argparse.Namespace) -> int:
    if args.output is not None:
        check_writable(args.output, args.force)
    use_threads(args.threads)
    from asd.dataset import clip_error

    model = load_model(args)
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
    text = csv_text([COLUMNS, *rows])
    if args.output is None:
        sys.stdout.write(text)
    else:
        write_text(args.output, text, args.force)
    found = sum(row[-1] for row in rows)
    args.console.info(f"{some(len(rows), 'clip')}: {found} anomalous")
    return problems.status(len(rows))


def _row(model: "MachineModel", clip: "Clip", args: argparse.Namespace) -> tuple:
    key = key_of(model, clip, args)
    score = float(model.score([clip.path], *key)[0])
    threshold = model.thresholds[key]
    return (clip.path.as_posix(), *key, repr(score), repr(threshold), int(score > threshold))
