"""Machines that fail: AUC source, AUC target, pAUC and their harmonic mean, for every system.

A section is learnt from its normal training clips and its test clips are scored. Reported, in per
cent, are the official figures since 2022 (the AUC of a domain pairs its normal clips with the
anomalous clips of both; pAUC up to a false positive rate of 0.1, standardised) and their harmonic
mean, with several seeds their means and the last one's standard deviation, and how long one
training of the networks took. Vectors and figures are kept in --out, so that a run can be resumed.

    python benchmarks/asd_accuracy.py --data ../shared/data
    python benchmarks/asd_accuracy.py --task generated
    python benchmarks/asd_accuracy.py --task generated --row wilkinghoff --training-seeds 5
    python benchmarks/asd_accuracy.py --dcase-root dcase2023 --row wilkinghoff --ensemble 5
    python benchmarks/asd_accuracy.py --dcase-root dcase2022 --row pretrained --encoder openl3.onnx
    python benchmarks/asd_accuracy.py --task generated --false-alarms

Tasks: "machines" (--data; asd/machines in it, a drone and a small motor), "generated" (the six
machines of asd.synthesis, for each of --data-seeds; what defaults are chosen on, since "machines"
has no validation part), "short" (the same with 20 source and 3 target clips of 2 s), "withheld" (as
"generated", without the attributes of every second machine), "alone" (500 source and 50 target
clips of each machine, without attributes, each a data set of its own), or a data set of the
challenge (--dcase-root).

A row is a system of asd-train, one of the published comparisons (--list says which), or several
joined by "+", whose scores are standardised and averaged. Networks learn from all machines of a
data set together. Rows that listen through wav2vec 2.0 need --wav2vec, a file of its weights.

--false-alarms: the share of test clips that thresholds for given rates call anomalous (of normal
ones, source and target; of anomalous ones), on the generated machines with 100 and 10 training
clips of the two domains.
"""

import argparse
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from asd_rows import COMPARISONS, views_of

from asd.back_ends import World
from asd.config import DEFAULT, SYSTEM_NAMES, TRAINING_FREE_NAMES
from asd.dataset import Clip, read_dataset
from asd.decisions import QUANTILES, Decision
from asd.evaluation import SectionScores, official_figures
from asd.evaluation.figures import harmonic_mean
from asd.evaluation.official import scored_columns
from asd.names import ANOMALY, NO_ATTRIBUTE, TARGET, TEST, TRAIN
from asd.recordings import Recordings
from asd.representations import Representation, Training
from asd.section import ScoredSection
from asd.sounds import read_sound
from asd.synthesis import MACHINES, write_dataset
from asd.systems import System

YEAR = 2023
COLUMNS = scored_columns(YEAR)
SECONDS = "training, s"
RATES = (0.01, 0.05, 0.1)
SETTINGS = {
    "generated": {},
    "short": {"n_source": 20, "n_target": 3, "duration_s": 2.0},
    "withheld": {},
    "alone": {"n_source": 500, "n_target": 50},
}
"""Of `asd.synthesis.write_dataset`."""
MANY = {"n_source": 100, "n_target": 10, "n_test": 50}
"""The same where thresholds are looked at: rates are counted on many clips."""


@dataclass(frozen=True)
class Task:
    """One machine of a data set, or a section of it where there are several."""

    name: str
    folder: Path
    machine: str

    def clips(self, split: str) -> list[Clip]:
        """Its clips for training or for tests."""
        of_split = [clip for clip in clips_of(self.folder) if clip.split == split]
        return [clip for clip in of_split if name_of(self.folder, clip) == self.machine]


@cache
def clips_of(folder: Path) -> list[Clip]:
    """All clips of a data set."""
    return read_dataset(folder).clips


@cache
def sections_of(folder: Path) -> Counter[str]:
    """How many sections the machines of a data set have."""
    return Counter(machine for machine, _ in {(c.machine, c.section) for c in clips_of(folder)})


def name_of(folder: Path, clip: Clip) -> str:
    """Machine of a clip, with its section where there are several."""
    several = sections_of(folder)[clip.machine] > 1
    return f"{clip.machine} {clip.section}" if several else clip.machine


def vectors_of(task: Task, representation: Representation, args) -> dict[str, np.ndarray]:
    """Vectors of the clips of all machines, "<name> <split>", and `SECONDS`; computed once."""
    clips = [clip for clip in clips_of(task.folder) if clip.split in (TRAIN, TEST)]
    told = [f"{clip.path} {clip.path.stat().st_mtime_ns}" for clip in clips]
    described = json.dumps(representation.described())
    seed = args.seed if representation.learns else 0
    digest = hashlib.sha256("\n".join([described, str(seed), *told]).encode()).hexdigest()[:16]
    kept = args.out / f"vectors_{task.name}_{representation.kind}_{digest}.npz"
    if not kept.exists():
        temporary = kept.with_name(f"part_{kept.name}")
        np.savez(temporary, **_vectors(task.folder, clips, representation, seed, args))
        os.replace(temporary, kept)
    return _kept(kept)


