"""Sound events: one table of them, and the five file formats that hold it."""

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from fewshot.errors import InputError
from fewshot.outputs import write_whole
from fewshot.tables import number, read_table, read_text
from fewshot.textgrid import Interval, read_textgrid, write_textgrid

COLUMNS = ("filename", "event_onset", "event_offset", "event_label", "score")
CSV_HEADER = ",".join(COLUMNS)

# The first name is ours, the others are KWS-DailyTalk's and DCASE's.
_FILE, _ONSET, _OFFSET, _LABEL = (
    ("filename", "file"),
    ("event_onset", "onset"),
    ("event_offset", "offset"),
    ("event_label", "label"),
)
_RTTM = ("the onset", "the duration")


@dataclass(frozen=True, order=True)
class Event:
    """Something heard in a recording: the half-open interval [onset, offset) of it.

    Parameters
    ----------
    filename : str
        The recording, with forward slashes.
    onset_s, offset_s : float
        Seconds from the start of the recording, ``0 <= onset_s < offset_s``.
    label : str
        What was heard.
    score : float, optional
        Higher is surer.
    """

    filename: str
    onset_s: float
    offset_s: float
    label: str
    score: float | None = None


def sort_events(events: Iterable[Event]) -> list[Event]:
    """Events in the order of every file: by recording, onset, offset, label."""
    return sorted(events, key=lambda e: (e.filename, e.onset_s, e.offset_s, e.label))


def _seconds(time_s: float) -> str:
    whole, decimals = f"{time_s:.6f}".split(".")
    return f"{whole}.{decimals.rstrip('0'):0<3}"


def _score(score: float | None) -> str:
    return "" if score is None else f"{score:.7g}"


