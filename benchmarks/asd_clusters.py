"""Clusters of clips: do they find the settings that machines run with?

Normal training clips of generated machines are clustered by statistics (`asd.clusters`), each
machine for itself, with each kind of statistics, number of clusters and method. Told is the
adjusted mutual information between clusters and what the machine ran with: speed and load together,
speed, load, and the hall (the domain): 100 % if one tells the other, 0 % for random clusters. Mean
over machines and seeds; the first column of figures is how many clusters there are.

    python benchmarks/asd_clusters.py
    python benchmarks/asd_clusters.py --data-seeds 1 --statistics mean --clusters 8

Speeds of the target domain are others than those of the source domain; some five clips are cut from
one recording, in which speed, load and noise drift little.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from sklearn.metrics import adjusted_mutual_info_score

from asd.clusters import BIC, CLUSTERING, METHODS, STATISTICS, Clustering
from asd.dataset import read_dataset
from asd.names import TRAIN
from asd.sounds import read_sound
from asd.synthesis import write_dataset

NUMBERS = ("2", "4", "8", "16", BIC)
RANK_WEIGHTS = (0.5, 0.9, 0.99)
DATA = {"n_source": 160, "n_target": 16, "n_test": 1, "duration_s": 2.0}
TRUTHS = ("setting", "speed", "load", "hall")


@dataclass(frozen=True)
class Machine:
    """Clips of a machine, and how it ran: of each clip a value by each name of `TRUTHS`."""

    sounds: Sequence[np.ndarray]
    truths: dict[str, list[str]]


def machines_of(folder: Path) -> Iterator[Machine]:
    """The machines of a data set that `asd.synthesis` wrote."""
    clips = [clip for clip in read_dataset(folder).clips if clip.split == TRAIN]
    for machine in sorted({clip.machine for clip in clips}):
        own = [clip for clip in clips if clip.machine == machine]
        attributes = [dict(clip.attributes) for clip in own]
        truths = {
            "setting": [f"{one['spd']} {one['load']}" for one in attributes],
            "speed": [one["spd"] for one in attributes],
            "load": [one["load"] for one in attributes],
            "hall": [clip.domain for clip in own],
        }
        yield Machine([read_sound(clip.path) for clip in own], truths)


def options_of(statistics: Sequence[str]) -> Iterator[tuple[str, Clustering]]:
    """Each kind of statistics with its name in the table."""
    for kind in statistics:
        if kind == "gwrp":
            for weight in RANK_WEIGHTS:
                yield f"gwrp {weight:g}", Clustering(kind, weight)
        else:
            yield kind, Clustering(kind)


def print_table(machines: Sequence[Machine], args) -> None:
    """A line for each kind of statistics, number of clusters and method."""
    print(f"| statistics | clusters | method | found | {' | '.join(TRUTHS)} |")
    print("|" + "---|" * (4 + len(TRUTHS)))
    for name, kind in options_of(args.statistics or list(STATISTICS)):
        vectors = [np.stack([kind.vector(sound) for sound in one.sounds]) for one in machines]
        for number in args.clusters or NUMBERS:
            for method in METHODS:
                if number == BIC and method != CLUSTERING.method:
                    continue
                options = Clustering(
                    n_clusters=number if number == BIC else int(number), method=method
                )
                labels = [options.labels(own) for own in vectors]
                cells = [f"{np.mean([len(set(own)) for own in labels]):.1f}"]
                for truth in TRUTHS:
                    shares = [
                        adjusted_mutual_info_score(machine.truths[truth], own)
                        for machine, own in zip(machines, labels, strict=True)
                    ]
                    cells.append(f"{100 * np.mean(shares):.0f}")
                print(f"| {name} | {number} | {method} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-seeds", type=int, default=3, help="of the generated machines")
    parser.add_argument(
        "--statistics", action="append", choices=tuple(STATISTICS), help="only this kind"
    )
    parser.add_argument("--clusters", action="append", choices=NUMBERS, help="only this number")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    machines: list[Machine] = []
    for seed in range(args.data_seeds):
        with TemporaryDirectory() as folder:
            machines += machines_of(write_dataset(folder, seed=seed, **DATA))
    print(f"{len(machines)} machines of {len(machines[0].sounds)} clips\n")
    print_table(machines, args)


if __name__ == "__main__":
    main()
