"""How long to train: F-scores of one fold after more and more epochs of one training.

    python benchmarks/kws_schedule.py --data ../shared/data --task timit --epochs 1000

Prints a row as soon as it is measured: validation F (with the best threshold on it) and test F at
that threshold, for barycentre and for shot templates. Schedules are chosen on the former.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from kws_accuracy import parts_of, score
from kws_rows import enrolled
from torch import nn

from kws.clips import EnrolledClip, clips_from_csv, load_clips
from kws.config import SCRATCH, KwsConfig
from kws.enrollment import CONTEXT_S, embed_clips
from kws.frames import SegmentFrames
from kws.learning import background_segments, learn_encoder, training_set
from kws.model import KeywordModel
from kws.templates import Template, templates_of

TEMPLATES = ("barycenter", "shots")

MARKS = (20, 40, 60, 80, 100, 125, 150, 200, 300, 400, 600, 800, 1000)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kws/")
    parser.add_argument("--task", default="timit")
    parser.add_argument("--fold", default="fold1")
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--checkpoint", type=Path, help="file to resume an interrupted run from")
    args = parser.parse_args()
    folder = args.data / "kws" / args.task
    parts = parts_of(folder, args.fold)
    table = clips_from_csv(folder / args.fold / "train_keywords.csv", root=folder)
    clips = [EnrolledClip.of(clip) for clip in load_clips(table, context_s=CONTEXT_S)[0]]
    keywords = sorted({clip.label for clip in clips})
    data = training_set(
        [clip.parts()[1] for clip in clips],
        [keywords.index(clip.label) for clip in clips],
        background_segments([], np.random.default_rng(args.seed)),
        positions=True,
    )
    started = time.perf_counter()
    print(f"{args.task} {args.fold}, seed {args.seed}")
    print("| epochs | s | loss | " + " | ".join(f"{m} v | {m} t" for m in TEMPLATES) + " |")
    print("|" + "---|" * (3 + 2 * len(TEMPLATES)))

    def measure(epoch: int, loss: float, encoder: nn.Module) -> None:
        if epoch + 1 not in MARKS:
            return
        seconds = time.perf_counter() - started
        source = SegmentFrames(encoder)
        frames = embed_clips(source, clips)
        cells = []
        for mode in TEMPLATES:
            templates = [
                Template(keyword, made)
                for keyword in keywords
                for made in templates_of(
                    [
                        f.surroundings[0]
                        for f, c in zip(frames, clips, strict=True)
                        if c.label == keyword
                    ],
                    mode,
                )
            ]
            config = KwsConfig(encoder=SCRATCH, templates=mode)
            model = KeywordModel(
                source, clips, templates, config=config, seed=args.seed, threshold=0.0
            )
            found = score(enrolled(model), parts)
            cells += [f"{100 * found[key]:.1f}" for key in ("validation_f", "f")]
        print(f"| {epoch + 1} | {seconds:.0f} | {loss:.2f} | {' | '.join(cells)} |", flush=True)

    learn_encoder(
        data,
        epochs=args.epochs,
        seed=args.seed,
        device=args.device,
        on_epoch=measure,
        checkpoint=args.checkpoint,
    )


if __name__ == "__main__":
    main()
