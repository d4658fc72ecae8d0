"""asd-evaluate: the official figures of anomaly scores, and the papers' own."""

import argparse
import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asd.config import FIRST_YEAR, LAST_YEAR
from fewshot.console import (
    Problems,
    add_force,
    base_parser,
    check_writable,
    existing_path,
    run,
    write_whole,
)
from fewshot.errors import InputError, one_line

if TYPE_CHECKING:
    from asd.evaluation import Official, OwnDomain

OFFICIAL, OWN = "official", "own-domain"
SUFFIXES = (".csv", ".json")
COLUMNS = ("system", "definition", "machine", "section", "mean", "figure", "value")

EPILOG = """\
examples:
  asd-evaluate scores --truth dev_data --year 2023
  asd-evaluate teams/mine_1 teams/mine_2 --truth ground_truth --year 2022 -o figures.csv
  asd-evaluate scores.csv --truth clips.csv --year 2025 --json
  asd-evaluate baseline --year 2024           the scored files' names tell the truth

Each SCORES is one system: a folder with the challenge's files anomaly_score_*.csv and, if there are
any, decision_result_*.csv; or a CSV with the columns filename,machine,section,score and decision.

The truth: a folder with ground_truth_data and ground_truth_domain, or with eval_data_list*.csv, as
the organisers published them; a development set, whose file names tell it; or a CSV of clips
(asd-prepare). Scores are joined to it by file name; every test clip must have exactly one.

Official are, in 2020 AUC and pAUC of each machine id; in 2021 of each section and domain; since
2022 the AUC of a domain's normal clips against the anomalous clips of both domains, and the pAUC of
all clips of a section. The score is the harmonic mean of all of them. The papers pair each domain
with its own anomalous clips ("own-domain") or take all clips ("mixed"): they stand apart.

-o takes every figure, also precision and recall: as CSV with the columns
system,definition,machine,section,mean,figure,value, or as JSON. The interval that evaluators print
beside the score is too narrow by the number of clips; the jackknife's own is told with it.

Exit status: 0 done, 1 some systems failed (each is named), 2 unusable input, 130 interrupted.
"""


@dataclass(frozen=True)
class System:
    """Figures of one system."""

    name: str
    n_clips: int
    official: "Official"
    own_domain: "OwnDomain"


