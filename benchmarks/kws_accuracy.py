"""Keyword spotting on task folders: enrol, tune on the validation part, report on the test part.

For every fold of every task the keywords are enrolled, the threshold is tuned on the validation
part, and the event-based F-score of the test part is reported (sed_eval, collar 0.2 s, 50 % of the
length), beside that of MFCC + subsequence DTW, with barycentre and with shot templates. Folds that
are done are kept in --out, so that a run can be resumed.

    python benchmarks/kws_accuracy.py --data ../shared/data --task timit --fold 1
    python benchmarks/kws_accuracy.py --data ../shared/data --jobs 2
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

import kws
from fewshot import audio
from fewshot.events import Event, read_events
from fewshot.features import mfcc
from kws.calibration import enrolment_scores, estimate_threshold
from kws.clips import clips_from_csv, load_clips
from kws.config import KwsConfig
from kws.enrollment import embed_background
from kws.evaluation import evaluate, tune
from kws.learning import background_segments
from kws.search import search
from kws.segments import embed, frame_borders_s
from kws.templates import templates_of

TASKS = ("fsdd", "wakewords/clean", "wakewords/10dB", "telephone", "timit", "timit/cut")
TEMPLATES = ("barycenter", "shots")
MFCC_HOP_S = 0.01
PERCENTILES = (0, 5, 10, 25, 50, 75, 90, 95, 99, 100)
MFCC_BANDS_HZ = {"fsdd": (60.0, 3900.0), "telephone": (250.0, 3450.0)}
"""Range of the baseline's Mel filters where a task has less than 60 to 7600 Hz."""


def recordings_of(folder: Path, fold: str, part: str) -> dict[str, float]:
    """Recordings of a part and their durations in seconds."""
    rows = (folder / fold / f"{part}_sentences.csv").read_text().split()[1:]
    return {row.split(",")[0]: float(row.split(",")[1]) for row in rows}


def conditioned(path: Path) -> np.ndarray:
    """A whole recording as detection sees it."""
    return audio.normalise(audio.read(path))


def candidates(
    templates: Sequence[np.ndarray],
    labels: Sequence[str],
    frames: np.ndarray,
    borders_s: Callable[[int, int], tuple[float, float]],
    name: str,
) -> list[Event]:
    """Every best match in a recording that overlaps with no better one."""
    return [
        Event(name, *borders_s(m.onset_frame, m.offset_frame), labels[m.template], m.score)
        for m in search(templates, frames)
    ]


def report(folder: Path, fold: str, found: dict[str, list[Event]], threshold: float | None) -> dict:
    """Tune on the validation part, score on the test part; also at a threshold that is given."""
    truth = {p: read_events(folder / fold / f"{p}_keywords.csv") for p in found}
    durations = {p: recordings_of(folder, fold, p) for p in found}
    tuned = tune(truth["validation"], found["validation"])

    def scored(part: str, limit: float) -> dict[str, float]:
        kept = [e for e in found[part] if e.score >= limit]
        result = evaluate(truth[part], kept, durations[part])
        return {"f": result.f_score, "p": result.precision, "r": result.recall}

    out = {"validation_f": tuned.f_score, "threshold": tuned.threshold}
    out |= scored("test", tuned.threshold)
    if threshold is not None:
        out |= {f"own_{key}": value for key, value in scored("test", threshold).items()}
        out["own_threshold"] = threshold
        out["own_validation_f"] = scored("validation", threshold)["f"]
    best = tune(truth["test"], found["test"])
    return out | {"best_f": best.f_score}


def run_fold(
    folder: Path, table: str, fold: str, config: KwsConfig, seed: int, band_hz: tuple[float, float]
) -> dict:
    """Everything that is reported of one fold."""
    clips = clips_from_csv(folder / fold / table, root=folder)
    parts = {p: recordings_of(folder, fold, p) for p in ("validation", "test")}
    started = time.perf_counter()
    model = kws.enroll(clips, config=config, seed=seed)
    out: dict = {"seed": seed, "config": asdict(config), "enrol_s": time.perf_counter() - started}

    started = time.perf_counter()
    frames = {
        name: embed(model.encoder, conditioned(folder / name))
        for names in parts.values()
        for name in names
    }
    seconds = sum(sum(names.values()) for names in parts.values())
    out["detect_realtime"] = seconds / (time.perf_counter() - started)
    shots = {k: model.shots(k) for k in model.keywords}
    background = background_segments([], np.random.default_rng(seed))
    sound = embed_background(model.encoder, background)
    for mode in TEMPLATES:
        scores = enrolment_scores(list(shots.values()), sound, partial(templates_of, mode=mode))
        own = estimate_threshold(scores)
        out[mode] = search_parts(folder, fold, parts, shots, mode, frames, frame_borders_s, own)
        out[mode]["enrolment"] = {
            name: np.nanpercentile(values, PERCENTILES).tolist()
            for name, values in (
                ("own", scores.own),
                ("foreign", scores.foreign),
                ("background", scores.background),
            )
        }

    loaded = load_clips(clips, context_s=0.0)[0]
    raw = [mfcc(c.samples, low_hz=band_hz[0], high_hz=band_hz[1]) for c in loaded]
    mean, deviation = _statistics(np.concatenate(raw))
    cepstra: dict[str, list[np.ndarray]] = {k: [] for k in model.keywords}
    for clip, found in zip(loaded, raw, strict=True):
        if len(found) >= 8:
            cepstra[clip.clip.label].append(_unit((found - mean) / deviation))
    features = {}
    for name in frames:
        found = mfcc(audio.read(folder / name), low_hz=band_hz[0], high_hz=band_hz[1])
        mean, deviation = _statistics(found)
        features[name] = _unit((found - mean) / deviation)
    for mode in TEMPLATES:
        out[f"mfcc {mode}"] = search_parts(
            folder, fold, parts, cepstra, mode, features, _mfcc_borders, None
        )
    return out


