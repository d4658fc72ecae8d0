"""kws-enroll: clips of keywords in, a model out."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
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
    write_whole,
)
from fewshot.errors import InputError, one_line, some
from kws.config import SCRATCH, KwsConfig

if TYPE_CHECKING:
    from kws.clips import Clip, LoadedClip
    from kws.model import KeywordModel

EPILOG = """\
examples:
  kws-enroll --keyword door 1.wav 2.wav 3.wav 4.wav 5.wav -o door.kws
  kws-enroll clips -o keywords.kws                 clips/door/1.wav, clips/lamp/1.wav, ...
  kws-enroll train.csv --root audio -o keywords.kws
  kws-enroll --add keywords.kws more -o more.kws   learn the keywords in "more" as well
  kws-enroll --add keywords.kws more --force       the same, and keywords.kws is replaced
  kws-enroll keywords.kws --remove door -o fewer.kws
  kws-enroll clips --background calls -o keywords.kws    calls: ordinary speech without keywords

CSV columns: event_label,event_onset,event_offset,file (seconds; separated by comma, semicolon or
tab; others are ignored). The sound around a clip that is cut from a longer file helps.

Clips that are whole files may have silence, breath or steady noise around the word: what is kept is
listed. Clips of a CSV are taken from onset to offset as they are.

--add learns the old keywords once more, from their clips, which the model keeps. --remove takes
keywords out, and what is left stays as it was. With both, the removal comes first.

