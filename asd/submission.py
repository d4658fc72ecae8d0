"""Scores and decisions in the files that the organisers of a challenge ask for."""

from collections.abc import Iterable
from pathlib import Path

from asd.evaluation.scores import DECISION, SCORE, ScoredClip, challenge_file
from asd.names import parse_name
from fewshot.errors import InputError
from fewshot.tables import csv_text


def submission_files(clips: Iterable[ScoredClip], year: int) -> dict[str, str]:
    """Sort clips into the files of a year.

    Parameters
    ----------
    clips : iterable of ScoredClip
        Of one system; since 2021 with decisions.
    year : int
        2020 to 2025.

    Returns
    -------
    dict of str to str
        Contents by file name, without header: ``name.wav,score`` and ``name.wav,0`` or ``1``,
        sorted by name.

    Raises
    ------
    InputError
        A decision lacks, a clip's name does not tell its domain in 2021, or a machine or section
        cannot be told from a file's name.

    Notes
    -----
    2020: ``anomaly_score_<machine>_id_<nn>.csv``. 2021: ``anomaly_score_`` and ``decision_result_``
    ``<machine>_section_<nn>_<domain>_test.csv``. Since 2022: the same without the domain. These are
    the names that the evaluators of the years read.

    Examples
    --------
    >>> fan = ScoredClip("fan", "00", "section_00_0001", 0.5, True, "scores.csv:2")
    >>> submission_files([fan], 2025)
    {'anomaly_score_fan_section_00_test.csv': 'section_00_0001.wav,0.5\\n',
     'decision_result_fan_section_00_test.csv': 'section_00_0001.wav,1\\n'}
    """
    rows: dict[str, list[tuple[str, str]]] = {}
    for clip in sorted(clips, key=lambda clip: clip.key):
        name = f"{clip.name}.wav"
        rows.setdefault(_file_name(SCORE, clip, year), []).append((name, repr(clip.score)))
        if year == 2020:
            continue
        if clip.decision is None:
            raise InputError(
                f"{clip.where}: no decision, which {year} asks for; give 0 or 1, as asd-score does"
            )
        decision = str(int(clip.decision))
        rows.setdefault(_file_name(DECISION, clip, year), []).append((name, decision))
    return {file: csv_text(own) for file, own in sorted(rows.items())}


def others_in(folder: str | Path, files: Iterable[str]) -> list[Path]:
    """A folder's files of the challenge that are none of these, and would be evaluated with them.

    A folder that is not there has none.
    """
    folder, files = Path(folder), set(files)
    if not folder.is_dir():
        return []
    return [f for f in sorted(folder.iterdir()) if f.name not in files and challenge_file(f.name)]


def _file_name(kind: str, clip: ScoredClip, year: int) -> str:
    name = f"{kind}_{clip.machine}_section_{clip.section}_test.csv"
    if year == 2020:
        name = f"{kind}_{clip.machine}_id_{clip.section}.csv"
    elif year == 2021:
        told = parse_name(clip.name)
        if told is None or told.domain is None:
            raise InputError(
                f"{clip.where}: {clip.name} does not tell source or target, by which the files of "
                "2021 are divided"
            )
        name = f"{kind}_{clip.machine}_section_{clip.section}_{told.domain}_test.csv"
    if challenge_file(name) != (kind, clip.machine, clip.section) or Path(name).name != name:
        raise InputError(
            f"{clip.where}: machine {clip.machine!r}, section {clip.section!r} make no file name "
            "of the challenge; give a plain name and a number, such as fan and 00"
        )
    return name
