"""Models of machines: recordings of normal operation in, anomaly scores and decisions out."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import numpy as np

from asd.back_ends import World
from asd.config import DEFAULT, PIECES
from asd.dataset import CHALLENGE, Clip, Dataset, clip_error, read_dataset
from asd.decisions import Decision, decision_for
from asd.names import TARGET, TRAIN
from asd.recordings import Recordings
from asd.representations import Describer, Key, OnEpoch, Representation, Training
from asd.section import ScoredSection
from asd.systems import System, View, ensemble, system_of
from fewshot import audio, bundle
from fewshot.errors import InputError

KIND, VERSION = "machine model", 1
SCORED_AT_ONCE = 16
"""Clips that are in memory together."""


def read_sound(path: str | Path) -> np.ndarray:
    """A clip as machines are heard: mean of the channels, 16 kHz, no filter."""
    return audio.read(path, highpass=False)


def train(
    data: str | Path | Dataset,
    *,
    system: str | System = DEFAULT,
    members: int | None = None,
    threshold: str | None = None,
    false_alarm_rate: float | None = None,
    seed: int = 0,
    device: str = "auto",
    folder: str | Path | None = None,
    on_clip: Callable[[], object] | None = None,
    on_epoch: OnEpoch | None = None,
    on_problem: Callable[[InputError], object] | None = None,
) -> "MachineModel":
    """Learn how machines sound that work.

    Networks learn from all machines together, everything else from each section of each machine
    for itself.

    Parameters
    ----------
    data : path or Dataset
        What `asd.dataset.read_dataset` reads, or has read; its training clips count.
    system : str or tuple of View
        A name of `asd.config.SYSTEM_NAMES`, or a system of one's own.
    members : int, optional
        Networks that are trained, from other seeds; their scores are averaged. By default one, or
        as many as the system was published with.
    threshold : str, optional
        How decision thresholds are estimated: a name of `fewshot.thresholds.ESTIMATORS`.
    false_alarm_rate : float, optional
        Share of normal clips that may be called anomalous. Unless this or `threshold` is given, it
        is 0.01 for one's own recordings, and data in the layout of the challenge gets "gdp".
    seed : int
    device : {"auto", "cpu", "cuda", "mps"}
        Where networks are trained.
    folder : path, optional
        An existing one, for the waveforms and checkpoints of a training with networks: a training
        that stopped goes on from there. By default a temporary one.
    on_clip : callable, optional
        Called after each clip.
    on_epoch : callable, optional
        Called behind every epoch with what is trained, epochs done, epochs in all and mean loss.
    on_problem : callable, optional
        Called with what is wrong with a clip, which is left out then. Without it, it is raised.

    Returns
    -------
    MachineModel

    Raises
    ------
    InputError
        No training clips, none that can be used, an unknown system or threshold, or a loss that is
        not finite.
    """
    name, views = (system, system_of(system)) if isinstance(system, str) else ("own", system)
    if members is not None:
        views = ensemble(views, members)
    dataset = data if isinstance(data, Dataset) else read_dataset(data)
    decision = decision_for(threshold, false_alarm_rate, own_data=dataset.layout != CHALLENGE)
    clips = [clip for clip in dataset.clips if clip.split == TRAIN]
    if not clips:
        raise InputError("no training clips; put clips of normal operation into folders train")
    model = MachineModel(name, views, decision, {}, {}, {})
    with TemporaryDirectory() as temporary:
        intake = Intake(views, Path(temporary if folder is None else folder))
        try:
            _read(clips, intake, model.notes, on_clip, on_problem)
            training = Training(
                recordings=intake.recordings,
                clips=intake.clips,
                seed=seed,
                device=_device(device, views),
                folder=None if folder is None else Path(folder),
                on_epoch=on_epoch or (lambda *_: None),
                notes=model.notes,
            )
            _fit(model, intake, training)
        finally:
            intake.close()
    return model.set_decision(decision)


def _read(
    clips: Iterable[Clip],
    intake: "Intake",
    notes: list[str],
    on_clip: Callable[[], object] | None,
    on_problem: Callable[[InputError], object] | None,
) -> None:
    """Take in all clips that can be used, the only one of a section in pieces."""

    def named(error: InputError) -> None:
        if on_problem is None:
            raise error
        on_problem(error)

    first: dict[Key, tuple[Clip, np.ndarray] | None] = {}
    for clip in clips:
        key = (clip.machine, clip.section)
        try:
            samples = _checked(clip, intake.views)
        except InputError as error:
            named(clip_error(clip, error))
        else:
            if key not in first:
                first[key] = clip, samples
            else:
                if first[key] is not None:
                    intake.add(*first[key])
                    first[key] = None
                intake.add(clip, samples)
        if on_clip is not None:
            on_clip()
    for key, alone in first.items():
        if alone is None:
            continue
        clip, samples = alone
        if len(samples) < PIECES * _shortest_s(intake.views) * audio.SAMPLE_RATE:
            named(InputError(f"{_name(key)}: a single clip, too short to be cut up; record more"))
            continue
        for piece in np.array_split(samples, PIECES):
            intake.add(clip, piece)
        notes.append(f"{_name(key)}: a single clip, cut into {PIECES}; record more")
    if not intake.clips:
        raise InputError("no usable training clip")


def _fit(model: "MachineModel", intake: "Intake", training: Training) -> None:
    """Train what learns, describe all clips, and fit the back ends of each section."""
    members: dict[Key, list[int]] = {}
    for index, clip in enumerate(intake.clips):
        members.setdefault((clip.machine, clip.section), []).append(index)
    members = dict(sorted(members.items()))
    described: dict[Representation, dict[Key, np.ndarray]] = {}
    for representation in dict.fromkeys(view.representation for view in model.views):
        describer = representation.learn(training)
        model.describers[representation] = describer
        described[representation] = {
            key: intake.vectors(representation, describer, indices, key)
            for key, indices in members.items()
        }
    target = np.array([clip.domain == TARGET for clip in intake.clips])
    worlds = [
        _world(described[view.representation].values()) if view.back_end.needs_world else None
        for view in model.views
    ]
    for key, indices in members.items():
        vectors = [described[view.representation][key] for view in model.views]
        model.sections[key] = ScoredSection.fit(
            model.views, vectors, target[indices], training.seed, worlds
        )


def _world(vectors: Collection[np.ndarray]) -> World:
    groups = np.repeat(np.arange(len(vectors)), [len(own) for own in vectors])
    return World(np.concatenate(list(vectors)), groups)


class Intake:
    """Training clips, as far as a system needs them.

    Parameters
    ----------
    views : tuple of View
    folder : Path
        Where waveforms are kept, if a representation learns from them.

    Attributes
    ----------
    clips : list of Clip
    recordings : Recordings or None
        Their waveforms, in the same order.
    """

    def __init__(self, views: System, folder: Path) -> None:
        self.views = views
        self.clips: list[Clip] = []
        representations = dict.fromkeys(view.representation for view in views)
        learns = any(one.learns for one in representations)
        self.recordings = Recordings(folder / "waveforms.s16") if learns else None
        self._computed = {one: [] for one in representations if not one.learns}

    def add(self, clip: Clip, samples: np.ndarray) -> None:
        """Take in a clip that can be used."""
        for representation, rows in self._computed.items():
            key = (clip.machine, clip.section)
            rows.append(representation.learn(None).vectors([samples], key)[0])
        if self.recordings is not None:
            self.recordings.append(samples)
        self.clips.append(clip)

    def vectors(
        self, representation: Representation, describer: Describer, indices: list[int], key: Key
    ) -> np.ndarray:
        """Vectors of the clips of one section, shape (n, d)."""
        if representation in self._computed:
            rows = self._computed[representation]
            return np.stack([rows[i] for i in indices])
        parts = [
            describer.vectors([self.recordings.waveform(i) for i in some], key)
            for some in _parts(indices)
        ]
        return np.concatenate(parts)

    def close(self) -> None:
        """Remove the waveforms."""
        if self.recordings is not None:
            self.recordings.close()


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
    describers : dict of Representation to Describer
        What maps sound to vectors.
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
    describers: dict[Representation, Describer]
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
        scores = [np.empty(0)]
        for vectors in self._described(clips, key):
            arrays = [vectors[view.representation] for view in self.views]
            scores.append(self.sections[key].score(self.views, arrays))
        return np.concatenate(scores)

    def vectors(
        self,
        clips: Iterable[str | Path | np.ndarray],
        machine: str | None = None,
        section: str | None = None,
    ) -> list[np.ndarray]:
        """What clips of one section are compared by: shapes (n_clips, d), of each representation.

        At least one clip; all else is as for `score`.
        """
        parts = list(self._described(clips, self.key_of(machine, section)))
        return [np.concatenate([part[one] for part in parts]) for one in self.describers]

    def _described(
        self, clips: Iterable[str | Path | np.ndarray], key: Key
    ) -> Iterator[dict[Representation, np.ndarray]]:
        for some in _parts(clips):
            sounds = [self._sound(clip) for clip in some]
            yield {
                one: describer.vectors(sounds, key) for one, describer in self.describers.items()
            }

    def _sound(self, clip: str | Path | np.ndarray) -> np.ndarray:
        given = isinstance(clip, np.ndarray)
        samples = clip if given else read_sound(clip)
        try:
            if not np.isfinite(samples).all():
                raise InputError("a clip has samples that are NaN or infinite")
            _check_length(samples, self.views)
        except InputError as error:
            raise error if given else InputError(f"{clip}: {error}") from error
        return samples

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write a model file, whole or not at all; InputError as `fewshot.bundle.save`."""
        tensors, learnt = {}, []
        for i, describer in enumerate(self.describers.values()):
            arrays, values = describer.state()
            tensors |= {f"describer.{i}.{name}": array for name, array in arrays.items()}
            learnt.append(values)
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
            "learnt": learnt,
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
        except (InputError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{path}: damaged model ({reason}); train it again") from error

    @classmethod
    def _rebuilt(cls, tensors: Mapping[str, np.ndarray], header: Mapping) -> Self:
        views = tuple(View.restored(one) for one in header["views"])
        decision = Decision(**header["decision"])
        model = cls(str(header["system"]), views, decision, {}, {}, {})
        representations = dict.fromkeys(view.representation for view in views)
        for i, (one, values) in enumerate(zip(representations, header["learnt"], strict=True)):
            own = _starting(tensors, f"describer.{i}.")
            model.describers[one] = one.restore(own, values)
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


def _parts(items: Iterable) -> Iterator[list]:
    """As many of them at once as may be in memory together."""
    rest = iter(items)
    while some := list(islice(rest, SCORED_AT_ONCE)):
        yield some


def _starting(tensors: Mapping[str, np.ndarray], start: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(start): own for k, own in tensors.items() if k.startswith(start)}


def _section(tensors: Mapping[str, np.ndarray], i: int, n_views: int) -> ScoredSection:
    return ScoredSection(
        centres=[tensors[f"{i}.{j}.centre"] for j in range(n_views)],
        scales=[tensors[f"{i}.{j}.scale"] for j in range(n_views)],
        fitted=[_starting(tensors, f"{i}.{j}.fitted.") for j in range(n_views)],
        moments=tensors[f"{i}.moments"],
        left_out=tensors[f"{i}.left_out"],
        target=tensors[f"{i}.target"].astype(bool),
    )


def _device(device: str, views: System) -> str:
    """Where to train, if there is something to train."""
    if not any(view.representation.learns for view in views):
        return "cpu"
    from fewshot.training import resolve_device

    return resolve_device(device)


def _shortest_s(views: System) -> float:
    return max(view.representation.shortest_s for view in views)


def _check_length(samples: np.ndarray, views: System) -> None:
    shortest, seconds = _shortest_s(views), len(samples) / audio.SAMPLE_RATE
    if seconds < shortest:
        raise InputError(f"{seconds:.3f} s is shorter than {shortest} s; record it again")


def _checked(clip: Clip, views: System) -> np.ndarray:
    samples = read_sound(clip.path)
    if not samples.any():
        raise InputError(f"{clip.path}: silent; record it again")
    _check_length(samples, views)
    return samples


def _name(key: Key) -> str:
    return " ".join(key)
