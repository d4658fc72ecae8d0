"""asd-prepare: what a folder of recordings holds, and what is missing."""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asd.config import FIRST_YEAR, LAST_YEAR
from fewshot.console import (
    Problems,
    add_force,
    base_parser,
    check_writable,
    existing_path,
    progress,
    run,
    write_whole,
)
from fewshot.errors import InputError, one_line
from fewshot.tables import csv_text

if TYPE_CHECKING:
    from asd.dataset import Clip
    from asd.inventory import Holding
    from fewshot.audio import AudioInfo

LAYOUTS = {
    "challenge": "layout of the DCASE challenge, Task 2",
    "folder": "a folder of normal clips of one machine",
    "table": "a table of clips",
}

EPILOG = """\
examples:
  asd-prepare --check dev_data                 dev_data/fan/train, dev_data/fan/test, ...
  asd-prepare --check dcase2023 --year 2023    dev_data and eval_data below it; what lacks of 2023
  asd-prepare --check pump                     any folder of clips of a healthy machine
  asd-prepare pump -o pump.csv                 the same as a table, to fill in what you know

Layouts: that of DCASE Task 2 of 2020 to 2025 (<machine>/train, <machine>/test, ...); any other
folder, whose clips are all taken for normal ones of one machine; a CSV with the columns
filename,machine and, where you know them, section, domain (source or target), split (train or
test), condition (normal or anomaly) and attributes (key=value, divided by blanks).

Exit status: 0 done, 1 some files were left out (each is named), 2 nothing usable, 130 interrupted.
What is missing is told, but is no failure.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run asd-prepare and return its exit status."""
    parser = base_parser(
        "asd-prepare", "Finds the recordings of machines and says what is missing.", EPILOG
    )
    parser.add_argument(
        "data", type=existing_path, metavar="DIR", help="folder of clips, or a CSV that lists them"
    )
    parser.add_argument(
        "--check", action="store_true", help="say what is there and what is missing"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="CLIPS.csv", help="write the clips as a table"
    )
    parser.add_argument(
        "--root", type=existing_path, metavar="DIR", help="what the CSV's files are relative to"
    )
    parser.add_argument(
        "--year",
        type=int,
        choices=range(FIRST_YEAR, LAST_YEAR + 1),
        help="also name the machines of this year's challenge that are not there",
    )
    add_force(parser)
    return run(_prepare, parser, argv)


def _prepare(args: argparse.Namespace) -> int:
    if not args.check and args.output is None:
        raise InputError("nothing to do; say --check or -o CLIPS.csv")
    if args.output is not None:
        check_writable(args.output, args.force)
    from asd.dataset import read_dataset, table_of
    from asd.inventory import holdings, lacking

    problems = Problems(args.console)
    dataset = read_dataset(args.data, args.root)
    for problem in dataset.problems:
        problems.add(problem)
    clips, infos = _readable(dataset.clips, problems)
    if args.check and clips:
        held = holdings(clips)
        print(f"{len(clips)} clips, {LAYOUTS[dataset.layout]}: {_sounds(infos)}")
        print("\n".join(_table(held)))
        missing = lacking(held, args.year)
        print("\n".join(["", "missing:", *(f"  {line}" for line in missing)]) if missing else "")
    if args.output is not None and clips:
        text = csv_text(table_of(clips, args.output.parent))
        with write_whole(args.output, force=args.force) as temporary:
            temporary.write_text(text, "utf-8", "surrogateescape", newline="\n")
    return problems.status(len(clips))


def _readable(clips: "Sequence[Clip]", problems: Problems) -> "tuple[list[Clip], list[AudioInfo]]":
    """Clips with a header that says how they sound and that they are not empty."""
    from fewshot import audio

    good, infos = [], []
    for clip in progress(clips, desc="clip", quiet=problems.console.quiet):
        try:
            info = audio.info(clip.path)
            if not info.duration_s:
                raise InputError(f"{clip.path}: empty; record it again")
        except InputError as error:
            problems.add(f"{clip.where}: {error}" if clip.where else error)
            continue
        good.append(clip)
        infos.append(info)
    return good, infos


def _sounds(infos: "Sequence[AudioInfo]") -> str:
    rates = sorted({info.sample_rate for info in infos})
    channels = sorted({info.channels for info in infos})
    shortest, longest = (of(info.duration_s for info in infos) for of in (min, max))
    length = f"{shortest:.4g}" if shortest == longest else f"{shortest:.4g} to {longest:.4g}"
    return (
        f"{length} s, {', '.join(map(str, rates))} Hz, {', '.join(map(str, channels))} "
        f"channel{'' if channels == [1] else 's'}"
    )


def _table(held: "Sequence[Holding]") -> Iterator[str]:
    from asd.names import ANOMALY, NORMAL, SOURCE, TARGET

    width = max(len("machine"), *(len(one_line(holding.machine)) for holding in held))
    yield (
        f"\n{'machine':<{width}}  section {'train':>15}{'test normal':>15}{'anomalous':>15}"
        f"{'unlabelled':>12}{'extra':>7}{'classes':>9}"
    )
    for holding in held:
        labelled = [
            Counter({d: n for (d, c), n in holding.test.items() if c == condition})
            for condition in (NORMAL, ANOMALY)
        ]
        unlabelled = sum(n for (_, condition), n in holding.test.items() if condition is None)
        counts = "".join(
            f"{_divided(part, (SOURCE, TARGET)):>15}" for part in (holding.train, *labelled)
        )
        yield (
            f"{one_line(holding.machine):<{width}}  {holding.section:<7} {counts}"
            f"{unlabelled:>12}{holding.supplemental:>7}{holding.n_classes:>9}"
        )
    yield "\ntwo numbers: source + target; classes: different attributes and domains in training"


def _divided(counts: Counter, domains: tuple[str, str]) -> str:
    if not any(counts[domain] for domain in domains):
        return str(counts.total())
    return " + ".join(str(counts[domain]) for domain in domains)
