"""Output files, written whole or not at all."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from fewshot.errors import InputError

__all__ = ["MENDABLE_ERRNOS", "check_writable", "write_texts", "write_whole"]

MENDABLE_ERRNOS = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.EISDIR,
        errno.ELOOP,
        errno.EMFILE,
        errno.ENAMETOOLONG,
        errno.ENFILE,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)
"""The disk's and the system's refusals, which a traceback would not make any clearer."""


def check_writable(path: str | os.PathLike, force: bool = False) -> None:
    """Raise InputError, before the long work, if `write_whole` would refuse `path` after it."""
    _checked_target(path, force)


@contextlib.contextmanager
def write_whole(path: str | os.PathLike, *, force: bool = False) -> Iterator[Path]:
    """Give a temporary path in the same folder that becomes `path` when all went well.

    After any exception, also Ctrl-C, the temporary file is gone and `path` is as it was.

    Parameters
    ----------
    path : path
        The output. A link is followed.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        If `path` exists and `force` is false, if its folder is missing or not writable, or if the
        disk refuses (full, quota, read-only).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with write_whole(Path(folder) / "a.txt") as temporary:
    ...         _ = temporary.write_text("all of it")
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.txt']
    """
    target = _checked_target(path, force)
    # The suffix stays last because numpy and soundfile look at it.
    temporary = target.with_name(f".{target.stem[:40]}.{os.urandom(6).hex()}{target.suffix[:40]}")
    try:
        # Not tempfile: its files are readable by their owner alone, also after the renaming.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        _checked_target(path, force)
        os.replace(temporary, target)
    except OSError as error:
        # No such file: the folder has gone meanwhile, or is one like /proc in which none is made.
        refused = error.errno in MENDABLE_ERRNOS or error.errno == errno.ENOENT
        if refused and error.filename in (None, temporary, str(temporary)):
            raise InputError(f"{path}: not written: {error.strerror}") from error
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def write_texts(
    folder: str | os.PathLike, texts: Mapping[str, str], *, force: bool = False
) -> list[Path]:
    """Write text files into a folder, all of them or none.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    texts : mapping of str to str
        Contents by file name.
    force : bool
        Whether existing files may be replaced.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        As `write_whole`, or `folder` is a file.
    """
    folder = Path(folder)
    new = not folder.exists()
    if new:
        check_writable(folder)
    elif not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a folder")
    targets = [folder / name for name in texts]
    if not new:
        for target in targets:
            check_writable(target, force)
    try:
        folder.mkdir(exist_ok=True)
        with contextlib.ExitStack() as stack:
            for target, text in zip(targets, texts.values(), strict=True):
                temporary = stack.enter_context(write_whole(target, force=force))
                temporary.write_text(text, "utf-8", "backslashreplace", newline="\n")
    except BaseException:
        if new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    return targets


def _checked_target(path: str | os.PathLike, force: bool) -> Path:
    try:
        target = Path(os.path.realpath(path))
        mode = target.stat().st_mode if target.exists() else None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: not a usable file name: {reason}") from error
    folder = target.parent
    if mode is not None and stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a folder; name a file")
    if mode is not None and not stat.S_ISREG(mode):
        raise InputError(f"{path}: is not a regular file; name another")
    if mode is not None and not force:
        raise InputError(f"{path}: exists; use --force to replace it")
    if not folder.is_dir():
        raise InputError(f"{path}: no such folder: {folder}; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{path}: the folder {folder} is not writable")
    return target
