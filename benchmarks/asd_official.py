"""Official result tables of DCASE Challenge Task 2, computed again from scores and decisions.

    python benchmarks/asd_official.py --data ../shared/data

DATA holds ``asd/scores``: score files of systems of 2020 to 2025, ground truth, and the tables that
the official evaluators or the baselines' code made of them. Every cell of every table is compared.
Of 2022, the "source" and "target" means that the evaluator takes over other sections than it says
are computed in both readings. The rows "official score ci95" are counted apart.
"""

import argparse
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asd.evaluation import (
    Official,
    SectionScores,
    join,
    official_figures,
    read_scores,
    read_truth,
    truth_of_names,
)
from asd.evaluation.official import PRINTED

TOLERANCE = 1e-9
OVERALL = " over all machine types, sections, and domains"
REPLAYS = (
    ("2020_eval", 2020, "2020_eval_gt", "result_{system}.csv"),
    ("2021_dev", 2021, None, "{system}/result.csv"),
    ("2022_eval", 2022, "2022_eval_gt", "{system}_result.csv"),
    ("2022_dev", 2022, None, "{system}/result.csv"),
    ("2023_eval", 2023, "2023_eval_gt", "{system}_result.csv"),
    ("2023_eval", 2023, "2023_eval_gt", "{system}/result_*_roc.csv"),
    ("2023_dev", 2023, None, "{system}/result_*_roc.csv"),
    ("2025_dev", 2025, None, "{system}/result_*_roc.csv"),
)
"""Folder of systems, year, folder of the ground truth (None: the names tell it), tables."""


@dataclass(frozen=True)
class Cell:
    """A value of an official table.

    Attributes
    ----------
    machine : str
        "" in a table of one machine.
    row : str
        A section, a mean or "official score".
    domain : str
        "source" or "target" where the rows of a section are divided so, else "".
    column : str
    value : float
    """

    machine: str
    row: str
    domain: str
    column: str
    value: float


def read_cells(table: Path) -> Iterator[Cell]:
    """The values of an official table of any year."""
    machine, columns = "", []
    with open(table, newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            if len(row) == 1:
                machine = row[0]
            elif row and row[0] in ("id", "section", ""):
                columns = row
            elif row and row[0].startswith("official score"):
                yield Cell("", row[0], "", "", float(row[-1]))
            elif row:
                domain = dict(zip(columns, row, strict=True)).get("domain", "")
                for column, text in list(zip(columns, row, strict=True))[1:]:
                    if column not in ("", "domain"):
                        yield Cell(machine, row[0], domain, column, float(text))


def computed(figures: Official, cell: Cell) -> float:
    """Our value of a cell."""
    machine = cell.machine or next(iter(figures.machines))
    column = f"{cell.column} ({cell.domain})" if cell.domain else cell.column
    if cell.row == "official score":
        return figures.score
    if cell.row == "official score ci95":
        return figures.intervals.official
    if cell.row.endswith(OVERALL):
        return figures.overall[cell.row.removesuffix(OVERALL)][column]
    if cell.row.isdigit():
        return figures.sections[machine, cell.row][column]
    return figures.machines[machine]["arithmetic mean" if cell.row == "Average" else cell.row][
        column
    ]


def printed_in_2022(figures: Official, cell: Cell) -> float | None:
    """Our value in the reading of 2022's evaluator, where that differs."""
    means = figures.machines.get(cell.machine, {}).get(cell.row + PRINTED)
    return means and means[cell.column]


def systems_of(
    scores: Path, folder: str, year: int, truth: str | None
) -> Iterator[tuple[str, list[SectionScores]]]:
    """The name of every system in a folder, and its scored sections."""
    known = None if truth is None else read_truth(scores / truth, year)
    for system in sorted(path for path in (scores / folder).iterdir() if path.is_dir()):
        scored = read_scores(system)
        yield system.name, join(truth_of_names(scored) if known is None else known, scored)


def replay(scores: Path, folder: str, year: int, truth: str | None, tables: str) -> Counter:
    """Compare all tables of all systems in a folder.

    Returns
    -------
    Counter
        Cells that agree, that agree in the reading "as printed in 2022" alone, that agree in
        neither ("differ"), and intervals that agree.
    """
    counts: Counter = Counter()
    for system, sections in systems_of(scores, folder, year, truth):
        everything = official_figures(sections, year)
        for table in sorted((scores / folder).glob(tables.format(system=system))):
            figures = everything
            if tables.endswith("_roc.csv"):
                own = [s for s in sections if table.name.startswith(f"result_{_full(year, s)}_")]
                figures = official_figures(own, year)
            for cell in read_cells(table):
                counts[_verdict(figures, cell)] += 1
    return counts


def _full(year: int, section: object) -> str:
    return f"DCASE{year}T2{section.machine}"


def _verdict(figures: Official, cell: Cell) -> str:
    agrees = abs(computed(figures, cell) - cell.value) <= TOLERANCE
    if cell.row.endswith("ci95"):
        # Intervals are of the order of 1e-6.
        return "interval" if abs(computed(figures, cell) / cell.value - 1) < TOLERANCE else "differ"
    if agrees:
        return "agree"
    printed = printed_in_2022(figures, cell)
    return (
        "as printed"
        if printed is not None and abs(printed - cell.value) <= TOLERANCE
        else ("differ")
    )


def main() -> None:
    """Print a row per folder and the sum."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds asd/scores")
    scores = parser.parse_args().data / "asd" / "scores"
    kinds = ("agree", "as printed", "differ", "interval")
    print(f"{'':32}{'agree':>8}{'printed':>9}{'differ':>8}{'intervals':>11}")
    total: Counter = Counter()
    for folder, year, truth, tables in REPLAYS:
        counts = replay(scores, folder, year, truth, tables)
        name = f"{folder} {tables.rpartition('/')[2].replace('{system}', '*')}"
        print(f"{name:32}" + _columns(counts, kinds))
        total += counts
    print(f"{'all':32}" + _columns(total, kinds))


def _columns(counts: Counter, kinds: tuple[str, ...]) -> str:
    return "".join(f"{counts[kind]:>{w}}" for kind, w in zip(kinds, (8, 9, 8, 11), strict=True))


if __name__ == "__main__":
    main()