Sound: any format that libsndfile reads, any rate, any number of channels.
Exit status: 0 done, 1 some clips were left out (each is named), 2 no model, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run kws-enroll and return its exit status."""
    parser = base_parser("kws-enroll", "Learns keywords from a few clips of each.", EPILOG)
    parser.add_argument(
        "clips",
        nargs="?",
        type=existing_path,
        metavar="CLIPS",
        help="folder with a sub-folder of clips per keyword, or CSV (with --remove: the model)",
    )
    parser.add_argument(
        "--keyword",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "CLIP"),
        help="a keyword and its clips: sound files, or a folder of them; repeatable",
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
        "--background",
        type=existing_path,
        metavar="DIR",
        help="ordinary speech without the keywords, from where they will be looked for; it is "
        "heard in addition to the built-in one",
    )
    parser.add_argument(
        "--add", type=existing_path, metavar="MODEL", help="model whose keywords are kept"
    )
    parser.add_argument(
        "--remove",
        action="append",
        default=[],
        metavar="NAME",
        help="take a keyword out of the model",
    )
    parser.add_argument(
        "--no-trim",
        dest="trim",
        action="store_false",
        help="learn clips that are whole files with the silence around the word",
    )
    parser.add_argument(
        "--encoder",
        metavar="NAME_OR_FILE",
        help=f"what sounds are compared by: {KwsConfig.encoder}; speech, which is faster but finds "
        "less; an ONNX or TorchScript file with a description beside it, or the weights of "
        "wav2vec 2.0, with some minutes of speech (--background); or "
        f'"{SCRATCH}", a network that learns from the clips alone as in the papers '
        f"(default: {KwsConfig.encoder})",
    )
    parser.add_argument(
        "--templates",
        choices=("barycenter", "shots"),
        help="search for means of each keyword's clips, or for every clip "
        f"(default: {KwsConfig.templates})",
    )
    parser.add_argument(
        "--false-alarms-per-hour",
        type=positive_float,
        metavar="X",
        help="choose the threshold by the false alarms in an hour of ordinary speech, that of "
        "--background included (default: one that finds most)",
    )
    scratch = parser.add_argument_group(f"with --encoder {SCRATCH}")
    scratch.add_argument(
        "--epochs",
        type=positive_int,
        metavar="N",
        help=f"passes over the clips (default: {KwsConfig.epochs}; the paper's schedule has 1000)",
    )
    scratch.add_argument(
        "--loss",
        choices=("tacos", "adacos"),
        help=f"with or without positions within the word (default: {KwsConfig.loss})",
    )
    scratch.add_argument(
        "--noise",
        type=existing_path,
        metavar="DIR",
        help="background recordings without the keywords (default: generated noise)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE.json",
        help="write what enrolment found out: how well each clip fits, which keywords are alike, "
        "misses and false alarms to expect",
    )
    add_device(parser)
    add_seed(parser)
    add_threads(parser)
    add_force(parser)
    return run(_enroll, parser, argv)


def _enroll(args: argparse.Namespace) -> int:
    start, clips = args.add, args.clips
    if args.remove and start is None:
        start, clips = clips, None
    _check_usage(args, start, clips)
    output = args.output or start
    # Who names the same file twice wants it changed.
    force = args.force or bool(start and args.output and _same_file(start, args.output))
    check_writable(output, force)
    if args.report is not None:
        check_writable(args.report, args.force)

    use_threads(args.threads)
    from kws.model import KeywordModel

    problems = Problems(args.console)
    model = KeywordModel.load(start) if start else None
    for name in dict.fromkeys(args.remove):
        model = model.remove(name)
    used = 0
    if clips or args.keyword:
        model, used = _learn(args, _wanted(args, clips), model, problems)
    model.save(output, force=force)
    args.console.info(f"wrote {one_line(str(output))}: {one_line(', '.join(model.keywords))}")
    return problems.status(used)


def _check_usage(args: argparse.Namespace, start: Path | None, clips: Path | None) -> None:
    if args.remove and start is None:
        raise InputError("--remove needs the model: kws-enroll MODEL --remove NAME -o NEW_MODEL")
    if not (clips or args.keyword or args.remove):
        raise InputError("no clips; give CLIPS, or --keyword NAME CLIP CLIP CLIP CLIP CLIP")
    if args.output is None and start is None:
        raise InputError("no output; say with -o MODEL where the model goes")
    if args.report and not (clips or args.keyword):
        raise InputError("--report needs clips to learn from")
    if not (args.trim or clips or args.keyword):
        raise InputError("--no-trim needs clips to learn from; leave it out")
    if args.root and not (clips and clips.is_file()):
        raise InputError("--root belongs to a CSV; leave it out")
    for name, *files in args.keyword:
        if not files:
            raise InputError(f"--keyword {name}: no clips; give five after the name")


def _same_file(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def _wanted(args: argparse.Namespace, clips: Path | None) -> "list[Clip]":
    """Clips of all sources."""
    from fewshot.inputs import is_sound
    from kws.clips import clips_from_csv, clips_from_folder, clips_of_keyword

    wanted = [clip for name, *files in args.keyword for clip in clips_of_keyword(name, files)]
    if clips is None:
        return wanted
    if clips.is_dir():
        return wanted + clips_from_folder(clips)
    if is_sound(clips):
        raise InputError(f"{clips}: is a sound file; name its keyword with --keyword NAME CLIP...")
    return wanted + clips_from_csv(clips, args.root)


def _learn(
    args: argparse.Namespace,
    wanted: "list[Clip]",
    add_to: "KeywordModel | None",
    problems: Problems,
) -> "tuple[KeywordModel, int]":
    """Learn from those of the clips that can be used; give the model and their number."""
    from fewshot.training import resolve_device
    from kws.clips import load_clips
    from kws.enrollment import CONTEXT_S, enroll

    console, config = args.console, _config(args, add_to)
    device = resolve_device(args.device)
    loaded, refused = load_clips(wanted, context_s=CONTEXT_S, trim=args.trim)
    for problem in refused:
        problems.add(problem)
    for line in _listing(loaded):
        console.info(line)
    scratch = config.encoder == SCRATCH
    if scratch:
        console.info(f"training on {device}")
    total = config.epochs if scratch else len(loaded) + (len(add_to.clips) if add_to else 0)
    with progress(total=total, desc="epoch" if scratch else "clip", quiet=args.quiet) as bar:

        def on_epoch(epoch: int, loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()
            console.detail(f"epoch {epoch + 1} of {config.epochs}: loss {loss:.3f}")

        model = enroll(
            loaded,
            background=args.background,
            noise=args.noise,
            config=config,
            device=device,
            seed=args.seed,
            add_to=add_to,
            on_epoch=on_epoch,
            on_clip=None if scratch else lambda _: bar.update(),
        )
    for problem in model.problems:
        problems.add(problem)
    for warning in model.warnings:
        console.warning(warning)
    if model.losses:
        console.info(f"loss {model.losses[0]:.2f} -> {model.losses[-1]:.2f}")
    for line in model.report.summary():
        console.info(line)
    if args.report is not None:
        with write_whole(args.report, force=args.force) as temporary:
            temporary.write_text(json.dumps(model.report.to_dict(), indent=2) + "\n", "utf-8")
    return model, len(loaded)


def _config(args: argparse.Namespace, add_to: "KeywordModel | None") -> KwsConfig:
    """Settings that were asked for; else those of the model that is added to, or the defaults."""
    names = ("encoder", "epochs", "templates", "loss", "false_alarms_per_hour")
    asked = {name: getattr(args, name) for name in names}
    config = replace(
        add_to.config if add_to else KwsConfig(),
        **{name: value for name, value in asked.items() if value is not None},
    )
    given = [name for name in ("epochs", "loss", "noise") if getattr(args, name) is not None]
    for name in ("background", "false_alarms_per_hour"):
        if config.encoder == SCRATCH and getattr(args, name) is not None:
            option = name.replace("_", "-")
            raise InputError(f"--{option} belongs to pre-trained encoders, not to {SCRATCH}")
    if config.encoder != SCRATCH and given:
        raise InputError(f"--{given[0]} belongs to --encoder {SCRATCH}")
    return config


def _listing(loaded: "list[LoadedClip]") -> list[str]:
    """Which clips are used, with their lengths, by keyword."""
    lines = []
    for label in sorted({item.clip.label for item in loaded}):
        own = [item for item in loaded if item.clip.label == label]
        lines.append(one_line(f"{label}: {some(len(own), 'clip')}"))
        for item in own:
            clip = item.clip
            part = f" from {clip.onset_s:.2f} s" if clip.onset_s is not None else ""
            part += f" of {item.given_s:.2f} s" if item.given_s is not None else ""
            lines.append(one_line(f"  {item.duration_s:.2f} s  {clip.path}{part}"))
    return lines
