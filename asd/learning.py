"""Training of a network to tell machines, their settings and domains apart."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import one_hot

from asd.class_texts import class_texts
from asd.classes import class_names, places_of, told_apart
from asd.excerpts import input_length, random_excerpts
from asd.representations import Key, Training
from asd.representations.network import Embedder, LogMelNetwork, Network
from fewshot.augment import featex, mixup, statex
from fewshot.losses.adacos import AdaCosLoss, SubClusterAdaCosLoss
from fewshot.losses.adaproj import AdaProjLoss
from fewshot.losses.arcface import ArcFaceLoss, CosFaceLoss
from fewshot.losses.one_class import CompactnessLoss
from fewshot.losses.softmax import SoftmaxLoss
from fewshot.losses.text import TextLoss
from fewshot.text import text_vectors
from fewshot.training import estimate_norms, seeded

LARGEST_SCALE = 64.0
"""Of losses that adapt their scale: with clips that are not mixed up it can run away."""
BLOCKS = 3
"""By how much an exchange multiplies the classes."""
EPSILON = 1e-7
"""Of Adam, in the library that the papers' networks were trained with."""
SETTLING_STEPS = 100
"""Batches at the end from which the statistics of the batch normalisations are taken."""


def learn(network: Network, training: Training) -> Embedder:
    """Train a network on the clips of all machines.

    Parameters
    ----------
    network : Network
        What is trained, and how.
    training : Training

    Returns
    -------
    Embedder

    Raises
    ------
    InputError
        All clips are the same, or the loss is not finite.

    Notes
    -----
    Dissertation, sections 5.3.1 and 5.7. Of a clip that is longer than the network's input another
    part is heard in every epoch; a shorter one is repeated.
    """
    recordings = training.recordings
    rate = network.sample_rate
    n_samples = input_length(recordings, network.clip_s, rate)

    def make_encoder() -> nn.Module:
        encoder = network.network(n_samples)
        if isinstance(encoder, LogMelNetwork):
            encoder.standardise_by(recordings)
        return encoder

    def inputs(indices: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return random_excerpts(recordings, indices, n_samples, generator, rate)

    checkpoint = training.checkpoint(network)
    task, keys = train_task(network, training, make_encoder, inputs, checkpoint)
    head = None if network.output == "embedding" else task.regular
    return Embedder(network, task.encoder, n_samples, keys, head)


def train_task(
    config: Network,
    training: Training,
    make_encoder: Callable[[], nn.Module],
    inputs: Callable[[torch.Tensor, torch.Generator], torch.Tensor],
    checkpoint: Path | None,
    clip_of: Sequence[int] | None = None,
) -> tuple["Task", list[Key]]:
    """Train an encoder to tell the classes of a configuration apart.

    Parameters
    ----------
    config : Network
        Its fields that say of classes, losses and training.
    training : Training
    make_encoder : callable
        Gives the encoder with new parameters.
    inputs : callable
        Maps indices and a generator, on the CPU, to what the encoder takes.
    checkpoint : Path or None
    clip_of : sequence of int, optional
        The clip that each index belongs to; by default, indices are those of the clips.

    Returns
    -------
    task : Task
        Holds the encoder.
    keys : list of (str, str)
        Machine and section of each class.

    Raises
    ------
    InputError
        All clips are the same, or the loss is not finite.
    """
    seed = training.seed + config.member
    labels, texts, keys = _labels(config, training)
    if clip_of is not None:
        labels = labels[torch.as_tensor(clip_of)]
    generator = torch.Generator().manual_seed(seed)
    n_batches = max(1, round(len(labels) / config.batch_size))

    def batches(_epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = torch.randperm(len(labels), generator=generator)
        for indices in order.tensor_split(n_batches):
            x = inputs(indices, generator)
            yield x.to(training.device), labels[indices].to(training.device)

    with seeded(seed):
        task = Task(config, make_encoder(), texts, generator).to(training.device)
        training.run(
            config.title,
            task,
            batches,
            task,
            epochs=config.epochs,
            weight_decay=config.weight_decay,
            epsilon=EPSILON,
            remedy="another seed or loss",
            checkpoint=checkpoint,
            generator=generator,
        )
        rounds = min(-(-SETTLING_STEPS // n_batches), config.epochs)
        estimate_norms(task, (batch for _ in range(rounds) for batch in batches(0)))
    return task, keys


class Task(nn.Module):
    """A network with its losses.

    Parameters
    ----------
    config : Network
    encoder : nn.Module
    texts : sequence of str
        What each class is in words.
    generator : torch.Generator
        On the CPU; what partners and coefficients are drawn from.

    Notes
    -----
    Dissertation, section 5.7: the classes' own loss has fixed centres and sees clips whose frames'
    statistics are exchanged, but not embeddings of two clips. The loss of the texts sees the same.
    """

    def __init__(
        self,
        config: Network,
        encoder: nn.Module,
        texts: Sequence[str],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        n_classes = len(texts)
        self.config = config
        self.encoder = encoder
        self.generator = generator
        regular = config.regular or not config.exchanges
        self.regular = make_loss(config, n_classes) if regular else None
        self.further = None
        if config.exchanges:
            n_blocks = BLOCKS ** len(config.exchanges)
            n_further = n_blocks * (n_classes if config.exchange_classes else 1)
            trained = replace(config, train_centres=config.train_exchange_centres)
            self.further = make_loss(trained, n_further)
        self.text = None
        if config.text_weight:
            self.text = TextLoss(torch.from_numpy(text_vectors(texts)), config.dim)

    def forward(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Loss of waveforms (batch, n_samples) with labels (batch, n_classes)."""
        exchanges, generator = self.config.exchanges, self.generator
        *inputs, labels = self._mixed(*batch)
        further = labels if self.config.exchange_classes else labels.sum(dim=1, keepdim=True)
        if "statex" in exchanges:
            spectra, spectrograms = inputs
            along = self.config.statex_along
            spectrograms, further = statex(spectrograms, further, generator, along=along)
            inputs = spectra, spectrograms
        device = labels.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            halves = self.encoder.halves(*inputs)
        halves = tuple(half.float() for half in halves)
        loss = labels.new_zeros(())
        if self.regular is not None:
            loss = loss + self.regular(self.encoder.combined(halves), labels)
        if self.text is not None:
            own = self.text(self.encoder.combined(halves), labels)
            loss = loss + self.config.text_weight * own
        if self.further is not None:
            if "featex" in exchanges:
                halves, further = featex(halves, further, generator)
            loss = loss + self.further(self.encoder.combined(halves), further)
        return loss

    def _mixed(self, waveforms: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the encoder sees of clips, some of them mixed up with others, and their labels."""
        share = self.config.mixup
        if self.encoder.mixes_waveforms:
            waveforms, labels = mixup(waveforms, labels, self.generator, share)
            return *self.encoder.inputs(waveforms), labels
        (inputs,) = self.encoder.inputs(waveforms)
        return mixup(inputs, labels, self.generator, share)


def make_loss(config: Network, n_classes: int) -> nn.Module:
    """The loss of a configuration; ValueError if it has no use for so few classes."""
    dim, n_centres, trained = config.dim, config.n_centres, config.train_centres
    match config.loss:
        case "sub-cluster-adacos":
            return SubClusterAdaCosLoss(
                n_classes, dim, n_centres, trainable=trained, largest_scale=LARGEST_SCALE
            )
        case "adacos":
            return AdaCosLoss(n_classes, dim, trainable=trained)
        case "adaproj":
            return AdaProjLoss(
                n_classes, dim, n_centres, trainable=trained, largest_scale=LARGEST_SCALE
            )
        case "compactness" | "compactness-softmax":
            return CompactnessLoss(
                n_classes, dim, with_softmax=config.loss == "compactness-softmax"
            )
        case "arcface":
            return ArcFaceLoss(n_classes, dim, trainable=trained)
        case "cosface":
            return CosFaceLoss(n_classes, dim, trainable=trained)
        case "sub-centre-arcface":
            return ArcFaceLoss(n_classes, dim, n_centres, trainable=trained)
        case _:
            return SoftmaxLoss(n_classes, dim)


def _labels(network: Network, training: Training) -> tuple[torch.Tensor, list[str], list[Key]]:
    """Labels (n_clips, n_classes); of each class its text, and machine and section of its clips.

    There is a single class only for losses that have a use for it.
    """
    if network.loss.startswith("compactness"):
        names = class_names(network.classes, training.recordings, training.clips, training.seed)
    else:
        names = told_apart(network.classes, training)
    keys = places_of(names, training.clips)
    known = sorted(keys)
    texts = class_texts(names, training.clips)
    labels = one_hot(torch.tensor([known.index(name) for name in names]), len(known)).float()
    return labels, [texts[name] for name in known], [keys[name] for name in known]
