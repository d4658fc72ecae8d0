"""Example clips of keywords: where they lie, and their sound."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath

import numpy as np

from fewshot import audio
from fewshot.errors import InputError, some
from fewshot.inputs import audio_files
from fewshot.tables import number, read_table, root_of
from kws.trimming import speech_span

SHORTEST_S = 0.1
"""Clips below this are refused: a word of which six frames are left cannot be told from noise."""
SILENCE = 1e-4
"""Clips that never exceed this (-80 dB of full scale) are refused as silent."""

_COLUMNS = ("event_label", "event_onset", "event_offset", ("file", "filename"))


@dataclass(frozen=True)
class Clip:
    """An example of a keyword: a sound file or a part of one.

    Parameters
    ----------
    label : str
        The keyword.
    path : Path
    onset_s, offset_s : float, optional
        The part [onset, offset) of the file in seconds; None: from its start, to its end.
    where : str
        What messages call the clip, such as the file and row that list it; by default its path.
    """

    label: str
    path: Path
    onset_s: float | None = None
    offset_s: float | None = None
    where: str = ""

    @property
    def name(self) -> str:
        """What messages call the clip."""
        return self.where or str(self.path)


@dataclass
class LoadedClip:
    """A clip with its sound.

    Attributes
    ----------
    clip : Clip
    samples : np.ndarray, shape (before + n + after,), float32
        Conditioned sound at 16 kHz, not divided by its maximum, with the sound around the clip.
    before, after : int
        Samples of the surrounding sound in front and behind.
    sha256 : str
        Of the clip's own samples, before it was trimmed.
    given_s : float or None
        Length in seconds before it was trimmed; None where all of it is kept.
    """

    clip: Clip
    samples: np.ndarray = field(repr=False)
    before: int
    after: int
    sha256: str
    given_s: float | None = None

    @property
    def duration_s(self) -> float:
        """Length of the clip itself in seconds."""
        return (len(self.samples) - self.before - self.after) / audio.SAMPLE_RATE


def clips_of_keyword(name: str, paths: Iterable[str | Path]) -> list[Clip]:
    """Clips of one keyword, each a whole file; a folder stands for the sound files in it.

    Raises
    ------
    InputError
        If the name is empty or a folder holds no sound file. Files are not looked at yet.
    """
    label = name.strip()
    if not label:
        raise InputError("the keyword's name is empty; give it one")
    files = []
    for path in map(Path, paths):
        files += audio_files(path) if path.is_dir() else [path]
    return [Clip(label, path) for path in files]


def clips_from_folder(folder: str | Path) -> list[Clip]:
    """Clips of a folder with one sub-folder per keyword, named like it.

    Hidden sub-folders, files beside the sub-folders, and files that are no sound files by their
    ending are left out.

    Raises
    ------
    InputError
        If there is no such folder, no sub-folder in it, or a sub-folder holds no sound file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one with a sub-folder per keyword")
    keywords = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not keywords:
        raise InputError(
            f"{folder}: no sub-folders; make one per keyword with its clips, "
            "or give the clips of one keyword with --keyword NAME CLIP..."
        )
    return [clip for keyword in keywords for clip in clips_of_keyword(keyword.name, [keyword])]


def clips_from_csv(csv: str | Path, root: str | Path | None = None) -> list[Clip]:
    """Clips that a table lists.

    Parameters
    ----------
    csv : path
        Table with the columns ``event_label,event_onset,event_offset,file`` (KWS-DailyTalk's;
        ``filename`` will do for ``file``), in seconds; others are ignored.
    root : path, optional
        What ``file`` is relative to; by default the CSV's folder or its parent, whichever holds
        more of the files (the folder itself where both hold as many). Windows separators are
        understood.

    Returns
    -------
    list of Clip
        In the table's order; times are not compared with the files yet.

    Raises
    ------
    InputError
        If the table cannot be read, has no rows or lacks a column, a keyword is empty, a time is
        not a number (``file:row: ...``), or none of the files is there.
    """
    csv = Path(csv)
    rows = [(f"{csv}:{row}", cells) for row, cells in read_table(csv, _COLUMNS)]
    if not rows:
        raise InputError(f"{csv}: no clips in it; list one per row")
    clips = [_listed(where, cells) for where, cells in rows]
    root = root_of(csv, root, [clip.path.as_posix() for clip in clips])
    return [replace(clip, path=root / clip.path) for clip in clips]


def _listed(where: str, cells: dict[str, str]) -> Clip:
    """Clip of a row; its path as it stands there."""
    cells = {"file": cells.get("filename", "")} | cells
    for column in ("event_label", "file"):
        if not cells[column]:
            raise InputError(f"{where}: {column} is empty; fill it in or delete the row")
    onset_s, offset_s = (
        number(where, column, cells[column]) for column in ("event_onset", "event_offset")
    )
    path = Path(PureWindowsPath(cells["file"]).as_posix())
    return Clip(cells["event_label"], path, onset_s, offset_s, where)


