"""Tables that people write: text files with a header, and what to say about their mistakes."""

import codecs
import csv
import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fewshot.errors import InputError


def read_text(path: str | os.PathLike[str]) -> str:
    """A file's text, UTF-8 with or without a byte order mark or UTF-16 with one."""
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{row}: not text in UTF-8; save it as UTF-8") from error


def read_table(
    path: str | os.PathLike[str], required: Sequence[str | Sequence[str]] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Read a table with a header, separated by commas, semicolons or tabs.

    Parameters
    ----------
    path : path
        UTF-8 with or without a byte order mark; any line ends.
    required : sequence of str or of sequences of str
        Columns that must be there; of several names in a sequence, one.

    Returns
    -------
    list of (int, dict of str to str)
        Row number in the file, counted from 1 with the header, and text by column, without blanks
        around it. Empty rows are left out, short ones are filled up with empty texts.

    Raises
    ------
    InputError
        Unreadable or empty file, missing or double column, more fields than columns.
    """
    text = read_text(path)
    first = next((line for line in text.splitlines() if line.strip()), None)
    if first is None:
        raise InputError(f"{path}: empty; its first line must name the columns")
    rows = _split_rows(path, text, max(",;\t", key=first.count))
    header = next(rows)[1]
    doubles = [name for name in header if header.count(name) > 1]
    if doubles:
        raise InputError(f"{path}: the column {doubles[0]!r} is there twice")
    for names in required:
        names = (names,) if isinstance(names, str) else names
        if not set(names) & set(header):
            found = ", ".join(header)
            raise InputError(f"{path}: no column {' or '.join(names)}; the first line has: {found}")
    table = []
    for row, fields in rows:
        if len(fields) > len(header):
            counts = f"{len(fields)} fields, the header has {len(header)}"
            raise InputError(f"{path}:{row}: {counts}; put quotes around texts with separators")
        fields += [""] * (len(header) - len(fields))
        table.append((row, dict(zip(header, fields, strict=True))))
    return table


def _split_rows(
    path: str | os.PathLike[str], text: str, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    row = 1
    try:
        for fields in reader:
            fields = [field.strip() for field in fields]
            if any(fields):
                yield row, fields
            row = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{row}: not a row of a table: {error}") from None


def nearest_root(table: str | os.PathLike[str], files: Iterable[str]) -> Path | None:
    """The folder that a table's relative file names start from: its own or the one above.

    Parameters
    ----------
    table : path
        The table.
    files : iterable of str
        File names in it, with slashes.

    Returns
    -------
    Path or None
        The folder that holds more of the files, the table's own if both hold as many; None if
        neither holds any.
    """
    own = Path(os.path.abspath(table)).parent
    files = set(files)
    held = {
        folder: sum((folder / file).is_file() for file in files) for folder in (own, own.parent)
    }
    best = max(held, key=held.__getitem__)
    return best if held[best] else None


def root_of(csv: Path, root: str | Path | None, files: Sequence[str]) -> Path:
    """Folder that the files of a table are relative to.

    Parameters
    ----------
    csv : path
        The table.
    root : path, optional
        What the user says; by default the table's folder or its parent, whichever holds more of
        the files.
    files : sequence of str
        With slashes.

    Raises
    ------
    InputError
        If none of the files is there.
    """
    if root is None:
        found, looked = nearest_root(csv, files), "the table's folder and the one above"
    else:
        found = Path(root) if any((Path(root) / file).is_file() for file in files) else None
        looked = str(root)
    if found is None:
        raise InputError(
            f"{csv}: none of its {len(set(files))} files is there, such as {files[0]} "
            f"(looked in {looked}); say with --root DIR where they lie"
        )
    return found


def number(where: str, column: str, value: object) -> float:
    """A finite number from a file's text; InputError ``where: column ...`` if it is none."""
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        result = float(value)
    except (ValueError, OverflowError):
        comma = isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d+,\d+\s*", value)
        hint = "; use a decimal point" if comma else ""
        raise InputError(f"{where}: {column} is {value!r}, not a number{hint}") from None
    if not math.isfinite(result):
        raise InputError(f"{where}: {column} is {value!r}, not a finite number")
    return result


def csv_text(rows: Iterable[Sequence]) -> str:
    r"""Rows, the header among them, as a CSV.

    >>> csv_text([("a", "b"), (1, "x,y")])
    'a,b\n1,"x,y"\n'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
