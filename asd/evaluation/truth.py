"""Which test clips are anomalous, and of which domain: what the organisers published of it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from asd.dataset import read_dataset
from asd.evaluation.scores import ScoredClip, rows_without_header
from asd.names import ANOMALY, SOURCE, TARGET, TEST, ClipName, parse_name, stem
from fewshot.errors import InputError

LABELS, DOMAINS, NAMES = "ground_truth_data", "ground_truth_domain", "ground_truth_attributes"
_FILE = re.compile(
    r"ground_truth_(?P<machine>.+?)_section_(?P<section>\d+)(?:_(?P<domain>source|target))?_test\.csv"
)
_CONTRADICTED = {"ToyCar", "ToyTrain"}
"""Machines whose clips of 2022 are labelled otherwise in eval_data_list_2022.csv."""


@dataclass(frozen=True)
class TrueClip:
    """A test clip and what is true of it.

    Attributes
    ----------
    machine, section : str
    name : str
        File name without extension.
    anomalous : bool
    domain : {"source", "target"} or None
        None where there are no domains (2020).
    long_name : str or None
        The name that tells condition and domain, which some systems' files use instead.
    """

    machine: str
    section: str
    name: str
    anomalous: bool
    domain: str | None
    long_name: str | None = None


def read_truth(path: str | Path, year: int) -> list[TrueClip]:
    """The ground truth of a set of test clips.

    Parameters
    ----------
    path : path
        A folder with ``ground_truth_data/`` and, since 2022, ``ground_truth_domain/``, where
        ``ground_truth_attributes/`` may give the long names (the evaluators' layout). Or an
        ``eval_data_list*.csv``, or a folder with one (the layout of 2020 and of the baselines). Or
        what `asd.dataset.read_dataset` reads, such as a development set: of its test clips those
        whose condition is known.
    year : int
        The challenge's year.

    Raises
    ------
    InputError
        It is none of these; a label is not 0 or 1; files or clips of one part lack in another; a
        name is there twice; or it is the list of 2022, which contradicts the official labels.

    Notes
    -----
    Labels and domains are those of the first two folders. A long name that contradicts them is no
    name of the clip.
    """
    path = Path(path)
    if path.name == LABELS:
        path = path.absolute().parent
    if (path / LABELS).is_dir():
        clips = list(_of_folders(path))
    else:
        file = _list_in(path)
        clips = list(_of_dataset(path) if file is None else _of_list(file, year))
    seen = set()
    for clip in clips:
        key = (clip.machine, clip.section, clip.name)
        if key in seen:
            raise InputError(f"{path}: {clip.machine} {clip.name} is there twice")
        seen.add(key)
    return clips


def truth_of_names(scored: Iterable[ScoredClip]) -> list[TrueClip]:
    """The truth that scored clips' own names tell, as those of development sets do.

    A clip that has no score is not missed then.

    Raises
    ------
    InputError
        A name does not tell whether the clip is normal.
    """
    clips = []
    for clip in scored:
        name = parse_name(clip.name)
        if name is None or name.condition is None:
            raise InputError(
                f"{clip.where}: {clip.name} does not tell whether the clip is normal; "
                "give the ground truth"
            )
        anomalous = name.condition == ANOMALY
        clips.append(TrueClip(clip.machine, clip.section, clip.name, anomalous, name.domain))
    return clips


def _of_folders(root: Path) -> Iterator[TrueClip]:
    files = [file for file in sorted((root / LABELS).iterdir()) if _FILE.fullmatch(file.name)]
    if not files:
        raise InputError(f"{root / LABELS}: no file ground_truth_<machine>_section_<nn>_test.csv")
    for file in files:
        match = _FILE.fullmatch(file.name)
        labels = _flags(file)
        domains: dict[str, str | None] = dict.fromkeys(labels, match["domain"])
        if match["domain"] is None:
            other = root / DOMAINS / file.name
            targets = _flags(other)
            if targets.keys() != labels.keys():
                name = sorted(targets.keys() ^ labels.keys())[0]
                raise InputError(f"{other}: {name} is only in one of it and {LABELS}")
            domains = {name: TARGET if flag else SOURCE for name, flag in targets.items()}
        long_names = _long_names(root / NAMES / file.name)
        for name, anomalous in labels.items():
            long = long_names.get(name)
            if long is not None and _contradicts(parse_name(long), anomalous, domains[name]):
                long = None
            yield TrueClip(match["machine"], match["section"], name, anomalous, domains[name], long)


def _flags(file: Path) -> dict[str, bool]:
    flags: dict[str, bool] = {}
    for where, (name, flag, *_) in rows_without_header(file, 2):
        if flag not in {"0", "1"}:
            raise InputError(f"{where}: {flag!r} is not 0 or 1")
        if stem(name) in flags:
            raise InputError(f"{where}: {name} is there twice")
        flags[stem(name)] = flag == "1"
    if not flags:
        raise InputError(f"{file}: no clips in it")
    return flags


def _long_names(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    return {stem(name): stem(long) for _, (name, long, *_) in rows_without_header(file, 2)}


def _contradicts(name: ClipName | None, anomalous: bool, domain: str | None) -> bool:
    return name is None or (name.condition == ANOMALY, name.domain) != (anomalous, domain)


def _list_in(path: Path) -> Path | None:
    """The organisers' list that a path is or holds; None if it is something else."""
    lists = sorted(path.glob("eval_data_list*.csv")) if path.is_dir() else []
    if path.is_file():
        _, first = next(rows_without_header(path, 1), ("", [""]))
        lists = [path] if len(first) == 1 else []
    if len(lists) > 1:
        raise InputError(f"{path}: several lists in it, give one: {lists[0].name}, {lists[1].name}")
    return lists[0] if lists else None


def _of_dataset(path: Path) -> Iterator[TrueClip]:
    known = [clip for clip in read_dataset(path).clips if clip.split == TEST and clip.condition]
    if not known:
        raise InputError(
            f"{path}: neither {LABELS} nor eval_data_list*.csv nor labelled test clips in it; "
            "give the ground truth"
        )
    for clip in known:
        anomalous = clip.condition == ANOMALY
        yield TrueClip(clip.machine, clip.section, stem(clip.path.name), anomalous, clip.domain)


def _of_list(file: Path, year: int) -> Iterator[TrueClip]:
    machine = None
    for where, cells in rows_without_header(file, 1):
        if len(cells) == 1 or not cells[1]:
            machine = cells[0]
            if year == 2022 and machine in _CONTRADICTED:
                raise InputError(
                    f"{where}: this list contradicts the official labels of {machine} of 2022; "
                    f"give the evaluator's {LABELS} and {DOMAINS}"
                )
            continue
        short, long = parse_name(cells[0]), parse_name(cells[1])
        if machine is None or short is None or long is None or long.condition is None:
            raise InputError(
                f"{where}: not a machine, nor a clip's name and the name that tells its condition"
            )
        anomalous = long.condition == ANOMALY
        if len(cells) > 2 and cells[2] not in {"", str(int(anomalous))}:
            raise InputError(f"{where}: the label is {cells[2]!r}, the name says {long.condition}")
        yield TrueClip(
            machine, short.section, stem(cells[0]), anomalous, long.domain, stem(cells[1])
        )
    if machine is None:
        raise InputError(f"{file}: no clips in it")
