"""Embeddings that others trained, and a shallow classifier on them.

Left open by the paper, and chosen here: the frames of a clip are those of windows that lie within
it, at the encoder's own step. Windows of 960 ms are means of the frames that begin in them; an
encoder that gives one vector per window says a window and a step of 960 ms in its description.
During training, clips are averaged behind the last layer, over as many frames as the longest clip
has (`MOST_S` at most), from a random one on; fewer are repeated. After training, frames of
unit length are averaged; without a classifier, frames as they are. Single frames are scored by the
least cosine distance to `asd.back_ends.Centres` of their section, for training clips with
themselves among those, so that thresholds from their scores are too low.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize

from asd.back_ends import Centres, Fitted
from asd.excerpts import start_of
from asd.names import TARGET
from asd.representations import Describer, Key, Representation, Training
from asd.representations.network import Network, OneBranch
from fewshot.audio import SAMPLE_RATE
from fewshot.encoders.external import EncoderSpec, ExternalEncoder
from fewshot.encoders.loading import BUNDLED, find_encoder, load_encoder
from fewshot.encoders.shallow import ShallowEncoder
from fewshot.errors import InputError
from fewshot.networks import arrays_of, fill

TIMES = ("before", "during", "after", "scores")
DIM = 128
WINDOW_S = 0.96
MOST_S = 18.0
"""Of a clip that is averaged during training."""
FRAMES_BACK_END = Centres()
"""What single frames are scored by."""


@dataclass(frozen=True)
class Pretrained(Representation):
    """Embeddings of an encoder that others trained, mapped to those of a shallow classifier.

    Parameters
    ----------
    encoder : str
        "speech-embedding", "speech", or the absolute path of a file that
        `fewshot.encoders.loading.load_encoder` takes.
    time : {"before", "during", "after", "scores"}
        Where the frames of a clip are averaged: before the classifier is trained; inside of it, in
        training and afterwards; after a training on single frames; or never, but their scores,
        which are then the clip's vector.
    windows : bool
        Whether the frames of each 960 ms are averaged first; "before" averages all of them anyway.
    loss : str or None
        Of `asd.representations.network.LOSSES`; without one there is no classifier.
    classes : str
        As of `Network`.
    epochs, batch_size : int
        A clip is one input of a batch; a frame is, where they are averaged later than in training.
    member : int
        Of an ensemble; each has another seed.

    Notes
    -----
    Dissertation, section 5.5 and Tables 22 to 24. Embeddings are computed once, and kept in memory
    while the classifier is trained.
    """

    encoder: str = BUNDLED
    time: str = "before"
    windows: bool = False
    loss: str | None = "sub-cluster-adacos"
    classes: str = "attributes"
    epochs: int = 100
    batch_size: int = 64
    member: int = 0

    kind = "pretrained"

    def __post_init__(self) -> None:
        if self.time not in TIMES:
            raise InputError(f"time is {self.time!r}; use {', '.join(TIMES)}")
        if self.loss is not None:
            self.task()

    def task(self) -> Network:
        """What the classifier is trained for, as networks of waveforms are.

        Raises
        ------
        InputError
            The loss or the classes are not known.
        """
        return Network(
            dim=DIM,
            loss=self.loss,
            classes=self.classes,
            epochs=self.epochs,
            batch_size=self.batch_size,
            member=self.member,
        )

    def frames(self, encoder: ExternalEncoder, samples: np.ndarray) -> np.ndarray:
        """What the classifier is given of a clip, shape (n_frames, d); "before", a single mean."""
        frames = encoder.steps(samples)
        if self.time == "before":
            return frames.mean(axis=0, keepdims=True)
        if self.windows:
            n_windows = round(len(frames) * encoder.spec.step / (WINDOW_S * SAMPLE_RATE))
            parts = np.array_split(frames, min(max(1, n_windows), len(frames)))
            frames = np.stack([part.mean(axis=0) for part in parts])
        return frames

    def classifier(self, in_dim: int) -> OneBranch:
        """The network, with new parameters."""
        return OneBranch(MeanOfFrames(ShallowEncoder(in_dim, DIM)))

    def learn(self, training: Training) -> "PretrainedDescriber":
        encoder = load_encoder(self.encoder)
        recordings = training.recordings
        frames, network = [], None
        if self.loss is not None or self.time == "scores":
            frames = [self.frames(encoder, recordings.waveform(i)) for i in range(len(recordings))]
        if self.loss is not None:
            network = self._trained(encoder, frames, training)
        found = PretrainedDescriber(self, encoder.spec, encoder, network)
        if self.time == "scores":
            found.fit(frames, training)
        if frames:
            training.made[self] = [
                found.vector(own, (clip.machine, clip.section))
                for own, clip in zip(frames, training.clips, strict=True)
            ]
        return found

    def _trained(
        self, encoder: ExternalEncoder, frames: Sequence[np.ndarray], training: Training
    ) -> nn.Module:
        from asd.learning import train_task

        counts = [len(own) for own in frames]
        checkpoint = training.checkpoint(self, encoder.spec.sha256)
        if self.time == "during":
            n_frames = min(max(counts), round(MOST_S * SAMPLE_RATE / encoder.spec.step))
            clip_of = None

            def inputs(indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
                places = torch.rand(len(indices), generator=generator).tolist()
                pairs = zip(indices.tolist(), places, strict=True)
                excerpts = [_excerpt(frames[i], n_frames, place) for i, place in pairs]
                return torch.from_numpy(np.stack(excerpts))
        else:
            rows = torch.from_numpy(np.concatenate(frames))[:, None]
            clip_of = np.repeat(np.arange(len(frames)), counts)

            def inputs(indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
                return rows[indices]

        task, _ = train_task(
            self.task(),
            training,
            lambda: self.classifier(encoder.spec.dim),
            inputs,
            checkpoint,
            clip_of,
        )
        return task.encoder

    def restore(
        self, tensors: Mapping[str, np.ndarray], values: Mapping[str, Any]
    ) -> "PretrainedDescriber":
        parts: dict[str, dict[str, np.ndarray]] = {}
        for name, array in tensors.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = array
        spec, network = EncoderSpec(**values["encoder"]), None
        if self.loss is not None:
            with torch.device("meta"):
                network = self.classifier(spec.dim)
            fill(network, parts["network"])
        found = PretrainedDescriber(self, spec, None, network)
        for i, (machine, section) in enumerate(values["sections"]):
            found.fitted[machine, section] = parts[f"frames{i}"]
        return found


class MeanOfFrames(nn.Module):
    """An encoder of single frames, whose embeddings are averaged.

    Parameters
    ----------
    encoder : nn.Module
        Maps (batch, d) to (batch, dim).
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Map frames (batch, n_frames, d) to embeddings (batch, dim), not normalised."""
        embeddings = self.encoder(frames.flatten(0, 1))
        return embeddings.unflatten(0, frames.shape[:2]).mean(dim=1)


class PretrainedDescriber(Describer):
    """An encoder that others trained, and what was learnt on top of it.

    Parameters
    ----------
    config : Pretrained
    spec : EncoderSpec
        What the encoder is.
    encoder : ExternalEncoder or None
        None until `find_files` finds it.
    network : nn.Module or None
        The classifier.

    Attributes
    ----------
    fitted : dict of (str, str) to mapping of str to np.ndarray
        What frames of a section are scored by, if they are.
    """

    def __init__(
        self,
        config: Pretrained,
        spec: EncoderSpec,
        encoder: ExternalEncoder | None,
        network: nn.Module | None,
    ) -> None:
        self.config = config
        self.spec = spec
        self.encoder = encoder
        self.network = None if network is None else network.eval()
        self.fitted: dict[Key, Fitted] = {}

    def find_files(self, model: Path) -> None:
        self.encoder = find_encoder(self.config.encoder, self.spec, model)

    def fit(self, frames: Sequence[np.ndarray], training: Training) -> None:
        """Learn how the frames of each section's training clips are."""
        for key, own in training.members.items():
            embeddings = [self._embeddings(frames[i]) for i in own]
            target = np.repeat(
                [training.clips[i].domain == TARGET for i in own], [len(one) for one in embeddings]
            )
            self.fitted[key] = FRAMES_BACK_END.fit(
                np.concatenate(embeddings), target, training.seed
            )

    def vectors(self, sounds: Sequence[np.ndarray], key: Key) -> np.ndarray:
        return np.stack(
            [self.vector(self.config.frames(self.encoder, samples), key) for samples in sounds]
        )

    def vector(self, frames: np.ndarray, key: Key) -> np.ndarray:
        """Vector (d,) of a clip whose `Pretrained.frames` are given."""
        embeddings = self._embeddings(frames)
        if self.config.time == "scores":
            embeddings = FRAMES_BACK_END.score(self.fitted[key], embeddings)[:, None]
        return embeddings.mean(axis=0).astype(np.float32)

    @torch.inference_mode()
    def _embeddings(self, frames: np.ndarray) -> np.ndarray:
        """Embeddings of frames (n, d), of unit length if there is a classifier."""
        if self.network is None:
            return frames
        x = torch.from_numpy(frames).to(next(self.network.parameters()).device)
        x = x[None] if self.config.time == "during" else x[:, None]
        return normalize(self.network(x), dim=1).cpu().numpy()

    def to(self, device: str) -> None:
        if self.network is not None:
            self.network.to(device)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {}
        if self.network is not None:
            arrays |= {f"network.{name}": one for name, one in arrays_of(self.network).items()}
        for i, fitted in enumerate(self.fitted.values()):
            arrays |= {f"frames{i}.{name}": array for name, array in fitted.items()}
        return arrays, {
            "encoder": asdict(self.spec),
            "sections": [list(key) for key in self.fitted],
        }


def _excerpt(frames: np.ndarray, n_frames: int, place: float) -> np.ndarray:
    """Some frames in a row from a random place on; the first ones follow the last ones."""
    start = start_of(len(frames), n_frames, place)
    return np.take(frames, start + np.arange(n_frames), axis=0, mode="wrap")
