"""Embeddings of a network that tells a machine's sections apart by several kinds of features.

Notes
-----
S. Wang et al., "Machine anomalous sound detection based on self-supervised classification", APSIPA
2022. It names its features, its classifier (a TDNN), its loss and its scores, and leaves open what
they are made of. Chosen here: log-Mel as in the network that its second feature comes from, the
x-vector network behind a batch normalisation of each plane and band, sections as the classes of the
triplet loss, batches of six sections and ten clips of each. What wav2vec 2.0 adds is, in the paper,
2.2 points of the harmonic mean (61.05 to 63.26 per cent, experiments 2 and 4); a system without its
file does without them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize

from asd.attribute_loss import AUXILIARIES
from asd.excerpts import LONGEST_S, pieces_of
from asd.representations import Describer, Key, Representation, Training
from asd.representations.network import OUTPUTS, log_odds_against
from asd.sounds import some_at_once
from fewshot.audio import SAMPLE_RATE
from fewshot.encoders.tdnn import CONTEXT, TdnnEncoder
from fewshot.encoders.tgram import HOP, TgramNet
from fewshot.encoders.wav2vec import Wav2VecMaps, wav2vec_of
from fewshot.errors import InputError
from fewshot.features import batch_mel_decibels
from fewshot.networks import arrays_of

FEATURES = ("log-mel", "tgram", "wav2vec")
LOSSES = ("triplet", "auxiliary")
N_BANDS = 128
"""Of each plane of features."""
LEAST_SAMPLES = CONTEXT * HOP
"""Of the input, so that two frames are left behind the convolutions."""


@dataclass(frozen=True)
class Fusion(Representation):
    """Features that lie above each other, a classifier for each machine, and its training.

    Where a machine has one section only, there is one classifier for all machines. Where there is
    one section in all, its attributes and domains are told apart, or clusters if it has none.

    Parameters
    ----------
    features : tuple of str
        Of `FEATURES`: log-Mel spectrogram, `TgramNet`, `Wav2VecMaps`.
    losses : tuple of str
        Of `LOSSES`: what is added to the cross entropy of the sections.
    auxiliary : {"tokens", "heads"}
        Of `AttributeLoss`.
    margin : float, optional
        Of the triplet loss on embeddings of unit length; without it, the soft margin, and
        embeddings as they are.
    output : {"embedding", "posterior"}
        "posterior" describes a clip by one score, the logarithm of the odds against its section.
    weights : str
        File of wav2vec 2.0, read in training.
    block : int, optional
        The transformer's block that is listened to, counted from 1; by default the last.
    tuning_epochs : int
        In which wav2vec 2.0 is fine-tuned.
    dim, n_pooled : int
        Of `TdnnEncoder`.
    sections_at_once, clips_of_each : int
        What a batch is made of.
    learning_rate : float
    epochs : int
    member : int
        Of an ensemble; each has another seed.
    """

    features: tuple[str, ...] = ("log-mel", "tgram")
    losses: tuple[str, ...] = LOSSES
    auxiliary: str = "tokens"
    margin: float | None = None
    output: str = "embedding"
    weights: str = ""
    block: int | None = None
    tuning_epochs: int = 5
    dim: int = 512
    n_pooled: int = 1500
    sections_at_once: int = 6
    clips_of_each: int = 10
    learning_rate: float = 2e-4
    epochs: int = 100
    member: int = 0

    kind = "fusion"

    def __post_init__(self) -> None:
        for name, known in (("auxiliary", AUXILIARIES), ("output", OUTPUTS)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} is {getattr(self, name)!r}; use {', '.join(known)}")
        for name, known in (("features", FEATURES), ("losses", LOSSES)):
            if unknown := set(getattr(self, name)) - set(known):
                raise InputError(f"{name}: {unknown.pop()!r} is not known; use {', '.join(known)}")
        if not self.features:
            raise InputError(f"features: none are given; use {', '.join(FEATURES)}")

    def learn(self, training: Training | None) -> "Fused":
        from asd.fusion_learning import learn

        return learn(self, training)

    def network(self, n_samples: int, n_classes: int) -> "FusionNetwork":
        """A classifier of waveforms of some length, with new parameters."""
        return FusionNetwork(self, n_samples, n_classes)

    def restore(self, tensors: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> "Fused":
        n_samples = int(values["n_samples"])
        if not LEAST_SAMPLES <= n_samples <= LONGEST_S * SAMPLE_RATE:
            raise ValueError(f"a network for {n_samples} samples")
        state = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
        classes = {name: [tuple(key) for key in keys] for name, keys in values["classes"]}
        wav2vec = None
        with torch.device("meta"):
            networks = {name: self.network(n_samples, len(keys)) for name, keys in classes.items()}
            if "wav2vec" in self.features:
                start = "wav2vec.model."
                own = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
                wav2vec = Wav2VecMaps(wav2vec_of(own), N_BANDS)
        fused = Fused(self, n_samples, networks, classes, wav2vec)
        fused.modules().load_state_dict(state, assign=True)
        return fused


class FusionNetwork(nn.Module):
    """A classifier of features that lie above each other.

    Parameters
    ----------
    config : Fusion
    n_samples : int
        Length of the waveforms, at least `LEAST_SAMPLES`.
    n_classes : int
    """

    def __init__(self, config: Fusion, n_samples: int, n_classes: int) -> None:
        super().__init__()
        self.log_mel = "log-mel" in config.features
        self.tgram = TgramNet(n_samples, N_BANDS) if "tgram" in config.features else None
        self.encoder = TdnnEncoder(N_BANDS * len(config.features), config.dim, config.n_pooled)
        self.head = nn.Linear(config.dim, n_classes)

    def forward(self, waveforms: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        """Map waveforms to embeddings (batch, dim), not normalised.

        Parameters
        ----------
        waveforms : torch.Tensor, shape (batch, n_samples)
        latent : torch.Tensor, shape (batch, 1 + n_samples // 512, 128) or (..., 0)
            What wav2vec 2.0 makes of them, or nothing.
        """
        planes = [latent]
        if self.log_mel:
            planes.append(batch_mel_decibels(waveforms, mel_scale="htk"))
        if self.tgram is not None:
            planes.append(self.tgram(waveforms))
        return self.encoder(torch.cat(planes, dim=2))

    def odds_against(self, embeddings: torch.Tensor) -> torch.Tensor:
        """How much speaks against each class, (batch, dim) -> (batch, n_classes)."""
        return log_odds_against(self.head(self.encoder.top(embeddings)))


class Fused(Describer):
    """Trained classifiers.

    Parameters
    ----------
    config : Fusion
    n_samples : int
        Length of their input. Shorter clips are repeated; longer ones are cut into pieces whose
        embeddings, of unit length, or scores are averaged.
    networks : dict of str to FusionNetwork
        By machine, or a single one.
    classes : dict of str to list of (str, str)
        Machine and section of each class of each of them.
    wav2vec : Wav2VecMaps, optional
    """

    def __init__(
        self,
        config: Fusion,
        n_samples: int,
        networks: dict[str, FusionNetwork],
        classes: dict[str, list[Key]],
        wav2vec: Wav2VecMaps | None,
    ) -> None:
        self.config = config
        self.n_samples = n_samples
        self.networks = networks
        self.classes = classes
        self.wav2vec = wav2vec
        self.modules().eval()

    @torch.inference_mode()
    def vectors(self, sounds: Sequence[np.ndarray], key: Key) -> np.ndarray:
        pieces = [pieces_of(np.asarray(samples, np.float32), self.n_samples) for samples in sounds]
        network = next(name for name, keys in self.classes.items() if key in keys)
        outputs = [
            self._described(torch.from_numpy(np.stack(some)), network, key).cpu()
            for some in some_at_once(piece for own in pieces for piece in own)
        ]
        parts = torch.cat(outputs).split([len(own) for own in pieces])
        return np.stack([part.mean(dim=0).numpy() for part in parts])

    def _described(self, waveforms: torch.Tensor, name: str, key: Key) -> torch.Tensor:
        network = self.networks[name]
        waveforms = waveforms.to(network.head.weight.device)
        embeddings = network(waveforms, latent_maps(self.wav2vec, waveforms))
        if self.config.output == "embedding":
            return normalize(embeddings, dim=1)
        own = [one == key for one in self.classes[name]]
        # Of a section that is told apart by clusters, the likeliest counts.
        return network.odds_against(embeddings)[:, own].amin(dim=1, keepdim=True)

    def to(self, device: str) -> None:
        self.modules().to(device)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        classes = [[name, [list(key) for key in keys]] for name, keys in self.classes.items()]
        return arrays_of(self.modules()), {"n_samples": self.n_samples, "classes": classes}

    def modules(self) -> nn.ModuleDict:
        """What has parameters."""
        parts = {"networks": nn.ModuleList(self.networks.values())}
        return nn.ModuleDict(parts | ({} if self.wav2vec is None else {"wav2vec": self.wav2vec}))


def latent_maps(wav2vec: Wav2VecMaps | None, waveforms: torch.Tensor) -> torch.Tensor:
    """Maps of waveforms (batch, n_samples), with no bands where there is no wav2vec 2.0."""
    if wav2vec is None:
        return waveforms.new_zeros(len(waveforms), 1 + waveforms.shape[1] // HOP, 0)
    return wav2vec(waveforms)
