"""Labelled clips on disk: a folder per class, tables, and the layout of open-set data sets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath

from fewshot.errors import InputError
from fewshot.inputs import audio_files, is_sound
from fewshot.tables import number, read_table, root_of
from osc import sounds
from osc.config import LENGTH_S, UNKNOWN

SHOTS = (1, 2, 4)
OPENNESS = ("low", "middle", "high")
_FILE, _LABEL = ("filename", "file"), ("label", "target", "event_label")


@dataclass(frozen=True)
class LabelledClip:
    """A sound file and its class.

    Parameters
    ----------
    path : Path
    label : str
        The class; "unknown" for known unknowns.
    group : str, optional
        The class of a known unknown, where it is known.
    where : str
        What messages call the clip, such as the table's row; by default its path.
    """

    path: Path
    label: str
    group: str | None = None
    where: str = ""

    @property
    def name(self) -> str:
        """What messages call the clip."""
        return f"{self.where}: {self.path}" if self.where else str(self.path)


def read_clips(
    source: str | Path | None,
    root: str | Path | None = None,
    unknown: str | Path | None = None,
) -> list[LabelledClip]:
    """Clips of a folder or a table, and of a folder of known unknowns.

    Parameters
    ----------
    source : path, optional
        For `clips_from_folder` or `clips_from_csv`.
    root : path, optional
        What the table's files are relative to.
    unknown : path, optional
        For `unknown_clips`.
    """
    clips: list[LabelledClip] = []
    if root is not None and (source is None or Path(source).is_dir()):
        raise InputError("--root belongs to a CSV; leave it out")
    if source is not None:
        source = Path(source)
        clips = clips_from_folder(source) if source.is_dir() else clips_from_csv(source, root)
    return clips + ([] if unknown is None else unknown_clips(unknown))


def clips_from_folder(folder: str | Path) -> list[LabelledClip]:
    """Clips of a folder with a sub-folder per class, named like it.

    A sub-folder "unknown" holds known unknowns, as `unknown_clips` reads them. Hidden sub-folders
    and files beside the sub-folders are left out.

    Raises
    ------
    InputError
        There is no such folder, no sub-folder in it, or a sub-folder holds no sound file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one with a sub-folder per class")
    classes = _sub_folders(folder)
    if not classes:
        raise InputError(f"{folder}: no sub-folders; make one per class and put its clips there")
    clips = []
    for own in classes:
        if own.name == UNKNOWN:
            clips += unknown_clips(own)
        else:
            clips += [LabelledClip(path, own.name) for path in audio_files(own)]
    return clips


def unknown_clips(folder: str | Path) -> list[LabelledClip]:
    """Known unknowns: the sound files of a folder; sub-folders tell their classes apart.

    Raises
    ------
    InputError
        As `fewshot.inputs.audio_files`.
    """
    folder = Path(folder)
    clips = []
    for path in audio_files(folder):
        parts = path.relative_to(folder).parts if folder.is_dir() else ()
        clips.append(LabelledClip(path, UNKNOWN, parts[0] if len(parts) > 1 else None))
    return clips


def _sub_folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def clips_from_csv(csv: str | Path, root: str | Path | None = None) -> list[LabelledClip]:
    """Clips that a table lists.

    Parameters
    ----------
    csv : path
        Table with the columns ``filename,label`` (also ``file``; ``target``, ``event_label``) and,
        if there is one, ``group``, the class of a known unknown; others are ignored.
    root : path, optional
        What ``filename`` is relative to; by default the table's folder or its parent, whichever
        holds more of the files. Windows separators are understood.

    Raises
    ------
    InputError
        It is a sound file, cannot be read, has no rows or lacks a column, a file or label is empty
        (``file:row: ...``), or none of the files is there.
    """
    csv = Path(csv)
    if is_sound(csv):
        raise InputError(f"{csv}: is a sound file; give a folder with a sub-folder per class")
    rows = _rows(csv)
    root = root_of(csv, root, [clip.path.as_posix() for clip, _ in rows])
    return [replace(clip, path=root / clip.path) for clip, _ in rows]