def csv_line(event: Event) -> str:
    """One event as a row of CSV, without the line's end.

    >>> print(CSV_HEADER)
    filename,event_onset,event_offset,event_label,score
    >>> csv_line(Event("a.wav", 1.5, 2.128, "lamp, on", -0.25))
    'a.wav,1.500,2.128,"lamp, on",-0.25'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(
        (
            event.filename,
            _seconds(event.onset_s),
            _seconds(event.offset_s),
            event.label,
            _score(event.score),
        )
    )
    return text.getvalue()


def jsonl_line(event: Event, **extra: Any) -> str:
    """One event as a JSON object in one line, without the line's end; `extra` keys follow.

    >>> jsonl_line(Event("a.wav", 1.5, 2.128, "lamp"), threshold=-0.3)
    '{"filename": "a.wav", "event_onset": 1.5, "event_offset": 2.128, "event_label": "lamp", \
"score": null, "threshold": -0.3}'
    """
    score = None if event.score is None else float(_score(event.score))
    values = (event.filename, round(event.onset_s, 6), round(event.offset_s, 6), event.label, score)
    return json.dumps(dict(zip(COLUMNS, values, strict=True)) | extra, ensure_ascii=False)


LIVE_LINES = {"csv": csv_line, "jsonl": jsonl_line}
"""How an event is printed by itself, by the name of the format."""


def to_csv(events: Iterable[Event]) -> str:
    """Events as CSV with the header ``filename,event_onset,event_offset,event_label,score``."""
    return "".join(f"{line}\n" for line in [CSV_HEADER, *map(csv_line, sort_events(events))])


def to_jsonl(events: Iterable[Event]) -> str:
    """Events as JSON lines, the keys being the columns of the CSV."""
    return "".join(f"{jsonl_line(event)}\n" for event in sort_events(events))


def to_audacity(events: Iterable[Event]) -> str:
    """The events of one recording as an Audacity label track (neither recording nor scores).

    White space in a label becomes one blank.
    """
    return "".join(
        f"{event.onset_s:.6f}\t{event.offset_s:.6f}\t{' '.join(event.label.split())}\n"
        for event in sort_events(events)
    )


def to_rttm(events: Iterable[Event]) -> str:
    """Events in RTTM's ten fields (without scores); white space in a name becomes ``_``.

    >>> print(to_rttm([Event("a.wav", 1.5, 2.128, "lamp on")]), end="")
    SPEAKER a.wav 1 1.500 0.628 <NA> <NA> lamp_on <NA> <NA>
    """

    def field(text: str) -> str:
        return re.sub(r"\s+", "_", text) or "<NA>"

    return "".join(
        f"SPEAKER {field(event.filename)} 1 {_seconds(event.onset_s)} "
        f"{_seconds(round(event.offset_s, 6) - round(event.onset_s, 6))} "
        f"<NA> <NA> {field(event.label)} <NA> <NA>\n"
        for event in sort_events(events)
    )


def to_textgrid(events: Iterable[Event], duration_s: float = 0.0) -> str:
    """The events of one recording as a Praat TextGrid (neither recording nor scores).

    One tier per label; `duration_s` is the recording's, which the tiers cover.
    """
    intervals = (Interval(e.onset_s, e.offset_s, e.label) for e in events)
    return write_textgrid(intervals, duration_s)


class Format(NamedTuple):
    """A file format: its file name extension, and whether a file holds one recording only."""

    suffix: str
    one_recording: bool
    to_text: Callable[..., str]


FORMATS: Mapping[str, Format] = {
    "csv": Format(".csv", False, to_csv),
    "jsonl": Format(".jsonl", False, to_jsonl),
    "audacity": Format(".txt", True, to_audacity),
    "textgrid": Format(".TextGrid", True, to_textgrid),
    "rttm": Format(".rttm", False, to_rttm),
}


def format_of(path: str | os.PathLike[str]) -> str | None:
    """Name of the format that a file's extension stands for, None for others.

    >>> format_of("out.TextGrid"), format_of("out.xls")
    ('textgrid', None)
    """
    suffix = Path(path).suffix.lower()
    return next((name for name, form in FORMATS.items() if form.suffix.lower() == suffix), None)


def write_events(
    events: Iterable[Event],
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    durations: Mapping[str, float] | None = None,
    force: bool = False,
) -> list[Path]:
    """Write events to a file, whole or not at all.

    Parameters
    ----------
    events : iterable of Event
    path : path
        The file. For audacity and textgrid, which hold one recording per file, it may be an
        existing folder: one file per recording of `events` and `durations` is written into it.
    format : str, optional
        One of `FORMATS`; by default what the extension of `path` stands for.
    durations : mapping of str to float, optional
        Duration of every recording in seconds. A textgrid covers it (without it, it ends with the
        last event), and a recording without events gets its file from here.
    force : bool
        Whether an existing file is replaced.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        Unknown extension, several recordings for a format that holds one, existing or unwritable
        file.
    """
    path, events, durations = Path(path), list(events), durations or {}
    format = format or format_of(path)
    if format is None:
        known = " ".join(form.suffix for form in FORMATS.values())
        raise InputError(f"{path}: no format has this extension; use one of {known}")
    form = FORMATS[format]
    recordings = sorted({event.filename for event in events} | set(durations))
    targets: dict[Path, list[str]] = {path: recordings}
    if form.one_recording and path.is_dir():
        names = zip(recordings, file_stems(recordings), strict=True)
        targets = {path / (stem + form.suffix): [recording] for recording, stem in names}
    elif form.one_recording and len(recordings) > 1:
        what = f"a {format} file holds one recording, these are {len(recordings)}"
        raise InputError(f"{path}: {what}; give an existing folder")
    for target, group in targets.items():
        chosen = [event for event in events if event.filename in group]
        if format == "textgrid":
            text = to_textgrid(chosen, max((durations.get(name, 0.0) for name in group), default=0))
        else:
            text = form.to_text(chosen)
        with write_whole(target, force=force) as temporary:
            temporary.write_text(text, "utf-8", "backslashreplace", newline="\n")
    return list(targets)


def file_stems(recordings: Sequence[str]) -> list[str]:
    """File names without extension for recordings; after their folder's where that is not enough.

    >>> file_stems(["x/a/1.wav", "x/b/1.wav", "x/b/2.wav"])
    ['a_1', 'b_1', '2']
    """
    paths = [PurePosixPath(recording) for recording in recordings]
    counts = Counter(path.stem for path in paths)
    stems = [p.stem if counts[p.stem] == 1 else f"{p.parent.name}_{p.stem}" for p in paths]
    double = next((p for p, stem in zip(paths, stems, strict=True) if stems.count(stem) > 1), None)
    if double is not None:
        what = "would share its file's name with another recording; write csv, or rename it"
        raise InputError(f"{double}: {what}")
    return stems


def read_events(path: str | os.PathLike[str]) -> list[Event]:
    """Read a file of events in any of `FORMATS`, told by its content.

    Tables have a header and commas, semicolons or tabs. Columns: ``filename`` or ``file``,
    ``event_onset`` or ``onset``, ``event_offset`` or ``offset``, ``event_label`` or ``label`` and,
    if there is one, ``score``; others are left alone. That covers our own files, KWS-DailyTalk's
    and DCASE's, in which a row without times and label stands for a recording without events.
    Back slashes in file names become slashes. Audacity and TextGrid files do not name their
    recording: it gets the file's own name without extension. Point tiers of a TextGrid and lines of
    RTTM other than SPEAKER are left out.

    Parameters
    ----------
    path : path
        UTF-8 with or without a byte order mark, or UTF-16 with one; any line ends.

    Returns
    -------
    list of Event
        In the order of the file.

    Raises
    ------
    InputError
        Unreadable file, missing column, or a bad value as ``file:row: what``.
    """
    text = read_text(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    name = Path(path).stem
    kind = format_of(path)
    if "ooTextFile" in first:
        rows = ((i.line, name, i.xmin, i.xmax, i.text, "") for i in read_textgrid(text, str(path)))
    elif first.lstrip().startswith("{") or (kind == "jsonl" and not first):
        rows = _jsonl_rows(path, text)
    elif kind == "rttm" or first.startswith("SPEAKER "):
        rows = _rttm_rows(path, text)
    elif re.match(r"[-+.,\deE]+\t[-+.,\deE]+(\t|$)", first) or (kind == "audacity" and not first):
        rows = _audacity_rows(text, name)
    else:
        rows = _table_rows(path)
    return [_event(f"{path}:{row}", *values) for row, *values in rows]


def _event(
    where: str, filename: object, onset: object, offset: object, label: object, score: object
) -> Event:
    onset_s, offset_s = number(where, "the onset", onset), number(where, "the offset", offset)
    if onset_s < 0:
        raise InputError(f"{where}: the onset is {onset_s:g} s, before the recording's start")
    if offset_s <= onset_s:
        raise InputError(f"{where}: the offset {offset_s:g} s is not after the onset {onset_s:g} s")
    if not isinstance(filename, str) or not isinstance(label, str):
        raise InputError(f"{where}: the file and the label must be texts")
    if not label.strip():
        raise InputError(f"{where}: the label is empty")
    value = None if score is None or score == "" else number(where, "the score", score)
    return Event(filename.replace("\\", "/"), onset_s, offset_s, label.strip(), value)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    # str.splitlines would also split at U+2028 and the like, which JSON texts may hold.
    return ((i, line) for i, line in enumerate(io.StringIO(text, newline=None), 1) if line.strip())


def _jsonl_rows(path: str | os.PathLike[str], text: str) -> Iterator[tuple]:
    for row, line in _lines(text):
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}:{row}: not JSON: {error}") from None
        if not isinstance(item, dict):
            raise InputError(f"{path}:{row}: not a JSON object")
        missing = [key for key in COLUMNS[:4] if key not in item]
        if missing:
            raise InputError(f"{path}:{row}: no {missing[0]!r} in it")
        yield row, *(item.get(key) for key in COLUMNS)


def _rttm_rows(path: str | os.PathLike[str], text: str) -> Iterator[tuple]:
    for row, line in _lines(text):
        fields = line.split()
        if fields[0] != "SPEAKER":
            continue
        if len(fields) < 8:
            raise InputError(f"{path}:{row}: {len(fields)} fields where RTTM has ten")
        where = f"{path}:{row}"
        onset, duration = (number(where, *named) for named in zip(_RTTM, fields[3:5], strict=True))
        score = fields[8] if len(fields) > 8 and fields[8] != "<NA>" else ""
        filename = "" if fields[1] == "<NA>" else fields[1]
        yield row, filename, onset, round(onset + duration, 6), fields[7], score


def _audacity_rows(text: str, name: str) -> Iterator[tuple]:
    for row, line in _lines(text):
        # A line that starts with a back slash holds the frequencies of the label before it.
        if not line.startswith("\\"):
            onset, offset, label, *_ = [*line.rstrip("\n").split("\t", 2), "", ""]
            yield row, name, onset, offset, label, ""


def _table_rows(path: str | os.PathLike[str]) -> Iterator[tuple]:
    required = (_FILE, _ONSET, _OFFSET, _LABEL)
    for row, fields in read_table(path, required):
        values = [next(fields[name] for name in names if name in fields) for names in required]
        if any(values[1:]):
            yield row, *values, fields.get("score", "")
