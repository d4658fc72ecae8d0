"""Models of machines: recordings of normal operation in, anomaly scores and decisions out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from asd.config import DEFAULT, PIECES
from asd.dataset import CHALLENGE, Clip, Dataset, read_dataset
from asd.decisions import Decision, decision_for
from asd.names import TARGET, TRAIN
from asd.section import ScoredSection
from asd.statistics import SHORTEST_S, clip_statistics
from asd.systems import System, View, system_of
from fewshot import audio, bundle
from fewshot.errors import InputError

KIND, VERSION = "machine model", 1
Key = tuple[str, str]
"""Machine and section."""


def read_sound(path: str | Path) -> np.ndarray:
    """A clip as statistics are taken from it: mean of the channels, 16 kHz, no filter."""
    return audio.read(path, highpass=False)


def train(
    data: str | Path | Dataset,
    *,
    system: str = DEFAULT,
    threshold: str | None = None,
    false_alarm_rate: float | None = None,
    seed: int = 0,
    on_clip: Callable[[], object] | None = None,
    on_problem: Callable[[InputError], object] | None = None,
) -> "MachineModel":
    """Learn how machines sound that work, each section of each machine for itself.

    Parameters
    ----------
    data : path or Dataset
        What `asd.dataset.read_dataset` reads, or has read; its training clips count.
    system : str
        Of `asd.config.SYSTEM_NAMES`.
    threshold : str, optional
        How decision thresholds are estimated: a name of `fewshot.thresholds.ESTIMATORS`.
    false_alarm_rate : float, optional
        Share of normal clips that may be called anomalous. Unless this or `threshold` is given, it
        is 0.01 for one's own recordings, and data in the layout of the challenge gets "gdp".
    seed : int
    on_clip : callable, optional
        Called after each clip.
    on_problem : callable, optional
        Called with what is wrong with a clip, which is left out then. Without it, it is raised.

    Returns
    -------
    MachineModel

    Raises
    ------
    InputError
        No training clips, none that can be used, or an unknown system or threshold.
    """
    views = system_of(system)
    dataset = data if isinstance(data, Dataset) else read_dataset(data)
    decision = decision_for(threshold, false_alarm_rate, own_data=dataset.layout != CHALLENGE)
    clips = [clip for clip in dataset.clips if clip.split == TRAIN]
    if not clips:
        raise InputError("no training clips; put clips of normal operation into folders train")
    vectors: dict[Key, list[list[np.ndarray]]] = {}
    target: dict[Key, list[bool]] = {}
    lone: dict[Key, np.ndarray] = {}
    for clip in clips:
        key = (clip.machine, clip.section)
        try:
            samples = _checked(clip, read_sound)
            row = _statistics(views, samples)
        except InputError as error:
            if on_problem is None:
                raise _named(clip, error) from error
            on_problem(_named(clip, error))
        else:
            lone[key] = samples if key not in vectors else samples[:0]
            vectors.setdefault(key, []).append(row)
            target.setdefault(key, []).append(clip.domain == TARGET)
        if on_clip is not None:
            on_clip()
    model = MachineModel(system, views, decision, {}, {})
    for key in sorted(vectors):
        rows, domains = vectors[key], target[key]
        if len(rows) == 1:
            try:
                rows = _pieces(views, lone[key], key)
            except InputError as error:
                if on_problem is None:
                    raise
                on_problem(error)
                continue
            domains = domains * len(rows)
            model.notes.append(f"{_name(key)}: a single clip, cut into {len(rows)}; record more")
        arrays = [np.stack(own) for own in zip(*rows, strict=True)]
        model.sections[key] = ScoredSection.fit(views, arrays, np.array(domains), seed)
    if not model.sections:
        raise InputError("no usable training clip")
    return model.set_decision(decision)


@dataclass
class MachineModel:
    """How machines sound that work, and how far from that is too far.

    `train` and `MachineModel.load` make them.

    Attributes
    ----------
    system : str
        Its name.
    views : tuple of View
        What it is made of.
    decision : Decision
        How the thresholds were estimated.
    sections : dict of (str, str) to ScoredSection
        By machine and section.
    thresholds : dict of (str, str) to float
        A clip is anomalous where its score is above it.
    notes : list of str
        What is to be said of the training.
    """

    system: str
    views: System
    decision: Decision
    sections: dict[Key, ScoredSection]
    thresholds: dict[Key, float]
    notes: list[str] = field(default_factory=list)

    def set_decision(self, decision: Decision) -> Self:
        """Estimate the thresholds anew from the scores of the training clips."""
        self.decision = decision
        for key, section in self.sections.items():
            self.thresholds[key], notes = decision.threshold(section.left_out)
            self.notes += [f"{_name(key)}: {note}" for note in notes]
            rate, n = decision.false_alarm_rate, len(section.left_out)
            if rate is not None and n * rate < 1:
                self.notes.append(
                    f"{_name(key)}: {n} clips tell little of a rate of {rate:g}, "
                    f"{int(np.ceil(1 / rate))} tell more"
                )
        return self

    def key_of(self, machine: str | None = None, section: str | None = None) -> Key:
        """The machine and section that are meant; they need not be told where there is one.

        Raises
        ------
        InputError
            The model has no such section, or several.
        """
        keys = [
            key for key in self.sections if machine in (None, key[0]) and section in (None, key[1])
        ]
        if len(keys) == 1:
            return keys[0]
        told = " ".join(part for part in (machine, section) if part is not None)
        known = ", ".join(_name(key) for key in list(self.sections)[:10])
        more = ", ..." if len(self.sections) > 10 else ""
        if not keys:
            raise InputError(f"the model does not know {told}; it knows {known}{more}")
        raise InputError(f"of which machine and section? the model knows {known}{more}")

    def score(
        self,
        clips: Iterable[str | Path | np.ndarray],
        machine: str | None = None,
        section: str | None = None,
    ) -> np.ndarray:
        """Anomaly scores of clips of one section; higher is more anomalous.

        Parameters
        ----------
        clips : iterable of path or np.ndarray, shape (n_samples,)
            Arrays are mono, 16 kHz, full scale 1.
        machine, section : str, optional
            As in `key_of`.

        Returns
        -------
        np.ndarray, shape (n_clips,)

        Raises
        ------
        InputError
            A clip cannot be read or is shorter than 0.1 s, or as `key_of`.
        """
        key = self.key_of(machine, section)
        rows = []
        for clip in clips:
            samples = clip if isinstance(clip, np.ndarray) else read_sound(clip)
            if not np.isfinite(samples).all():
                raise InputError("a clip has samples that are NaN or infinite")
            try:
                rows.append(_statistics(self.views, samples))
            except InputError as error:
                if isinstance(clip, np.ndarray):
                    raise
                raise InputError(f"{clip}: {error}") from error
        if not rows:
            return np.empty(0)
        arrays = [np.stack(own) for own in zip(*rows, strict=True)]
        return self.sections[key].score(self.views, arrays)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write a model file, whole or not at all; InputError as `fewshot.bundle.save`."""
        tensors = {}
        for i, section in enumerate(self.sections.values()):
            tensors |= {
                f"{i}.moments": section.moments,
                f"{i}.left_out": section.left_out,
                f"{i}.target": section.target,
            }
            for j, fitted in enumerate(section.fitted):
                tensors |= {
                    f"{i}.{j}.centre": section.centres[j],
                    f"{i}.{j}.scale": section.scales[j],
                } | {f"{i}.{j}.fitted.{name}": array for name, array in fitted.items()}
        header = {
            "system": self.system,
            "views": [view.described() for view in self.views],
            "decision": self.decision.described(),
            "sections": [[*key, self.thresholds[key]] for key in self.sections],
        }
        bundle.save(path, tensors, header, kind=KIND, version=VERSION, force=force)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model.

        Raises
        ------
        InputError
            The file is missing, damaged, of another kind or of a newer release.
        """
        tensors, header = bundle.load(path, kind=KIND, version=VERSION)
        try:
            return cls._rebuilt(tensors, header)
        except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{path}: damaged model ({reason}); train it again") from error

    @classmethod
    def _rebuilt(cls, tensors: Mapping[str, np.ndarray], header: Mapping) -> Self:
        views = tuple(View.restored(one) for one in header["views"])
        model = cls(str(header["system"]), views, Decision(**header["decision"]), {}, {})
        for i, (machine, section, threshold) in enumerate(header["sections"]):
            if not (isinstance(machine, str) and isinstance(section, str)):
                raise ValueError("a section's name is no text")
            model.thresholds[machine, section] = float(threshold)
            model.sections[machine, section] = _section(tensors, i, len(views))
        if not (views and model.sections):
            raise ValueError("no sections in it")
        for section in model.sections.values():
            # Shapes that do not fit each other show here, not in the middle of someone's clips.
            section.score(views, [np.zeros((1, len(centre))) for centre in section.centres])
        return model


def _section(tensors: Mapping[str, np.ndarray], i: int, n_views: int) -> ScoredSection:
    fitted = []
    for j in range(n_views):
        start = f"{i}.{j}.fitted."
        fitted.append(
            {k.removeprefix(start): array for k, array in tensors.items() if k.startswith(start)}
        )
    return ScoredSection(
        centres=[tensors[f"{i}.{j}.centre"] for j in range(n_views)],
        scales=[tensors[f"{i}.{j}.scale"] for j in range(n_views)],
        fitted=fitted,
        moments=tensors[f"{i}.moments"],
        left_out=tensors[f"{i}.left_out"],
        target=tensors[f"{i}.target"].astype(bool),
    )


def _statistics(views: Sequence[View], samples: np.ndarray) -> list[np.ndarray]:
    names = [view.statistic for view in views]
    found = {name: clip_statistics(samples, name) for name in set(names)}
    return [found[name] for name in names]


def _checked(clip: Clip, read: Callable[[Path], np.ndarray]) -> np.ndarray:
    samples = read(clip.path)
    if not samples.any():
        raise InputError(f"{clip.path}: silent; record it again")
    return samples


def _named(clip: Clip, error: InputError) -> InputError:
    """The error with the clip's name in front, once."""
    text = str(error)
    if str(clip.path) not in text:
        text = f"{clip.path}: {text}"
    return InputError(f"{clip.where}: {text}" if clip.where else text)


def _pieces(views: Sequence[View], samples: np.ndarray, key: Key) -> list[list[np.ndarray]]:
    """Statistics of the pieces of a section's only clip."""
    if len(samples) < PIECES * SHORTEST_S * audio.SAMPLE_RATE:
        raise InputError(f"{_name(key)}: a single clip, too short to be cut up; record more")
    return [_statistics(views, piece) for piece in np.array_split(samples, PIECES)]


def _name(key: Key) -> str:
    return " ".join(key)
