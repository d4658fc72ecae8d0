"""Training of classifiers of a machine's sections.

Notes
-----
S. Wang et al., APSIPA 2022, equation 5; Adam, a learning rate of 2e-4 and 100 epochs are theirs.
Left open, and chosen here: no schedule, no augmentation; the last epoch counts.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from asd.attribute_loss import AttributeLoss, Token, token_targets, tokens_of
from asd.classes import places_of, told_apart
from asd.excerpts import input_length, random_excerpts
from asd.learning import SETTLING_STEPS
from asd.recordings import Recordings
from asd.representations import Key, Training
from asd.representations.fusion import (
    LEAST_SAMPLES,
    Fused,
    Fusion,
    FusionNetwork,
    latent_maps,
)
from asd.sounds import some_at_once
from asd.wav2vec_tuning import tuned
from fewshot.encoders.wav2vec import Wav2VecMaps
from fewshot.losses.triplet import TripletLoss
from fewshot.training import batches_of_classes, estimate_norms, seeded

ALL = "all"
"""Name of what is common to all machines."""


def learn(fusion: Fusion, training: Training) -> Fused:
    """Train the classifiers, and what they listen through.

    Parameters
    ----------
    fusion : Fusion
    training : Training

    Returns
    -------
    Fused

    Raises
    ------
    InputError
        All clips are the same, the file of wav2vec 2.0 cannot be used, or a loss is not finite.
    """
    clips = training.clips
    n_samples = max(input_length(training.recordings), LEAST_SAMPLES)
    sections = {(clip.machine, clip.section) for clip in clips}
    names = told_apart("sections" if len(sections) > 1 else "attributes", training)
    known = sorted(set(names))
    numbers = torch.tensor([known.index(name) for name in names])
    wav2vec = None
    if "wav2vec" in fusion.features:
        wav2vec = tuned(fusion, training, numbers, n_samples)
    places = places_of(names, clips)
    networks: dict[str, FusionNetwork] = {}
    classes: dict[str, list[Key]] = {}
    for name, members in _groups([clip.machine for clip in clips], sections).items():
        own, labels = numbers[members].unique(return_inverse=True)
        classes[name] = [places[known[number]] for number in own.tolist()]
        lesson = Lesson(fusion, training, members, labels, n_samples, wav2vec)
        networks[name] = lesson.learnt(name)
    if "auxiliary" in fusion.losses and not tokens_of(clips):
        training.notes.append("no clip has attributes; the auxiliary loss has nothing to tell")
    return Fused(fusion, n_samples, networks, classes, wav2vec)


def _groups(machines: Sequence[str], sections: set[Key]) -> dict[str, torch.Tensor]:
    """Indices of the clips that have one classifier: those of a machine, or all."""
    counts = [sum(machine == key[0] for key in sections) for machine in set(machines)]
    if min(counts) < 2:
        return {ALL: torch.arange(len(machines))}
    return {
        own: torch.tensor([i for i, machine in enumerate(machines) if machine == own])
        for own in sorted(set(machines))
    }


class Lesson:
    """What one classifier is taught.

    Parameters
    ----------
    fusion : Fusion
    training : Training
    members : torch.Tensor, shape (n,), int64
        Indices of its clips.
    labels : torch.Tensor, shape (n,), int64
        Class of each of them.
    n_samples : int
    wav2vec : Wav2VecMaps or None
    """

    def __init__(
        self,
        fusion: Fusion,
        training: Training,
        members: torch.Tensor,
        labels: torch.Tensor,
        n_samples: int,
        wav2vec: Wav2VecMaps | None,
    ) -> None:
        self.fusion = fusion
        self.training = training
        self.members = members
        self.labels = labels
        self.n_samples = n_samples
        self.maps = KeptMaps(wav2vec, training.recordings, n_samples)
        own = [training.clips[i] for i in members.tolist()]
        self.tokens = tokens_of(own)
        self.targets = token_targets(own, self.tokens)

    def learnt(self, name: str) -> FusionNetwork:
        """Train a classifier, which is called by the name of its machine, or of all."""
        fusion, training = self.fusion, self.training
        seed = training.seed + fusion.member
        generator = torch.Generator().manual_seed(seed)
        with seeded(seed):
            network = fusion.network(self.n_samples, 1 + int(self.labels.max()))
            task = Task(fusion, network, self.tokens).to(training.device)
            training.run(
                f"classifier {fusion.member + 1}, {name}",
                task,
                lambda _epoch: self.batches(generator),
                task,
                epochs=fusion.epochs,
                of=name,
                learning_rate=fusion.learning_rate,
                checkpoint=training.checkpoint(fusion, name),
                generator=generator,
            )
            rounds = min(-(-SETTLING_STEPS // self.n_batches), fusion.epochs)
            estimate_norms(
                task, (batch for _ in range(rounds) for batch in self.batches(generator))
            )
        return network

    @property
    def n_batches(self) -> int:
        """Of an epoch."""
        return sum(1 for _ in self._chosen(torch.Generator()))

    def _chosen(self, generator: torch.Generator) -> Iterator[torch.Tensor]:
        at_once, of_each = self.fusion.sections_at_once, self.fusion.clips_of_each
        for chosen in batches_of_classes(self.labels, at_once, of_each, generator):
            # So that each of several processes has clips of all classes in its share.
            yield chosen[torch.randperm(len(chosen), generator=generator)]

    def batches(self, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, ...]]:
        """Waveforms, maps, classes and targets of the clips of an epoch, batch by batch."""
        device = self.training.device
        for chosen in self._chosen(generator):
            indices = self.members[chosen]
            sounds = random_excerpts(
                self.training.recordings, indices, self.n_samples, generator
            ).to(device)
            maps = self.maps(indices.tolist(), sounds)
            yield sounds, maps, self.labels[chosen].to(device), self.targets[chosen].to(device)


class KeptMaps:
    """Maps that wav2vec 2.0, which is frozen, makes of training clips.

    Those of clips as long as the input, which are always heard as a whole, are made once.

    Parameters
    ----------
    wav2vec : Wav2VecMaps or None
    recordings : Recordings
    n_samples : int
        Of the excerpts.
    """

    def __init__(self, wav2vec: Wav2VecMaps | None, recordings: Recordings, n_samples: int) -> None:
        self.wav2vec = wav2vec
        self.whole = [length == n_samples for length in recordings.lengths]
        self._kept: dict[int, torch.Tensor] = {}

    @torch.no_grad()
    def __call__(self, indices: Sequence[int], sounds: torch.Tensor) -> torch.Tensor:
        """Maps (batch, n_frames, 128) of excerpts (batch, n_samples) of the clips of some indices.

        They are rounded to 16 bits, in which they take 80 kB of 10 s.
        """
        if self.wav2vec is None:
            return latent_maps(None, sounds)
        new = [i for i, index in enumerate(indices) if index not in self._kept]
        made = [self.wav2vec(sounds[some]).half().cpu() for some in some_at_once(new)]
        found = dict(zip(new, torch.cat(made), strict=True)) if new else {}
        self._kept |= {indices[i]: one for i, one in found.items() if self.whole[indices[i]]}
        rows = [found[i] if i in found else self._kept[index] for i, index in enumerate(indices)]
        return torch.stack(rows).to(sounds.device).float()


class Task(nn.Module):
    """A classifier with its losses.

    Parameters
    ----------
    fusion : Fusion
    network : FusionNetwork
    tokens : sequence of (str, str, str)
        Attributes of its machines.
    """

    def __init__(self, fusion: Fusion, network: FusionNetwork, tokens: Sequence[Token]) -> None:
        super().__init__()
        self.network = network
        self.triplet = self.attributes = None
        if "triplet" in fusion.losses:
            self.triplet = TripletLoss(fusion.margin, unit_length=fusion.margin is not None)
        if "auxiliary" in fusion.losses and tokens:
            self.attributes = AttributeLoss(tokens, fusion.dim, fusion.auxiliary)

    def forward(self, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Loss of a batch of `Lesson.batches`."""
        sounds, maps, labels, targets = batch
        embeddings = self.network(sounds, maps)
        top = self.network.encoder.top(embeddings)
        loss = cross_entropy(self.network.head(top), labels)
        if self.triplet is not None:
            loss = loss + self.triplet(embeddings, labels)
        if self.attributes is not None:
            loss = loss + self.attributes(top, targets)
        return loss
