"""Tell alarms apart that were heard once, and call everything else unknown.

    .venv/bin/python examples/osc_alarms.py

Recordings of 24 alarms and ten household sounds are synthesised (no two are alike: level, room,
noise and pitch differ). One of each alarm and of five household sounds is learnt; the others are
classified, those of the five household sounds that were never heard among them. One alarm is only
learnt later, without training again. The model and a picture of scores and threshold are written
to build/osc. With your own clips it is

    osc-train alarms -o alarms.osc
    osc-classify alarms.osc clips
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fewshot.plot import COLOURS, INK, legend, new_figure, save, side_by_side
from osc import OpenSetClassifier
from osc.synthesis import ALARMS, HOUSEHOLD, recording

RESULTS = Path("build/osc")
LATER = "bicycle_bell"
HEARD = tuple(HOUSEHOLD)[:5]
TAKES = range(1, 4)


def main() -> None:
    """Train, classify, add a class, save, load, draw."""
    began = time.perf_counter()
    RESULTS.mkdir(parents=True, exist_ok=True)
    first = [name for name in ALARMS if name != LATER]
    names = [*first, *HEARD]
    labels = [name if name in ALARMS else "unknown" for name in names]
    model = OpenSetClassifier(seed=0)
    model.fit([recording(name, 0) for name in names], labels, groups=names)
    print(f"learnt {len(first)} alarms from one recording each, threshold {model.threshold_:.2f}")

    tests = [(name, take) for name in (*first, LATER, *HOUSEHOLD) for take in TAKES]
    sounds = [recording(name, take) for name, take in tests]
    report(model, tests, sounds)

    model.add_class(LATER, [recording(LATER, 0)])
    print(f"\nadded {LATER} from one recording")
    model.save(RESULTS / "alarms.osc", force=True)
    model = OpenSetClassifier.load(RESULTS / "alarms.osc")
    report(model, tests, sounds)

    draw(model, tests, model.score_samples(sounds), RESULTS / "alarms.png")
    seconds = time.perf_counter() - began
    print(f"\n{seconds:.0f} s in all. Model and picture: {RESULTS}")


def report(
    model: OpenSetClassifier, tests: Sequence[tuple[str, int]], sounds: Sequence[np.ndarray]
) -> None:
    """Print what the recordings were taken for."""
    answers = model.predict(sounds).tolist()
    known = [name in model.classes_ for name, _ in tests]
    right = [
        answer == (name if is_known else "unknown")
        for (name, _), is_known, answer in zip(tests, known, answers, strict=True)
    ]
    on_known = np.mean([r for r, k in zip(right, known, strict=True) if k])
    on_others = np.mean([r for r, k in zip(right, known, strict=True) if not k])
    print(f"alarms answered with their name: {100 * on_known:.0f} %")
    print(f"other sounds answered 'unknown': {100 * on_others:.0f} %")
    print(f"weighted accuracy: {50 * (on_known + on_others):.1f} %")


def draw(
    model: OpenSetClassifier, tests: Sequence[tuple[str, int]], scores: np.ndarray, path: Path
) -> None:
    """Draw the score of every recording in a line per sound, and the threshold."""
    names = list(dict.fromkeys(name for name, _ in tests))
    figure = new_figure(7, 1 + 0.2 * len(names))
    (axes,) = side_by_side(figure, 1)
    for kind, (title, colour) in enumerate(
        [("alarm", COLOURS[0]), ("known unknown", COLOURS[4]), ("never heard", COLOURS[1])]
    ):
        own = [i for i, (name, _) in enumerate(tests) if kind_of(model, name) == kind]
        rows = [names.index(tests[i][0]) for i in own]
        axes.plot(scores[own], rows, "o", color=colour, alpha=0.7, label=title)
    axes.axvline(model.threshold_, color=INK, linestyle="--", label="threshold")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("score: similarity to the nearest alarm (below -1: a known unknown is nearer)")
    legend(figure)
    save(figure, path, force=True)


def kind_of(model: OpenSetClassifier, name: str) -> int:
    """0 for an alarm, 1 for a household sound that was learnt from, 2 for another."""
    return 0 if name in model.classes_ else 1 if name in HEARD else 2


if __name__ == "__main__":
    main()
