"""Transcripts: tables of what is said in recordings, without times."""

from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from fewshot.errors import InputError
from fewshot.tables import read_table


@dataclass(frozen=True)
class Transcript:
    """What is said in a recording.

    Parameters
    ----------
    file : str
        The recording, with forward slashes.
    words : tuple of str
        In the order in which they are said.
    where : str
        The table's file and row.
    """

    file: str
    words: tuple[str, ...]
    where: str


def read_transcripts(path: str | Path) -> list[Transcript]:
    """Read a table of transcripts.

    Parameters
    ----------
    path : path
        Table with the columns ``file`` (or ``filename``) and ``words``; others are ignored. Words
        are separated by ``|`` or, where there is none in the row, by blanks. A recording without
        words is one in which none is said.

    Returns
    -------
    list of Transcript
        In the table's order.

    Raises
    ------
    InputError
        If the table cannot be read, has no rows or lacks a column, or a row has no file or one that
        another row has (``file:row: ...``).
    """
    transcripts: dict[str, Transcript] = {}
    for row, cells in read_table(path, (("file", "filename"), "words")):
        where = f"{path}:{row}"
        name = cells.get("file") or cells.get("filename", "")
        if not name:
            raise InputError(f"{where}: file is empty; fill it in or delete the row")
        file = PureWindowsPath(name).as_posix()
        if file in transcripts:
            raise InputError(
                f"{where}: {name} is there already, in {transcripts[file].where}; "
                "list all words of a recording in one row, in their order"
            )
        transcripts[file] = Transcript(file, _words(cells["words"]), where)
    if not transcripts:
        raise InputError(f"{path}: no recordings in it; list one per row")
    return list(transcripts.values())


def _words(text: str) -> tuple[str, ...]:
    """Words of a row.

    >>> _words("lamp  door"), _words("lamp on | door||")
    (('lamp', 'door'), ('lamp on', 'door'))
    """
    words = (word.strip() for word in text.split("|")) if "|" in text else text.split()
    return tuple(word for word in words if word)
