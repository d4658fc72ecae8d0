"""Open-set classification: nine conditions, all folds, beside comparators.

For every condition (1, 2 or 4 shots; low, middle or high openness) and fold the classes are learnt
from the fold's clips and all other clips are answered. Reported, in per cent, mean and standard
deviation over the folds: weighted accuracy at the classifier's own threshold, the same with the
threshold picked on the test clips (optimistic), closed-set accuracy, and AUROC of known against
unknown clips. What is done is kept in --out, so that a run can be resumed.

    python benchmarks/osc_accuracy.py --data ../shared/data --jobs 2
    python benchmarks/osc_accuracy.py --data ../shared/data --row mfcc --condition 1low
    python benchmarks/osc_accuracy.py --naranjo DIR
    python benchmarks/osc_accuracy.py --task alarms

Tasks: "office" (--data; osc/office in it), "naranjo" (--naranjo; the domestic alarms of Naranjo-
Alcazar et al. as they are distributed, printed beside the papers' figures), "alarms" (24 alarms and
ten household sounds that are synthesised here, one shot), "exchanged" (the office task with other
classes in the roles of known and unwanted ones, --splits of them; what defaults are chosen on).

Rows: "default" is what osc-train does, "default nearest" the same with the nearest clip instead of
the mean, "timbre", "movement" and "speech view" with one of its three views; "mfcc" is the nearest
class mean of MFCC statistics, scored by the margin to known unknowns, with the 95th percentile of
foreign scores as threshold; "mfcc nearest" the nearest clip, with the automatic threshold; "speech"
the nearest clip by the mean of the speech embedding's frames.
With --row only, since they train a network on the clips: "two-branch", the published system;
"two-branch adacos", "two-branch softmax" and "two-branch prototypical", that with other losses;
"shallow", a classifier on the mean of the speech embedding's frames.
"""

import argparse
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from fewshot import audio
from fewshot.encoders.loading import BUNDLED, load_encoder
from osc import OpenSetClassifier
from osc.config import UNKNOWN
from osc.data import OPENNESS, SHOTS, Condition, LabelledClip, groups_of, read_condition
from osc.evaluation import best_threshold, evaluate
from osc.representations.views import ThreeViews
from osc.synthesis import ALARMS, HOUSEHOLD, recording

CONDITIONS = tuple(f"{shots}{openness}" for openness in OPENNESS for shots in SHOTS)
TAKES = 6
KNOWN_UNKNOWNS = {"low": 10, "middle": 5, "high": 0}
"""Household sounds that the alarms' conditions give training clips of."""
FIGURES = {
    "weighted": "w.acc.",
    "best_weighted": "w.acc.*",
    "closed_set": "closed-set acc.",
    "auroc": "AUROC",
}
TABLE_29 = {
    "OpenL3 [162]": (56.8, 90.3, 97.2, 74.1, 86.7, 91.3, 49.9, 58.3, 60.5),
    "YAMNet [162]": (80.1, 88.2, 94.9, 78.3, 85.6, 91.9, 57.1, 61.1, 64.3),
    "VGGish": (90.0, 95.6, 98.4, 88.7, 93.4, 96.2, 84.0, 87.8, 87.8),
    "OpenL3": (98.1, 99.6, 99.9, 97.0, 99.2, 99.3, 88.8, 94.0, 96.1),
    "PANN": (95.6, 97.7, 98.9, 94.9, 95.7, 97.8, 92.1, 92.9, 96.0),
    "Kumar": (96.5, 98.5, 99.6, 96.1, 97.8, 98.6, 94.8, 97.0, 98.4),
    "directly trained": (97.4, 99.1, 99.7, 96.8, 98.7, 99.8, 92.6, 97.5, 99.1),
}
"""The papers' weighted accuracies on the data set of Naranjo-Alcazar et al., by `CONDITIONS`."""


@cache
def _speech_mean(key: bytes) -> np.ndarray:
    """Mean frame of the waveform whose float32 samples these bytes are, kept for other folds."""
    return _speech_encoder().embed(np.frombuffer(key, np.float32)).mean(axis=0)


@lru_cache(maxsize=1)
def _speech_encoder() -> object:
    return load_encoder(BUNDLED)


