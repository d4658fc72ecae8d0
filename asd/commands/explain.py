"""asd-explain: clips in, pictures of what their scores are made of out."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from asd.commands.clips import add_machine, check_known, find_clips, key_of, load_model
from asd.config import MASKS
from fewshot.console import (
    Problems,
    add_device,
    add_force,
    add_seed,
    add_threads,
    base_parser,
    check_writable,
    positive_int,
    progress,
    run,
    use_threads,
)
from fewshot.errors import InputError, some
from fewshot.event_files import check_outputs

if TYPE_CHECKING:
    from asd.dataset import Clip
    from asd.model import MachineModel
    from asd.representations import Key

EPILOG = f"""\
examples:
  asd-explain pump.asd today.wav -o maps                   maps/today.png
  asd-explain pump.asd today.wav -o maps --masks 20000     smoother, ten times as slow
  asd-score machines.asd dev_data -o scores.csv
  asd-explain machines.asd dev_data/fan -o maps
  asd-report scores.csv --pictures maps -o report.html     the maps on a page
  asd-explain machines.asd dev_data --map -o map.png       all test clips as points

A picture shows a clip's spectrogram and below it which parts of it make it anomalous (yellow) or
normal (blue): parts are hidden at random, {MASKS} times unless --masks says otherwise, and the rest
is scored (RISE). A value of the map is the mean score where that part is heard; where they hardly
differ, no part matters by itself. What is hidden keeps its mean level: maps tell of what changes in
a clip, not of a hum that lasts. The picture is <clip>.png; of a model of several machines,
<machine>/<clip>.png.

{MASKS} masks of a clip of 4 s take 20 to 30 s on one core, both for clip statistics and for a
two-branch network, and an ensemble as many times that. Longer clips take longer in proportion.

--map places clips so that those which the model finds alike are neighbours (t-SNE): colours are
machines and sections, markers normal, anomalous and unknown clips, hollow ones of the target
domain. Where conditions are known it prints the mean distance of an anomalous clip to the nearest
normal one; larger is better, but only maps of the same clips compare.

Which clips of a folder or CSV are taken, and as what machine and section, is as for asd-score.

