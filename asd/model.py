"""Models of machines: recordings of normal operation in, anomaly scores and decisions out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from asd.decisions import Decision
from asd.names import section_name
from asd.representations import Describer, Key, Representation
from asd.section import ScoredSection
from asd.sounds import check_length, read_sound, some_at_once
from asd.systems import System, View, kinds, shortest_s
from fewshot import bundle
from fewshot.errors import InputError, MissingError

KIND, VERSION = "machine model", 1


@dataclass
class MachineModel:
    """How machines sound that work, and how far from that is too far.

    `asd.train` and `MachineModel.load` make them.

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

    @property
    def shortest_s(self) -> float:
        """What clips must be as long as, in seconds."""
        return shortest_s(self.views)

    def to(self, device: str) -> Self:
        """Let networks run on a device of torch; a model comes from its file on the CPU."""
        for describer in self.describers.values():
            describer.to(device)
        return self

    def set_decision(self, decision: Decision) -> Self:
        """Estimate the thresholds anew from the scores of the training clips."""
        self.decision = decision
        for key, section in self.sections.items():
            self.thresholds[key], notes = decision.of_section(section)
            self.notes += [f"{section_name(key)}: {note}" for note in notes]
            rate, n = decision.false_alarm_rate, len(section.target)
            if rate is not None and n * rate < 1:
                self.notes.append(
                    f"{section_name(key)}: {n} clips tell little of a rate of {rate:g}, "
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
        known = ", ".join(section_name(key) for key in list(self.sections)[:10])
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
        for some in some_at_once(clips):
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
            check_length(samples, self.shortest_s)
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
                f"{i}.held_out": section.held_out,
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
            The file is missing, damaged, of another kind or of a newer release, or an encoder that
            it was learnt with is not there any more.
        """
        tensors, header = bundle.load(path, kind=KIND, version=VERSION)
        try:
            model = cls._rebuilt(tensors, header)
        except MissingError as error:
            raise InputError(f"{path}: {error}") from error
        except (InputError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{path}: damaged model ({reason}); train it again") from error
        for describer in model.describers.values():
            describer.find_files(Path(path))
        return model

    @classmethod
    def _rebuilt(cls, tensors: Mapping[str, np.ndarray], header: Mapping) -> Self:
        views = tuple(View.restored(one) for one in header["views"])
        decision = Decision(**header["decision"])
        model = cls(str(header["system"]), views, decision, {}, {}, {})
        representations = dict.fromkeys(view.representation for view in views)
        for i, (one, values) in enumerate(zip(representations, header["learnt"], strict=True)):
            own = bundle.part(tensors, f"describer.{i}.")
            model.describers[one] = one.restore(own, values)
        for i, (machine, section, threshold) in enumerate(header["sections"]):
            if not (isinstance(machine, str) and isinstance(section, str)):
                raise ValueError("a section's name is no text")
            model.thresholds[machine, section] = float(threshold)
            model.sections[machine, section] = _section(tensors, i, len(views))
        if not (views and model.sections):
            raise ValueError("no sections in it")
        for section in model.sections.values():
            if len(section.moments) == len(views) > len(kinds(views)) > 1:
                raise ValueError("of a release that counted members of an ensemble one by one")
            # Shapes that do not fit each other show here, not in the middle of someone's clips.
            section.score(views, [np.zeros((1, len(centre))) for centre in section.centres])
        return model


def _section(tensors: Mapping[str, np.ndarray], i: int, n_views: int) -> ScoredSection:
    return ScoredSection(
        centres=[tensors[f"{i}.{j}.centre"] for j in range(n_views)],
        scales=[tensors[f"{i}.{j}.scale"] for j in range(n_views)],
        fitted=[bundle.part(tensors, f"{i}.{j}.fitted.") for j in range(n_views)],
        moments=tensors[f"{i}.moments"],
        left_out=tensors[f"{i}.left_out"],
        # Older models have none, and their thresholds are in them.
        held_out=tensors.get(f"{i}.held_out", tensors[f"{i}.left_out"]),
        target=tensors[f"{i}.target"].astype(bool),
    )
