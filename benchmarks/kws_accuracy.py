"""Keyword spotting on task folders: enrol, tune on the validation part, report on the test part.

For every fold of every task and every row (a way to make frames and templates) the keywords are
enrolled, the threshold is tuned on the validation part, and the event-based F-score of the test
part is reported (sed_eval, collar 0.2 s, 50 % of the length). What is done is kept in --out, so
that a run can be resumed.

    python benchmarks/kws_accuracy.py --data ../shared/data --task timit --fold 1
    python benchmarks/kws_accuracy.py --data ../shared/data --row default --row mfcc --jobs 2

What the rows are stands in kws_rows.py.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from kws_rows import ROWS, TRAINED, Found, System, context_of, system_of

from fewshot.events import Event, read_events
from kws.clips import LoadedClip, clips_from_csv, load_clips
from kws.config import KwsConfig
from kws.evaluation import evaluate

TASKS = ("fsdd", "wakewords/clean", "wakewords/10dB", "telephone", "timit", "timit/cut")
PARTS = ("validation", "test")
FULL_BAND_HZ = (60.0, 7600.0)
BANDS_HZ = {"fsdd": (60.0, 3900.0), "telephone": (250.0, 3450.0)}
"""Range of the cepstra's filters where a task has less than the full band."""


@dataclass(frozen=True)
class Part:
    """Recordings that are searched, and what is in them.

    Attributes
    ----------
    folder : Path
        What the recordings' names are relative to.
    durations : mapping of str to float
        Every recording's, in seconds.
    truth : list of Event
    """

    folder: Path
    durations: Mapping[str, float]
    truth: list[Event]


def recordings_of(folder: Path, fold: str, part: str) -> dict[str, float]:
    """Recordings of a part and their durations in seconds."""
    rows = (folder / fold / f"{part}_sentences.csv").read_text().split()[1:]
    return {row.split(",")[0]: float(row.split(",")[1]) for row in rows}


def parts_of(folder: Path, fold: str) -> dict[str, Part]:
    """Validation and test part of a fold."""
    return {
        part: Part(
            folder,
            recordings_of(folder, fold, part),
            read_events(folder / fold / f"{part}_keywords.csv"),
        )
        for part in PARTS
    }


def search(system: System, part: Part) -> Found:
    """What a system finds in all recordings of a part."""
    return system.search(part.folder, part.durations)


def figures(part: Part, found: Sequence[Event]) -> dict[str, float]:
    """F-score, precision and recall of detections."""
    result = evaluate(part.truth, found, part.durations)
    return {"f": result.f_score, "p": result.precision, "r": result.recall}


def report(parts: Mapping[str, Part], found: Mapping[str, Found], threshold: float | None) -> dict:
    """Tune on the validation part, score on the test part; also at a threshold that is given."""
    truth = {name: part.truth for name, part in parts.items()}
    tuned = found["validation"].tune(truth["validation"])
    kept = found["test"].at(tuned.threshold)
    out = {"validation_f": tuned.f_score, "threshold": tuned.threshold}
    out |= figures(parts["test"], kept)
    steady = found["validation"].tune_for_others(truth["validation"])
    out["steady_threshold"] = steady.threshold
    out["steady_f"] = figures(parts["test"], found["test"].at(steady.threshold))["f"]
    of = found["validation"].tune_per_keyword(truth["validation"]).thresholds
    out["individual_f"] = figures(parts["test"], found["test"].at(of))["f"]
    if threshold is not None:
        own = figures(parts["test"], found["test"].at(threshold))
        out |= {f"own_{key}": value for key, value in own.items()}
        out["own_threshold"] = threshold
        own = figures(parts["validation"], found["validation"].at(threshold))
        out["own_validation_f"] = own["f"]
    best = found["test"].tune(truth["test"])
    return out | {"best_f": best.f_score, "length_ratio": length_ratio(truth["test"], kept)}


def length_ratio(truth: Sequence[Event], found: Sequence[Event]) -> float:
    """Median length of detections relative to the events of their label that they overlap."""
    ratios = [
        (f.offset_s - f.onset_s) / (t.offset_s - t.onset_s)
        for t in truth
        for f in found
        if (f.filename, f.label) == (t.filename, t.label)
        and min(f.offset_s, t.offset_s) > max(f.onset_s, t.onset_s)
    ]
    return float(np.median(ratios)) if ratios else float("nan")


def run_fold(
    task: str, folder: Path, fold: str, row: str, epochs: int, shots: int | None, seed: int
) -> dict:
    """Everything that is reported of one row on one fold."""
    table = "train_keywords_cut.csv" if task.endswith("/cut") else "train_keywords.csv"
    clips = load_clips(
        clips_from_csv(folder / fold / table, root=folder),
        context_s=context_of(row),
    )[0]
    if shots is not None:
        clips = some_of(clips, shots, seed)
    started = time.perf_counter()
    system = system_of(row, clips, BANDS_HZ.get(task, FULL_BAND_HZ), epochs, seed)
    enrol_s = time.perf_counter() - started
    return {"seed": seed, "enrol_s": enrol_s} | score(system, parts_of(folder, fold))