def speech(samples: np.ndarray) -> np.ndarray:
    """Mean frame of the speech embedding."""
    return _speech_mean(np.ascontiguousarray(samples, np.float32).tobytes())


class KeptViews(ThreeViews):
    """The default representation; what it takes from a clip is kept for other folds."""

    kept: ClassVar[dict[bytes, dict[str, np.ndarray]]] = {}

    def statistics(self, samples: np.ndarray) -> dict[str, np.ndarray]:
        """As the base class, once for each clip."""
        key = hashlib.sha256(samples.tobytes()).digest()
        if key not in self.kept:
            self.kept[key] = super().statistics(samples)
        return self.kept[key]


ROWS: Mapping[str, Mapping[str, object]] = {
    "default": {"representation": KeptViews()},
    "default nearest": {"representation": KeptViews(), "decision": "nearest"},
    "timbre": {"representation": KeptViews(["timbre"])},
    "movement": {"representation": KeptViews(["movement"])},
    "speech view": {"representation": KeptViews(["speech"])},
    "mfcc": {
        "representation": "mfcc",
        "decision": "centre",
        "rejection": "margin",
        "threshold": "foreign",
    },
    "mfcc nearest": {"representation": "mfcc", "decision": "nearest"},
    "speech": {"representation": speech, "decision": "nearest"},
}
"""Parameters of `OpenSetClassifier`, by the names of the rows."""
TRAINED: Mapping[str, Mapping[str, object]] = {
    "two-branch": {"representation": "two-branch", "decision": "nearest"},
    "shallow": {"representation": "shallow", "options": {"encoder": speech}},
} | {
    f"two-branch {loss}": {
        "representation": "two-branch",
        "decision": "nearest",
        "options": {"loss": loss},
    }
    for loss in ("adacos", "softmax", "prototypical")
}


@dataclass(frozen=True)
class Job:
    """One row on one fold of one condition."""

    task: str
    folder: Path | None
    condition: str
    fold: int
    row: str
    seed: int
    out: Path = field(compare=False)

    @property
    def target(self) -> Path:
        """File that keeps what is reported."""
        name = f"{self.task}_{self.condition}_{self.fold}_{self.row}_{self.seed}.json"
        return self.out / name.replace(" ", "-")


