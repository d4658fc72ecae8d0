"""How F1-EV goes together with AUC and F1: Pearson correlations over systems and machines.

The study of the dissertation's section 4.3 (figures 18 to 20). A point is one system on one machine
type, each measure its mean over the machine's sections, of the clips of both domains. Sections with
an F1 of 0 at the submitted threshold are dropped. Published correlations, of all systems of the
challenge of 2023, stand in brackets.

    python benchmarks/asd_f1_ev.py --data ../shared/data
    python benchmarks/asd_f1_ev.py --generated

Points: the score files of ``asd/scores`` in --data, those of the evaluation set of 2023 and all of
them (those of 2020 have no decisions, so that they tell nothing of the submitted F1); or, with
--generated, the systems of asd-train without networks on the generated machines of
benchmarks/asd_thresholds.py, with the threshold that asd-train takes for the challenge.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from asd_accuracy import MANY, generated, scored, views_of
from asd_official import REPLAYS, systems_of
from asd_thresholds import best_f1, print_table

from asd.config import TRAINING_FREE_NAMES
from asd.decisions import decision_for
from asd.evaluation import SectionScores
from asd.evaluation.figures import decided
from fewshot import plot
from fewshot.metrics import auc, bounded_f1_ev, f1_ev

BETAS = np.arange(1, 81) / 40
"""0.025 to 2, as published."""
SHOWN = (0.025, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0)
SUBMITTED, BEST = "F1, submitted", "F1, best"
COLUMNS = ("AUC", SUBMITTED, BEST)
PUBLISHED = {
    "AUC": (None, 0.503, 0.497),
    "F1-EV": (0.199, 0.380, 0.306),
    "bounded F1-EV": (0.748, 0.696, 0.732),
}

Point = Sequence[SectionScores]
"""The sections of a machine, scored by one system."""
Measure = Callable[[SectionScores], float]


def submitted_f1(section: SectionScores) -> float:
    """F1 of the submitted decisions; NaN if there are none."""
    return decided(section, slice(None)).get("F1 score", np.nan)


def _of_scores(measure: Callable[[np.ndarray, np.ndarray], float]) -> Measure:
    return lambda section: measure(section.anomalous, section.scores)


MEASURES: dict[str, Measure] = {
    "AUC": _of_scores(auc),
    SUBMITTED: submitted_f1,
    BEST: _of_scores(best_f1),
    "F1-EV": _of_scores(f1_ev),
    "bounded F1-EV": _of_scores(bounded_f1_ev),
    "bounded F1-EV, left": _of_scores(partial(bounded_f1_ev, optimum="left")),
}


def values(points: Iterable[Point], measure: Measure) -> np.ndarray:
    """A measure of each point."""
    return np.array([np.mean([measure(section) for section in point]) for point in points])


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's, over the points that have both values."""
    there = np.isfinite(first) & np.isfinite(second)
    if there.sum() < 2:
        return np.nan
    return float(np.corrcoef(first[there], second[there])[0, 1])


def of_files(scores: Path, folders: Sequence[tuple[str, int, str | None]]) -> list[Point]:
    """The points of score files."""
    points = []
    for folder in folders:
        for _, sections in systems_of(scores, *folder):
            machines = dict.fromkeys(section.machine for section in sections)
            points += [[s for s in sections if s.machine == machine] for machine in machines]
    return points


def of_generated(rows: Iterable[str], args) -> list[Point]:
    """The points of our own systems on generated machines."""
    decision = decision_for(None, None, own_data=False)
    points = []
    for task in generated(args, "generated", **MANY):
        for row in rows:
            learnt, test = scored(task, views_of(row), args)
            limit, _ = decision.of_section(learnt)
            points.append([replace(test, decisions=test.scores > limit)])
    return points


