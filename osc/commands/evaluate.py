"""osc-evaluate: how well a model does on labelled clips."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fewshot.console import (
    Problems,
    add_force,
    add_threads,
    base_parser,
    check_writable,
    existing_path,
    finite_float,
    run,
    use_threads,
    write_whole,
)
from fewshot.errors import one_line
from fewshot.tables import csv_text
from osc.config import UNKNOWN

if TYPE_CHECKING:
    from osc.classifier import OpenSetClassifier
    from osc.data import LabelledClip
    from osc.evaluation import Evaluation

CONFUSION = "confusion.png"
FIGURES = (
    ("weighted_accuracy", "weighted accuracy"),
    ("known_accuracy", "known clips right"),
    ("unknown_accuracy", "unknown clips rejected"),
    ("closed_set_accuracy", "closed-set accuracy"),
    ("auroc", "AUROC, known against unknown"),
)

EPILOG = f"""\
Weighted accuracy is the mean of the share of known clips that are answered with their class and of
the share of unknown clips that are answered "{UNKNOWN}". Closed-set accuracy leaves the threshold
out. Classes that the model was not taught count as unknown.

examples:
  osc-evaluate alarms.osc test                     test/smoke/1.wav, test/unknown/1.wav, ...
  osc-evaluate alarms.osc test.csv --root audio    columns filename,label
  osc-evaluate alarms.osc test --tune              which threshold would have been best here
  osc-evaluate alarms.osc test --json