Exit status: 0 done, 1 some clips failed (each is named), 2 nothing done, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run asd-explain and return its exit status."""
    parser = base_parser("asd-explain", "Shows what makes a clip of a machine anomalous.", EPILOG)
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file of asd-train")
    parser.add_argument(
        "inputs", nargs="+", metavar="FILE_OR_FOLDER", help="sound files, folders of them, CSVs"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="PATH",
        help="folder for the pictures; with --map, the picture",
    )
    parser.add_argument("--map", action="store_true", help="draw all clips as points of one map")
    parser.add_argument(
        "--masks",
        type=positive_int,
        metavar="N",
        help=f"random masks of each clip (default: {MASKS})",
    )
    add_machine(parser)
    add_seed(parser)
    add_device(parser)
    add_threads(parser)
    add_force(parser)
    return run(_run, parser, argv)


def _run(args: argparse.Namespace) -> int:
    if args.map:
        if args.masks is not None:
            raise InputError("--masks belongs to pictures of clips, not to --map")
        if args.output.suffix.lower() != ".png":
            raise InputError(f"{args.output}: the name must end in .png")
        check_writable(args.output, args.force)
    elif args.output.exists() and not args.output.is_dir():
        raise InputError(f"{args.output}: is a file; name a folder")
    use_threads(args.threads)
    from asd.dataset import clip_error

    model = load_model(args)
    check_known(model, args)
    problems = Problems(args.console)
    found = []
    for clip in find_clips(args.inputs, problems):
        try:
            found.append((clip, key_of(model, clip, args)))
        except InputError as error:
            problems.add(clip_error(clip, error))
    if not found:
        return problems.status(0)
    explain = _embeddings if args.map else _importance
    return problems.status(explain(args, model, found, problems))


def _importance(
    args: argparse.Namespace,
    model: "MachineModel",
    found: "Sequence[tuple[Clip, Key]]",
    problems: Problems,
) -> int:
    """Draw each clip; the number of those that went well."""
    from asd.dataset import clip_error

    targets = _targets(args, model, found)
    n_masks, n_drawn = args.masks or MASKS, 0
    with progress(total=len(found) * n_masks, desc="mask", quiet=args.quiet) as bar:
        for i, ((clip, key), target) in enumerate(zip(found, targets, strict=True), 1):
            try:
                _draw(args, model, clip, key, target, bar.update)
                n_drawn += 1
            except InputError as error:
                problems.add(clip_error(clip, error))
            # Masks of clips that failed count as done.
            bar.update(i * n_masks - bar.n)
    if n_drawn:
        args.console.info(f"wrote {args.output}: {some(n_drawn, 'picture')}")
    return n_drawn


def _targets(
    args: argparse.Namespace, model: "MachineModel", found: "Sequence[tuple[Clip, Key]]"
) -> list[Path]:
    """Where each clip is drawn, as asd-report looks for it; all of them can be written."""
    from asd.names import stem

    several = len({machine for machine, _ in model.sections}) > 1
    targets: dict[Path, Clip] = {}
    for clip, (machine, _) in found:
        folder = args.output
        if several:
            if Path(machine).name != machine or machine == "..":
                raise InputError(f"{machine}: cannot be the name of a folder; rename the machine")
            folder = args.output / machine
        other = targets.setdefault(folder / f"{stem(clip.path.name)}.png", clip)
        if other is not clip:
            raise InputError(f"{clip.path}: named like {other.path}; give them different folders")
    if args.output.exists():
        check_outputs(targets, args.output, args.force)
    else:
        check_writable(args.output)
    return list(targets)


def _draw(
    args: argparse.Namespace,
    model: "MachineModel",
    clip: "Clip",
    key: "Key",
    target: Path,
    on_mask: Callable[[], object],
) -> None:
    from asd.explanation import importance_map
    from asd.pictures import importance_figure
    from asd.sounds import read_sound
    from fewshot.plot import save

    found = importance_map(
        lambda sounds: model.score(sounds, *key),
        read_sound(clip.path),
        n_masks=args.masks or MASKS,
        seed=args.seed,
        on_mask=on_mask,
    )
    figure = importance_figure(found, clip.path.name, model.thresholds[key])
    args.output.mkdir(exist_ok=True)
    target.parent.mkdir(exist_ok=True)
    save(figure, target, force=args.force)


def _embeddings(
    args: argparse.Namespace,
    model: "MachineModel",
    found: "Sequence[tuple[Clip, Key]]",
    problems: Problems,
) -> int:
    """Draw all clips as one map; the number of those that are on it."""
    import numpy as np

    from asd.dataset import clip_error
    from asd.explanation import embedding_map, joined_vectors, nearest_normal_distance
    from asd.names import ANOMALY, NORMAL
    from asd.pictures import embedding_figure
    from fewshot.plot import save

    clips, vectors = [], []
    for clip, key in progress(found, desc="clip", quiet=args.quiet):
        try:
            vectors.append(model.vectors([clip.path], *key))
        except InputError as error:
            problems.add(clip_error(clip, error))
        else:
            clips.append(replace(clip, machine=key[0], section=key[1]))
    if len({tuple(len(own[0]) for own in one) for one in vectors}) > 1:
        raise InputError("this system describes sections differently; give clips of one section")
    if not clips:
        return 0
    together = [np.concatenate(own) for own in zip(*vectors, strict=True)]
    points = embedding_map(joined_vectors(model.views, together), args.seed)
    save(embedding_figure(points, clips), args.output, force=args.force)
    args.console.info(f"wrote {args.output}: {len(clips)} clips")
    known = [i for i, clip in enumerate(clips) if clip.condition is not None]
    anomalous = np.array([clips[i].condition == ANOMALY for i in known], bool)
    if anomalous.any() and not anomalous.all():
        distance = nearest_normal_distance(points[known], anomalous)
        print(f"mean distance of {ANOMALY} to the nearest {NORMAL} clip: {distance:.3f}")
    return len(clips)
