"""Recordings of machines on disk: DCASE Task 2 of 2020 to 2025, folders of normal clips, tables."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath

from asd.names import (
    ANOMALY,
    NORMAL,
    SOURCE,
    SUPPLEMENTAL,
    TARGET,
    TEST,
    TRAIN,
    parse_attributes,
    parse_name,
    stem,
)
from fewshot.errors import InputError
from fewshot.inputs import audio_files, is_sound
from fewshot.tables import nearest_root, read_table

CHALLENGE, FOLDER, TABLE = "challenge", "folder", "table"
COLUMNS = ("filename", "machine", "section", "domain", "split", "condition", "attributes")
ONLY_SECTION = "00"
RENAMED = "test_rename"
"""Folder of evaluation clips that were given names which tell their condition and domain."""

_FOLDERS = {
    "train": (TRAIN, None),
    "test": (TEST, None),
    RENAMED: (TEST, None),
    "source_test": (TEST, SOURCE),
    "target_test": (TEST, TARGET),
    "supplemental": (SUPPLEMENTAL, None),
}
_VALUES = {
    "domain": (SOURCE, TARGET),
    "split": (TRAIN, TEST, SUPPLEMENTAL),
    "condition": (NORMAL, ANOMALY),
}


@dataclass(frozen=True)
class Clip:
    """A recording of a machine.

    Attributes
    ----------
    path : Path
    machine : str
        Its type, such as "fan".
    section : str
        As it is written, "00"; of 2020, the machine's id.
    domain : {"source", "target"} or None
        None where nothing tells it, as of 2020 and of evaluation clips since 2022.
    split : {"train", "test", "supplemental"}
    condition : {"normal", "anomaly"} or None
        None where nothing tells it, as of evaluation clips.
    number : int or None
        The one in its name.
    attributes : tuple of (str, str)
        Keys and values; empty where there are none or they are withheld.
    where : str
        The table's row, for messages.
    """

    path: Path
    machine: str
    section: str
    domain: str | None
    split: str
    condition: str | None
    number: int | None
    attributes: tuple[tuple[str, str], ...]
    where: str = ""

    @property
    def name(self) -> str:
        """What messages call the clip."""
        return f"{self.where}: {self.path}" if self.where else str(self.path)


@dataclass(frozen=True)
class Dataset:
    """Clips, and what could not be used.

    Attributes
    ----------
    layout : {"challenge", "folder", "table"}
    clips : list of Clip
        By path, or in the order of the table.
    problems : list of str
        A line for each file that was left out.
    """

    layout: str
    clips: list[Clip]
    problems: list[str]


def read_dataset(path: str | Path, root: str | Path | None = None) -> Dataset:
    """Find the clips of a folder or a table.

    Parameters
    ----------
    path : path
        A folder in the layout of the challenge, of any year: ``<machine>/train/``, ``test/``,
        ``source_test/``, ``target_test/``, ``supplemental/`` and ``test_rename/``, at any depth,
        with the challenge's file names (`asd.names.parse_name`) or, if none is such a name, with
        any names. Or a folder without such sub-folders and names: all clips in it are normal ones
        of one machine, named like the folder. Or a table with the columns ``filename,machine`` and,
        optional, ``section,domain,split,condition,attributes``. What is empty or lacks there is
        section 00 and a normal training clip of the source domain; of test clips, unknown.
        Attributes are ``key=value`` divided by blanks or semicolons, or written as in the
        challenge's names.
    root : path, optional
        What a table's files are relative to; by default its own folder or the one above.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        No such path, no sound file, no usable clip, or a row of the table cannot be understood.
    """
    path = Path(path)
    if path.is_file():
        found = _of_table(path, root)
    elif root is not None:
        raise InputError("--root belongs to a CSV; leave it out")
    else:
        found = _of_folder(path)
    if not found.clips:
        raise InputError(f"{path}: no usable clip in it: {found.problems[0]}")
    return found


def clip_of_file(path: str | Path) -> Clip:
    """A single file, as what its name and folders say of it.

    With a name of the challenge, or in a folder such as ``test``, it is a clip of that machine and
    section; otherwise one of section 00 of a machine that is named like its folder.

    Raises
    ------
    InputError
        No such file, or its name and its folder contradict each other.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{path}: no such file; check the path")
    folder = Path(os.path.abspath(file)).parent
    name = parse_name(file.name)
    if folder.name in _FOLDERS or (name is not None and name.split is not None):
        return _of_challenge(file, name is not None)
    own = _own(file, folder.name)
    return own if name is None else replace(own, section=name.section)


def clip_error(clip: Clip, error: InputError) -> InputError:
    """The error with the clip's name in front, once."""
    text = str(error)
    if str(clip.path) not in text:
        text = f"{clip.path}: {text}"
    return InputError(f"{clip.where}: {text}" if clip.where else text)


def classes_of(clips: Iterable[Clip]) -> list[str]:
    """The class of each clip: its machine, section, attributes and domain in one text.

    >>> clip = Clip(Path("a.wav"), "fan", "00", "source", "train", "normal", 0, (("vel", "6"),))
    >>> classes_of([clip])
    ['fan 00 vel=6 source']
    """
    texts = []
    for clip in clips:
        pairs = [f"{key}={value}" for key, value in clip.attributes]
        texts.append(" ".join([clip.machine, clip.section, *pairs, clip.domain or ""]).rstrip())
    return texts


def _of_folder(folder: Path) -> Dataset:
    files = audio_files(folder)
    named = any(parse_name(file.name) for file in files)
    if not named and not any(file.parent.name in _FOLDERS for file in files):
        machine = Path(os.path.abspath(folder)).name
        return Dataset(FOLDER, [_own(file, machine) for file in files], [])
    clips: list[Clip] = []
    problems = []
    for file in files:
        try:
            clips.append(_of_challenge(file, named))
        except InputError as error:
            problems.append(str(error))
    clips, doubles = _without_doubles(_renamed(clips))
    return Dataset(CHALLENGE, clips, problems + doubles)


