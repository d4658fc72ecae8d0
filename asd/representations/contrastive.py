"""Embeddings of a network that learns by contrast first, and to tell classes apart then."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import nn
from torch.nn.functional import one_hot

from asd.classes import CLASSES, places_of, told_apart
from asd.clusters import CLUSTERING, Clustering, machine_statistics
from asd.excerpts import LONGEST_S, input_length, random_excerpts
from asd.representations import Representation, Training
from asd.representations.network import OUTPUTS, Embedder, restored_embedder
from fewshot.encoders.mobile_face import MobileFaceNet
from fewshot.encoders.tgram import TgramNet
from fewshot.errors import InputError
from fewshot.features import batch_mel_decibels
from fewshot.losses.arcface import ArcFaceLoss
from fewshot.losses.contrastive import (
    ProjectionHead,
    dense,
    paired_contrastive,
    supervised_contrastive,
)
from fewshot.training import Batch, estimate_norms, pairs_of_classes, seeded

DIM = 128
CONTRASTS = ("classes", "statistics")
CONTRAST_RATE, CLASS_RATE = 5e-4, 1e-4
"""Learning rates of the two stages."""
DECAY_FROM, LAST_SHARE = 20, 0.1
"""Epoch from which the second stage's learning rate falls, and the share of it that it ends at."""


