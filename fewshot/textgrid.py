"""Praat's TextGrid files: interval tiers as text, and back."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fewshot.errors import InputError


class Interval(NamedTuple):
    """A stretch of a tier: from `xmin` to `xmax` seconds, with its text and its line in a file."""

    xmin: float
    xmax: float
    text: str
    line: int = 0


def write_textgrid(intervals: Iterable[Interval], duration_s: float) -> str:
    """A TextGrid in the long form.

    Praat's tiers cover a recording from 0 to its end without gaps or overlap. Each text gets a tier
    of its name, the gaps become intervals without text, and intervals of one text that overlap go
    to further tiers of the same name.

    Parameters
    ----------
    intervals : iterable of Interval
        With text, ``0 <= xmin < xmax``.
    duration_s : float
        Of the recording; an interval beyond it makes it longer.

    Returns
    -------
    str
    """
    intervals = sorted(intervals, key=lambda i: (i.text, i.xmin, i.xmax))
    tiers: list[list[Interval]] = []
    for interval in intervals:
        same = (tier for tier in tiers if tier[0].text == interval.text)
        free = next((tier for tier in same if tier[-1].xmax <= interval.xmin), None)
        if free is None:
            tiers.append([interval])
        else:
            free.append(interval)
    end = _time(max([duration_s, *(interval.xmax for interval in intervals)]))
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0"]
    # A TextGrid without tiers cannot be opened.
    tiers = tiers or [[]]
    lines += [f"xmax = {end}", "tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, tier in enumerate(tiers, 1):
        rows = _without_gaps(tier, end)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"']
        lines += [f"        name = {_quoted(tier[0].text if tier else 'events')}"]
        lines += ["        xmin = 0", f"        xmax = {end}"]
        lines += [f"        intervals: size = {len(rows)}"]
        for i, (xmin, xmax, text) in enumerate(rows, 1):
            lines += [f"        intervals [{i}]:", f"            xmin = {xmin}"]
            lines += [f"            xmax = {xmax}", f"            text = {_quoted(text)}"]
    return "\n".join(lines) + "\n"


def _time(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _without_gaps(tier: Sequence[Interval], end: str) -> list[tuple[str, str, str]]:
    # Compared as they are written, so that no gap is shorter than the last decimal.
    rows, reached = [], "0"
    for interval in tier:
        xmin, xmax = _time(interval.xmin), _time(interval.xmax)
        if xmin != reached:
            rows.append((reached, xmin, ""))
        rows.append((xmin, xmax, interval.text))
        reached = xmax
    if reached != end:
        rows.append((reached, end, ""))
    return rows


# Praat reads the strings, free-standing numbers and <flags> of a file and takes all else for
# comment, which makes its long and its short form the same thing.
_TOKEN = re.compile(r'"(?:[^"]|"")*"|(?<!\S)[-+]?(?:\d|\.\d)\S*(?!\S)|<\w+>')


def read_textgrid(text: str, name: str) -> list[Interval]:
    """The intervals with text of all interval tiers; point tiers have no lengths and are left out.

    Parameters
    ----------
    text : str
        The file's content, long or short form.
    name : str
        The file, for messages.

    Raises
    ------
    InputError
        What is no TextGrid, with the line.
    """
    tokens = _Tokens(text, name)
    if [tokens.take(str), tokens.take(str)] != ["ooTextFile", "TextGrid"]:
        raise InputError(f"{name}: not a TextGrid")
    tokens.take(float), tokens.take(float)
    if tokens.take(bool) is False:
        return []
    found = []
    for _ in range(tokens.count()):
        kind = tokens.take(str)
        tokens.take(str), tokens.take(float), tokens.take(float)
        for _ in range(tokens.count()):
            if kind == "IntervalTier":
                xmin, line = tokens.take(float), tokens.line
                interval = Interval(xmin, tokens.take(float), tokens.take(str).strip(), line)
                if interval.text:
                    found.append(interval)
            else:
                tokens.take(float), tokens.take(str)
    return found


class _Tokens:
    """The file's tokens one by one, each checked for its type."""

    def __init__(self, text: str, name: str) -> None:
        self.name, self.line = name, 1
        self._rest = self._scan(text)

    def _scan(self, text: str) -> Iterator[str]:
        position = 0
        for match in _TOKEN.finditer(text):
            self.line += text.count("\n", position, match.start())
            position = match.start()
            yield match.group()

    def take(self, kind: type) -> str | float | bool:
        token = next(self._rest, None)
        try:
            if token is None:
                raise ValueError
            if kind is float:
                return float(token)
            if kind is bool and token[0] == "<":
                return token == "<exists>"
            if kind is str and token[0] == '"':
                return token[1:-1].replace('""', '"')
            raise ValueError
        except ValueError:
            want = {float: "a number", bool: "<exists>", str: "a text in quotes"}[kind]
            got = "the file's end" if token is None else token[:40]
            message = f"{self.name}:{self.line}: {got} where a TextGrid has {want}"
            raise InputError(message) from None

    def count(self) -> int:
        value = self.take(float)
        if not (value.is_integer() and value >= 0):
            raise InputError(f"{self.name}:{self.line}: {value} is no number of items")
        return int(value)
