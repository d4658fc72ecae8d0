"""Errors that the user can mend, and the wording of messages."""

__all__ = ["InputError", "MissingError"]


class InputError(Exception):
    """Something that the user can mend: a file, a value, an option.

    The message is one line that says what is wrong, where (file, row, value) and what to do:
    ``clips/4.wav: 0.08 s is shorter than 0.1 s; record the word again``. The commands print it
    without a traceback and exit with status 2. Every other exception is a defect and keeps its
    traceback. Characters that would break the line or steer a terminal are written as escapes.

    >>> str(InputError("a\\nb.wav: no such file"))
    'a\\\\nb.wav: no such file'
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


class MissingError(InputError):
    """Something that has to be installed: no fault of the file that needs it."""


def one_line(text: str) -> str:
    """Text with its unprintable characters (line ends, control codes) written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def some(count: int, thing: str) -> str:
    """So many things.

    >>> some(1, "event"), some(2, "event")
    ('1 event', '2 events')
    """
    return f"{count} {thing}{'s' * (count != 1)}"
