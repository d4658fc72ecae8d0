"""Anomaly scores and decisions from files: those of the challenge, and one table for all."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from asd.names import ANOMALY, NORMAL, stem
from fewshot.errors import InputError
from fewshot.tables import number, read_table, read_text

SCORE, DECISION = "anomaly_score", "decision_result"
_FILE = re.compile(
    rf"(?P<kind>{SCORE}|{DECISION})_(?:DCASE\d{{4}}T2)?(?P<machine>.+?)"
    r"_(?:section|id)_(?P<section>\d+)(?:_.*)?\.csv"
)
_DECISIONS = {"0": False, "1": True, NORMAL: False, ANOMALY: True}


@dataclass(frozen=True)
class ScoredClip:
    """A clip's anomaly score.

    Attributes
    ----------
    machine, section : str
    name : str
        File name without extension.
    score : float
        The higher, the more anomalous.
    decision : bool or None
        Whether it was taken for anomalous; None if the system did not say.
    where : str
        File and row, for messages.
    threshold : float or None
        Above which scores were taken for anomalous, where a table tells it.
    """

    machine: str
    section: str
    name: str
    score: float
    decision: bool | None
    where: str
    threshold: float | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Machine, section and name."""
        return self.machine, self.section, self.name


def read_scores(*paths: str | Path) -> list[ScoredClip]:
    """The scores of one system.

    Parameters
    ----------
    *paths : path
        A folder of the challenge's files, ``anomaly_score_<machine>_section_<nn>*.csv`` or
        ``..._id_<nn>.csv`` (file name, score) and, if there are any, ``decision_result_*.csv``
        (file name, 0 or 1), without headers; other files in it are ignored. Or a table with the
        columns ``filename,machine,section,score`` and, optional, ``threshold`` and ``decision`` (0
        or 1, "normal" or "anomaly"). Several are taken together.

    Returns
    -------
    list of ScoredClip

    Raises
    ------
    InputError
        Nothing of that kind is there, a row cannot be read, a clip is there twice, or some clips
        have decisions and others have not.
    """
    clips: dict[tuple[str, str, str], ScoredClip] = {}
    for path in map(Path, paths):
        for clip in _of_path(path):
            _add(clips, clip)
    undecided = [clip for clip in clips.values() if clip.decision is None]
    if undecided and len(undecided) < len(clips):
        raise InputError(f"{undecided[0].where}: no decision on it, but on other clips")
    return list(clips.values())


def challenge_file(name: str) -> tuple[str, str, str] | None:
    """Kind, machine and section of a challenge file's name; None if it is something else.

    >>> challenge_file("anomaly_score_DCASE2023T2fan_section_00_test_seed13711_id(0_)_Eval.csv")
    ('anomaly_score', 'fan', '00')
    """
    match = _FILE.fullmatch(name)
    return match and (match["kind"], match["machine"], match["section"])


def rows_without_header(path: str | Path, fields: int) -> Iterator[tuple[str, list[str]]]:
    """Rows of a comma-separated file that has no header, each with ``file:row``.

    Parameters
    ----------
    path : path
    fields : int
        The least number of fields.
    """
    reader = csv.reader(read_text(path).splitlines())
    for cells in reader:
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        where = f"{path}:{reader.line_num}"
        if len(cells) < fields:
            raise InputError(f"{where}: {len(cells)} fields, not {fields}, separated by commas")
        yield where, cells


def _of_path(path: Path) -> list[ScoredClip]:
    if path.is_dir():
        return _of_folder(path)
    if _FILE.fullmatch(path.name):
        raise InputError(f"{path}: one of several files of a system; give the folder")
    return _of_table(path)


def _of_folder(folder: Path) -> list[ScoredClip]:
    scores, decisions = {}, {}
    for file in sorted(folder.iterdir()):
        found = challenge_file(file.name)
        if found is None:
            continue
        kind, machine, section = found
        for where, (name, value, *_) in rows_without_header(file, 2):
            if kind == SCORE:
                clip = ScoredClip(
                    machine, section, stem(name), number(where, "the score", value), None, where
                )
                _add(scores, clip)
            else:
                decision = _decision(where, value)
                _add(decisions, ScoredClip(machine, section, stem(name), decision, decision, where))
    if not scores:
        raise InputError(
            f"{folder}: no file {SCORE}_<machine>_section_<nn>*.csv in it; give a system's folder"
        )
    for key, clip in decisions.items():
        if key not in scores:
            raise InputError(f"{clip.where}: a decision on {clip.name}, which has no score")
        scores[key] = replace(scores[key], decision=clip.decision)
    return list(scores.values())


def _of_table(path: Path) -> list[ScoredClip]:
    clips = {}
    for row, cells in read_table(path, ("filename", "machine", "section", "score")):
        where = f"{path}:{row}"
        for column in ("filename", "machine", "section"):
            if not cells[column]:
                raise InputError(f"{where}: {column} is empty; fill it in or delete the row")
        text, threshold = cells.get("decision", ""), cells.get("threshold", "")
        clip = ScoredClip(
            machine=cells["machine"],
            section=cells["section"],
            name=stem(cells["filename"]),
            score=number(where, "score", cells["score"]),
            decision=_decision(where, text) if text else None,
            where=where,
            threshold=number(where, "threshold", threshold) if threshold else None,
        )
        _add(clips, clip)
    if not clips:
        raise InputError(f"{path}: no scores in it; list one clip per row")
    return list(clips.values())


def _add(clips: dict, clip: ScoredClip) -> None:
    other = clips.setdefault(clip.key, clip)
    if other is not clip:
        raise InputError(f"{clip.where}: {clip.name} is there twice, see {other.where}")


def _decision(where: str, text: str) -> bool:
    if text not in _DECISIONS:
        raise InputError(f"{where}: the decision is {text!r}, not 0 (normal) or 1 (anomaly)")
    return _DECISIONS[text]