def some_of(clips: Sequence[LoadedClip], count: int, seed: int) -> list[LoadedClip]:
    """Clips of which each keyword keeps so many, drawn at random."""
    rng, kept = np.random.default_rng(seed), set()
    for keyword in sorted({clip.clip.label for clip in clips}):
        own = [i for i, clip in enumerate(clips) if clip.clip.label == keyword]
        kept |= set(rng.permutation(own)[:count].tolist())
    return [clip for i, clip in enumerate(clips) if i in kept]


def score(system: System, parts: Mapping[str, Part]) -> dict:
    """Search the recordings of both parts, and score what is found."""
    started = time.perf_counter()
    found = {name: search(system, part) for name, part in parts.items()}
    seconds = sum(sum(part.durations.values()) for part in parts.values())
    realtime = seconds / (time.perf_counter() - started)
    return {"realtime": realtime} | report(parts, found, system.threshold)


def _job(
    task: str,
    data: Path,
    fold: str,
    row: str,
    epochs: int,
    shots: int | None,
    seed: int,
    out: Path,
) -> dict:
    torch.set_num_threads(1)
    settings = f"_{epochs}" * (row in TRAINED) + f"_{shots}-shots" * (shots is not None)
    name = f"{task}_{fold}_{row}{settings}_{seed}".replace("/", "-").replace(" ", "-")
    target = out / f"{name}.json"
    if not target.exists():
        folder = data / "kws" / task.removesuffix("/cut")
        result = {"task": task, "fold": fold, "row": row}
        result |= run_fold(task, folder, fold, row, epochs, shots, seed)
        temporary = target.with_suffix(".part")
        temporary.write_text(json.dumps(result, indent=1))
        os.replace(temporary, target)
    return json.loads(target.read_text())


COLUMNS = {
    "f": "F",
    "p": "P",
    "r": "R",
    "steady_f": "steady F",
    "individual_f": "individual F",
    "own_f": "own F",
    "validation_f": "validation F",
    "own_validation_f": "own validation F",
    "best_f": "best F on test",
}


def print_table(results: Sequence[dict]) -> None:
    """Mean (F with its standard deviation) over folds and seeds, in per cent.

    "F": with the best threshold on the validation part; "steady": with the one that kws-evaluate
    --tune would take there; "individual": with the best one of each keyword; "own": at the
    threshold that enrolment chose; "validation": on that part, with the best one there; "length":
    median length of detections, relative to the truth.
    """
    titles = " | ".join(COLUMNS.values())
    print(f"| task | row | folds | {titles} | length | enrolment, s | x real time |")
    print("|" + "---|" * (6 + len(COLUMNS)))
    for task, row in dict.fromkeys((r["task"], r["row"]) for r in results):
        own = [r for r in results if (r["task"], r["row"]) == (task, row)]
        cells = []
        for key in COLUMNS:
            values = [100 * r[key] for r in own if key in r]
            cell = f"{np.mean(values):.1f}" if values else "-"
            cells.append(f"{cell} ± {np.std(values):.1f}" if key == "f" else cell)
        for key, digits in (("length_ratio", 2), ("enrol_s", 0), ("realtime", 1)):
            cells.append(f"{np.nanmean([r[key] for r in own]):.{digits}f}")
        print(f"| {task} | {row} | {len(own)} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kws/")
    parser.add_argument("--task", action="append", help=f"default: {', '.join(TASKS)}")
    parser.add_argument("--fold", action="append", type=int, help="default: all")
    parser.add_argument(
        "--row",
        action="append",
        choices=(*ROWS, *TRAINED),
        help=f"default: {', '.join(ROWS)}",
    )
    parser.add_argument("--epochs", type=int, default=KwsConfig().epochs, help="of trained rows")
    parser.add_argument("--shots", type=int, help="clips of each keyword, drawn by the seed")
    parser.add_argument("--seed", action="append", type=int, help="default: 0")
    parser.add_argument("--jobs", type=int, default=1, help="folds side by side, a thread each")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/kws_accuracy"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    jobs = [
        (task, args.data, fold.name, row, args.epochs, args.shots, seed, args.out)
        for task in args.task or TASKS
        for row in args.row or ROWS
        for seed in args.seed or [0]
        for fold in sorted((args.data / "kws" / task.removesuffix("/cut")).glob("fold*"))
        if not args.fold or int(fold.name.removeprefix("fold")) in args.fold
    ]
    results = {}
    with ProcessPoolExecutor(args.jobs) as pool:
        # First folds of all first, so that an interrupted run says something of each.
        order = sorted(range(len(jobs)), key=lambda i: jobs[i][2])
        done = pool.map(_job, *zip(*(jobs[i] for i in order), strict=True))
        for i, result in zip(order, done, strict=True):
            results[i] = result
            print(f"{len(results)}/{len(jobs)} {jobs[i][0]} {jobs[i][2]} {jobs[i][3]}", flush=True)
    print_table([results[i] for i in range(len(jobs))])


if __name__ == "__main__":
    main()
