"""Model files: safetensors, with everything that is not an array as one JSON text.

The file is a safetensors file whose ``__metadata__`` holds, under the key ``fewshot``, the text
of one JSON object: what the caller gave, and ``kind``, ``format_version``, ``libraries``, ``date``.
No code is ever run by reading one. Files from elsewhere are not trusted: sizes, JSON, types and
values are checked before anything is built from them.
"""

import json
import math
import os
import platform
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors
import safetensors.numpy

from fewshot import __version__
from fewshot.errors import InputError
from fewshot.outputs import write_whole

__all__ = ["load", "part", "read_header", "save"]

KEY = "fewshot"
OWN_FIELDS = frozenset({"kind", "format_version", "libraries", "date"})
LIBRARIES = ("torch", "numpy", "scipy", "numba", "soxr", "soundfile", "safetensors")
MAX_HEADER_BYTES = 16 * 2**20
"""Far more than a thousand clips need, and little enough to parse whoever wrote it."""
PREFIX_BYTES = 8


class _Damaged(Exception):
    """What is wrong with a file, in a few words."""


def save(
    path: str | os.PathLike,
    tensors: Mapping[str, np.ndarray],
    header: Mapping[str, Any],
    *,
    kind: str,
    version: int,
    force: bool = False,
) -> None:
    """Write a model file, whole or not at all.

    Parameters
    ----------
    path : path
        The output.
    tensors : mapping of str to np.ndarray
        Arrays of any shape; real or Boolean, all values finite.
    header : mapping
        What JSON can hold, without NaN and infinities.
    kind : str
        What the file is: ``keyword model``.
    version : int
        Version of the kind's content, from 1.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        If the file cannot be written or exists and `force` is false.
    ValueError
        If a value is not finite, or `header` has a field that this function adds.
    """
    if taken := OWN_FIELDS & header.keys():
        raise ValueError(f"the header's fields {sorted(taken)} are added here")
    # safetensors takes the memory as it lies: a transposed view would be written scrambled.
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    if bad := _not_finite(arrays):
        raise ValueError(f"tensor {bad!r} holds values that are not finite")
    fields = dict(header) | {
        "kind": kind,
        "format_version": version,
        "libraries": _libraries(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    data = safetensors.numpy.save(arrays, {KEY: json.dumps(fields, allow_nan=False)})
    if int.from_bytes(data[:PREFIX_BYTES], "little") > MAX_HEADER_BYTES:
        raise ValueError(f"the header is longer than the {MAX_HEADER_BYTES} bytes that load reads")
    with write_whole(path, force=force) as temporary:
        temporary.write_bytes(data)


def load(
    path: str | os.PathLike, *, kind: str, version: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a model file.

    Parameters
    ----------
    path : path
        The file.
    kind : str
        What it must be.
    version : int
        The newest version of the kind that the caller understands; the file's own is
        ``header["format_version"]``.

    Returns
    -------
    tensors : dict of str to np.ndarray
        All finite; writable.
    header : dict
        As saved, and ``kind``, ``format_version``, ``libraries``, ``date``.

    Raises
    ------
    InputError
        If the file is missing, damaged, foreign, of another kind or newer.
    """
    with _open(path) as file:
        try:
            raw, header = _read_header(file)
            _check(header, kind, version)
            arrays = _arrays(raw + file.read())
            if bad := _not_finite(arrays):
                raise _Damaged(f"tensor {_short(bad)!r} holds values that are not finite")
        except _Damaged as error:
            raise _refusal(path, error) from error
        except OSError as error:
            raise InputError(f"{path}: not read: {error.strerror}") from error
    return arrays, header


def read_header(
    path: str | os.PathLike, *, kind: str | None = None, version: int | None = None
) -> dict[str, Any]:
    """Read a model file's header alone; its arrays may be of any size.

    Parameters
    ----------
    path : path
        The file.
    kind : str, optional
        What it must be (None: anything of this project).
    version : int, optional
        The newest version that the caller understands (None: any).

    Returns
    -------
    dict
        As `load` gives it.

    Raises
    ------
    InputError
        As `load`, but for the values of the arrays.
    """
    with _open(path) as file:
        try:
            _, header = _read_header(file)
            _check(header, kind, version)
        except _Damaged as error:
            raise _refusal(path, error) from error
        except OSError as error:
            raise InputError(f"{path}: not read: {error.strerror}") from error
    return header


def part(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Those arrays whose names begin with a prefix, by the rest of their names.

    >>> part({"encoder.bias": np.zeros(1), "mean": np.zeros(1)}, "encoder.")
    {'bias': array([0.])}
    """
    return {
        name.removeprefix(prefix): array
        for name, array in tensors.items()
        if name.startswith(prefix)
    }


def _open(path: str | os.PathLike) -> BinaryIO:
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{path}: is a folder, not a model file")
        if not stat.S_ISREG(mode):
            raise InputError(f"{path}: is not a regular file; name a model file")
        return open(path, "rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: not read: {reason}") from error


def _refusal(path: str | os.PathLike, error: _Damaged) -> InputError:
    return InputError(f"{Path(path)}: {error}; name another model file")


def _read_header(file: BinaryIO) -> tuple[bytes, dict[str, Any]]:
    """The file's bytes up to the arrays, and the header in them."""
    size = os.fstat(file.fileno()).st_size
    prefix = file.read(PREFIX_BYTES)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < PREFIX_BYTES or not 2 <= length <= MAX_HEADER_BYTES:
        raise _Damaged("is not a model file" if size else "is empty, not a model file")
    text = file.read(length)
    if not text.startswith(b"{"):
        raise _Damaged("is not a model file")
    if len(text) < length:
        raise _Damaged("is cut off")
    layout = _json_object(text, "the list of arrays")
    described = layout.pop("__metadata__", None)
    if not isinstance(described, dict) or not isinstance(described.get(KEY), str):
        raise _Damaged("is a safetensors file, but not a model of this program")
    header = _json_object(described[KEY], "the header")
    ends = [_end(entry) for entry in layout.values()]
    expected = PREFIX_BYTES + length + max(ends, default=0)
    if size != expected:
        raise _Damaged(
            f"is {'cut off' if size < expected else 'damaged'}: {size} bytes instead of {expected}"
        )
    return prefix + text, header


def _json_object(text: str | bytes, what: str) -> dict[str, Any]:
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_finite,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise _Damaged(f"is damaged: {what} is not readable JSON") from error
    if not isinstance(value, dict):
        raise _Damaged(f"is damaged: {what} is not a JSON object")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice")
    return result


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not finite")
    return value


def _end(entry: object) -> int:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not isinstance(offsets, list) or not all(
        type(offset) is int and 0 <= offset < 2**63 for offset in offsets
    ):
        raise _Damaged("is damaged: an array has no place in the file")
    return max(offsets, default=0)


def _check(header: dict[str, Any], kind: str | None, version: int | None) -> None:
    found, found_version = header.get("kind"), header.get("format_version")
    if not isinstance(found, str) or type(found_version) is not int or found_version < 1:
        raise _Damaged("is damaged: the header names no kind and version")
    if kind is not None and found != kind:
        raise _Damaged(f"holds a {_short(found)}, not a {kind}")
    if version is not None and found_version > version:
        raise _Damaged(
            f"has format version {found_version}, newer than the {version} that fewshot-audio "
            f"{__version__} reads; install a newer release or"
        )


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    try:
        loaded = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, KeyError, ValueError, OverflowError) as error:
        # Overlapping or missing bytes, impossible shapes, types that NumPy does not have.
        raise _Damaged(f"is damaged: {_short(str(error))}") from error
    return {name: array.copy() for name, array in loaded.items()}


def _not_finite(arrays: Mapping[str, np.ndarray]) -> str | None:
    return next((name for name, array in arrays.items() if not np.isfinite(array).all()), None)


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:97]}..."


def _libraries() -> dict[str, str]:
    versions = {"fewshot-audio": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