def _own(file: Path, machine: str) -> Clip:
    return Clip(file, machine, ONLY_SECTION, SOURCE, TRAIN, NORMAL, None, ())


def _of_challenge(file: Path, named: bool) -> Clip:
    """A clip from its name and the folders that it lies in; InputError if they say nothing."""
    folder = Path(os.path.abspath(file)).parent
    of_folder = folder.name in _FOLDERS
    split, domain = _FOLDERS.get(folder.name, (None, None))
    name = parse_name(file.name)
    machine = folder.parent.name if of_folder else folder.name
    if name is None:
        if named or not of_folder:
            raise InputError(f"{file}: not a name of the challenge; rename or remove it")
        condition = NORMAL if split == TRAIN else None
        return replace(_own(file, machine), split=split, condition=condition)
    for what, one, other in (("split", split, name.split), ("domain", domain, name.domain)):
        if one and other and one != other:
            raise InputError(f"{file}: {what} {other} in the folder {folder.name}; move it")
    split = split or name.split
    if split is None:
        raise InputError(f"{file}: for training or a test? put it into a folder train or test")
    if split == TRAIN and name.condition == ANOMALY:
        raise InputError(f"{file}: anomalous, but among the training clips; move it")
    condition = NORMAL if split == TRAIN else name.condition
    return Clip(
        path=file,
        machine=machine,
        section=name.section,
        domain=domain or name.domain,
        split=split,
        condition=condition,
        number=name.number,
        attributes=name.attributes,
    )


def _renamed(clips: list[Clip]) -> list[Clip]:
    """Clips without those of test folders beside which the same are renamed."""
    renamed = {
        clip.path.parent.with_name(TEST) for clip in clips if clip.path.parent.name == RENAMED
    }
    return [clip for clip in clips if clip.path.parent not in renamed]


def _without_doubles(clips: list[Clip]) -> tuple[list[Clip], list[str]]:
    seen: dict[tuple[str, str, str], Clip] = {}
    problems = []
    for clip in clips:
        first = seen.setdefault((clip.machine, clip.split, stem(clip.path.name)), clip)
        if first is not clip:
            problems.append(f"{clip.path}: the same clip as {first.path}; remove one")
    return list(seen.values()), problems


def _of_table(table: Path, root: str | Path | None) -> Dataset:
    if is_sound(table):
        raise InputError(f"{table}: is a sound file; give the folder that it is in, or a CSV")
    clips = [_of_row(f"{table}:{row}", cells) for row, cells in read_table(table, COLUMNS[:2])]
    if not clips:
        raise InputError(f"{table}: no clips in it; list one per row")
    names = [clip.path.as_posix() for clip in clips]
    folder = nearest_root(table, names) if root is None else Path(root)
    if folder is None:
        raise InputError(
            f"{table}: none of its {len(names)} files is there, such as {names[0]}; "
            "say with --root DIR where they lie"
        )
    good: dict[Path, Clip] = {}
    problems = []
    for clip in clips:
        clip = replace(clip, path=folder / clip.path)
        if not clip.path.is_file():
            problems.append(f"{clip.name}: no such file")
        elif good.setdefault(clip.path, clip) is not clip:
            problems.append(f"{clip.name}: listed twice, see {good[clip.path].where}")
    return Dataset(TABLE, list(good.values()), problems)


def _of_row(where: str, cells: dict[str, str]) -> Clip:
    for column in COLUMNS[:2]:
        if not cells[column]:
            raise InputError(f"{where}: {column} is empty; fill it in or delete the row")
    for column, values in _VALUES.items():
        value = cells.get(column)
        if value and value not in values:
            raise InputError(f"{where}: {column} is {value!r}, not {' or '.join(values)}")
    split = cells.get("split") or TRAIN
    condition = cells.get("condition") or (NORMAL if split == TRAIN else None)
    if split == TRAIN and condition == ANOMALY:
        raise InputError(f"{where}: an anomalous training clip; its split must be {TEST}")
    return Clip(
        path=Path(PureWindowsPath(cells["filename"]).as_posix()),
        machine=cells["machine"],
        section=cells.get("section") or ONLY_SECTION,
        domain=cells.get("domain") or (SOURCE if split == TRAIN else None),
        split=split,
        condition=condition,
        number=None,
        attributes=_attributes(where, cells.get("attributes", "")),
        where=where,
    )


def _attributes(where: str, text: str) -> tuple[tuple[str, str], ...]:
    if "=" not in text:
        return parse_attributes(text)
    pairs = []
    for part in re.split(r"[;\s]+", text.strip("; ")):
        key, equals, value = part.partition("=")
        if not (key and equals):
            raise InputError(f"{where}: the attribute {part!r} is not key=value")
        pairs.append((key, value))
    return tuple(pairs)


def table_of(clips: Iterable[Clip], folder: Path) -> list[tuple[str, ...]]:
    """Rows of a table that `read_dataset` reads again, with a header.

    Parameters
    ----------
    clips : iterable of Clip
    folder : Path
        Where the table is to lie; file names are relative to it where they lie in it.
    """
    rows = [COLUMNS]
    base = Path(os.path.abspath(folder))
    for clip in clips:
        path = Path(os.path.abspath(clip.path))
        name = path.relative_to(base) if path.is_relative_to(base) else path
        pairs = " ".join(f"{key}={value}" for key, value in clip.attributes)
        told = (clip.section, clip.domain or "", clip.split, clip.condition or "")
        rows.append((name.as_posix(), clip.machine, *told, pairs))
    return rows
