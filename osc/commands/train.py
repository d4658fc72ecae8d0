"""osc-train: labelled clips in, a model out."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fewshot.console import (
    Problems,
    add_device,
    add_force,
    add_seed,
    add_threads,
    base_parser,
    check_writable,
    existing_path,
    positive_float,
    positive_int,
    progress,
    run,
    use_threads,
)
from fewshot.errors import InputError, one_line, some
from osc.config import AUTO, DECISIONS, DEFAULT, FOREIGN, LENGTH_S, REJECTIONS, UNKNOWN

if TYPE_CHECKING:
    from osc.classifier import OpenSetClassifier
    from osc.data import LabelledClip

EPILOG = f"""\
examples:
  osc-train alarms -o alarms.osc                   alarms/smoke/1.wav, alarms/door/1.wav, ...
  osc-train alarms --unknown household -o alarms.osc
  osc-train train.csv --root audio -o alarms.osc
  osc-train --add alarms.osc more -o more.osc      learn the classes in "more" as well
  osc-train --add alarms.osc more --force          the same, and alarms.osc is replaced

A sub-folder "{UNKNOWN}" holds known unknowns: examples of sound that is none of the classes, which
help to reject it. Their own sub-folders ({UNKNOWN}/steps, {UNKNOWN}/music, ...) tell kinds apart.

CSV columns: filename,label (separated by comma, semicolon or tab; others are ignored); the label
"{UNKNOWN}" marks known unknowns, whose kind a column "group" may name.

--add keeps what the model compares clips by, and learns new classes, or more clips of old ones.

Sound: any format that libsndfile reads, any rate, any number of channels, 0.1 s or longer.
Exit status: 0 done, 1 some clips were left out (each is named), 2 no model, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run osc-train and return its exit status."""
    parser = base_parser(
        "osc-train", 'Learns classes of sound from a few clips of each, and "unknown".', EPILOG
    )
    parser.add_argument(
        "clips",
        nargs="?",
        type=existing_path,
        metavar="FOLDER_OR_CSV",
        help="folder with a sub-folder of clips per class, or CSV",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="MODEL", help="model file to write")
    parser.add_argument(
        "--root",
        type=existing_path,
        metavar="DIR",
        help="what the CSV's files are relative to (default: the CSV's folder or its parent, "
        "whichever holds them)",
    )
    parser.add_argument(
        "--unknown",
        type=existing_path,
        metavar="DIR",
        help="known unknowns: sound files, or a sub-folder for each kind",
    )
    parser.add_argument(
        "--add", type=existing_path, metavar="MODEL", help="model whose classes are kept"
    )
    parser.add_argument(
        "--representation",
        metavar="NAME_OR_FILE",
        help="what clips are compared by: a name, an ONNX or TorchScript file with a description "
        f"beside it, or the weights of wav2vec 2.0 (default: {DEFAULT})",
    )
    parser.add_argument(
        "--decision",
        choices=DECISIONS,
        help="similarity to a class: to the mean of its clips, to the nearest of them, or softmax "
        f"over the means (default: {DECISIONS[0]})",
    )
    parser.add_argument(
        "--rejection",
        choices=REJECTIONS,
        help="score: the similarity to the nearest class, or how much nearer it is than the known "
        f"unknowns (default: {REJECTIONS[0]})",
    )
    parser.add_argument(
        "--threshold",
        type=_threshold,
        metavar="X",
        help=f"least score of a known class: a number, {AUTO}, {FOREIGN}, or gdp, hp, sd, mad, iqr "
        f"and so on (default: {AUTO}, from the clips alone)",
    )
    parser.add_argument(
        "--length",
        type=positive_float,
        metavar="S",
        help="of longer clips, the loudest part of this length counts, in seconds "
        f"(default: {LENGTH_S:g})",
    )
    parser.add_argument(
        "--epochs", type=positive_int, metavar="N", help="of representations that are trained"
    )
    add_device(parser)
    add_seed(parser)
    add_threads(parser)
    add_force(parser)
    return run(_train, parser, argv)


def _threshold(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _train(args: argparse.Namespace) -> int:
    if args.clips is None and not (args.add and args.unknown):
        raise InputError("no clips; give a folder with a sub-folder per class, or a CSV")
    if args.add is not None:
        _check_add(args)
    output = args.output or args.add
    if output is None:
        raise InputError("no output; say with -o MODEL where the model goes")
    # Who names the same file twice wants it changed.
    same = bool(args.add and args.output and args.output.exists() and _same(args))
    check_writable(output, args.force or same)

    use_threads(args.threads)
    from osc.classifier import OpenSetClassifier
    from osc.data import read_clips, usable
    from osc.thresholds import check_threshold

    base = OpenSetClassifier.load(args.add) if args.add else _untrained(args)
    if args.threshold is not None:
        check_threshold(args.threshold)
    wanted = read_clips(args.clips, args.root, args.unknown)
    problems = Problems(args.console)
    good, refused = usable(wanted, base.length_s)
    for problem in refused:
        problems.add(problem)
    _tell(args, good)
    model = _learn(args, base, good)
    if args.threshold is not None:
        model.set_threshold(args.threshold)
    model.save(output, force=args.force or same)
    n_unknown = len(set(model.examples_.labels[~model.examples_.known].tolist()))
    args.console.info(
        f"wrote {one_line(str(output))}: {len(model.classes_)} class"
        f"{'es' * (len(model.classes_) != 1)}, {n_unknown} of known unknowns, "
        f"threshold {model.threshold_:.3f}"
    )
    return problems.status(len(good))


def _same(args: argparse.Namespace) -> bool:
    return args.output.samefile(args.add)


def _check_add(args: argparse.Namespace) -> None:
    for name in ("representation", "decision", "rejection", "length", "epochs"):
        if getattr(args, name) is not None:
            raise InputError(f"--{name} belongs to a new model; with --add the old one's is kept")


def _untrained(args: argparse.Namespace) -> "OpenSetClassifier":
    from osc import representations
    from osc.classifier import OpenSetClassifier

    asked = {
        "representation": args.representation,
        "decision": args.decision,
        "rejection": args.rejection,
        "threshold": args.threshold,
        "length_s": args.length,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    options: dict[str, object] = {}
    if args.epochs is not None:
        options["epochs"] = args.epochs
    if "device" in representations.options_of(given.get("representation", DEFAULT)):
        options["device"] = args.device
    model = OpenSetClassifier(**given, options=options or None, seed=args.seed)
    model.check_parameters()
    return model


def _tell(args: argparse.Namespace, clips: "Sequence[LabelledClip]") -> None:
    """Say how many clips each class has."""
    for label, count in sorted(Counter(clip.label for clip in clips).items()):
        args.console.info(f"{one_line(label)}: {some(count, 'clip')}")
    for clip in clips:
        args.console.detail(one_line(f"  {clip.label}  {clip.path}"))


def _learn(
    args: argparse.Namespace, model: "OpenSetClassifier", clips: "Sequence[LabelledClip]"
) -> "OpenSetClassifier":
    from osc.data import groups_of

    paths, labels = [clip.path for clip in clips], [clip.label for clip in clips]
    if args.add is None:
        with progress(total=args.epochs, desc="epoch", quiet=args.quiet) as bar:

            def on_epoch(epoch: int, loss: float) -> None:
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
                bar.update()

            return model.fit(paths, labels, groups=groups_of(clips), on_epoch=on_epoch)
    for label in sorted(set(labels)):
        own = [clip for clip in clips if clip.label == label]
        model.add_class(label, [clip.path for clip in own], groups=groups_of(own))
    return model