Exit status: 0 done, 1 some clips failed (each is named), 2 unusable input, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run osc-evaluate and return its exit status."""
    parser = base_parser("osc-evaluate", "Compares a model's answers with the truth.", EPILOG)
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file of osc-train")
    parser.add_argument(
        "clips",
        type=existing_path,
        metavar="FOLDER_OR_CSV",
        help="folder with a sub-folder of clips per class, or CSV",
    )
    parser.add_argument(
        "--root", type=existing_path, metavar="DIR", help="what the CSV's files are relative to"
    )
    parser.add_argument(
        "--unknown", type=existing_path, metavar="DIR", help="more clips of unknown classes"
    )
    parser.add_argument(
        "--threshold",
        type=finite_float,
        metavar="X",
        help="least score of a known class (default: the model's own)",
    )
    parser.add_argument(
        "--tune", action="store_true", help="find the threshold that is best on these clips"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="REPORT.csv", help="write the classes' rows as CSV"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="DIR", help=f"draw the confusions, as DIR/{CONFUSION}"
    )
    add_threads(parser)
    add_force(parser)
    return run(_evaluate, parser, argv)


def _evaluate(args: argparse.Namespace) -> int:
    if args.output is not None:
        check_writable(args.output, args.force)
    if args.plot is not None:
        there = args.plot.exists()
        check_writable(args.plot / CONFUSION if there else args.plot, args.force)
    use_threads(args.threads)
    from osc.classifier import OpenSetClassifier
    from osc.data import read_clips
    from osc.evaluation import best_threshold, evaluate

    model = OpenSetClassifier.load(args.model)
    if args.threshold is not None:
        model.set_threshold(args.threshold)
    problems = Problems(args.console)
    clips, similarities = _answered(
        model, read_clips(args.clips, args.root, args.unknown), problems
    )
    if not clips:
        return problems.status(0)
    classes = model.classes_.tolist()
    labels = [clip.label if clip.label in map(str, classes) else UNKNOWN for clip in clips]
    _tell_untaught(args, model, clips)
    nearest = model.classes_[similarities[:, : len(classes)].argmax(axis=1)].astype(str)
    scores = model.scores_of(similarities)
    answers = [
        UNKNOWN if answer == model.unknown_label else str(answer)
        for answer in model.answers_of(similarities).tolist()
    ]
    names = [str(label) for label in classes]
    result = evaluate(labels, answers, nearest, scores, names, UNKNOWN)
    both = result.n_known and result.n_unknown
    tuned = best_threshold(labels, nearest, scores, names) if args.tune and both else None
    if args.output is not None:
        with write_whole(args.output, force=args.force) as temporary:
            temporary.write_text(_report(result), "utf-8", "backslashreplace", newline="\n")
    if args.plot is not None:
        _draw(args, result)
    if args.json:
        print(json.dumps(_object(args, model, result, tuned), indent=2))
    else:
        print("\n".join(_lines(model, result, tuned)))
    if args.tune and not both:
        args.console.warning("--tune needs known and unknown clips")
    return problems.status(len(clips))


def _answered(
    model: "OpenSetClassifier", clips: "Sequence[LabelledClip]", problems: Problems
) -> tuple:
    """Clips that can be read, with their similarities; the others are named."""
    import numpy as np

    from fewshot.console import progress
    from fewshot.errors import InputError
    from osc.classifier import BATCH
    from osc.sounds import load

    good, rows = [], []
    with progress(total=len(clips), desc="clip", quiet=problems.console.quiet) as bar:
        for start in range(0, len(clips), BATCH):
            waveforms = []
            for clip in clips[start : start + BATCH]:
                try:
                    waveforms.append(
                        load(clip.path, clip.name, model.length_s, highpass=model.highpass)
                    )
                    good.append(clip)
                except InputError as error:
                    problems.add(error)
                bar.update()
            if waveforms:
                rows.append(model.similarities_of(waveforms))
    return good, np.concatenate(rows) if rows else None


def _tell_untaught(
    args: argparse.Namespace, model: "OpenSetClassifier", clips: "Sequence[LabelledClip]"
) -> None:
    taught = {UNKNOWN, *map(str, model.classes_.tolist())}
    untaught = sorted({clip.label for clip in clips} - taught)
    if untaught:
        args.console.info(f"not taught, so unknown: {one_line(', '.join(untaught))}")


def _lines(
    model: "OpenSetClassifier", result: "Evaluation", tuned: tuple[float, float] | None
) -> Iterator[str]:
    yield f"{result.n_known} known clips, {result.n_unknown} unknown; " + (
        f"threshold {model.threshold_:.4g}"
    )
    yield ""
    for name, title in FIGURES:
        yield f"{title:<30}{_percent(getattr(result, name)):>7}"
    if tuned is not None:
        yield f"{'best threshold here':<30}{tuned[0]:>7.4g}: weighted {_percent(tuned[1]).strip()}"
    width = max(len(one_line(str(label))) for label in result.classes)
    yield ""
    yield f"{'class':<{width}}{'clips':>7}{'right':>7}{'%':>7}{'unknown':>9}{'confused':>10}  as"
    for i, (label, counts) in enumerate(result.classes.items()):
        if not counts.n:
            continue
        share = _percent(counts.right / counts.n)
        rejected = counts.rejected if label != UNKNOWN else counts.right
        yield (
            f"{one_line(str(label)):<{width}}{counts.n:>7}{counts.right:>7}{share:>7}"
            f"{rejected:>9}{counts.confused:>10}  {_confused_with(result, i)}"
        ).rstrip()


def _confused_with(result: "Evaluation", row: int) -> str:
    """The classes that a class is taken for, the most frequent first."""
    names, counts = list(result.classes), result.confusion[row]
    others = [i for i in range(len(names) - 1) if i != row and counts[i]]
    others.sort(key=lambda i: -counts[i])
    return ", ".join(f"{one_line(str(names[i]))} {counts[i]}" for i in others)


def _percent(share: float | None) -> str:
    return "n/a" if share is None else f"{100 * share:.1f}"


def _report(result: "Evaluation") -> str:
    rows = [(label, *asdict(counts).values()) for label, counts in result.classes.items()]
    return csv_text([("label", "clips", "right", "rejected", "confused"), *rows])


def _object(
    args: argparse.Namespace,
    model: "OpenSetClassifier",
    result: "Evaluation",
    tuned: tuple[float, float] | None,
) -> dict:
    return {
        "model": str(args.model),
        "clips": str(args.clips),
        "threshold": model.threshold_,
        "n_known": result.n_known,
        "n_unknown": result.n_unknown,
        **{name: getattr(result, name) for name, _ in FIGURES},
        "classes": {str(label): asdict(counts) for label, counts in result.classes.items()},
        "confusion": {
            "labels": [str(label) for label in result.classes],
            "counts": result.confusion.tolist(),
        },
        "tuned": tuned and {"threshold": tuned[0], "weighted_accuracy": tuned[1]},
    }


def _draw(args: argparse.Namespace, result: "Evaluation") -> None:
    from fewshot.plot import draw_matrix, new_figure, save, side_by_side

    names = [str(label) for label in result.classes]
    size = 2.5 + 0.35 * len(names)
    figure = new_figure(size, size)
    (axes,) = side_by_side(figure, 1)
    draw_matrix(axes, result.confusion, names, names)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    args.plot.mkdir(exist_ok=True)
    save(figure, args.plot / CONFUSION, force=args.force)