def _rows(csv: Path) -> list[tuple[LabelledClip, dict[str, str]]]:
    rows = []
    for row, cells in read_table(csv, (_FILE, _LABEL)):
        where = f"{csv}:{row}"
        filename, label = (
            next(cells[name] for name in names if name in cells) for names in (_FILE, _LABEL)
        )
        for column, value in (("the file name", filename), ("the label", label)):
            if not value:
                raise InputError(f"{where}: {column} is empty; fill it in or delete the row")
        path = Path(PureWindowsPath(filename).as_posix())
        group = cells.get("group") or None
        rows.append((LabelledClip(path, label, group if label == UNKNOWN else None, where), cells))
    if not rows:
        raise InputError(f"{csv}: no clips in it; list one per row")
    return rows


def groups_of(clips: Iterable[LabelledClip]) -> list[str]:
    """What tells known unknowns apart, for `OpenSetClassifier.fit`: their class, or their path."""
    return [clip.group or str(clip.path) for clip in clips]


def usable(
    clips: Sequence[LabelledClip], length_s: float = LENGTH_S
) -> tuple[list[LabelledClip], list[str]]:
    """Clips that can be learnt from.

    Returns
    -------
    good : list of LabelledClip
        In the given order.
    problems : list of str
        A line for each clip that is left out: unreadable, shorter than 0.1 s, silent, or the same
        sound as another one of its class.

    Raises
    ------
    InputError
        Nothing is left of a class.
    """
    good, problems, first_problem, seen = [], [], {}, {}
    for clip in clips:
        try:
            samples = sounds.load(clip.path, clip.name, length_s)
            if sounds.is_silent(samples):
                raise InputError(f"{clip.name}: silent; record the sound again")
            other = seen.setdefault((clip.label, samples.tobytes()), clip)
            if other is not clip:
                raise InputError(f"{clip.name}: the same sound as {other.name}; give another one")
            good.append(clip)
        except InputError as error:
            where = f"{clip.where}: " if clip.where and clip.where not in str(error) else ""
            problems.append(f"{where}{error}")
            first_problem.setdefault(clip.label, problems[-1])
    left = {clip.label for clip in good}
    for label, problem in first_problem.items():
        if label not in left:
            raise InputError(f"no usable clip of class {label!r} is left: {problem}")
    return good, problems


@dataclass(frozen=True)
class Condition:
    """A few-shot open-set task: clips and their folds.

    Attributes
    ----------
    shots : int
        Training clips per class and fold.
    openness : str
        "low", "middle" or "high".
    clips : list of LabelledClip
        Known unknowns and clips of unknown classes alike are labelled "unknown"; their group is the
        folder that they lie in.
    folds : list of int
        The fold in which each clip is trained on; those above `n_folds` are tested only.
    """

    shots: int
    openness: str
    clips: list[LabelledClip]
    folds: list[int]

    @property
    def n_folds(self) -> int:
        """Number of folds: the highest one of a known class."""
        pairs = zip(self.clips, self.folds, strict=True)
        return max(fold for clip, fold in pairs if clip.label != UNKNOWN)

    def split(self, fold: int) -> tuple[list[LabelledClip], list[LabelledClip]]:
        """Training and test clips of a fold, counted from 1."""
        train, test = [], []
        for clip, own in zip(self.clips, self.folds, strict=True):
            (train if own == fold else test).append(clip)
        return train, test


def read_condition(folder: str | Path, shots: int, openness: str) -> Condition:
    """Read a condition of the data set of Naranjo-Alcazar et al., or of one laid out like it.

    Parameters
    ----------
    folder : path
        Holds ``pattern_sounds/``, ``unwanted_sounds/`` and ``meta/{shots}shot_openness{openness}
        .csv`` with the columns ``filename,target,fold``.
    shots : int
    openness : {"low", "middle", "high"}

    Raises
    ------
    InputError
        The table or its files are not there, or a fold is not a whole number from 1.
    """
    table = Path(folder) / "meta" / f"{shots}shot_openness{openness}.csv"
    clips, folds = [], []
    rows = _rows(table)
    root = root_of(table, None, [clip.path.as_posix() for clip, _ in rows])
    for clip, cells in rows:
        fold = number(clip.where, "fold", cells.get("fold", ""))
        if fold < 1 or fold != int(fold):
            raise InputError(f"{clip.where}: fold is {cells['fold']!r}, not a whole number from 1")
        group = clip.path.parent.name if clip.label == UNKNOWN else None
        clips.append(replace(clip, path=root / clip.path, group=group))
        folds.append(int(fold))
    if all(clip.label == UNKNOWN for clip in clips):
        raise InputError(f"{table}: every clip in it is {UNKNOWN}; there is no class to know")
    return Condition(shots, openness, clips, folds)