def _vectors(
    folder: Path, clips: Sequence[Clip], representation: Representation, seed: int, args
) -> dict[str, np.ndarray]:
    training, seconds = None, 0.0
    with TemporaryDirectory() as temporary:
        if representation.learns:
            own = [clip for clip in clips if clip.split == TRAIN]
            recordings = Recordings(Path(temporary) / "waveforms")
            for clip in own:
                recordings.append(read_sound(clip.path))
            training = Training(recordings, own, seed, args.device, None, lambda *_: None, notes=[])
        start = time.perf_counter()
        describer = representation.learn(training)
        if training is not None:
            seconds = time.perf_counter() - start
            training.recordings.close()
    found = {}
    for clip in clips:
        vector = describer.vectors([read_sound(clip.path)], (clip.machine, clip.section))
        found.setdefault(f"{name_of(folder, clip)} {clip.split}", []).append(vector[0])
    vectors_by_name = {name: np.stack(vectors) for name, vectors in found.items()}
    return vectors_by_name | {SECONDS: np.array(seconds)}


@lru_cache(maxsize=16)
def _kept(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return dict(arrays)


def scored(
    task: Task, views: System, args, *, hold_out: bool = False
) -> tuple[ScoredSection, SectionScores]:
    """The section as it is learnt, and its scored test clips."""
    train, test = task.clips(TRAIN), task.clips(TEST)
    vectors = [vectors_of(task, view.representation, args) for view in views]
    worlds = [_world(one) for one in vectors]
    domains = np.array([clip.domain == TARGET for clip in train])
    section = ScoredSection.fit(
        views,
        [one[f"{task.machine} {TRAIN}"] for one in vectors],
        domains,
        args.seed,
        worlds,
        hold_out=hold_out,
    )
    return section, SectionScores(
        machine=task.machine,
        section="00",
        anomalous=np.array([clip.condition == ANOMALY for clip in test]),
        target=np.array([clip.domain == TARGET for clip in test]),
        scores=section.score(views, [one[f"{task.machine} {TEST}"] for one in vectors]),
    )


def _world(vectors: Mapping[str, np.ndarray]) -> World:
    own = [vectors[name] for name in sorted(vectors) if name.endswith(TRAIN)]
    groups = np.repeat(np.arange(len(own)), [len(one) for one in own])
    return World(np.concatenate(own), groups)


def done(task: Task, views: System, args) -> dict[str, float]:
    """The figures of a row on a machine: computed now, or read where they have been before."""
    told = json.dumps([view.described() for view in views])
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    kept = args.out / f"{task.name}_{task.machine}_{digest}_{args.seed}.json"
    if not kept.exists():
        _, section = scored(task, views, args)
        (figures,) = official_figures([section], YEAR).sections.values()
        learnt = {view.representation for view in views}
        seconds = sum(float(vectors_of(task, one, args)[SECONDS]) for one in learnt)
        temporary = kept.with_suffix(".part")
        told = {name: figures[name] for name in COLUMNS} | {SECONDS: seconds}
        temporary.write_text(json.dumps(told))
        os.replace(temporary, kept)
    return json.loads(kept.read_text())


def print_table(title: str, tasks: Sequence[Task], rows: Iterable[str], args) -> None:
    """Figures of some machines together, a line per row, mean over the seeds."""
    print(f"\n{title}\n")
    print(f"| row | seeds | {' | '.join(COLUMNS)} | harmonic mean | {SECONDS} |")
    print("|" + "---|" * (4 + len(COLUMNS)))
    for row in rows:
        views = views_of(row, args.ensemble, args.epochs, args.encoder, args.wav2vec)
        learns = any(view.representation.learns for view in views)
        seeds = range(args.seed, args.seed + (args.training_seeds if learns else 1))
        means, totals, seconds = [], [], []
        for seed in seeds:
            args.seed = seed
            found = [done(task, views, args) for task in tasks]
            means.append([harmonic_mean(figures[name] for figures in found) for name in COLUMNS])
            totals.append(harmonic_mean(figures[name] for figures in found for name in COLUMNS))
            seconds.append(np.mean([figures[SECONDS] for figures in found]))
        args.seed = seeds[0]
        cells = [f"{100 * value:.1f}" for value in np.mean(means, axis=0)]
        spread = f" ± {100 * np.std(totals):.1f}" if len(totals) > 1 else ""
        cells.append(f"{100 * np.mean(totals):.1f}{spread}")
        cells.append(f"{np.mean(seconds):.0f}" if learns else "")
        print(f"| {row} | {len(totals)} | {' | '.join(cells)} |", flush=True)


def print_false_alarms(tasks: Sequence[Task], rows: Iterable[str], args) -> None:
    """Shares of test clips above thresholds for rates, in per cent.

    Of normal clips, source and target; of anomalous ones.
    """
    print(f"\n| row | method | {' | '.join(f'{100 * rate:g} %' for rate in RATES)} |")
    print("|" + "---|" * (2 + len(RATES)))
    for row in rows:
        views = views_of(row, args.ensemble, args.epochs, args.encoder, args.wav2vec)
        pairs = [scored(task, views, args, hold_out=True) for task in tasks]
        for method in QUANTILES:
            cells = []
            for rate in RATES:
                shares = []
                for section, test in pairs:
                    limit, _ = Decision(method, rate).of_section(section)
                    above = test.scores > limit
                    groups = [~test.anomalous & (test.target == one) for one in (False, True)]
                    shares.append([np.mean(above[own]) for own in (*groups, test.anomalous)])
                source, target, found = 100 * np.mean(shares, axis=0)
                cells.append(f"{source:.1f}, {target:.1f}; {found:.1f}")
            print(f"| {row} | {method} | {' | '.join(cells)} |", flush=True)


def generated(args, kind: str, **settings) -> list[Task]:
    """The generated machines of every seed, written once."""
    tasks = []
    for seed in range(args.data_seeds):
        told = "_".join(f"{key}{value}" for key, value in settings.items())
        together = [(one,) for one in MACHINES] if kind == "alone" else [tuple(MACHINES)]
        for machines in together:
            name = "_".join([f"{kind}{told}", *(machines if kind == "alone" else ()), str(seed)])
            folder = args.out / name
            if not (folder / "done").exists():
                write_dataset(folder, seed=seed, machines=machines, **settings)
                if kind in ("withheld", "alone"):
                    withhold_attributes(folder)
                (folder / "done").touch()
            tasks += tasks_of(name, folder)
    return tasks


def withhold_attributes(folder: Path) -> None:
    """Take the attributes out of the names of every second machine's clips, as since 2024.

    The first one is among them, so that it holds for a machine alone.
    """
    for machine in sorted(path for path in folder.iterdir() if path.is_dir())[::2]:
        for file in machine.rglob("*.wav"):
            file.rename(file.with_stem(f"{file.stem.partition('_spd_')[0]}_{NO_ATTRIBUTE}"))


def tasks_of(name: str, folder: Path) -> list[Task]:
    """The machines of a data set, or their sections, as far as they are tested."""
    tested = {name_of(folder, clip) for clip in clips_of(folder) if clip.split == TEST}
    return [Task(name, folder, machine) for machine in sorted(tested)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder that holds asd/machines")
    parser.add_argument("--dcase-root", type=Path, help="development set of the challenge")
    parser.add_argument(
        "--task", choices=("machines", *SETTINGS), action="append", help="only this one"
    )
    parser.add_argument("--row", action="append", help="default: all systems that train no network")
    parser.add_argument("--list", action="store_true", help="name all rows")
    parser.add_argument("--ensemble", type=int, help="networks whose scores are averaged")
    parser.add_argument("--epochs", type=int, help="instead of those that were published")
    parser.add_argument("--encoder", help="file of other pre-trained embeddings")
    parser.add_argument("--wav2vec", type=Path, help="weights, for rows that listen through it")
    parser.add_argument("--data-seeds", type=int, default=3, help="of the generated machines")
    parser.add_argument("--training-seeds", type=int, default=1, help="of the networks")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    parser.add_argument("--device", default="cpu", help="where networks are trained")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    parser.add_argument("--false-alarms", action="store_true", help="what thresholds hold")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/asd_accuracy"))
    args = parser.parse_args()
    if args.list:
        print("\n".join([*SYSTEM_NAMES, *COMPARISONS]))
        return
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    rows = args.row or list(TRAINING_FREE_NAMES)
    if args.false_alarms:
        many = generated(args, "generated", **MANY)
        print_false_alarms(many, args.row or [DEFAULT], args)
        return
    if args.dcase_root is not None:
        print_table(str(args.dcase_root), tasks_of("dcase", args.dcase_root), rows, args)
        return
    wanted = args.task or ["machines", *SETTINGS]
    if "machines" in wanted:
        if args.data is None:
            parser.error("where are the recordings? give --data, or --task generated")
        for task in tasks_of("machines", args.data / "asd" / "machines"):
            print_table(task.machine, [task], rows, args)
    for kind, settings in SETTINGS.items():
        if kind in wanted:
            tasks = generated(args, kind, **settings)
            print_table(f"{kind}, {args.data_seeds} seeds", tasks, rows, args)


if __name__ == "__main__":
    main()
