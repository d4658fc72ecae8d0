"""Errors of an autoencoder of log-Mel frames, the challenge's baseline."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from asd.names import TARGET
from asd.representations import Describer, Key, Representation, Training
from asd.statistics import log_mel_frames
from fewshot import bundle
from fewshot.encoders.autoencoder import DenseAutoencoder, stacked_frames
from fewshot.errors import InputError
from fewshot.networks import arrays_of, fill
from fewshot.training import estimate_norms, seeded

SCORES = ("error", "mahalanobis")
REGULARISATION = 1e-3
"""Of the errors' covariances, as a share of their mean variance."""


@dataclass(frozen=True)
class Autoencoder(Representation):
    """How badly stacked log-Mel frames of a clip are reconstructed, by a network per machine.

    Parameters
    ----------
    score : {"error", "mahalanobis"}
        Mean square error; or the mean Mahalanobis distance of the errors to those of the section's
        training clips, one value for each domain.
    epochs, batch_size : int
    n_frames : int
        Neighbouring frames of 128 bands that are one input.
    member : int
        Of an ensemble; each has another seed.

    Notes
    -----
    Dissertation, equation 2, and the baselines of DCASE Challenge Task 2 ("selective Mahalanobis"
    since 2023).
    """

    score: str = "error"
    epochs: int = 100
    batch_size: int = 512
    n_frames: int = 5
    member: int = 0

    kind = "autoencoder"

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise InputError(f"score is {self.score!r}; use {', '.join(SCORES)}")

    def learn(self, training: Training | None) -> "Reconstruction":
        clips = training.clips
        stacks = [
            self.inputs(training.recordings.waveform(i)) for i in range(len(training.recordings))
        ]
        networks = {}
        for machine in sorted({clip.machine for clip in clips}):
            own = [x for x, clip in zip(stacks, clips, strict=True) if clip.machine == machine]
            networks[machine] = self._trained(machine, torch.cat(own), training)
        found = Reconstruction(self, networks, {})
        if self.score == "mahalanobis":
            for key in sorted({(clip.machine, clip.section) for clip in clips}):
                found.precisions[key] = [
                    _precision(torch.cat(errors))
                    for errors in _by_domain(found, key, zip(stacks, clips, strict=True))
                ]
        return found

    def _trained(self, machine: str, inputs: torch.Tensor, training: Training) -> nn.Module:
        seed = training.seed + self.member
        generator = torch.Generator().manual_seed(seed)

        def batches(_epoch: int) -> Iterator[tuple[torch.Tensor]]:
            order = torch.randperm(len(inputs), generator=generator)
            for indices in order.tensor_split(-(-len(inputs) // self.batch_size)):
                yield (inputs[indices].to(training.device),)

        with seeded(seed):
            network = DenseAutoencoder(inputs.shape[1]).to(training.device)
            training.run(
                f"autoencoder {self.member + 1}, {machine}",
                network,
                batches,
                lambda batch: (network(batch[0]) - batch[0]).square().mean(),
                epochs=self.epochs,
                of=machine,
                checkpoint=training.checkpoint(self, machine),
                generator=generator,
            )
            estimate_norms(network, (batch for (batch,) in batches(0)))
        return network

    def inputs(self, samples: np.ndarray) -> torch.Tensor:
        """Stacked frames of a clip, shape (n, 128 * n_frames); InputError if it is too short."""
        frames = log_mel_frames(samples)
        if len(frames) < self.n_frames:
            raise InputError(f"{len(frames)} frames are fewer than {self.n_frames}; record longer")
        return stacked_frames(torch.from_numpy(frames).float(), self.n_frames)

    def restore(
        self, tensors: Mapping[str, np.ndarray], values: Mapping[str, Any]
    ) -> "Reconstruction":
        networks, precisions = {}, {}
        for i, machine in enumerate(values["machines"]):
            with torch.device("meta"):
                network = DenseAutoencoder(128 * self.n_frames)
            networks[machine] = fill(network, bundle.part(tensors, f"{i}.")).eval()
        for i, (machine, section, n) in enumerate(values["sections"]):
            found = [torch.from_numpy(np.array(tensors[f"precision.{i}.{j}"])) for j in range(n)]
            precisions[machine, section] = found
        return Reconstruction(self, networks, precisions)


class Reconstruction(Describer):
    """Trained autoencoders.

    Parameters
    ----------
    config : Autoencoder
    networks : dict of str to nn.Module
        By machine.
    precisions : dict of (str, str) to list of torch.Tensor
        Inverse covariances of the errors in each domain, by machine and section; only of the score
        "mahalanobis".
    """

    def __init__(
        self,
        config: Autoencoder,
        networks: dict[str, nn.Module],
        precisions: dict[Key, list[torch.Tensor]],
    ) -> None:
        self.config = config
        self.networks = networks
        self.precisions = precisions

    def vectors(self, sounds: Sequence[np.ndarray], key: Key) -> np.ndarray:
        return np.stack([self._scores(self.config.inputs(samples), key) for samples in sounds])

    def _scores(self, inputs: torch.Tensor, key: Key) -> np.ndarray:
        errors = self.errors(inputs, key[0])
        if self.config.score == "error":
            return np.array([float(errors.square().mean())], np.float32)
        distances = [
            float(((errors @ precision) * errors).sum(dim=1).clamp(min=0).sqrt().mean())
            for precision in self.precisions[key]
        ]
        return np.array(distances, np.float32)

    @torch.inference_mode()
    def errors(self, inputs: torch.Tensor, machine: str) -> torch.Tensor:
        """What reconstructions of (n, d) differ by, on the CPU."""
        network = self.networks[machine]
        there = inputs.to(next(network.parameters()).device)
        return (network(there) - there).cpu()

    def to(self, device: str) -> None:
        for network in self.networks.values():
            network.to(device)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {}
        for i, network in enumerate(self.networks.values()):
            arrays |= {f"{i}.{name}": array for name, array in arrays_of(network).items()}
        for i, precisions in enumerate(self.precisions.values()):
            arrays |= {f"precision.{i}.{j}": one.numpy() for j, one in enumerate(precisions)}
        sections = [[*key, len(precisions)] for key, precisions in self.precisions.items()]
        return arrays, {"machines": list(self.networks), "sections": sections}


def _by_domain(found: Reconstruction, key: Key, pairs) -> list[list[torch.Tensor]]:
    """Errors of a section's clips of the source domain and of the target domain, if there are."""
    domains: dict[bool, list[torch.Tensor]] = {}
    for inputs, clip in pairs:
        if (clip.machine, clip.section) == key:
            errors = found.errors(inputs, clip.machine)
            domains.setdefault(clip.domain == TARGET, []).append(errors)
    return [domains[domain] for domain in sorted(domains)]


def _precision(errors: torch.Tensor) -> torch.Tensor:
    covariance = errors.T @ errors / len(errors)
    share = REGULARISATION * covariance.diagonal().mean().clamp(min=1e-12)
    return torch.linalg.inv(covariance + share * torch.eye(len(covariance)))
