"""Machines that fail: AUC source, AUC target, pAUC and their harmonic mean, for every system.

A section is learnt from its normal training clips and its test clips are scored. Reported, in per
cent, are the official figures since 2022 (the AUC of a domain pairs its normal clips with the
anomalous clips of both; pAUC up to a false positive rate of 0.1, standardised) and their harmonic
mean. What is done is kept in --out, so that a run can be resumed.

    python benchmarks/asd_accuracy.py --data ../shared/data
    python benchmarks/asd_accuracy.py --task generated
    python benchmarks/asd_accuracy.py --task generated --false-alarms

Tasks: "machines" (--data; asd/machines in it, a drone and a small motor), "generated" (the six
machines of asd.synthesis, for each of --seeds; what defaults are chosen on, since "machines" has no
validation part). A row is a system of asd-train, or several single ones joined by "+": their scores
are standardised and averaged.

--false-alarms: the share of normal test clips that thresholds for given rates call anomalous, on
the generated machines with 100 and 10 training clips of the two domains.
"""

import argparse
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from asd.config import DEFAULT, STATISTIC_NAMES, SYSTEM_NAMES
from asd.dataset import Clip, read_dataset
from asd.decisions import QUANTILES, Decision
from asd.evaluation import SectionScores, official_figures
from asd.evaluation.figures import harmonic_mean
from asd.evaluation.official import scored_columns
from asd.model import read_sound
from asd.names import ANOMALY, TARGET, TEST, TRAIN
from asd.section import ScoredSection
from asd.statistics import clip_statistics
from asd.synthesis import write_dataset
from asd.systems import System, system_of

YEAR = 2023
COLUMNS = scored_columns(YEAR)
RATES = (0.01, 0.05, 0.1)


@dataclass(frozen=True)
class Task:
    """One machine of a data set."""

    name: str
    folder: Path
    machine: str

    def clips(self, split: str) -> list[Clip]:
        """Its clips for training or for tests."""
        found = read_dataset(self.folder).clips
        return [clip for clip in found if (clip.machine, clip.split) == (self.machine, split)]


def views_of(row: str) -> System:
    """The views of a row's systems."""
    return tuple(view for name in row.split("+") for view in system_of(name))


def vectors_of(task: Task, out: Path) -> dict[str, np.ndarray]:
    """Statistics of the training clips and then of the test clips, computed once."""
    clips = task.clips(TRAIN) + task.clips(TEST)
    known = hashlib.sha256(
        "\n".join(f"{clip.path} {clip.path.stat().st_mtime_ns}" for clip in clips).encode()
    ).hexdigest()[:16]
    kept = out / f"vectors_{task.name}_{task.machine}_{known}.npz"
    if not kept.exists():
        sounds = [read_sound(clip.path) for clip in clips]
        arrays = {
            name: np.stack([clip_statistics(samples, name) for samples in sounds])
            for name in STATISTIC_NAMES
        }
        temporary = kept.with_name(f"part_{kept.name}")
        np.savez(temporary, **arrays)
        os.replace(temporary, kept)
    with np.load(kept) as arrays:
        return dict(arrays)


def scored(task: Task, row: str, seed: int, out: Path) -> tuple[ScoredSection, SectionScores]:
    """The section as it is learnt, and its scored test clips."""
    train, test = task.clips(TRAIN), task.clips(TEST)
    vectors, views = vectors_of(task, out), views_of(row)
    domains = np.array([clip.domain == TARGET for clip in train])
    own = [vectors[view.statistic] for view in views]
    section = ScoredSection.fit(views, [x[: len(train)] for x in own], domains, seed)
    scores = section.score(views, [x[len(train) :] for x in own])
    return section, SectionScores(
        machine=task.machine,
        section="00",
        anomalous=np.array([clip.condition == ANOMALY for clip in test]),
        target=np.array([clip.domain == TARGET for clip in test]),
        scores=scores,
    )


