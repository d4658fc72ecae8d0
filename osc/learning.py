"""Training of a network on a few clips per class, by the published schedule."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize, one_hot

from fewshot.augment import mixup
from fewshot.errors import InputError
from fewshot.losses.adacos import AdaCosLoss, SubClusterAdaCosLoss
from fewshot.losses.prototypical import PrototypicalLoss
from fewshot.losses.softmax import SoftmaxLoss
from fewshot.networks import arrays_of, fill
from fewshot.training import Batch, balanced_indices, estimate_norms, seeded, train

EPOCHS_PER_SHOT = 100
BATCH_PER_SHOT = 8
MOST_SHOTS = 4
"""More count as four, the most that the schedule was published for."""
SETTLING_EPOCHS = 20
"""Epochs without learning at the end, for the statistics of the batch normalisations."""
EMBEDDED_AT_ONCE = 16
"""Inputs of one run of a network that is not trained."""
LARGEST_SCALE = 64.0
"""Of sub-cluster AdaCos; it settles between 5 and 20, unless centres are few degrees apart."""
LOSSES = ("sub-cluster-adacos", "adacos", "softmax", "prototypical")


class Embedder:
    """A network and the loss that it was trained with.

    Parameters
    ----------
    network : nn.Module
        Maps inputs (batch, ...) to embeddings (batch, dim).
    head : nn.Module
        The loss; maps embeddings to logits by its method of this name.
    """

    def __init__(self, network: nn.Module, head: nn.Module) -> None:
        self.network = network.eval()
        self.head = head.eval()

    def embed(self, inputs: torch.Tensor) -> np.ndarray:
        """Embeddings of inputs (n, ...), shape (n, dim), float32, of unit length."""
        return normalize(self.run(inputs), dim=1).cpu().numpy()

    @torch.inference_mode()
    def logits(self, inputs: torch.Tensor) -> np.ndarray:
        """What the loss's softmax is taken of, shape (n, n_classes), float32."""
        return self.head.logits(self.run(inputs)).cpu().numpy()

    @torch.inference_mode()
    def run(self, inputs: torch.Tensor) -> torch.Tensor:
        """Embeddings as the network gives them, (n, dim), on its device."""
        device = next(self.network.parameters()).device
        parts = inputs.split(EMBEDDED_AT_ONCE)
        return torch.cat([self.network(part.to(device)) for part in parts])

    def tensors(self) -> dict[str, np.ndarray]:
        """All parameters and buffers, by name."""
        return arrays_of(self._modules())

    def load(self, tensors: Mapping[str, np.ndarray]) -> "Embedder":
        """Take over what `tensors` gave; the network may be on the device "meta".

        Raises
        ------
        RuntimeError
            They do not fit.
        """
        fill(self._modules(), tensors)
        return self

    def _modules(self) -> nn.ModuleDict:
        return nn.ModuleDict({"network": self.network, "head": self.head})


def make_head(loss: str, n_classes: int, dim: int, *, train_centres: bool = False) -> nn.Module:
    """Loss by its name.

    Parameters
    ----------
    loss : str
        One of `LOSSES`.
    n_classes, dim : int
        Number of classes; dimension of the embeddings.
    train_centres : bool
        Whether the centres of an angular margin loss are trained; else they stay where they are
        drawn.

    Raises
    ------
    InputError
        The loss is not known, or has no centres to be trained.
    """
    if loss not in LOSSES:
        raise InputError(f"loss is {loss!r}; use {', '.join(LOSSES)}")
    if loss == "sub-cluster-adacos":
        return SubClusterAdaCosLoss(
            n_classes, dim, trainable=train_centres, largest_scale=LARGEST_SCALE
        )
    if loss == "adacos":
        return AdaCosLoss(n_classes, dim, trainable=train_centres, dynamic=n_classes > 2)
    if train_centres:
        raise InputError(f"loss {loss} has no centres to train; use {LOSSES[0]} or {LOSSES[1]}")
    return SoftmaxLoss(n_classes, dim) if loss == "softmax" else PrototypicalLoss(n_classes, dim)