def search_parts(
    folder: Path,
    fold: str,
    parts: Mapping[str, Mapping[str, float]],
    shots: Mapping[str, Sequence[np.ndarray]],
    mode: str,
    frames: Mapping[str, np.ndarray],
    borders_s: Callable[[int, int, float], tuple[float, float]],
    threshold: float | None,
) -> dict:
    """Search the recordings of both parts for the keywords' templates, and score what is found."""
    made = {k: templates_of(f, mode) for k, f in shots.items() if f}
    templates = [t for ts in made.values() for t in ts]
    labels = [k for k, ts in made.items() for _ in ts]
    found = {
        part: [
            event
            for name, duration in names.items()
            for event in candidates(
                templates, labels, frames[name], lambda a, b, d=duration: borders_s(a, b, d), name
            )
        ]
        for part, names in parts.items()
    }
    return report(folder, fold, found, threshold)


def _mfcc_borders(onset: int, offset: int, duration_s: float) -> tuple[float, float]:
    return max(0.0, (onset - 0.5) * MFCC_HOP_S), min(duration_s, (offset - 0.5) * MFCC_HOP_S)


def _statistics(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return frames.mean(axis=0), np.maximum(frames.std(axis=0), 1e-6)


def _unit(frames: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(frames, axis=1, keepdims=True)
    return (frames / np.maximum(norms, 1e-9)).astype(np.float32)


def _job(task: str, data: Path, fold: str, config: KwsConfig, seed: int, out: Path) -> str:
    torch.set_num_threads(1)
    cut = task.endswith("/cut")
    folder = data / "kws" / task.removesuffix("/cut") if (data / "kws").is_dir() else data / task
    target = out / f"{task.replace('/', '-')}_{fold}_{config.loss}_{config.epochs}_{seed}.json"
    if not target.exists():
        band = MFCC_BANDS_HZ.get(task, (60.0, 7600.0))
        table = "train_keywords_cut.csv" if cut else "train_keywords.csv"
        result = {"task": task, "fold": fold, **run_fold(folder, table, fold, config, seed, band)}
        temporary = target.with_suffix(".part")
        temporary.write_text(json.dumps(result, indent=1))
        os.replace(temporary, target)
    return target.name


def print_table(results: Sequence[dict]) -> None:
    """Mean (and standard deviation) over folds, in per cent.

    "own": at the threshold that enrolment estimated; "validation": with the best threshold there.
    """
    keys = ("p", "r", "own_f", "validation_f", "own_validation_f", "best_f")
    titles = ("P", "R", "own F", "validation F", "own validation F", "best F on test")
    print(f"| task | folds | frames, templates | F ± sd | {' | '.join(titles)} |")
    print("|" + "---|" * (4 + len(titles)))
    for task in dict.fromkeys(r["task"] for r in results):
        rows = [r for r in results if r["task"] == task]
        for column in ("barycenter", "shots", "mfcc barycenter", "mfcc shots"):
            values = [r[column] for r in rows]
            name = column if column.startswith("mfcc") else f"{rows[0]['config']['loss']} {column}"
            scores = [100 * v["f"] for v in values]
            cells = [f"{np.mean(scores):.1f} ± {np.std(scores):.1f}"] + [
                f"{100 * np.mean([v[key] for v in values]):.1f}" if key in values[0] else "-"
                for key in keys
            ]
            print(f"| {task} | {len(rows)} | {name} | {' | '.join(cells)} |")
    for task in dict.fromkeys(r["task"] for r in results):
        rows = [r for r in results if r["task"] == task]
        enrol_s, realtime = (np.mean([r[k] for r in rows]) for k in ("enrol_s", "detect_realtime"))
        print(f"{task}: enrolment {enrol_s:.0f} s, frames at {realtime:.1f} times real time")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kws/")
    parser.add_argument("--task", action="append", help=f"default: {', '.join(TASKS)}")
    parser.add_argument("--fold", action="append", type=int, help="default: all")
    parser.add_argument("--epochs", type=int, default=KwsConfig().epochs)
    parser.add_argument("--loss", choices=("tacos", "adacos"), default=KwsConfig().loss)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="folds side by side, a thread each")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/kws_accuracy"))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    config = replace(KwsConfig(), epochs=args.epochs, loss=args.loss)
    jobs = []
    for task in args.task or TASKS:
        folder = args.data / "kws" / task.removesuffix("/cut")
        folds = sorted(f.name for f in folder.glob("fold*"))
        wanted = [f"fold{n}" for n in args.fold] if args.fold else folds
        jobs += [(task, args.data, f, config, args.seed, args.out) for f in wanted if f in folds]
    jobs.sort(key=lambda job: job[2])  # first folds of all tasks first
    with ProcessPoolExecutor(args.jobs) as pool:
        names = []
        for name in pool.map(_job, *zip(*jobs, strict=True)):
            names.append(name)
            print(f"{len(names)}/{len(jobs)} {name}", flush=True)
    print_table([json.loads((args.out / name).read_text()) for name in names])


if __name__ == "__main__":
    main()
