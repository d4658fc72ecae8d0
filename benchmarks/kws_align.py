"""Weak to strong labels on task folders: how much of each true event the alignment covers.

For every fold of every task the keywords are enrolled as kws-enroll does, the keywords of each
recording of the validation part are given in their true order, and the places that kws-align finds
are compared with the truth, word by word. Nothing is kept.

    python benchmarks/kws_align.py --data ../shared/data --task timit --task fsdd --fold 1
    python benchmarks/kws_align.py --data ../shared/data --fold 1 --part test --least 1 --least 2

Columns, in per cent of the true events: "placed", those that were not left out; "touch", those that
their place overlaps; "truth >= 70", those of which it covers 70 % at least; "place >= 60", those
whose place lies to 60 % at least within them; "both" of these, which K. Wilkinghoff,
A. Cornaggia-Urrigshardt and F. Gökgöz (2021, section 3.3) report as 90 % on read coordinates,
without other words between. "wrong": share of keywords that are placed although they are not said
where they are listed (a random one at a random place of the order, one at a time). "length": median
length of places, relative to the truth.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

import kws
from fewshot import audio
from fewshot.events import Event, read_events, sort_events
from kws.alignment import candidates, place_in_order
from kws.clips import clips_from_csv, load_clips
from kws.config import LEAST
from kws.enrollment import CONTEXT_S
from kws.frames import borders_s, embed

TASKS = ("fsdd", "wakewords/clean", "wakewords/10dB", "telephone", "timit")
TITLES = (
    *("words", "placed", "touch", "truth >= 70", "place >= 60"),
    *("both", "both, of placed", "wrong", "length"),
)
OF_TRUTH, OF_PLACE = 0.7, 0.6
INVENTED = 20
"""Times that a wrong word is listed, one at a time, in each recording."""


def learnt(folder: Path, fold: str) -> kws.KeywordModel:
    """The model of a fold."""
    clips = clips_from_csv(folder / fold / "train_keywords.csv", root=folder)
    return kws.enroll(load_clips(clips, context_s=CONTEXT_S)[0])


@dataclass
class Outcome:
    """What became of the words of a fold.

    Attributes
    ----------
    pairs : list of (Event, borders or None)
        Every true event with on- and offset of its place in seconds.
    invented : list of bool
        Of words that were listed without being said, whether they were placed.
    """

    pairs: list[tuple[Event, tuple[float, float] | None]] = field(default_factory=list)
    invented: list[bool] = field(default_factory=list)


def aligned(
    model: kws.KeywordModel, folder: Path, truth: Sequence[Event], leasts: Sequence[float]
) -> dict[float, Outcome]:
    """Align every recording, for each least score."""
    outcomes, rng = {least: Outcome() for least in leasts}, np.random.default_rng(0)
    templates = {k: [t for t in model.templates if t.keyword == k] for k in model.keywords}
    for name, group in groupby(sort_events(truth), lambda event: event.filename):
        said, samples = list(group), audio.normalise(audio.read(folder / name))
        frames, duration_s = embed(model.source, samples), len(samples) / audio.SAMPLE_RATE
        wrong = [wrong_word([e.label for e in said], model.keywords, rng) for _ in range(INVENTED)]
        for least, outcome in outcomes.items():
            known = {keyword: candidates(own, frames, least) for keyword, own in templates.items()}
            words = [known[event.label] for event in said]
            for event, place in zip(said, place_in_order(words, least), strict=True):
                frame_borders = place and (place.onset_frame, place.offset_frame)
                borders = place and borders_s(model.source, *frame_borders, duration_s)
                outcome.pairs.append((event, borders))
            for k, keyword in wrong:
                places = place_in_order([*words[:k], known[keyword], *words[k:]], least)
                outcome.invented.append(places[k] is not None)
    return outcomes


def wrong_word(
    said: Sequence[str], keywords: Sequence[str], rng: np.random.Generator
) -> tuple[int, str]:
    """A place in the order, and a keyword that is not said there."""
    k = int(rng.integers(len(said) + 1))
    others = [word for word in keywords if word not in said[max(0, k - 1) : k + 1]]
    return k, str(rng.choice(others))


def row(outcome: Outcome) -> Iterator[str]:
    """Cells of the table, in per cent."""
    pairs, shares, ratios = outcome.pairs, [], []
    for event, place in pairs:
        if place is None:
            continue
        length = event.offset_s - event.onset_s
        common = min(event.offset_s, place[1]) - max(event.onset_s, place[0])
        shares.append((max(0.0, common) / length, max(0.0, common) / (place[1] - place[0])))
        ratios.append((place[1] - place[0]) / length)
    of_truth, of_place = np.array(shares).reshape(-1, 2).T
    both = int(((of_truth >= OF_TRUTH) & (of_place >= OF_PLACE)).sum())
    n, n_placed = len(pairs), len(shares)
    yield str(n)
    for count, total in (
        (n_placed, n),
        ((of_truth > 0).sum(), n),
        ((of_truth >= OF_TRUTH).sum(), n),
        ((of_place >= OF_PLACE).sum(), n),
        (both, n),
        (both, n_placed),
        (sum(outcome.invented), len(outcome.invented)),
    ):
        yield f"{100 * count / total:.1f}" if total else "-"
    yield f"{np.median(ratios):.2f}" if ratios else "-"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kws/")
    parser.add_argument("--task", action="append", help=f"default: {', '.join(TASKS)}")
    parser.add_argument("--fold", action="append", type=int, help="default: all")
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    parser.add_argument(
        "--least", action="append", type=float, help=f"least score of a place (default: {LEAST})"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| task | fold | least | {' | '.join(TITLES)} |")
    print("|" + "---|" * (3 + len(TITLES)))
    for task in args.task or TASKS:
        folder = args.data / "kws" / task
        for fold in args.fold or range(1, len(list(folder.glob("fold*"))) + 1):
            truth = read_events(folder / f"fold{fold}" / f"{args.part}_keywords.csv")
            model = learnt(folder, f"fold{fold}")
            for least, outcome in aligned(model, folder, truth, args.least or [LEAST]).items():
                cells = " | ".join(row(outcome))
                print(f"| {task} | {fold} | {least:g} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