@dataclass(frozen=True)
class Contrastive(Representation):
    """A network for all machines, the classes that it is trained on, and how.

    Parameters
    ----------
    classes : str
        What is told apart, of `asd.classes.CLASSES`.
    clustering : Clustering
        Of classes that are clusters, and what statistics are.
    contrast : {"classes", "statistics"}
        What a clip is contrasted by: clips of its class against others, or its own statistics
        against those of clips of other classes.
    joint : bool
        Whether contrast and classes are learnt together; else one after the other.
    contrast_weight : float
        Of the contrastive loss, where both are learnt together.
    clip_s : float
        Length of the network's input in seconds, or that of the longest training clip, if this is
        shorter. Shorter clips are repeated; of longer ones another part is heard in every epoch.
    margin, scale : float
        Of the ArcFace loss.
    contrast_epochs : int
        Of the first stage; 0 leaves it out.
    epochs : int
        Of the second.
    batch_size : int
        About; clips come in pairs of one class.
    member : int
        Of an ensemble; each has another seed.
    output : {"embedding", "posterior", "odds"}
        As of `Network`.

    Notes
    -----
    Tian et al., report for Task 2 of the DCASE Challenge 2024 ("GISP"), section 2.1, Systems 1 and
    2: "statistical information" as pseudo-labels, contrastive learning, 16 kHz and a learning rate
    of 1e-4. Architecture, losses and epochs are not given. What is here is the approach that the
    report cites for the contrast (J. Guan et al., "Anomalous sound detection using self-supervised
    contrastive learning"): log-Mel and learnt spectrogram, MobileFaceNet, a head of three layers;
    then ArcFace with the first of them kept, without its ReLU. The rate of the report is taken for
    this second stage, the cited one of 5e-4 for the first, which is skipped if both are joint. One
    class in the contrast is one label of the classifier; statistics are standardised by machine.
    """

    classes: str = "clusters"
    clustering: Clustering = CLUSTERING
    contrast: str = "classes"
    joint: bool = False
    contrast_weight: float = 0.01
    clip_s: float = 10.0
    margin: float = 0.7
    scale: float = 30.0
    contrast_epochs: int = 100
    epochs: int = 100
    batch_size: int = 128
    member: int = 0
    output: str = "embedding"

    kind = "contrastive"
    hop_s: ClassVar[float] = LONGEST_S
    """Pieces of longer clips overlap no more than they must."""

    def __post_init__(self) -> None:
        choices = (("classes", CLASSES), ("contrast", CONTRASTS), ("output", OUTPUTS))
        for name, known in choices:
            if getattr(self, name) not in known:
                raise InputError(f"{name} is {getattr(self, name)!r}; use {', '.join(known)}")
        if not self.shortest_s <= self.clip_s <= LONGEST_S:
            raise InputError(
                f"clip_s is {self.clip_s}; it must be {self.shortest_s} to {LONGEST_S:g}"
            )

    @classmethod
    def of(cls, clustering: Mapping[str, Any], **fields: Any) -> "Contrastive":
        """From the description of its clustering."""
        return cls(clustering=Clustering(**clustering), **fields)

    def trained_for(self, epochs: int) -> Self:
        """The same with so many epochs of each of its stages."""
        return replace(self, epochs=epochs, contrast_epochs=min(epochs, self.contrast_epochs))

    def network(self, n_samples: int) -> "SpectralTemporalNet":
        """The encoder of waveforms of some length, with new parameters."""
        return SpectralTemporalNet(n_samples)

    def head(self, n_classes: int) -> ArcFaceLoss:
        """The classifier, with new centres."""
        return ArcFaceLoss(n_classes, DIM, margin=self.margin, scale=self.scale)

    def learn(self, training: Training | None) -> Embedder:
        names = told_apart(self.classes, training, self.clustering)
        known = sorted(set(names))
        labels = torch.tensor([known.index(name) for name in names])
        statistics = self._statistics(training)
        n_samples = input_length(training.recordings, self.clip_s)
        generator = torch.Generator().manual_seed(training.seed + self.member)
        n_batches = max(1, round(len(labels) / self.batch_size))

        def batches(_epoch: int) -> Iterator[Batch]:
            pairs = pairs_of_classes(labels, generator)
            for i in range(n_batches):
                indices = torch.cat(pairs[i::n_batches])
                sounds = random_excerpts(training.recordings, indices, n_samples, generator)
                told = (sounds, labels[indices], statistics[indices])
                yield tuple(one.to(training.device) for one in told)

        with seeded(training.seed + self.member):
            network = self.network(n_samples)
            task = ContrastiveTask(self, network, self.head(len(known)), statistics.shape[1])
            task.to(training.device)
            stages = [("classes", task, self.epochs, self.class_rate)]
            if not self.joint:
                contrast = "contrast", task.contrast_loss, self.contrast_epochs, CONTRAST_RATE
                stages.insert(0, contrast)
            for part, loss, epochs, rate in stages:
                training.run(
                    f"{part} {self.member + 1}",
                    task,
                    batches,
                    loss,
                    epochs=epochs,
                    learning_rate=rate,
                    checkpoint=training.checkpoint(self, part),
                    generator=generator,
                )
            estimate_norms(network, (waveforms for waveforms, *_ in batches(0)))
        keys = places_of(names, training.clips)
        head = None if self.output == "embedding" else task.head
        return Embedder(self, network, n_samples, [keys[name] for name in known], head)

    def class_rate(self, epoch: int) -> float:
        """Learning rate of the second stage in an epoch, counted from 0: it ends in a cosine."""
        done = (epoch - DECAY_FROM) / max(self.epochs - 1 - DECAY_FROM, 1)
        fall = (1 - math.cos(math.pi * min(max(done, 0.0), 1.0))) / 2
        return CLASS_RATE * (1 - (1 - LAST_SHARE) * fall)

    def _statistics(self, training: Training) -> torch.Tensor:
        """What clips are contrasted by, (n, d); nothing where that is their classes."""
        if self.contrast == "classes":
            return torch.zeros(len(training.clips), 0)
        found = machine_statistics(training.recordings, training.clips, self.clustering)
        return torch.from_numpy(found).float()

    def restore(self, tensors: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Embedder:
        return restored_embedder(self, tensors, values)


class SpectralTemporalNet(nn.Module):
    """`MobileFaceNet` above log-Mel and learnt spectrograms, and a dense layer.

    Parameters
    ----------
    n_samples : int
        Length of the waveforms.

    Notes
    -----
    Y. Liu et al., "Anomalous sound detection using spectral-temporal information fusion", ICASSP
    2022; the dense layer is the first one of the head that a contrastive loss looks through.
    """

    def __init__(self, n_samples: int) -> None:
        super().__init__()
        self.tgram = TgramNet(n_samples)
        self.encoder = MobileFaceNet(DIM)
        self.dense = dense(DIM)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map waveforms (batch, n_samples) to embeddings (batch, 128), not normalised."""
        maps = batch_mel_decibels(waveforms, mel_scale="htk"), self.tgram(waveforms)
        return self.dense(self.encoder(torch.stack(maps, dim=1).transpose(2, 3)))


class ContrastiveTask(nn.Module):
    """A network with its losses.

    Parameters
    ----------
    config : Contrastive
    network : nn.Module
    head : nn.Module
        The classifier.
    n_statistics : int
        Of each clip, which it is contrasted by; 0 for classes.
    """

    def __init__(
        self, config: Contrastive, network: nn.Module, head: nn.Module, n_statistics: int
    ) -> None:
        super().__init__()
        self.config = config
        self.network = network
        self.head = head
        self.project = ProjectionHead(DIM)
        self.describe = None
        if n_statistics:
            self.describe = nn.Sequential(
                nn.Linear(n_statistics, DIM), nn.ReLU(), nn.Linear(DIM, DIM)
            )

    def forward(self, batch: Batch) -> torch.Tensor:
        """Loss of the classes, with that of the contrast where both are learnt together."""
        waveforms, labels, statistics = batch
        embeddings = self.network(waveforms)
        loss = self.head(embeddings, one_hot(labels, self.head.n_classes).float())
        if self.config.joint:
            loss = loss + self.config.contrast_weight * self._contrast(
                embeddings, labels, statistics
            )
        return loss

    def contrast_loss(self, batch: Batch) -> torch.Tensor:
        """Loss of the contrast of waveforms (batch, n_samples), labels (batch,) and statistics."""
        waveforms, labels, statistics = batch
        return self._contrast(self.network(waveforms), labels, statistics)

    def _contrast(
        self, embeddings: torch.Tensor, labels: torch.Tensor, statistics: torch.Tensor
    ) -> torch.Tensor:
        projections = self.project(embeddings)
        if self.describe is None:
            return supervised_contrastive(projections, labels)
        return paired_contrastive(projections, self.describe(statistics), labels)
