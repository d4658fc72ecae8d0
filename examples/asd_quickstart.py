"""Hear when machines fail, from recordings of when they did not.

    .venv/bin/python examples/asd_quickstart.py

Two machines are synthesised in the layout of DCASE Challenge Task 2: 30 normal clips at one set of
speeds, 4 at another in a different hall, and test clips of both, half of them with a ticking
bearing, a rotor out of balance or a leak. A model is trained on the normal clips, saved, loaded and
scores the test clips. Clips and model are in build/asd. With your own clips it is

    asd-train pump -o pump.asd
    asd-score pump.asd today.wav
"""

import time
from pathlib import Path

import numpy as np

import asd
from asd.dataset import read_dataset
from asd.evaluation import SectionScores, official_figures
from asd.names import ANOMALY, TARGET, TEST
from asd.synthesis import write_dataset

RESULTS = Path("build/asd")
MACHINES = ("fan", "spindle")
FIGURES = ("AUC (source)", "AUC (target)", "pAUC")
CLIPS = {"n_source": 30, "n_target": 4, "n_test": 9, "duration_s": 2.0}


def main() -> None:
    """Synthesise, train, save, load, score, evaluate."""
    began = time.perf_counter()
    data = write_dataset(RESULTS / "data", machines=MACHINES, **CLIPS)
    print(f"synthesised {len(read_dataset(data).clips)} clips of {' and '.join(MACHINES)}")

    asd.train(data).save(RESULTS / "machines.asd", force=True)
    model = asd.MachineModel.load(RESULTS / "machines.asd")
    sections = [scored(model, data, machine) for machine in MACHINES]

    for section in sections:
        normal, anomalous = section.scores[~section.anomalous], section.scores[section.anomalous]
        threshold = model.thresholds[section.machine, section.section]
        print(
            f"{section.machine}: scores of normal clips {np.mean(normal):.2f} on average, of "
            f"anomalous ones {np.mean(anomalous):.2f}; above the threshold of {threshold:.2f} are "
            f"{np.sum(normal > threshold)} of {len(normal)} and "
            f"{np.sum(anomalous > threshold)} of {len(anomalous)}"
        )
    figures = official_figures(sections, 2023)
    for (machine, _), row in figures.sections.items():
        told = ", ".join(f"{name} {100 * row[name]:.0f} %" for name in FIGURES)
        print(f"{machine}: {told}")
    print(f"harmonic mean of all: {100 * figures.score:.0f} %")
    print(f"{time.perf_counter() - began:.0f} s in all. Clips and model: {RESULTS}")


def scored(model: asd.MachineModel, data: Path, machine: str) -> SectionScores:
    """The test clips of a machine with their scores."""
    clips = [
        clip for clip in read_dataset(data).clips if (clip.machine, clip.split) == (machine, TEST)
    ]
    return SectionScores(
        machine=machine,
        section="00",
        anomalous=np.array([clip.condition == ANOMALY for clip in clips]),
        target=np.array([clip.domain == TARGET for clip in clips]),
        scores=model.score([clip.path for clip in clips], machine),
    )


if __name__ == "__main__":
    main()
