"""Keyword spotting on task folders: enrol, tune on the validation part, report on the test part.

For every fold of every task and every row (a way to make frames and templates) the keywords are
enrolled, the threshold is tuned on the validation part, and the event-based F-score of the test
part is reported (sed_eval, collar 0.2 s, 50 % of the length). What is done is kept in --out, so
that a run can be resumed.

    python benchmarks/kws_accuracy.py --data ../shared/data --task timit --fold 1
    python benchmarks/kws_accuracy.py --data ../shared/data --row default --row mfcc --jobs 2

Rows: "default" is what kws-enroll and kws-detect do; "shots" searches for every clip; "raw" takes
the pre-trained frames as they are, without whitening, other surroundings and calibration; "raw
shots" is that with every clip, the nearest peer; "mfcc", "mfcc shots", "hfcc" and "hfcc shots"
search cepstra; "tacos", "tacos shots", "adacos" and "adacos shots" train a network on the clips
alone (minutes per fold), and with "unreversed", as in "tacos unreversed shots", do so without
classes of reversed segments.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

import kws
from fewshot import audio
from fewshot.encoders.external import BUNDLED, load_encoder
from fewshot.events import Event, read_events
from fewshot.features import hfcc, mfcc
from kws.clips import EnrolledClip, LoadedClip, clips_from_csv, load_clips
from kws.config import KwsConfig
from kws.enrollment import CONTEXT_S
from kws.evaluation import evaluate, tune, tune_per_keyword
from kws.frames import borders_s, embed
from kws.search import Searcher
from kws.templates import Template, templates_of

TASKS = ("fsdd", "wakewords/clean", "wakewords/10dB", "telephone", "timit", "timit/cut")
ROWS = ("default", "shots", "raw", "raw shots", "mfcc", "mfcc shots", "hfcc", "hfcc shots")
TRAINED = (
    *("tacos", "tacos shots", "tacos unreversed", "tacos unreversed shots"),
    *("adacos", "adacos shots", "adacos unreversed", "adacos unreversed shots"),
)
PARTS = ("validation", "test")
CEPSTRA = {"mfcc": mfcc, "hfcc": hfcc}
CEPSTRA_HOP_S = 0.01
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


@dataclass(frozen=True)
class System:
    """What a row searches with.

    Attributes
    ----------
    templates : list of Template
    frames_of : callable
        Frames of a recording, from its path.
    borders_s : callable
        On- and offset in seconds of frames, from their numbers and the recording's duration.
    threshold : float or None
        The one that enrolment chose by itself.
    """

    templates: list[Template]
    frames_of: Callable[[Path], np.ndarray]
    borders_s: Callable[[int, int, float], tuple[float, float]]
    threshold: float | None = None


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


def conditioned(path: Path) -> np.ndarray:
    """A whole recording as detection sees it."""
    return audio.normalise(audio.read(path))


def candidates(system: System, path: Path, name: str, duration_s: float) -> list[Event]:
    """Every best match in a recording that overlaps with no better one."""
    searcher = Searcher.of(system.templates)
    return [
        Event(
            name,
            *system.borders_s(m.onset_frame, m.offset_frame, duration_s),
            system.templates[m.template].keyword,
            m.score,
        )
        for m in searcher.push(system.frames_of(path)) + searcher.finish()
    ]


def search(system: System, part: Part) -> list[Event]:
    """Candidates in all recordings of a part."""
    return [
        event
        for name, duration_s in part.durations.items()
        for event in candidates(system, part.folder / name, name, duration_s)
    ]


def figures(part: Part, found: Sequence[Event]) -> dict[str, float]:
    """F-score, precision and recall of detections."""
    result = evaluate(part.truth, found, part.durations)
    return {"f": result.f_score, "p": result.precision, "r": result.recall}


def report(
    parts: Mapping[str, Part], found: Mapping[str, Sequence[Event]], threshold: float | None
) -> dict:
    """Tune on the validation part, score on the test part; also at a threshold that is given."""
    tuned = tune(parts["validation"].truth, found["validation"])

    def kept(part: str, limit: float) -> list[Event]:
        return [e for e in found[part] if e.score >= limit]

    out = {"validation_f": tuned.f_score, "threshold": tuned.threshold}
    out |= figures(parts["test"], kept("test", tuned.threshold))
    # A keyword without candidates to tune on is never detected.
    of = tune_per_keyword(parts["validation"].truth, found["validation"]).thresholds
    each = [e for e in found["test"] if e.score >= of.get(e.label, math.inf)]
    out["individual_f"] = figures(parts["test"], each)["f"]
    if threshold is not None:
        own = figures(parts["test"], kept("test", threshold))
        out |= {f"own_{key}": value for key, value in own.items()}
        out["own_threshold"] = threshold
        own = figures(parts["validation"], kept("validation", threshold))
        out["own_validation_f"] = own["f"]
    truth = parts["test"].truth
    best = tune(truth, found["test"])
    ratio = length_ratio(truth, kept("test", tuned.threshold))
    return out | {"best_f": best.f_score, "length_ratio": ratio}


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


def context_of(row: str) -> float:
    """How much of the sound around a clip a row's frames may see, in seconds."""
    return 0.0 if row.split()[0] in CEPSTRA else CONTEXT_S


