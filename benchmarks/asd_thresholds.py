"""Thresholds from training clips: F1 on test clips, and what holding training clips back does.

The study of the dissertation's section 4.2 (Tables 10 and 11, figures 12 to 15) on the machines
that are there. A threshold is estimated for each section from scores of normal training clips;
compared is F1 of the test clips of both domains, in per cent, mean over sections. Normalised F1 is
that divided by F1 of the best threshold on the test clips.

    python benchmarks/asd_thresholds.py
    python benchmarks/asd_thresholds.py --task machines --data ../shared/data

First table: a system learns from all training clips, and thresholds are estimated from the score
that each of them would get had it not been there; in brackets normalised. Others: it learns from a
share of the clips of each domain, drawn --trials times, and thresholds are estimated from scores of
the clips that are held out, or as before ("left out"); the last table is a mean over the systems.

Tasks: "generated" (100 source, 10 target training clips and 200 test clips of each of six machines,
for each of --data-seeds) or "machines" (--data; asd/machines in it). Only systems that train no
network: others would have to be trained anew for every share.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from asd_accuracy import MANY, Task, generated, tasks_of, vectors_of, views_of

from asd.config import DEFAULT
from asd.decisions import Decision
from asd.names import ANOMALY, TARGET, TEST, TRAIN
from asd.section import ScoredSection
from asd.systems import System
from fewshot.metrics import f1, optimal_threshold
from fewshot.thresholds import ESTIMATORS

ROWS = (DEFAULT, "cepstrum-gaussian", "cepstrum-centres", "mfcc-density")
SHARES = (1.0, 0.8, 0.6, 0.4, 0.2)
LEFT_OUT, HELD_OUT = "left out", "held out"
EVERYTHING, OPTIMUM = "everything anomalous", "optimum"

Figures = Mapping[str, float]
"""F1 of a section: of `EVERYTHING`, of the `OPTIMUM`, and of "<estimator>, <left or held out>"."""


def best_f1(anomalous: np.ndarray, scores: np.ndarray) -> float:
    """F1 of the best threshold on labelled clips; to call all of them anomalous is one."""
    limits = [optimal_threshold(anomalous, scores, "left"), -np.inf]
    return float(f1(anomalous, scores, limits).max())


def drawn(target: np.ndarray, share: float, trial: int) -> np.ndarray:
    """Clips to learn from: of each domain a share, but one at least.

    Parameters
    ----------
    target : np.ndarray of bool, shape (n,)
    share : float
        In (0, 1].
    trial : int
        In one trial, the clips of a smaller share are among those of a larger one.

    Returns
    -------
    np.ndarray of bool, shape (n,)
    """
    order = np.random.default_rng(trial).permutation(len(target))
    chosen = np.zeros(len(target), bool)
    for domain in (False, True):
        own = order[target[order] == domain]
        chosen[own[: max(1, round(share * len(own)))]] = True
    return chosen


def figures(task: Task, views: System, share: float, trial: int, args) -> Figures:
    """Learn a section from a share of its training clips, and try thresholds."""
    vectors = [vectors_of(task, view.representation, args) for view in views]
    train, test = ([one[f"{task.machine} {part}"] for one in vectors] for part in (TRAIN, TEST))
    target = np.array([clip.domain == TARGET for clip in task.clips(TRAIN)])
    anomalous = np.array([clip.condition == ANOMALY for clip in task.clips(TEST)])
    chosen = drawn(target, share, trial)
    section = ScoredSection.fit(views, [one[chosen] for one in train], target[chosen], args.seed)
    normal = {LEFT_OUT: section.left_out}
    if not chosen.all():
        normal[HELD_OUT] = section.score(views, [one[~chosen] for one in train])
    scores = section.score(views, test)
    limits = {
        f"{name}, {kind}": Decision(name).threshold(own)[0]
        for kind, own in normal.items()
        for name in ESTIMATORS
    } | {EVERYTHING: -np.inf}
    found = dict(zip(limits, f1(anomalous, scores, list(limits.values())), strict=True))
    return found | {OPTIMUM: best_f1(anomalous, scores)}


def print_table(columns: Iterable[str], rows: Mapping[str, Iterable[str]]) -> None:
    """Print cells under their columns; the first column names the rows."""
    columns = list(columns)
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def mean(found: Sequence[Figures], name: str) -> str:
    """Mean F1 of a threshold, in per cent."""
    return f"{100 * np.mean([one[name] for one in found]):.1f}"


def normalised(found: Sequence[Figures], name: str) -> str:
    """Mean F1 of a threshold as a share of the best, in per cent."""
    return f"{100 * np.mean([one[name] / one[OPTIMUM] for one in found]):.1f}"


def print_tables(found: Mapping[float, Mapping[str, Sequence[Figures]]]) -> None:
    """Print the figures of sections and trials by share and system."""
    learnt_from_all = found[1.0]
    methods = {name: f"{name}, {LEFT_OUT}" for name in ESTIMATORS}
    methods |= {EVERYTHING: EVERYTHING, OPTIMUM: OPTIMUM}
    print_table(
        ["F1, all clips", *learnt_from_all],
        {
            name: [f"{mean(own, key)} ({normalised(own, key)})" for own in learnt_from_all.values()]
            for name, key in methods.items()
        },
    )
    shares = [f"{100 * share:g} %" for share in found]
    print_table(
        ["best F1", *shares],
        {row: [mean(rows[row], OPTIMUM) for rows in found.values()] for row in learnt_from_all},
    )
    of_all = [[one for own in rows.values() for one in own] for rows in found.values()]
    print_table(
        [f"normalised: {HELD_OUT}, {LEFT_OUT}", *shares],
        {
            name: [
                ", ".join(normalised(own, key) for key in _both(name) if key in own[0])
                for own in of_all
            ]
            for name in ESTIMATORS
        },
    )


def _both(name: str) -> tuple[str, str]:
    return f"{name}, {HELD_OUT}", f"{name}, {LEFT_OUT}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=("generated", "machines"), default="generated")
    parser.add_argument("--data", type=Path, help="folder that holds asd/machines")
    parser.add_argument("--row", action="append", help=f"default: {', '.join(ROWS)}")
    parser.add_argument("--trials", type=int, default=3, help="of each share under 100 %%")
    parser.add_argument("--data-seeds", type=int, default=3, help="of the generated machines")
    parser.add_argument("--seed", type=int, default=0, help="of the back ends")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/asd_accuracy"))
    args = parser.parse_args()
    systems = {row: views_of(row) for row in args.row or ROWS}
    for row, views in systems.items():
        if any(view.representation.learns or view.back_end.needs_world for view in views):
            parser.error(f"{row} learns from all machines together; give a row that does not")
    if args.task == "machines" and args.data is None:
        parser.error("where are the recordings? give --data")
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.task == "machines":
        tasks = tasks_of("machines", args.data / "asd" / "machines")
    else:
        tasks = generated(args, "generated", **MANY)
    clips = [clip for task in tasks for clip in task.clips(TEST)]
    anomalous = sum(clip.condition == ANOMALY for clip in clips)
    print(f"{args.task}: {len(tasks)} sections, {len(clips)} test clips, {anomalous} anomalous")
    print_tables(
        {
            share: {
                row: [
                    figures(task, views, share, trial, args)
                    for task in tasks
                    for trial in range(args.trials if share < 1 else 1)
                ]
                for row, views in systems.items()
            }
            for share in SHARES
        }
    )


if __name__ == "__main__":
    main()
