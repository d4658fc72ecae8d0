"""Embeddings of a network that learns to tell machines, their settings and domains apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize

from asd.classes import CLASSES
from asd.excerpts import LONGEST_S, pieces_of, resampled, source_length
from asd.recordings import Recordings
from asd.representations import Describer, Key, Representation, Training
from asd.sounds import AT_ONCE
from fewshot.audio import SAMPLE_RATE
from fewshot.augment import STATEX_AXES
from fewshot.encoders.log_mel import LogMelEncoder
from fewshot.encoders.mobilenet import MobileNetV2
from fewshot.encoders.two_branch import FREQUENCY_ATTENTIONS, TwoBranchEncoder
from fewshot.errors import InputError
from fewshot.features import batch_mel_decibels
from fewshot.networks import arrays_of, fill

if TYPE_CHECKING:
    from asd.representations.contrastive import Contrastive

ENCODERS = ("two-branch", "log-mel", "mobilenet")
OUTPUTS = ("embedding", "posterior", "odds")
LOSSES = (
    "sub-cluster-adacos",
    "adacos",
    "adaproj",
    "compactness",
    "compactness-softmax",
    "softmax",
    "arcface",
    "cosface",
    "sub-centre-arcface",
)
EXCHANGES = ("statex", "featex")
HIGHEST_RATE = 48_000


@dataclass(frozen=True)
class Network(Representation):
    """A network, the task that it is trained on, and how.

    Parameters
    ----------
    encoder : {"two-branch", "log-mel", "mobilenet"}
        `fewshot.encoders.two_branch`, `fewshot.encoders.log_mel` or `fewshot.encoders.mobilenet`;
        the last is without biases.
    dim : int
        Dimension of the embeddings.
    branches, temporal_mean, squeeze_excite, log_mel, combine, frequency_attention
        Of `TwoBranchEncoder`.
    bias : bool
        Whether convolutions and dense layers have biases.
    loss : str
        Of `LOSSES`.
    n_centres : int
        Per class; of AdaProj, the dimension of a class's sub-space.
    train_centres : bool
        Whether the centres are trained; else they stay where they are drawn.
    exchanges : tuple of str
        Of `EXCHANGES`: what makes further classes, self-supervised.
    regular : bool
        Whether the loss of the classes themselves is added to that of the further ones.
    train_exchange_centres : bool
        Whether the centres of the further classes are trained.
    exchange_classes : bool
        Whether the further classes keep the classes apart; else they tell exchanges alone.
    statex_along : {"frequency", "time", "either"}
        Of `fewshot.augment.statex`; only "frequency" goes with `temporal_mean`.
    mixup : float
        Share of the clips that are mixed up, 0 to 1.
    classes : str
        What is told apart, of `asd.classes.CLASSES`.
    epochs, batch_size : int
    weight_decay : float
        Of convolutions and dense layers, as in `fewshot.training.train`.
    member : int
        Of an ensemble; each has another seed.
    output : {"embedding", "posterior", "odds"}
        "posterior" describes a clip by one score, the negative logarithm of the share that the
        classes of its section have in the softmax; "odds" by log((1 - p) / p) of the class of its
        section that has the largest share, p.
    text_weight : float
        Weight of the loss between embeddings and texts that describe their classes
        (`fewshot.losses.text`); 0 does without.
    sample_rate : int
        What the network hears sound at, 16000 to 48000 Hz; frames stay as long in samples. Another
        one than 16000 is for magnitudes alone, without Mel bands.
    clip_s : float
        Length of the input in seconds, up to `asd.excerpts.LONGEST_S`, or that of the longest
        training clip, if this is shorter.
    hop_s : float
        Pieces of longer clips follow each other by so many seconds, at most.

    Notes
    -----
    Dissertation, sections 5.3.1, 5.6 and 5.7; attention, texts and sampling rate: `asd.systems`.
    """

    encoder: str = "two-branch"
    dim: int = 256
    branches: tuple[str, ...] = ("spectrum", "spectrogram")
    temporal_mean: bool = True
    squeeze_excite: bool = False
    log_mel: bool = False
    combine: str = "concatenate"
    bias: bool = False
    loss: str = "sub-cluster-adacos"
    n_centres: int = 16
    train_centres: bool = False
    exchanges: tuple[str, ...] = ()
    regular: bool = True
    train_exchange_centres: bool = True
    exchange_classes: bool = True
    statex_along: str = "frequency"
    mixup: float = 1.0
    classes: str = "attributes"
    epochs: int = 10
    batch_size: int = 64
    weight_decay: float = 0.0
    member: int = 0
    output: str = "embedding"
    frequency_attention: str = "none"
    text_weight: float = 0.0
    sample_rate: int = SAMPLE_RATE
    clip_s: float = LONGEST_S
    hop_s: float = LONGEST_S

    kind = "network"

    def __post_init__(self) -> None:
        for name, known in {
            "encoder": ENCODERS,
            "loss": LOSSES,
            "classes": CLASSES,
            "output": OUTPUTS,
            "frequency_attention": FREQUENCY_ATTENTIONS,
            "statex_along": STATEX_AXES,
        }.items():
            if getattr(self, name) not in known:
                raise InputError(f"{name} is {getattr(self, name)!r}; use {', '.join(known)}")
        if self.temporal_mean and self.statex_along != "frequency":
            raise InputError(f"statex_along is {self.statex_along!r}; use it without temporal_mean")
        if unknown := set(self.exchanges) - set(EXCHANGES):
            raise InputError(f"exchange {unknown.pop()!r} is not known; use statex, featex")
        if not SAMPLE_RATE <= self.sample_rate <= HIGHEST_RATE:
            raise InputError(
                f"sample_rate is {self.sample_rate}; use {SAMPLE_RATE} to {HIGHEST_RATE}"
            )
        if self.sample_rate != SAMPLE_RATE and (self.log_mel or self.encoder != "two-branch"):
            raise InputError(f"sample_rate is {self.sample_rate}; Mel bands are those of 16 kHz")

    @property
    def title(self) -> str:
        """What its progress is called."""
        return f"network {self.member + 1}"

    def network(self, n_samples: int) -> nn.Module:
        """The encoder of waveforms of some length, with new parameters."""
        if self.encoder == "log-mel":
            return LogMelNetwork(LogMelEncoder(self.dim, bias=self.bias))
        if self.encoder == "mobilenet":
            return DecibelNetwork(MobileNetV2(self.dim))
        return TwoBranchEncoder(
            n_samples,
            self.dim,
            branches=self.branches,
            temporal_mean=self.temporal_mean,
            squeeze_excite=self.squeeze_excite,
            log_mel=self.log_mel,
            combine=self.combine,
            bias=self.bias,
            frequency_attention=self.frequency_attention,
        )

    def learn(self, training: Training | None) -> "Embedder":
        from asd.learning import learn

        return learn(self, training)

    def restore(self, tensors: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> "Embedder":
        return restored_embedder(self, tensors, values)

    def head(self, n_classes: int) -> nn.Module:
        """The loss that tells classes apart."""
        from asd.learning import make_loss

        return make_loss(self, n_classes)


class OneBranch(nn.Module):
    """An encoder as a whole, with the steps that `TwoBranchEncoder` has.

    Parameters
    ----------
    encoder : nn.Module
        Maps its inputs to embeddings (batch, dim).

    Notes
    -----
    The encoder's inputs are mixed up, not waveforms.
    """

    mixes_waveforms = False

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map what `inputs` takes to embeddings (batch, dim), not normalised."""
        return self.combined(self.halves(*self.inputs(x)))

    def inputs(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        """What the encoder takes, as the only input."""
        return (x,)

    def halves(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        """The embeddings (batch, dim) as a whole."""
        return (self.encoder(x),)

    def combined(self, halves: tuple[torch.Tensor]) -> torch.Tensor:
        """What `halves` gave."""
        return halves[0]


class DecibelNetwork(OneBranch):
    """An encoder of log-Mel spectrograms behind its features; see `batch_mel_decibels`."""

    def inputs(self, waveforms: torch.Tensor) -> tuple[torch.Tensor]:
        """Log-Mel spectrograms (batch, frames, 128) of waveforms (batch, n_samples)."""
        return (batch_mel_decibels(waveforms),)


class LogMelNetwork(DecibelNetwork):
    """`LogMelEncoder` behind its features.

    Notes
    -----
    Dissertation, section 3.2.2.
    """

    def standardise_by(self, recordings: Recordings) -> None:
        """Take the mean and the deviation of each band from training clips."""
        waveforms = (recordings.waveform(i) for i in range(len(recordings)))
        self.encoder.standardise_by(
            batch_mel_decibels(torch.from_numpy(one)[None]) for one in waveforms
        )


class Embedder(Describer):
    """A trained network.

    Parameters
    ----------
    config : Representation
        What it was trained for.
    network : nn.Module
        Maps waveforms (batch, n_samples) to embeddings (batch, dim).
    n_samples : int
        Length of its input at its rate. Shorter clips are repeated; longer ones are cut into
        pieces whose embeddings, of unit length, are averaged.
    keys : sequence of (str, str)
        Machine and section of each class.
    head : nn.Module, optional
        The loss, for the outputs "posterior" and "odds".
    """

    def __init__(
        self,
        config: Representation,
        network: nn.Module,
        n_samples: int,
        keys: Sequence[Key],
        head: nn.Module | None = None,
    ) -> None:
        self.config = config
        self.network = network.eval()
        self.n_samples = n_samples
        self.keys = list(keys)
        self.head = None if head is None else head.eval()

    @torch.inference_mode()
    def vectors(self, sounds: Sequence[np.ndarray], key: Key) -> np.ndarray:
        counts, outputs = [], []
        for batch, n_pieces in self._batches(sounds):
            counts += n_pieces
            embeddings = self.network(batch.to(next(self.network.parameters()).device))
            if self.head is None:
                outputs.append(normalize(embeddings.float(), dim=1).cpu())
            else:
                outputs.append(self._surprise(embeddings, key).cpu())
        parts = torch.cat(outputs).split(counts)
        return np.stack([part.mean(dim=0).numpy() for part in parts]).astype(np.float32)

    def _surprise(self, embeddings: torch.Tensor, key: Key) -> torch.Tensor:
        own = torch.tensor([one == key for one in self.keys], device=embeddings.device)
        logits = self.head.logits(embeddings).float()
        if self.config.output == "posterior":
            return -logits.log_softmax(dim=1)[:, own].logsumexp(dim=1, keepdim=True)
        return log_odds_against(logits)[:, own].amin(dim=1, keepdim=True)

    def _batches(self, sounds: Sequence[np.ndarray]) -> Iterator[tuple[torch.Tensor, list[int]]]:
        """Pieces of whole clips, and how many each clip has; few of them at once."""
        pieces: list[np.ndarray] = []
        counts: list[int] = []
        length = source_length(self.n_samples, self.config.sample_rate)
        hop = min(round(self.config.hop_s * SAMPLE_RATE), length)
        for samples in sounds:
            own = pieces_of(np.asarray(samples, np.float32), length, hop)
            pieces += own
            counts.append(len(own))
            if len(pieces) >= AT_ONCE:
                yield self._input(pieces), counts
                pieces, counts = [], []
        if pieces:
            yield self._input(pieces), counts

    def _input(self, pieces: Sequence[np.ndarray]) -> torch.Tensor:
        waveforms = torch.from_numpy(np.stack(pieces))
        return resampled(waveforms, self.n_samples, self.config.sample_rate)

    def to(self, device: str) -> None:
        self.modules().to(device)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        values = {"n_samples": self.n_samples, "keys": [list(key) for key in self.keys]}
        return arrays_of(self.modules()), values

    def modules(self) -> nn.ModuleDict:
        """What has parameters."""
        parts = {"network": self.network} | ({} if self.head is None else {"head": self.head})
        return nn.ModuleDict(parts)


def log_odds_against(logits: torch.Tensor) -> torch.Tensor:
    """log((1 - p) / p) of each class's share p of the softmax, finite where p rounds to 0 or 1.

    Parameters
    ----------
    logits : torch.Tensor, shape (batch, n_classes)
        Two classes at least.

    Returns
    -------
    torch.Tensor, shape (batch, n_classes)

    Notes
    -----
    S. Wang et al., equation 6.

    >>> log_odds_against(torch.tensor([[0.0, 1000.0]])).tolist()
    [[1000.0, -1000.0]]
    """
    itself = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    others = logits[:, None].masked_fill(itself, -torch.inf)
    return others.logsumexp(dim=2) - logits


def restored_embedder(
    config: "Network | Contrastive",
    tensors: Mapping[str, np.ndarray],
    values: Mapping[str, Any],
) -> Embedder:
    """The trained network of a configuration, from what `Embedder.state` gave."""
    n_samples = int(values["n_samples"])
    check_length(config, n_samples)
    keys = [tuple(key) for key in values["keys"]]
    # What a file says of sizes takes no memory before its arrays are seen to be of them.
    with torch.device("meta"):
        network = config.network(n_samples)
        head = None if config.output == "embedding" else config.head(len(keys))
    embedder = Embedder(config, network, n_samples, keys, head)
    fill(embedder.modules(), tensors)
    network.to(memory_format=torch.channels_last)
    return embedder


def check_length(config: Representation, n_samples: int) -> None:
    """InputError for a length that the input of a network may not have."""
    shortest_s = config.shortest_s
    if not shortest_s <= n_samples / config.sample_rate <= LONGEST_S:
        raise InputError(f"a network for {n_samples} samples; use {shortest_s} to {LONGEST_S:g} s")