def done(task: Task, row: str, seed: int, out: Path) -> dict[str, float]:
    """The figures of a row on a machine: computed now, or read where they have been before."""
    told = json.dumps([view.described() for view in views_of(row)])
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    kept = out / f"{task.name}_{task.machine}_{digest}_{seed}.json"
    if not kept.exists():
        _, section = scored(task, row, seed, out)
        (figures,) = official_figures([section], YEAR).sections.values()
        temporary = kept.with_suffix(".part")
        temporary.write_text(json.dumps({name: figures[name] for name in COLUMNS}))
        os.replace(temporary, kept)
    return json.loads(kept.read_text())


def print_table(title: str, tasks: Sequence[Task], rows: Iterable[str], args) -> None:
    """Figures of some machines together, a line per row."""
    print(f"\n{title}\n")
    print(f"| row | {' | '.join(COLUMNS)} | harmonic mean |")
    print("|" + "---|" * (2 + len(COLUMNS)))
    for row in rows:
        found = [done(task, row, args.seed, args.out) for task in tasks]
        means = [harmonic_mean(figures[name] for figures in found) for name in COLUMNS]
        total = harmonic_mean(figures[name] for figures in found for name in COLUMNS)
        cells = " | ".join(f"{100 * value:.1f}" for value in means)
        print(f"| {row} | {cells} | {100 * total:.1f} |", flush=True)


def print_false_alarms(tasks: Sequence[Task], rows: Iterable[str], args) -> None:
    """Shares of normal test clips above thresholds for rates, in per cent: source, target."""
    print(f"\n| row | method | {' | '.join(f'{100 * rate:g} %' for rate in RATES)} |")
    print("|" + "---|" * (2 + len(RATES)))
    for row in rows:
        pairs = [scored(task, row, args.seed, args.out) for task in tasks]
        for method in QUANTILES:
            cells = []
            for rate in RATES:
                shares = []
                for section, test in pairs:
                    limit, _ = Decision(method, rate).threshold(section.left_out)
                    above = test.scores > limit
                    shares.append(
                        [
                            np.mean(above[~test.anomalous & (test.target == domain)])
                            for domain in (False, True)
                        ]
                    )
                source, target = 100 * np.mean(shares, axis=0)
                cells.append(f"{source:.1f}, {target:.1f}")
            print(f"| {row} | {method} | {' | '.join(cells)} |", flush=True)


def generated(args, **settings) -> list[Task]:
    """The generated machines of every seed, written once."""
    tasks = []
    for seed in range(args.seeds):
        told = "_".join(f"{key}{value}" for key, value in settings.items())
        name = f"generated{told}_{seed}"
        folder = args.out / name
        if not (folder / "done").exists():
            write_dataset(folder, seed=seed, **settings)
            (folder / "done").touch()
        machines = sorted({clip.machine for clip in read_dataset(folder).clips})
        tasks += [Task(name, folder, machine) for machine in machines]
    return tasks


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder that holds asd/machines")
    parser.add_argument("--task", choices=("machines", "generated"), help="only this one")
    parser.add_argument("--row", action="append", help="default: all systems")
    parser.add_argument("--seeds", type=int, default=3, help="of the generated machines")
    parser.add_argument("--seed", type=int, default=0, help="of the clustering")
    parser.add_argument("--false-alarms", action="store_true", help="what thresholds hold")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/asd_accuracy"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    rows = args.row or list(SYSTEM_NAMES)
    if args.false_alarms:
        many = generated(args, n_source=100, n_target=10, n_test=50)
        print_false_alarms(many, args.row or [DEFAULT], args)
        return
    if args.task != "generated":
        if args.data is None:
            parser.error("where are the recordings? give --data, or --task generated")
        folder = args.data / "asd" / "machines"
        for machine in sorted({clip.machine for clip in read_dataset(folder).clips}):
            print_table(machine, [Task("machines", folder, machine)], rows, args)
    if args.task != "machines":
        print_table(f"generated, {args.seeds} seeds", generated(args), rows, args)


if __name__ == "__main__":
    main()
