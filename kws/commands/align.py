"""kws-align: recordings and which keywords are said in them in, when each is said out."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.console import (
    Console,
    Problems,
    add_device,
    add_force,
    add_threads,
    base_parser,
    existing_path,
    finite_float,
    progress,
    run,
    use_threads,
)
from fewshot.errors import InputError, some
from fewshot.event_files import add_output, check_outputs, plan, write
from fewshot.events import Event
from kws.config import LEAST, SCRATCH
from kws.transcripts import Transcript, read_transcripts

if TYPE_CHECKING:
    from kws.model import KeywordModel

EPILOG = """\
examples:
  kws-align keywords.kws transcripts.csv -o events.csv
  kws-align keywords.kws transcripts.csv --root audio -o events.csv
  kws-enroll --add keywords.kws events.csv --root audio -o more.kws    places become clips
  kws-align keywords.kws transcripts.csv --output-format textgrid -o folder     to check in Praat

TRANSCRIPTS.csv says what is heard in each recording, in its order: a column "file" and a column
"words", separated by blanks, or by | where keywords have blanks in them:

  file,words
  monday.wav,please switch the lamp on and shut the door
  tuesday.wav,lamp | front door | lamp

Words that are not in the model may be listed or not. Each keyword is placed where all of them
together, in this order and without overlap, score highest. One that scores nowhere more than
--least is left out, and named.

Files are named in the output as in TRANSCRIPTS.csv: give kws-enroll the same --root.

Formats: csv (filename,event_onset,event_offset,event_label,score; seconds), jsonl (the same, one
object per line), rttm, and, one file per recording, audacity (.txt) and textgrid (.TextGrid, for
Praat). With -o FOLDER the first three are FOLDER/events.csv and so on; "all" writes every format.
Exit status: 0 done, 1 some recordings failed (each is named), 2 nothing done, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run kws-align and return its exit status."""
    parser = base_parser(
        "kws-align", "Finds when the keywords that are known to be said are said.", EPILOG
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file of kws-enroll")
    parser.add_argument(
        "transcripts", type=Path, metavar="TRANSCRIPTS.csv", help="columns file and words"
    )
    add_output(parser)
    parser.add_argument(
        "--root",
        type=existing_path,
        metavar="DIR",
        help="what the files are relative to (default: the table's folder or its parent, whichever "
        "holds them)",
    )
    parser.add_argument(
        "--least",
        type=finite_float,
        metavar="X",
        help=f"score that a place must exceed (default: {LEAST}; with models of the encoder "
        f'"{SCRATCH}" their threshold)',
    )
    add_device(parser)
    add_threads(parser)
    add_force(parser)
    return run(_align, parser, argv)


def _align(args: argparse.Namespace) -> int:
    problems = Problems(args.console)
    transcripts = read_transcripts(args.transcripts)
    paths, durations = _recordings(args, transcripts, problems)
    if not durations:
        return problems.status(0)
    format, targets = plan(args.output, args.output_format, list(durations))
    check_outputs([target.path for target in targets], args.output, args.force)

    use_threads(args.threads)
    from fewshot.training import resolve_device
    from kws.model import KeywordModel

    resolve_device(args.device)
    model = KeywordModel.load(args.model)
    said = _known_words(args, transcripts, model.keywords)
    found: dict[str, list[Event]] = {}
    total = sum(int(durations[name]) for name in durations if said[name])
    with progress(total=total, desc="seconds", quiet=args.quiet) as bar:
        for name in durations:
            try:
                found[name] = _events(args, model, name, paths[name], said[name], bar)
            except InputError as error:
                problems.add(error)
    if found:
        write(format, targets, found, durations, args.force)
    _summarise(args.console, found, said)
    return problems.status(len(found))


def _recordings(
    args: argparse.Namespace, transcripts: Sequence[Transcript], problems: Problems
) -> tuple[dict[str, Path], dict[str, float]]:
    """Where the recordings lie, and their seconds; what cannot be opened is named."""
    from fewshot.audio import info
    from fewshot.tables import root_of

    names = [transcript.file for transcript in transcripts]
    root = root_of(args.transcripts, args.root, names)
    paths, durations = {name: root / name for name in names}, {}
    for transcript in transcripts:
        try:
            durations[transcript.file] = info(paths[transcript.file]).duration_s
        except InputError as error:
            problems.add(f"{transcript.where}: {error}")
    return paths, durations


def _known_words(
    args: argparse.Namespace, transcripts: Sequence[Transcript], keywords: Sequence[str]
) -> dict[str, list[str]]:
    """The keywords that are said in each recording, in their order."""
    said = {t.file: [word for word in t.words if word in keywords] for t in transcripts}
    if not any(said.values()):
        raise InputError(
            f"{args.transcripts}: lists none of the model's keywords; they are written "
            f"{', '.join(keywords)}"
        )
    unknown = sorted({word for t in transcripts for word in t.words} - set(keywords))
    args.console.detail(f"not in the model: {', '.join(unknown) or 'no word'}")
    return said


def _events(
    args: argparse.Namespace,
    model: "KeywordModel",
    name: str,
    path: Path,
    keywords: Sequence[str],
    bar: Any,
) -> list[Event]:
    """Events of a recording; keywords that are left out are named."""
    if not keywords:
        return []
    from kws.alignment import align_recording, default_least

    reached = 0

    def advance(done_s: float) -> None:
        nonlocal reached
        bar.update(int(done_s) - reached)
        reached = int(done_s)

    least = default_least(model) if args.least is None else args.least
    events = align_recording(
        model, path, keywords, least=least, device=args.device, progress=advance
    )
    for number, (keyword, event) in enumerate(zip(keywords, events, strict=True), 1):
        if event is None:
            args.console.warning(
                f"{name}: {keyword!r}, keyword {number} of {len(keywords)}, scores nowhere between "
                f"its neighbours more than {least:g}; left out"
            )
    return [replace(event, filename=name) for event in events if event is not None]


def _summarise(
    console: Console, found: Mapping[str, list[Event]], said: Mapping[str, list[str]]
) -> None:
    placed = sum(map(len, found.values()))
    listed = sum(len(said[name]) for name in found)
    console.info(f"{placed} of {some(listed, 'keyword')} placed in {some(len(found), 'recording')}")
