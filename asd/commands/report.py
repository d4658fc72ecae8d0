"""asd-report: scores in, an HTML page about them out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from asd.config import FIRST_YEAR, LAST_YEAR
from fewshot.console import (
    add_force,
    base_parser,
    check_writable,
    existing_path,
    progress,
    run,
    write_whole,
)
from fewshot.errors import InputError, some

STRICTEST_YEAR = 2022
"""What the truth is read as where no year is told: one list of that year has wrong labels."""
SUFFIXES = (".html", ".htm")

EPILOG = """\
examples:
  asd-report scores.csv --truth dev_data --year 2023 -o report.html
  asd-report fan.csv pump.csv -o report.html                 histograms and thresholds
  asd-report scores.csv --truth clips.csv --pictures maps -o report.html

The page holds, of each machine and section, the histogram of the scores with the threshold and,
with --truth, ROC curves with the area of pAUC tinted, the official figures of a year, as
asd-evaluate prints them, and the clips with the worst scores. It needs no other file.

SCORES and the truth are what asd-evaluate reads; several SCORES are taken together, as parts of one
system. The threshold is that of asd-score's tables.

--pictures embeds PNG files, such as maps of what was important, made elsewhere: <clip>.png or
<machine>_section_<nn>.png; where several machines have a clip of one name, <machine>/<clip>.png.

Exit status: 0 done, 2 unusable input, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run asd-report and return its exit status."""
    parser = base_parser("asd-report", "Writes an HTML page about anomaly scores.", EPILOG)
    parser.add_argument(
        "scores",
        nargs="+",
        type=existing_path,
        metavar="SCORES",
        help="table of asd-score, or folder of score files",
    )
    parser.add_argument(
        "--truth", type=existing_path, metavar="DIR", help="which clips are anomalous"
    )
    parser.add_argument(
        "--year",
        type=int,
        choices=range(FIRST_YEAR, LAST_YEAR + 1),
        help=f"the challenge whose definitions hold (default: {LAST_YEAR}, or {FIRST_YEAR} where "
        "the truth tells no domains)",
    )
    parser.add_argument(
        "--machine",
        action="append",
        metavar="NAME",
        help="only this machine, of truth and scores (repeatable)",
    )
    parser.add_argument("--pictures", type=existing_path, metavar="DIR", help="PNG files to embed")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="REPORT.html", help="the page"
    )
    add_force(parser)
    return run(_report, parser, argv)


def _report(args: argparse.Namespace) -> None:
    if args.output.suffix.lower() not in SUFFIXES:
        raise InputError(f"{args.output}: the name must end in {' or '.join(SUFFIXES)}")
    if args.year is not None and args.truth is None:
        raise InputError("--year belongs to --truth")
    check_writable(args.output, args.force)
    from asd.evaluation import read_scores, read_truth
    from asd.report import html_report, read_pictures

    scored = [clip for clip in read_scores(*args.scores) if _wanted(args, clip.machine)]
    if not scored:
        raise InputError(f"{args.scores[0]}: no scores of {', '.join(args.machine)} in it")
    truth, year = None, args.year
    if args.truth is not None:
        truth = read_truth(args.truth, STRICTEST_YEAR if year is None else year)
        truth = [clip for clip in truth if _wanted(args, clip.machine)]
        if year is None:
            year = LAST_YEAR if any(clip.domain for clip in truth) else FIRST_YEAR
    pictures = None
    if args.pictures is not None:
        pictures, strangers = read_pictures(args.pictures, scored)
        for path in strangers:
            args.console.warning(f"{path}: named like no clip and no section; left out")
    n_sections = len({(clip.machine, clip.section) for clip in scored})
    with progress(total=n_sections, desc="section", quiet=args.quiet) as bar:
        page = html_report(_title(args.scores), scored, truth, year, pictures, bar.update)
    with write_whole(args.output, force=args.force) as temporary:
        temporary.write_text(page, "utf-8", newline="\n")
    args.console.info(f"wrote {args.output}: {some(n_sections, 'section')}")


def _wanted(args: argparse.Namespace, machine: str) -> bool:
    return args.machine is None or machine in args.machine


def _title(paths: Sequence[Path]) -> str:
    return f"Anomaly scores: {', '.join(path.name or str(path) for path in paths)}"
