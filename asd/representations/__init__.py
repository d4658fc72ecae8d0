"""Representations: ways to describe a clip by one vector, computed or learnt.

A representation is a configuration: a frozen dataclass that can be compared, and written into a
model. What describes clips is a `Describer`. That of a representation that learns nothing is made
without data; others learn theirs from all training clips of all machines together.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from asd.dataset import Clip
from asd.recordings import Recordings
from asd.sounds import some_at_once
from fewshot.audio import SAMPLE_RATE
from fewshot.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from fewshot.training import Batch

Key = tuple[str, str]
"""Machine and section."""
OnEpoch = Callable[[str, int, int, float], object]
"""What is trained, epochs done, epochs in all, mean loss."""


@dataclass(frozen=True)
class Training:
    """What a representation learns from, and how.

    Parameters
    ----------
    recordings : Recordings
    clips : sequence of Clip
        What is known of each of them.
    seed : int
    device : str
    folder : Path or None
        For checkpoints, from which a stopped training goes on.
    on_epoch : callable
        Called behind every epoch.
    notes : list of str
        Takes what is to be said of the training.
    made : dict of Representation to list of np.ndarray, shapes (d,)
        Vectors of the clips, in their order, as far as somebody has made them already.
    """

    recordings: Recordings
    clips: Sequence[Clip]
    seed: int
    device: str
    folder: Path | None
    on_epoch: OnEpoch
    notes: list[str]
    made: dict["Representation", list[np.ndarray]] = field(default_factory=dict)

    @property
    def members(self) -> dict[Key, list[int]]:
        """Indices of the clips of each section, in the order of their names."""
        members: dict[Key, list[int]] = {}
        for index, clip in enumerate(self.clips):
            members.setdefault((clip.machine, clip.section), []).append(index)
        return dict(sorted(members.items()))

    def vectors(self, representation: "Representation", describer: "Describer") -> list[np.ndarray]:
        """Vectors of the clips, shapes (d,), made once."""
        if representation not in self.made:
            found: dict[int, np.ndarray] = {}
            for key, indices in self.members.items():
                for some in some_at_once(indices):
                    sounds = [self.recordings.waveform(i) for i in some]
                    found |= zip(some, describer.vectors(sounds, key), strict=True)
            self.made[representation] = [found[i] for i in range(len(self.clips))]
        return self.made[representation]

    def checkpoint(self, representation: "Representation", part: str = "") -> Path | None:
        """Where the training of a representation, or of a part of it, keeps its state."""
        if self.folder is None:
            return None
        told = json.dumps([representation.described(), part])
        digest = hashlib.sha256(told.encode()).hexdigest()[:16]
        return self.folder / f"{representation.kind}_{digest}.checkpoint"

    def run(
        self,
        title: str,
        module: "nn.Module",
        batches: "Callable[[int], Iterable[Batch]]",
        loss_of: "Callable[[Batch], torch.Tensor]",
        *,
        epochs: int,
        of: str = "",
        remedy: str = "another seed",
        **options: Any,
    ) -> None:
        """Minimise a loss by `fewshot.training.train`, whose arguments are those not named here.

        Parameters
        ----------
        title : str
            What progress is called.
        module : nn.Module
            Everything that is trained.
        of, remedy : str
            What the message about a loss that is not finite names, if anything, and says to try.

        Raises
        ------
        InputError
            A loss is not finite, or the checkpoint is damaged or of another training.
        """
        from torch import nn

        from fewshot.training import train

        def on_epoch(epoch: int, loss: float) -> None:
            self.on_epoch(title, epoch + 1, epochs, loss)

        modules = nn.ModuleList([module])
        try:
            train(modules, batches, loss_of, epochs=epochs, on_epoch=on_epoch, **options)
        except FloatingPointError as error:
            raise InputError(f"{of}{': ' * bool(of)}{error}; try {remedy}") from error


class Describer(ABC):
    """What maps sound to vectors."""

    @abstractmethod
    def vectors(self, sounds: Sequence[np.ndarray], key: Key) -> np.ndarray:
        """Describe clips of one section of a machine.

        Parameters
        ----------
        sounds : sequence of np.ndarray, shapes (n_samples,)
            Mono, 16 kHz, at least one.
        key : tuple of str

        Returns
        -------
        np.ndarray, shape (n, d), float32

        Raises
        ------
        InputError
            A clip is too short.
        """

    def to(self, device: str) -> None:  # noqa: B027
        """Let what runs on a device of torch run there; statistics do not."""

    def find_files(self, model: Path) -> None:  # noqa: B027
        """Load what a model's file does not hold, from where it was or from beside that file.

        Raises
        ------
        InputError
            It is not there any more, or not what it was.
        """

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """What was learnt, as arrays and as values that JSON can hold."""
        return {}, {}


class Representation(ABC):
    """A way to describe clips; subclasses are frozen dataclasses."""

    kind: ClassVar[str]
    learns: ClassVar[bool] = True
    shortest_s: ClassVar[float] = 0.2
    """Clips must be as long, in seconds."""
    sample_rate: ClassVar[int] = SAMPLE_RATE
    """What a network hears sound at, in Hz."""

    @abstractmethod
    def learn(self, training: Training | None) -> Describer:
        """The describer; what does not learn needs no training."""

    @abstractmethod
    def restore(self, tensors: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Describer:
        """The describer whose `Describer.state` is given.

        Raises
        ------
        KeyError, TypeError, ValueError, RuntimeError, InputError
            It is not one of this representation.
        """

    def trained_for(self, epochs: int) -> Self:
        """The same with so many epochs, where it trains for some."""
        if any(own.name == "epochs" for own in fields(self)):
            return replace(self, epochs=epochs)
        return self

    def described(self) -> dict[str, Any]:
        """What JSON can hold of it."""
        return {"kind": self.kind} | asdict(self)


def representation_of(description: Mapping[str, Any]) -> Representation:
    """From what `Representation.described` gave; KeyError or TypeError if it is something else."""
    from asd.representations.autoencoder import Autoencoder
    from asd.representations.contrastive import Contrastive
    from asd.representations.fusion import Fusion
    from asd.representations.network import Network
    from asd.representations.pretrained import Pretrained
    from asd.representations.reduced import Reduced
    from asd.representations.statistics import Statistics

    kinds = {kind.kind: kind for kind in (Statistics, Network, Autoencoder, Fusion, Pretrained)} | {
        Reduced.kind: Reduced.of,
        Contrastive.kind: Contrastive.of,
    }
    fields = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in description.items()
    }
    return kinds[fields.pop("kind")](**fields)
