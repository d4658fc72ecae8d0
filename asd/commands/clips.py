"""The clips that a command is told of, and what machine and section each of them is of."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fewshot.console import Problems, write_whole
from fewshot.errors import InputError

if TYPE_CHECKING:
    from asd.dataset import Clip
    from asd.model import MachineModel
    from asd.representations import Key


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Add --machine and --section; hand them to `check_known` and `key_of`."""
    parser.add_argument("--machine", metavar="NAME", help="machine that the clips are of")
    parser.add_argument("--section", metavar="NN", help="section that the clips are of")


def check_known(model: "MachineModel", args: argparse.Namespace) -> None:
    """Refuse a machine or a section that the model does not know at all."""
    for option, told, place in (("machine", args.machine, 0), ("section", args.section, 1)):
        known = sorted({key[place] for key in model.sections})
        if told is not None and told not in known:
            raise InputError(f"--{option} {told}: the model knows {', '.join(known)}")


def find_clips(inputs: Sequence[str], problems: Problems) -> "Iterator[Clip]":
    """Clips of all inputs, each file once; what cannot be found is named.

    Of a data set these are the test clips, or all if it has none.
    """
    from asd.dataset import clip_of_file, read_dataset
    from asd.names import TEST

    seen = set()
    for text in dict.fromkeys(inputs):
        path = Path(text)
        try:
            if path.is_dir() or path.suffix.lower() in {".csv", ".tsv", ".txt"}:
                dataset = read_dataset(path)
                for problem in dataset.problems:
                    problems.add(problem)
                tests = [clip for clip in dataset.clips if clip.split == TEST]
                found = tests or dataset.clips
            else:
                found = [clip_of_file(path)]
        except InputError as error:
            problems.add(error)
            continue
        for clip in found:
            if clip.path not in seen:
                seen.add(clip.path)
                yield clip


def key_of(model: "MachineModel", clip: "Clip", args: argparse.Namespace) -> "Key":
    """Machine and section of a clip; InputError where the model has none such."""
    machine, section = args.machine, args.section
    if len(model.sections) > 1:
        machine, section = machine or clip.machine, section or clip.section
    try:
        return model.key_of(machine, section)
    except InputError as error:
        raise InputError(f"{clip.path}: {error}; see --machine and --section") from error


def load_model(args: argparse.Namespace) -> "MachineModel":
    """The model of a command line, on its device."""
    from asd.model import MachineModel

    model = MachineModel.load(args.model)
    if any(view.representation.learns for view in model.views):
        from fewshot.training import resolve_device

        model.to(resolve_device(args.device))
    return model


def write_text(path: Path, text: str, force: bool) -> None:
    """Write a text file, whole or not at all."""
    with write_whole(path, force=force) as temporary:
        temporary.write_text(text, "utf-8", "surrogateescape", newline="\n")