def load_clips(
    clips: Sequence[Clip], *, context_s: float = 0.125, trim: bool = False
) -> tuple[list[LoadedClip], list[str]]:
    """Read clips, leaving out those that cannot be learnt from.

    Parameters
    ----------
    clips : sequence of Clip
    context_s : float
        How much of the sound around each clip is read, in seconds, as far as its file reaches.
    trim : bool
        Clips that are whole files are `trimmed` to the word in them.

    Returns
    -------
    loaded : list of LoadedClip
        In the given order.
    problems : list of str
        One line for each clip that was left out: unreadable, out of its file, silent, shorter than
        0.1 s, or the same sound as another one of its keyword.

    Raises
    ------
    InputError
        If there are no clips, or a keyword has lost all of its own.
    """
    if not clips:
        raise InputError("no clips to learn from; give some")
    loaded, problems = [], []
    heard: dict[tuple[str, str], str] = {}
    first_problem: dict[str, str] = {}
    for clip in clips:
        try:
            item = _load(clip, context_s)
            if trim and clip.onset_s is None and clip.offset_s is None:
                item = trimmed(item, context_s)
            sound = (clip.label, item.sha256)
            if sound in heard:
                raise InputError(f"{clip.name}: the same sound as {heard[sound]}; record another")
        except InputError as error:
            problems.append(str(error))
            first_problem.setdefault(clip.label, str(error))
        else:
            heard[sound] = clip.name
            loaded.append(item)
    left = {item.clip.label for item in loaded}
    for label, problem in first_problem.items():
        if label not in left:
            others = sum(clip.label == label for clip in clips) - 1
            more = f" (and {some(others, 'more clip')} left out)" if others else ""
            raise InputError(f"no usable clip of keyword {label!r} is left: {problem}{more}")
    return loaded, problems


def _load(clip: Clip, context_s: float) -> LoadedClip:
    try:
        samples, before, after = audio.read_clip(
            clip.path, clip.onset_s or 0.0, clip.offset_s, context_s=context_s
        )
    except InputError as error:
        raise InputError(f"{clip.where}: {error}" if clip.where else str(error)) from error
    own = samples[before : len(samples) - after]
    duration_s = len(own) / audio.SAMPLE_RATE
    if duration_s < SHORTEST_S:
        raise InputError(
            f"{clip.name}: {duration_s:.3f} s is shorter than {SHORTEST_S} s; record the whole word"
        )
    if np.abs(own).max() <= SILENCE:
        raise InputError(f"{clip.name}: silent; record the word again")
    return LoadedClip(clip, samples, before, after, hashlib.sha256(own.tobytes()).hexdigest())


def trimmed(item: LoadedClip, context_s: float) -> LoadedClip:
    """The word in a clip, with what is around it as surrounding sound; see `speech_span`.

    Parameters
    ----------
    item : LoadedClip
    context_s : float
        How much sound stays around the word, in seconds, as far as it reaches.

    Returns
    -------
    LoadedClip
        Its clip says where the word lies in the file; the same one if nothing is taken off.
    """
    begin, end = item.before, len(item.samples) - item.after
    onset, offset = (begin + place for place in speech_span(item.samples[begin:end]))
    if (onset, offset) == (begin, end):
        return item
    context = round(context_s * audio.SAMPLE_RATE)
    first, last = max(0, onset - context), min(len(item.samples), offset + context)
    file_begin_s = item.clip.onset_s or 0.0
    onset_s, offset_s = (
        file_begin_s + (place - begin) / audio.SAMPLE_RATE for place in (onset, offset)
    )
    return replace(
        item,
        clip=replace(item.clip, onset_s=onset_s, offset_s=offset_s),
        samples=item.samples[first:last],
        before=onset - first,
        after=last - offset,
        given_s=item.duration_s,
    )


@dataclass(frozen=True)
class EnrolledClip:
    """A clip as the model keeps it, with the sound around it, so that it can learn again.

    Attributes
    ----------
    label, file : str
    onset_s, offset_s : float
        Where it lay in its file.
    sha256 : str
        Of the conditioned samples.
    samples : np.ndarray, shape (before + n + after,), int16
        Conditioned sound at 16 kHz; scaled to its maximum.
    before, after : int
        Samples of the surrounding sound in front and behind.
    """

    label: str
    file: str
    onset_s: float
    offset_s: float
    sha256: str
    samples: np.ndarray = field(repr=False)
    before: int = 0
    after: int = 0

    @classmethod
    def of(cls, loaded: LoadedClip) -> "EnrolledClip":
        """A clip as it was read, rounded to 16 bits."""
        clip, scale = loaded.clip, 32767.0 / float(np.abs(loaded.samples).max())
        onset_s = float(clip.onset_s or 0.0)
        return cls(
            label=clip.label,
            file=str(clip.path),
            onset_s=onset_s,
            offset_s=onset_s + loaded.duration_s,
            sha256=loaded.sha256,
            samples=np.round(loaded.samples * scale).astype(np.int16),
            before=loaded.before,
            after=loaded.after,
        )

    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sound in front, the clip, sound behind; divided by the maximum of the clip."""
        end = len(self.samples) - self.after
        samples = self.samples.astype(np.float32)
        samples /= max(1.0, float(np.abs(samples[self.before : end]).max(initial=0.0)))
        return samples[: self.before], samples[self.before : end], samples[end:]
