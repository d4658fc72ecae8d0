"""How long machines take to be learnt and scored, without and with networks.

    python benchmarks/asd_speed.py [--device cuda] [--threads 2] [--clips 256]

Clips of 10 s of noise, of 14 machines with ten classes each. Training: clips per second of an epoch
by the clock, and what ten epochs of 14 times 1000 clips would take. Scoring: seconds of sound per
second, from waveforms in memory to scores.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

import asd
from asd.config import DEFAULT
from asd.systems import System, View, system_of
from fewshot.audio import SAMPLE_RATE
from fewshot.console import use_threads

MACHINES, CLASSES = 14, 10
CLIP_S = 10
CHALLENGE_CLIPS, CHALLENGE_EPOCHS = 14_000, 10
EPOCHS = 4
SCORED = 32


def write_noise(folder: Path, n: int) -> None:
    """Training clips in the challenge's layout."""
    rng = np.random.default_rng(0)
    for i in range(n):
        below = folder / f"machine{i % MACHINES}" / "train"
        below.mkdir(parents=True, exist_ok=True)
        name = f"section_00_source_train_normal_{i:04d}_mode_{i // MACHINES % CLASSES}.wav"
        samples = 0.1 * rng.standard_normal(CLIP_S * SAMPLE_RATE)
        soundfile.write(below / name, samples, SAMPLE_RATE, subtype="PCM_16")


def short(name: str) -> System:
    """A system whose first network is trained for a few epochs."""
    view = system_of(name)[0]
    if not view.representation.learns:
        return system_of(name)
    return (View(replace(view.representation, epochs=EPOCHS), view.back_end, view.scaled),)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--clips", type=int, default=256)
    args = parser.parse_args()
    use_threads(args.threads)
    sounds = list(
        0.1 * np.random.default_rng(1).standard_normal((SCORED, CLIP_S * SAMPLE_RATE), np.float32)
    )
    print(f"{'':14}{'training, clips/s':>18}{'challenge, min':>16}{'scoring, x real time':>22}")
    with TemporaryDirectory() as folder:
        write_noise(Path(folder), args.clips)
        for name in (DEFAULT, "two-branch", "wilkinghoff", "adaproj-ssl"):
            ends: list[float] = []
            model = asd.train(
                folder,
                system=short(name),
                device=args.device,
                on_epoch=lambda *_, ends=ends: ends.append(time.perf_counter()),
            )
            trained = f"{'':34}"
            if ends:
                seconds = min(np.diff(ends)) / args.clips
                minutes = CHALLENGE_CLIPS * CHALLENGE_EPOCHS * seconds / 60
                trained = f"{1 / seconds:>18.1f}{minutes:>16.1f}"
            model.score(sounds, "machine0")
            begin = time.perf_counter()
            model.score(sounds, "machine0")
            speed = SCORED * CLIP_S / (time.perf_counter() - begin)
            print(f"{name:14}{trained}{speed:>22.0f}", flush=True)


if __name__ == "__main__":
    main()