@cache
def condition_of(task: str, folder: Path | None, name: str) -> Condition:
    """A condition's clips; those of the task "alarms" are named by class and take."""
    shots, openness = int(name[0]), name[1:]
    if task.startswith("exchanged"):
        return exchanged(read_condition(folder, shots, "low"), openness, int(task.split()[1]))
    if task != "alarms":
        return read_condition(folder, shots, openness)
    clips, folds = [], []
    for sound in (*ALARMS, *HOUSEHOLD):
        unknown = sound in HOUSEHOLD
        tested = unknown and list(HOUSEHOLD).index(sound) >= KNOWN_UNKNOWNS[openness]
        for take in range(TAKES):
            label, group = (UNKNOWN, sound) if unknown else (sound, None)
            clips.append(LabelledClip(Path(sound, str(take)), label, group))
            folds.append(TAKES + 1 if tested else take // shots + 1)
    return Condition(shots, openness, clips, folds)


def exchanged(condition: Condition, openness: str, seed: int) -> Condition:
    """A condition whose known and unwanted classes are drawn anew, as many of each as before.

    Parameters
    ----------
    condition : Condition
        With training clips of all classes (low openness).
    openness : {"low", "middle", "high"}
        Of the unwanted classes all, three fifths or none are known unknowns.
    seed : int
    """
    classes = [clip.path.parent.name for clip in condition.clips]
    drawn = np.random.default_rng(seed).permutation(np.unique(classes)).tolist()
    n_known = len({clip.label for clip in condition.clips} - {UNKNOWN})
    unwanted = drawn[n_known:]
    heard = unwanted[
        : {"low": len(unwanted), "middle": 3 * len(unwanted) // 5, "high": 0}[openness]
    ]
    clips = [
        LabelledClip(
            clip.path, UNKNOWN if own in unwanted else own, own if own in unwanted else None
        )
        for clip, own in zip(condition.clips, classes, strict=True)
    ]
    n_folds = max(condition.folds)
    folds = [
        n_folds + 1 if own in unwanted and own not in heard else fold
        for fold, own in zip(condition.folds, classes, strict=True)
    ]
    return Condition(condition.shots, openness, clips, folds)


@lru_cache(maxsize=4000)
def waveform_of(task: str, path: Path, seed: int) -> np.ndarray:
    """A clip's sound at 16 kHz, not filtered yet."""
    if task == "alarms":
        return recording(path.parent.name, int(path.name), seed)
    return audio.read(path, highpass=False)


def run_fold(job: Job) -> dict[str, float]:
    """Everything that is reported of one row on one fold."""
    train, test = condition_of(job.task, job.folder, job.condition).split(job.fold)
    sound = partial(waveform_of, job.task, seed=job.seed)
    X = [sound(clip.path) for clip in train]
    started = time.perf_counter()
    model = OpenSetClassifier(**(ROWS | TRAINED)[job.row], seed=job.seed)
    model.fit(X, [clip.label for clip in train], groups=groups_of(train))
    train_s = time.perf_counter() - started
    X = [sound(clip.path) for clip in test]
    started = time.perf_counter()
    similarities = model.similarities(X)
    clip_s = (time.perf_counter() - started) / len(test)
    labels, classes = [clip.label for clip in test], model.classes_.tolist()
    nearest = model.classes_[similarities[:, : len(classes)].argmax(axis=1)]
    scores = model.scores_of(similarities)
    answers = model.answers_of(similarities)
    result = evaluate(labels, answers, nearest, scores, classes, UNKNOWN)
    told: dict[str, dict[str, int]] = {}
    for clip, answer in zip(test, answers.tolist(), strict=True):
        counts = told.setdefault(clip.group if clip.label == UNKNOWN else clip.label, {})
        counts[answer] = counts.get(answer, 0) + 1
    return {
        "weighted": result.weighted_accuracy,
        "best_weighted": best_threshold(labels, nearest, scores, classes)[1],
        "closed_set": result.closed_set_accuracy,
        "auroc": result.auroc,
        "known": result.known_accuracy,
        "unknown": result.unknown_accuracy,
        "threshold": model.threshold_,
        "train_s": train_s,
        "clip_ms": 1000 * clip_s,
        "answers": told,
    }


def done(job: Job) -> dict:
    """What is reported of a job: run now, or read where it has been run before."""
    torch.set_num_threads(1)
    if not job.target.exists():
        result = {"task": job.task, "condition": job.condition, "fold": job.fold, "row": job.row}
        result |= run_fold(job)
        temporary = job.target.with_suffix(".part")
        temporary.write_text(json.dumps(result, indent=1))
        os.replace(temporary, job.target)
    return json.loads(job.target.read_text())


def cell(results: Sequence[dict], key: str) -> str:
    """Mean and deviation over folds, in per cent."""
    values = [100 * result[key] for result in results]
    return f"{np.mean(values):.1f} ± {np.std(values):.1f}" if values else "-"


def print_table(results: Sequence[dict]) -> None:
    """Every condition, and the mean of the conditions' means."""
    print(f"| row | openness | shots | folds | {' | '.join(FIGURES.values())} | training, s | ms |")
    print("|" + "---|" * (6 + len(FIGURES)))
    for row in dict.fromkeys(r["row"] for r in results):
        own = [r for r in results if r["row"] == row]
        means = []
        for name in dict.fromkeys(r["condition"] for r in own):
            folds = [r for r in own if r["condition"] == name]
            cells = [cell(folds, key) for key in FIGURES]
            times = [np.mean([r[key] for r in folds]) for key in ("train_s", "clip_ms")]
            means.append([np.mean([r[key] for r in folds]) for key in FIGURES])
            cells += [f"{times[0]:.2f}", f"{times[1]:.1f}"]
            print(f"| {row} | {name[1:]} | {name[0]} | {len(folds)} | {' | '.join(cells)} |")
        cells = [f"**{100 * value:.1f}**" for value in np.mean(means, axis=0)]
        print(f"| {row} | mean of {len(means)} | | | {' | '.join(cells)} | | |")


def print_answers(results: Sequence[dict]) -> None:
    """What the clips of each class are taken for, in per cent over all folds, most often first."""
    for row, name in dict.fromkeys((r["row"], r["condition"]) for r in results):
        print(f"\n{row}, {name[1:]} openness, shots: {name[0]}\n")
        total: dict[str, Counter] = {}
        for told in [r["answers"] for r in results if (r["row"], r["condition"]) == (row, name)]:
            for sound, counts in told.items():
                total.setdefault(sound, Counter()).update(counts)
        for sound, counts in sorted(total.items()):
            n = sum(counts.values())
            print(
                f"{sound}: " + ", ".join(f"{a} {100 * c / n:.0f}" for a, c in counts.most_common(4))
            )


def print_table_29(results: Sequence[dict]) -> None:
    """Weighted accuracy at the own threshold, laid out as Table 29 of the dissertation."""
    rows = list(dict.fromkeys(r["row"] for r in results))
    print("\nWeighted accuracy (%); without ± the papers' means, on the same data set:\n")
    print(f"| openness | shots | {' | '.join([*TABLE_29, *rows])} |")
    print("|" + "---|" * (2 + len(TABLE_29) + len(rows)))
    for i, name in enumerate(CONDITIONS):
        papers = [f"{values[i]:.1f}" for values in TABLE_29.values()]
        ours = [
            cell([r for r in results if (r["row"], r["condition"]) == (row, name)], "weighted")
            for row in rows
        ]
        print(f"| {name[1:]} | {name[0]} | {' | '.join([*papers, *ours])} |")


def jobs_of(args: argparse.Namespace) -> list[Job]:
    """What is asked for, in the order of the table."""
    folders: dict[str, Path | None] = {}
    if args.data is not None and args.task != "exchanged":
        folders["office"] = args.data / "osc" / "office"
    elif args.data is not None:
        office = args.data / "osc" / "office"
        folders |= {f"exchanged {split}": office for split in range(1, args.splits + 1)}
    if args.naranjo is not None:
        folders["naranjo"] = args.naranjo
    if args.task in (None, "alarms") and (args.task or not folders):
        folders["alarms"] = None
    jobs = []
    for task, folder in folders.items():
        if args.task not in (None, task.split()[0]):
            continue
        names = [name for name in CONDITIONS if task != "alarms" or name[0] == "1"]
        for row in args.row or ROWS:
            for name in [name for name in names if name in (args.condition or names)]:
                for seed in args.seed or [0]:
                    n_folds = condition_of(task, folder, name).n_folds
                    jobs += [
                        Job(task, folder, name, fold, row, seed, args.out)
                        for fold in range(1, n_folds + 1)
                        if fold in (args.fold or [fold])
                    ]
    return jobs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder that holds osc/office")
    parser.add_argument("--naranjo", type=Path, help="folder of the domestic alarms' data set")
    parser.add_argument(
        "--task", choices=("office", "exchanged", "naranjo", "alarms"), help="only this one"
    )
    parser.add_argument("--answers", action="store_true", help="what each class is taken for")
    parser.add_argument("--splits", type=int, default=4, help="of the task exchanged")
    parser.add_argument(
        "--row",
        action="append",
        choices=[*ROWS, *TRAINED],
        help=f"default: {', '.join(ROWS)}",
    )
    parser.add_argument("--condition", action="append", choices=CONDITIONS, help="default: all")
    parser.add_argument("--fold", action="append", type=int, help="default: all")
    parser.add_argument("--seed", action="append", type=int, help="default: 0")
    parser.add_argument("--jobs", type=int, default=1, help="folds side by side, a thread each")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/osc_accuracy"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    jobs = jobs_of(args)
    if not jobs:
        parser.error("nothing to do; give --data, --naranjo or --task alarms")
    results: dict[Job, dict] = {}
    with ProcessPoolExecutor(args.jobs) as pool:
        # First folds of all first, so that an interrupted run says something of each.
        order = sorted(jobs, key=lambda job: job.fold)
        for job, result in zip(order, pool.map(done, order), strict=True):
            results[job] = result
            print(f"{len(results)}/{len(jobs)} {job.task} {job.condition} {job.fold} {job.row}")
    for task in dict.fromkeys(job.task.split()[0] for job in jobs):
        print(f"\n{task}\n")
        own = [results[job] for job in jobs if job.task.split()[0] == task]
        print_table(own)
        if args.answers:
            print_answers(own)
        if task == "naranjo":
            print_table_29(own)


if __name__ == "__main__":
    main()
