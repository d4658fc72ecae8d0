"""What fires that should not: speech without the keywords, and halves of keywords.

    python benchmarks/kws_false_alarms.py --data ../shared/data --speech SPEECH --hours 10

SPEECH holds a ``manifest.csv`` with the columns file, corpus, speaker, words (joined by ``|``) and
duration. Files with a keyword in them, and the corpora that are part of the background model, are
left out. For every task: misses of the test parts where the threshold lets 1 and 10 false alarms
per hour of that speech through, false alarms per hour at the default threshold, and the share of
keywords of the test parts, cut off after 50 and 60 % and put into that speech, that fire at it.
The encoder "speech" has heard three quarters of the speakers in its training.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from kws_accuracy import TASKS, recordings_of
from kws_rows import conditioned, enrolled
from tqdm import tqdm

import kws
from fewshot import audio
from fewshot.encoders.loading import NAMES
from fewshot.events import Event, read_events
from kws.clips import clips_from_csv, load_clips
from kws.config import KwsConfig
from kws.enrollment import CONTEXT_S
from kws.evaluation import evaluate
from kws.frames import embed
from kws.search import Searcher

KNOWN = ("librispeech-samples",)
"""Corpora whose speakers the background model has heard."""
STREAM_S = 120.0
LEAST = 2.0
"""Lowest threshold that is looked at."""
RATES = (1.0, 10.0)
SHARES = (0.5, 0.6)


def streams(speech: Path, keywords: set[str], hours: float, seed: int) -> Iterator[np.ndarray]:
    """Keyword-free speech, files in random order one after the other, two minutes at a time."""
    with open(speech / "manifest.csv", newline="", encoding="utf-8") as table:
        rows = [
            row
            for row in csv.DictReader(table)
            if row["corpus"] not in KNOWN
            and not row["corpus"].startswith(("noise", "rooms"))
            and not keywords & set(row["words"].lower().split("|"))
        ]
    order = np.random.default_rng(seed).permutation(len(rows))
    waiting, length, total = [], 0.0, 0.0
    for row in (rows[i] for i in order):
        waiting.append(conditioned(speech / row["file"]))
        length += len(waiting[-1]) / audio.SAMPLE_RATE
        if length >= STREAM_S:
            yield np.concatenate(waiting)
            total, waiting, length = total + length, [], 0.0
        if total >= hours * 3600:
            return


def halves(
    folder: Path, fold: str, model: kws.KeywordModel, carrier: np.ndarray, share: float
) -> tuple[int, int]:
    """Number of keywords that were cut off and planted, and of those that fired."""
    rate, fired, planted = audio.SAMPLE_RATE, 0, 0
    truth = read_events(folder / fold / "test_keywords.csv")
    sound = {name: conditioned(folder / name) for name in {e.filename for e in truth}}
    rng = np.random.default_rng(0)
    for event in truth:
        first, last = (round(t * rate) for t in (event.onset_s, event.offset_s))
        part = sound[event.filename][first : first + round((last - first) * share)]
        start = int(rng.integers(len(carrier) - 4 * rate))
        around = carrier[start : start + 4 * rate].copy()
        level = np.std(around) / max(np.std(part), 1e-6)
        around[2 * rate : 2 * rate + len(part)] = part * level
        searcher = Searcher.of(model.templates, thresholds=model.threshold)
        matches = searcher.push(embed(model.source, around)) + searcher.finish()
        planted += 1
        fired += any(
            model.templates[m.template].keyword == event.label
            and m.onset_frame * model.source.hop_s < 2 + len(part) / rate
            and m.offset_frame * model.source.hop_s > 2
            for m in matches
        )
    return planted, fired


def misses(truth: list[Event], found: list[Event], recordings: dict, threshold: float) -> float:
    """Share of the true events that no event above a threshold matches."""
    kept = [e for e in found if e.score >= threshold]
    return 1 - evaluate(truth, kept, recordings).recall


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kws/")
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--task", action="append", help=f"default: {', '.join(TASKS)}")
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--encoder", choices=NAMES, default=KwsConfig.encoder)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    models: dict[tuple[str, str], kws.KeywordModel] = {}
    for task in args.task or TASKS:
        folder = args.data / "kws" / task.removesuffix("/cut")
        table = "train_keywords_cut.csv" if task.endswith("/cut") else "train_keywords.csv"
        for fold in sorted(path.name for path in folder.glob("fold*")):
            rows = clips_from_csv(folder / fold / table, root=folder)
            clips = load_clips(rows, context_s=CONTEXT_S)[0]
            models[task, fold] = kws.enroll(
                clips, config=KwsConfig(encoder=args.encoder), seed=args.seed
            )
    keywords = {keyword for model in models.values() for keyword in model.keywords}
    source = next(iter(models.values())).source
    scores: dict[tuple[str, str], list[float]] = {key: [] for key in models}
    seconds, carrier = 0.0, None
    for samples in tqdm(streams(args.speech, keywords, args.hours, args.seed), unit="stream"):
        carrier = samples if carrier is None else carrier
        seconds += len(samples) / audio.SAMPLE_RATE
        frames = embed(source, samples)
        for key, model in models.items():
            searcher = Searcher.of(model.templates, thresholds=LEAST)
            scores[key] += [m.score for m in searcher.push(frames) + searcher.finish()]
    hours = seconds / 3600
    print(f"{hours:.1f} hours of speech without {', '.join(sorted(keywords))}")
    rates = " | ".join(f"misses at {rate:g}/h, %" for rate in RATES)
    cut = " | ".join(f"fire after {100 * share:.0f} %, %" for share in SHARES)
    print(f"| task | {rates} | false alarms/h at the default | misses at the default, % | {cut} |")
    print("|" + "---|" * (3 + len(RATES) + len(SHARES)))
    for task in dict.fromkeys(task for task, _ in models):
        folder = args.data / "kws" / task.removesuffix("/cut")
        rows = []
        for fold, model in ((f, m) for (t, f), m in models.items() if t == task):
            system, recordings = enrolled(model), recordings_of(folder, fold, "test")
            truth = read_events(folder / fold / "test_keywords.csv")
            found = system.search(folder, recordings).events
            ordered = np.sort(scores[task, fold])[::-1]
            at = [
                float(np.append(ordered, LEAST)[min(int(rate * hours), len(ordered))])
                for rate in RATES
            ]
            row = [100 * misses(truth, found, recordings, float(np.nextafter(t, 9e9))) for t in at]
            row.append(float((ordered >= model.threshold).sum() / hours))
            row.append(100 * misses(truth, found, recordings, model.threshold))
            for share in SHARES:
                planted, fired = halves(folder, fold, model, carrier, share)
                row.append(100 * fired / planted)
            rows.append(row)
        print(f"| {task} | {' | '.join(f'{x:.1f}' for x in np.mean(rows, axis=0))} |", flush=True)


if __name__ == "__main__":
    main()