def study(title: str, points: Sequence[Point], picture: Path | None = None) -> None:
    """Print the correlations of some points, and draw them."""
    valid = [[s for s in point if submitted_f1(s) != 0] for point in points]
    dropped = sum(map(len, points)) - sum(map(len, valid))
    valid = [point for point in valid if point]
    figures = {name: values(valid, measure) for name, measure in MEASURES.items()}
    with_decisions = np.isfinite(figures[SUBMITTED]).sum()
    print(
        f"\n{title}: {len(valid)} points, {with_decisions} with decisions; "
        f"{dropped} of {sum(map(len, points))} sections dropped"
    )
    print_table(["correlation", *COLUMNS], {name: _cells(name, figures) for name in MEASURES})
    curves = {column: np.empty(len(BETAS)) for column in COLUMNS}
    for i, beta in enumerate(BETAS):
        bounded = values(valid, _of_scores(partial(bounded_f1_ev, beta=beta)))
        for column, curve in curves.items():
            curve[i] = correlation(bounded, figures[column])
    cells = {
        f"{BETAS[i]:g}": [f"{curve[i]:.3f}" for curve in curves.values()]
        for i in np.searchsorted(BETAS, SHOWN)
    }
    cells["beta of the highest"] = [f"{BETAS[curve.argmax()]:g}" for curve in curves.values()]
    print_table(["bounded F1-EV, beta", *COLUMNS], cells)
    if picture is not None:
        draw(picture, figures, curves)


def _cells(name: str, figures: Mapping[str, np.ndarray]) -> list[str]:
    published = PUBLISHED.get(name, (None,) * len(COLUMNS))
    return [
        f"{correlation(figures[name], figures[column]):.3f}"
        + ("" if known is None else f" ({known:.3f})")
        for column, known in zip(COLUMNS, published, strict=True)
    ]


def draw(path: Path, figures: Mapping[str, np.ndarray], curves: Mapping[str, np.ndarray]) -> None:
    """Draw F1 against the published measures, and correlations against beta."""
    figure = plot.new_figure(14, 3.6)
    *clouds, last = plot.side_by_side(figure, len(PUBLISHED) + 1)
    styles = plot.line_styles(COLUMNS)
    for axes, name in zip(clouds, PUBLISHED, strict=True):
        for column in (SUBMITTED, BEST):
            colour = styles[column]["color"]
            axes.plot(figures[name], figures[column], ".", color=colour, alpha=0.6, label=column)
        axes.set(xlabel=name, ylabel="F1", xlim=(0, 1), ylim=(0, 1))
    clouds[0].legend(frameon=False, loc="lower right")
    for column, curve in curves.items():
        last.plot(BETAS, curve, label=column, **styles[column])
    last.set(xlabel="beta", ylabel="correlation with bounded F1-EV")
    last.legend(frameon=False)
    plot.save(figure, path, force=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder that holds asd/scores")
    parser.add_argument("--generated", action="store_true", help="our own systems instead")
    parser.add_argument("--row", action="append", help="default: all that train no network")
    parser.add_argument("--data-seeds", type=int, default=3, help="of the generated machines")
    parser.add_argument("--seed", type=int, default=0, help="of the back ends")
    parser.add_argument("--device", default="cpu", help="where networks are trained")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    parser.add_argument("--plot", type=Path, help="picture of the last table's points, png")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/asd_accuracy"))
    args = parser.parse_args()
    if args.generated:
        torch.set_num_threads(args.threads)
        args.out.mkdir(parents=True, exist_ok=True)
        points = of_generated(args.row or TRAINING_FREE_NAMES, args)
        study(f"generated, {args.data_seeds} seeds", points, args.plot)
        return
    if args.data is None:
        parser.error("where are the score files? give --data, or --generated")
    scores = args.data / "asd" / "scores"
    folders = list(dict.fromkeys((folder, year, truth) for folder, year, truth, _ in REPLAYS))
    published = [folder for folder in folders if folder[0] == "2023_eval"]
    study("2023, evaluation", of_files(scores, published))
    study("2020 to 2025", of_files(scores, folders), args.plot)


if __name__ == "__main__":
    main()