def system_of(
    row: str, clips: Sequence[LoadedClip], band_hz: tuple[float, float], epochs: int, seed: int
) -> System:
    """What a row searches with, learnt from clips."""
    frames, mode = row.split()[0], "shots" if row.endswith("shots") else "barycenter"
    if frames in CEPSTRA:
        cepstra = partial(CEPSTRA[frames], low_hz=band_hz[0], high_hz=band_hz[1])
        return cepstral(clips, mode, cepstra)
    if frames == "raw":
        return raw(clips, mode)
    config = KwsConfig(templates=mode)
    if frames in ("tacos", "adacos"):
        config = replace(
            config,
            encoder="scratch",
            loss=frames,
            epochs=epochs,
            reversed_classes="unreversed" not in row,
        )
    return enrolled(kws.enroll(clips, config=config, seed=seed))


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


def enrolled(model: kws.KeywordModel) -> System:
    """What enrolment made."""
    return System(
        model.templates,
        lambda path: embed(model.source, conditioned(path)),
        lambda a, b, d: borders_s(model.source, a, b, d),
        model.threshold,
    )


def raw(clips: Sequence[LoadedClip], mode: str) -> System:
    """The pre-trained encoder's frames as they are."""
    encoder = load_encoder(BUNDLED)
    shots: dict[str, list[np.ndarray]] = {}
    for clip in map(EnrolledClip.of, clips):
        before, samples, after = clip.parts()
        shots.setdefault(clip.label, []).append(_unit(encoder.embed(samples, before, after)))
    return System(
        [Template(k, frames) for k, own in shots.items() for frames in templates_of(own, mode)],
        lambda path: _unit(encoder.embed(conditioned(path))),
        lambda a, b, d: borders_s(encoder, a, b, d),
    )


def cepstral(
    clips: Sequence[LoadedClip], mode: str, cepstra: Callable[[np.ndarray], np.ndarray]
) -> System:
    """Cepstra with their deltas, mean and variance normalised."""
    found = [cepstra(clip.samples) for clip in clips]
    mean, deviation = _statistics(np.concatenate(found))
    shots: dict[str, list[np.ndarray]] = {}
    for clip, frames in zip(clips, found, strict=True):
        if len(frames) >= 8:
            shots.setdefault(clip.clip.label, []).append(_unit((frames - mean) / deviation))

    def frames_of(path: Path) -> np.ndarray:
        frames = cepstra(audio.read(path))
        mean, deviation = _statistics(frames)
        return _unit((frames - mean) / deviation)

    return System(
        [Template(k, frames) for k, own in shots.items() for frames in templates_of(own, mode)],
        frames_of,
        _cepstral_borders,
    )


def _cepstral_borders(onset: int, offset: int, duration_s: float) -> tuple[float, float]:
    return max(0.0, (onset - 0.5) * CEPSTRA_HOP_S), min(duration_s, (offset - 0.5) * CEPSTRA_HOP_S)


def _statistics(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return frames.mean(axis=0), np.maximum(frames.std(axis=0), 1e-6)


def _unit(frames: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(frames, axis=1, keepdims=True)
    return (frames / np.maximum(norms, 1e-9)).astype(np.float32)


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
    "individual_f": "individual F",
    "own_f": "own F",
    "validation_f": "validation F",
    "own_validation_f": "own validation F",
    "best_f": "best F on test",
}


def print_table(results: Sequence[dict]) -> None:
    """Mean (F with its standard deviation) over folds and seeds, in per cent.

    "individual": with the best threshold of each keyword on the validation part; "own": at the
    threshold that enrolment chose; "validation": with the best threshold there; "length": median
    length of detections, relative to the truth.
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