def learn(
    make_network: Callable[[], nn.Module],
    inputs: torch.Tensor,
    classes: torch.Tensor,
    *,
    loss: str = "sub-cluster-adacos",
    train_centres: bool = False,
    epochs: int | None = None,
    batch_size: int | None = None,
    device: str | torch.device = "cpu",
    seed: int = 0,
    on_epoch: Callable[[int, float], None] | None = None,
) -> tuple[Embedder, list[float]]:
    """Train a network to tell classes apart.

    Parameters
    ----------
    make_network : callable
        Gives a network with new parameters, whose attribute ``dim`` is the embeddings' dimension.
    inputs : torch.Tensor, shape (n, ...)
        Waveforms of one length, or given embeddings.
    classes : torch.Tensor, shape (n,), int64
        0 to K - 1, all of them present.
    loss, train_centres
        As in `make_head`.
    epochs : int, optional
        Passes over the balanced inputs; 100 per shot by default, 400 at most.
    batch_size : int, optional
        8 per shot by default, 32 at most.
    device : str or torch.device
    seed : int
        Of the parameters, the order and the mixtures.
    on_epoch : callable, optional
        Called behind every epoch with its number and mean loss.

    Returns
    -------
    embedder : Embedder
    losses : list of float
        Mean loss of every epoch.

    Raises
    ------
    InputError
        There is one class only, an option is out of range, or as in `make_head`.
    FloatingPointError
        The loss or its scale is not finite.

    Notes
    -----
    Dissertation, section 6.2.2. Shots are the clips of the largest class, up to four. Every input
    is mixed up with another one of its batch, by a coefficient from U(0, 1). Batches of an epoch
    are of the same size within one and never of a single input, which batch normalisation could
    not use. Its statistics are estimated again at the end: the running averages of 200 steps are
    too far behind.
    """
    n_classes = int(classes.max()) + 1
    shots = min(int(classes.bincount().max()), MOST_SHOTS)
    epochs = EPOCHS_PER_SHOT * shots if epochs is None else epochs
    batch_size = BATCH_PER_SHOT * shots if batch_size is None else batch_size
    _check(n_classes, epochs, batch_size)
    generator = torch.Generator().manual_seed(seed)
    inputs = inputs.to(device)
    labels = one_hot(classes, n_classes).float().to(device)
    with seeded(seed):
        network = make_network().to(device)
        head = make_head(loss, n_classes, network.dim, train_centres=train_centres).to(device)

        def batches(_epoch: int) -> Iterator[Batch]:
            if loss == "prototypical":
                for queries, support in _episodes(classes, batch_size, shots, generator):
                    mixed = mixup(inputs[queries], labels[queries], generator)
                    yield *mixed, inputs[support], labels[support]
            else:
                for indices in _parts(balanced_indices(classes, generator), batch_size):
                    yield mixup(inputs[indices], labels[indices], generator)

        losses = train(
            nn.ModuleList([network, head]),
            batches,
            lambda batch: _loss(network, head, batch),
            epochs=epochs,
            on_epoch=on_epoch,
        )
        settling = (batch for n in range(min(epochs, SETTLING_EPOCHS)) for batch in batches(n))
        estimate_norms(network, (torch.cat(batch[::2]) for batch in settling))
    embedder = Embedder(network, head)
    if loss == "prototypical":
        head.set_prototypes(embedder.run(inputs), labels)
    return embedder, losses


def _check(n_classes: int, epochs: int, batch_size: int) -> None:
    if n_classes < 2:
        raise InputError("one class only: a network learns by telling classes apart; give another")
    for name, value, least in (("epochs", epochs, 1), ("batch_size", batch_size, 2)):
        if value < least:
            raise InputError(f"{name} is {value}; it must be {least} at least")


def _loss(network: nn.Module, head: nn.Module, batch: Batch) -> torch.Tensor:
    """Loss of inputs and labels, which may be followed by further inputs and labels."""
    inputs, labels = batch[::2], batch[1::2]
    embeddings = network(torch.cat(inputs)).split([len(part) for part in inputs])
    pairs = zip(embeddings, labels, strict=True)
    return head(*(tensor for pair in pairs for tensor in pair))


def _parts(indices: torch.Tensor, size: int) -> tuple[torch.Tensor, ...]:
    """Cut indices into equal parts of at most `size`, but of two at least."""
    n_parts = max(1, min(-(-len(indices) // size), len(indices) // 2))
    return indices.tensor_split(n_parts)


def _episodes(
    classes: torch.Tensor, batch_size: int, shots: int, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Queries and support of the steps of an epoch, in which every class has its turn.

    A class takes part with `shots` random clips at most. Half of them (rounded down) are its
    support, the others are its queries. A single clip is both; mixup makes the query another one.
    """
    n_classes = int(classes.max()) + 1
    order = torch.randperm(n_classes, generator=generator)
    for chosen in _parts(order, max(2, batch_size // shots)):
        queries, support = [], []
        for label in chosen:
            members = (classes == label).nonzero()[:, 0]
            members = members[torch.randperm(len(members), generator=generator)[:shots]]
            half = len(members) // 2
            queries.append(members[half:])
            support.append(members[:half] if half else members)
        yield torch.cat(queries), torch.cat(support)


def class_indices(labels: Sequence[str]) -> tuple[list[str], torch.Tensor]:
    """The classes in alphabetical order, and the index of each label's class, int64."""
    classes = sorted(set(labels))
    return classes, torch.tensor([classes.index(label) for label in labels])