def main(argv: Sequence[str] | None = None) -> int:
    """Run asd-evaluate and return its exit status."""
    parser = base_parser(
        "asd-evaluate", "Official figures of DCASE Challenge Task 2 from anomaly scores.", EPILOG
    )
    parser.add_argument(
        "scores",
        nargs="+",
        type=existing_path,
        metavar="SCORES",
        help="folder of score files, or CSV, of one system each",
    )
    parser.add_argument(
        "--truth",
        type=existing_path,
        metavar="DIR",
        help="which clips are anomalous (default: what the scored files' names tell; clips without "
        "a score are then not missed)",
    )
    parser.add_argument(
        "--year",
        type=int,
        required=True,
        choices=range(FIRST_YEAR, LAST_YEAR + 1),
        help="the challenge whose definitions hold",
    )
    parser.add_argument(
        "--machine",
        action="append",
        metavar="NAME",
        help="only this machine, of truth and scores (repeatable)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FIGURES", help="write all figures, as .csv or .json"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_force(parser)
    return run(_evaluate, parser, argv)


def _evaluate(args: argparse.Namespace) -> int:
    if args.output is not None:
        if args.output.suffix.lower() not in SUFFIXES:
            raise InputError(f"{args.output}: the name must end in {' or '.join(SUFFIXES)}")
        check_writable(args.output, args.force)
    from asd.evaluation import read_truth

    truth = None
    if args.truth is not None:
        truth = [clip for clip in read_truth(args.truth, args.year) if _wanted(args, clip.machine)]
        if not truth:
            raise InputError(f"{args.truth}: no test clips of {', '.join(args.machine)} in it")
    problems = Problems(args.console)
    systems = []
    for path, name in zip(args.scores, _names(args.scores), strict=True):
        try:
            systems.append(_system(args, path, name, truth))
        except InputError as error:
            problems.add(error if str(error).startswith(str(path)) else f"{path}: {error}")
    if systems:
        if args.output is not None:
            _write(args, systems)
        if args.json:
            print(json.dumps(_object(args, systems), indent=2))
        else:
            print("\n".join(_lines(systems)))
    return problems.status(len(systems))


def _wanted(args: argparse.Namespace, machine: str) -> bool:
    return args.machine is None or machine in args.machine


def _names(paths: Sequence[Path]) -> list[str]:
    """Short names where they tell the systems apart, else paths."""
    short = [path.stem if path.suffix.lower() == ".csv" else path.resolve().name for path in paths]
    return short if len(set(short)) == len(short) else [str(path) for path in paths]


def _system(args: argparse.Namespace, path: Path, name: str, truth: list | None) -> System:
    from asd.evaluation import (
        join,
        official_figures,
        own_domain_figures,
        read_scores,
        truth_of_names,
    )

    scored = [clip for clip in read_scores(path) if _wanted(args, clip.machine)]
    sections = join(truth_of_names(scored) if truth is None else truth, scored)
    return System(
        name,
        sum(len(section.scores) for section in sections),
        official_figures(sections, args.year),
        own_domain_figures(sections, args.year),
    )


def _lines(systems: Sequence[System]) -> Iterator[str]:
    if len(systems) > 1:
        yield from _comparison(systems)
        return
    (system,) = systems
    from asd.evaluation.figures import percent
    from asd.evaluation.official import shown_columns

    official, own = system.official, system.own_domain
    machines = {machine: means[own.mean] for machine, means in official.machines.items()}
    yield (
        f"{one_line(system.name)}: {system.n_clips} clips, {len(machines)} machines, "
        f"{len(official.sections)} sections; figures in per cent"
    )
    yield f"\nofficial figures of {official.year}"
    columns = shown_columns(official)
    rows = _rows(official.sections, machines, official.overall.get(own.mean), own.mean)
    yield from _table(rows, columns, columns)
    if official.score is not None:
        yield f"\nofficial score {percent(official.score)}{_intervals(official)}"
    yield "\nfigures of the papers, not official: anomalous clips of the own domain, or all clips"
    columns = list(own.overall)
    rows = _rows(own.sections, own.machines, own.overall, own.mean)
    yield from _table(rows, columns, [column.removeprefix(f"{OWN} ") for column in columns])


def _intervals(official: "Official") -> str:
    from asd.evaluation.figures import percent

    if official.intervals is None:
        return ""
    found = official.intervals
    return (
        f" (± {100 * found.official:.2g} as evaluators print it)\n"
        f"95 % by the jackknife, all clips together: AUC ± {percent(found.auc)}, "
        f"pAUC ± {percent(found.pauc)}"
    )


def _rows(
    sections: Mapping[tuple[str, str], Mapping[str, float]],
    machines: Mapping[str, Mapping[str, float]],
    overall: Mapping[str, float] | None,
    mean: str,
) -> Iterator[tuple[str, Mapping[str, float]]]:
    for machine, means in machines.items():
        own = {name: row for (of, name), row in sections.items() if of == machine}
        yield from ((f"{machine} {name}", row) for name, row in own.items())
        if len(own) > 1:
            yield f"{machine} {mean}", means
    if overall is not None:
        yield f"all {mean}", overall


def _comparison(systems: Sequence[System]) -> Iterator[str]:
    from asd.evaluation.official import shown_columns

    official, own = systems[0].official, systems[0].own_domain
    yield f"{official.year}: {own.mean}s over all sections, in per cent"
    columns = shown_columns(official) if official.overall else []
    columns = [name for name in columns if not name.startswith("F1")]
    rows = []
    for system in systems:
        row = {name: system.official.overall[own.mean][name] for name in columns}
        if system.official.score is not None:
            row["score"] = system.official.score
        rows.append((system.name, row))
    if not columns:
        yield f"\n{official.year} had no official figure over all machines; -o has each machine's"
    else:
        yield "\nofficial"
        yield from _table(rows, ["score", *columns], ["score", *columns])
    yield "\nfigures of the papers, not official: anomalous clips of the own domain, or all clips"
    columns = list(own.overall)
    rows = [(system.name, system.own_domain.overall) for system in systems]
    yield from _table(rows, columns, [column.removeprefix(f"{OWN} ") for column in columns])


def _table(
    rows: Iterable[tuple[str, Mapping[str, float]]], columns: Sequence[str], heads: Sequence[str]
) -> Iterator[str]:
    from asd.evaluation.figures import percent

    rows = [(one_line(title), row) for title, row in rows]
    width = max(len(title) for title, _ in rows)
    yield " " * width + "".join(f"  {head:>6}" for head in heads)
    for title, row in rows:
        shares = zip(columns, heads, strict=True)
        cells = (f"  {percent(row[name]):>{max(6, len(head))}}" for name, head in shares)
        yield f"{title:<{width}}" + "".join(cells)


def _records(systems: Sequence[System]) -> Iterator[tuple]:
    """A row per figure, in the order of `COLUMNS`."""
    for system in systems:
        official, own = system.official, system.own_domain
        for definition, sections in ((OFFICIAL, official.sections), (OWN, own.sections)):
            for (machine, section), row in sections.items():
                for figure, value in row.items():
                    yield system.name, definition, machine, section, "", figure, value
        for machine, means in official.machines.items():
            for mean, row in means.items():
                for figure, value in row.items():
                    yield system.name, OFFICIAL, machine, "", mean, figure, value
        for machine, row in own.machines.items():
            for figure, value in row.items():
                yield system.name, OWN, machine, "", own.mean, figure, value
        for mean, row in official.overall.items():
            for figure, value in row.items():
                yield system.name, OFFICIAL, "", "", mean, figure, value
        for figure, value in own.overall.items():
            yield system.name, OWN, "", "", own.mean, figure, value
        if official.score is not None:
            yield system.name, OFFICIAL, "", "", "", "official score", official.score
        if official.intervals is not None:
            ci95 = official.intervals.official
            yield system.name, OFFICIAL, "", "", "", "official score ci95", ci95
            for figure, width in (("AUC", "auc"), ("pAUC", "pauc")):
                width = getattr(official.intervals, width)
                yield system.name, "jackknife", "", "", "", f"{figure} ci95", width


def _write(args: argparse.Namespace, systems: Sequence[System]) -> None:
    with write_whole(args.output, force=args.force) as temporary:
        if args.output.suffix.lower() == ".json":
            temporary.write_text(json.dumps(_object(args, systems), indent=2) + "\n", "utf-8")
            return
        with open(temporary, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for *texts, value in _records(systems):
                writer.writerow((*texts, "" if math.isnan(value) else repr(float(value))))


def _object(args: argparse.Namespace, systems: Sequence[System]) -> dict:
    return {
        "year": args.year,
        "truth": None if args.truth is None else str(args.truth),
        "systems": [_system_object(system) for system in systems],
    }


def _system_object(system: System) -> dict:
    official, own = system.official, system.own_domain
    return {
        "system": system.name,
        "n_clips": system.n_clips,
        "official": {
            "score": official.score,
            "intervals": official.intervals and asdict(official.intervals),
            "sections": _by_machine(official.sections),
            "machines": _plain(official.machines),
            "overall": _plain(official.overall),
        },
        "own_domain": {
            "mean": own.mean,
            "sections": _by_machine(own.sections),
            "machines": _plain(own.machines),
            "overall": _plain(own.overall),
        },
    }


def _by_machine(sections: Mapping[tuple[str, str], Mapping[str, float]]) -> dict:
    nested: dict = {}
    for (machine, section), row in sections.items():
        nested.setdefault(machine, {})[section] = _plain(row)
    return nested


def _plain(figures: object) -> object:
    """Nested mappings of numbers, with None for NaN, which JSON does not know."""
    if isinstance(figures, Mapping):
        return {key: _plain(value) for key, value in figures.items()}
    return None if math.isnan(figures) else figures
