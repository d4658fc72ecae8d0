"""What silence and noise around the clips cost, and what trimming them at enrolment gives back.

Around every training clip 0.5 to 1 s are put on either side, of silence (noise 60 dB below the
clip) or of noise that goes on through the clip (20 or 10 dB below it; white, pink or brown);
"exact" leaves them as they are. Keywords are learnt from the clips whole and trimmed, and looked
for in the validation part: F at its best threshold and at the one of enrolment.

    python benchmarks/kws_trimming.py --data ../shared/data --fold 1
    python benchmarks/kws_trimming.py --data ../shared/data --task fsdd --around silence
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from kws_accuracy import figures, parts_of, search
from kws_rows import enrolled

import kws
from fewshot.audio import SAMPLE_RATE
from fewshot.augment import coloured_noise
from kws.clips import LoadedClip, clips_from_csv, load_clips, trimmed
from kws.enrollment import CONTEXT_S

TASKS = ("fsdd", "timit/cut", "wakewords/clean")
BELOW_CLIP_DB = {"silence": 60.0, "noise": 20.0, "loud noise": 10.0}
AROUND = ("exact", *BELOW_CLIP_DB)
PADDING_S = (0.5, 1.0)


def padded(item: LoadedClip, below_db: float, rng: np.random.Generator) -> LoadedClip:
    """A clip without the sound around it, in the middle of noise."""
    own = item.samples[item.before : len(item.samples) - item.after]
    before, after = (round(s * SAMPLE_RATE) for s in rng.uniform(*PADDING_S, size=2))
    samples = np.pad(own, (before, after))
    noise = coloured_noise(len(samples), rng.choice([0.0, 1.0, 2.0]), rng)
    level = np.sqrt(np.mean(own**2) / np.mean(noise**2)) * 10 ** (-below_db / 20)
    return replace(
        item,
        clip=replace(item.clip, onset_s=None, offset_s=None),
        samples=(samples + level * noise).astype(np.float32),
        before=0,
        after=0,
    )


def run_fold(task: str, folder: Path, fold: str, around: str, trim: bool) -> dict[str, float]:
    """Everything that is reported of one fold."""
    table = "train_keywords_cut.csv" if task.endswith("/cut") else "train_keywords.csv"
    clips = load_clips(clips_from_csv(folder / fold / table, folder), context_s=CONTEXT_S)[0]
    rng = np.random.default_rng(0)
    if around != "exact":
        clips = [padded(clip, BELOW_CLIP_DB[around], rng) for clip in clips]
    if trim:
        clips = [trimmed(clip, CONTEXT_S) for clip in clips]
    system = enrolled(kws.enroll(clips))
    part = parts_of(folder, fold)["validation"]
    found = search(system, part)
    own = figures(part, found.at(system.threshold))
    return {"f": found.tune(part.truth).f_score, "own_f": own["f"]}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kws/")
    parser.add_argument("--task", action="append", help=f"default: {', '.join(TASKS)}")
    parser.add_argument("--fold", action="append", type=int, help="default: all")
    parser.add_argument(
        "--around", action="append", choices=AROUND, help=f"default: {', '.join(AROUND)}"
    )
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    print("| task | around the clips | F whole | F trimmed | own F whole | own F trimmed |")
    print("|---|---|---|---|---|---|", flush=True)
    for task in args.task or TASKS:
        folder = args.data / "kws" / task.removesuffix("/cut")
        folds = [f"fold{i}" for i in args.fold or range(1, len(list(folder.glob("fold*"))) + 1)]
        for around in args.around or AROUND:
            cells = [
                [run_fold(task, folder, fold, around, trim) for fold in folds]
                for trim in (False, True)
            ]
            means = [
                f"{100 * np.mean([r[key] for r in results]):.1f}"
                for key in ("f", "own_f")
                for results in cells
            ]
            print(f"| {task} | {around} | {' | '.join(means)} |", flush=True)


if __name__ == "__main__":
    main()
