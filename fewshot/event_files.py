"""Where a command's events go: which format, which files."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fewshot.errors import InputError, some
from fewshot.events import (
    FORMATS,
    Event,
    file_stems,
    format_of,
    sort_events,
    to_textgrid,
    write_events,
)
from fewshot.outputs import check_writable


@dataclass(frozen=True)
class Target:
    """An output file: its format, and the recordings whose events it holds."""

    path: Path
    format: str
    recordings: Sequence[str]


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add -o and --output-format."""
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="file or folder (default: standard output)",
    )
    parser.add_argument(
        "--output-format",
        choices=(*FORMATS, "all"),
        help="default: by the extension of -o, otherwise csv",
    )


def plan(
    output: Path | None, format: str | None, recordings: Sequence[str]
) -> tuple[str, list[Target]]:
    """Choose the format, and the files to write.

    Parameters
    ----------
    output : Path or None
        File or folder; None: standard output.
    format : str or None
        One of `FORMATS` or "all"; None: by the extension of the output, otherwise csv.
    recordings : sequence of str

    Returns
    -------
    format : str
    targets : list of Target
        None for standard output.

    Raises
    ------
    InputError
        No format has the extension, or a folder is needed.
    """
    in_folder = output is not None and output.is_dir()
    known = None if output is None or in_folder else format_of(output)
    if format is None and output is not None and not in_folder and known is None:
        endings = " ".join(form.suffix for form in FORMATS.values())
        raise InputError(f"{output}: no format has this ending; use {endings} or --output-format")
    format = format or known or "csv"
    formats = list(FORMATS) if format == "all" else [format]
    several = any(FORMATS[name].one_recording for name in formats) and len(recordings) > 1
    if format == "all" or several:
        if output is None or known:
            what = "several files" if format == "all" else "one file per recording"
            raise InputError(f"--output-format {format} writes {what}; give a folder with -o")
    elif not in_folder:
        return format, [] if output is None else [Target(output, format, recordings)]
    targets = []
    for name in formats:
        stems, groups = ["events"], [recordings]
        if FORMATS[name].one_recording:
            stems, groups = file_stems(recordings), [[recording] for recording in recordings]
        targets += [
            Target(output / (stem + FORMATS[name].suffix), name, group)
            for stem, group in zip(stems, groups, strict=True)
        ]
    return format, targets


def files_in(folder: Path, recordings: Sequence[str], suffix: str) -> dict[str, Path]:
    """A file for each recording, named after it; InputError where two would share a name."""
    stems = zip(recordings, file_stems(recordings), strict=True)
    return {name: folder / f"{stem}{suffix}" for name, stem in stems}


def check_outputs(paths: Iterable[Path], output: Path | None, force: bool) -> None:
    """Raise InputError, before the long work, if one of the files could not be written.

    A folder that is not there yet can be made where a file could; that of ``output`` itself must be
    there.
    """
    for path in paths:
        new = path != output and not path.parent.exists()
        check_writable(path.parent if new else path, force)


def counted(found: Mapping[str, Sequence[Event]]) -> str:
    """How many events were found in how many recordings.

    >>> counted({"a.wav": [Event("a.wav", 0, 1, "lamp")], "b.wav": []})
    '1 event in 2 recordings'
    """
    count = sum(map(len, found.values()))
    return f"{some(count, 'event')} in {some(len(found), 'recording')}"


def write(
    format: str,
    targets: Sequence[Target],
    found: Mapping[str, list[Event]],
    durations: Mapping[str, float],
    force: bool,
) -> None:
    """Write events to the files, or to standard output where there are none.

    Parameters
    ----------
    format : str
    targets : sequence of Target
        Both as `plan` gives them.
    found : mapping of str to list of Event
        Events of each recording; of those that failed there is none.
    durations : mapping of str to float
        Of all recordings, in seconds.
    force : bool
        Replace existing files.
    """
    events = sort_events(event for own in found.values() for event in own)
    if not targets and format == "textgrid":
        sys.stdout.write(to_textgrid(events, *durations.values()))
    elif not targets:
        sys.stdout.write(FORMATS[format].to_text(events))
    for target in targets:
        lengths = {name: durations[name] for name in target.recordings if name in found}
        chosen = [event for event in events if event.filename in lengths]
        if lengths:
            target.path.parent.mkdir(exist_ok=True)
            write_events(chosen, target.path, target.format, durations=lengths, force=force)
