"""The one training loop."""

from collections.abc import Callable, Iterable

import torch
from torch import nn

from fewshot.errors import InputError

Batch = tuple[torch.Tensor, ...]


def train(
    modules: nn.ModuleList,
    batches: Callable[[int], Iterable[Batch]],
    loss_of: Callable[[Batch], torch.Tensor],
    *,
    epochs: int,
    learning_rate: float = 1e-3,
    on_epoch: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Minimise a loss with Adam.

    Parameters
    ----------
    modules : nn.ModuleList
        Everything that is trained; put into training mode, and into evaluation mode at the end.
    batches : callable
        Gives the batches of an epoch, counted from 0.
    loss_of : callable
        Maps a batch to its scalar loss.
    epochs : int
        Passes over the data.
    learning_rate : float
        Of Adam.
    on_epoch : callable, optional
        Called behind every epoch with its number and mean loss.

    Returns
    -------
    list of float
        Mean loss of every epoch.

    Raises
    ------
    FloatingPointError
        If a loss is not finite; the message names the epoch.
    """
    optimiser = torch.optim.Adam(modules.parameters(), lr=learning_rate)
    history = []
    for epoch in range(epochs):
        modules.train()
        total, count = 0.0, 0
        for batch in batches(epoch):
            loss = loss_of(batch)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += loss.detach() * len(batch[0])
            count += len(batch[0])
        mean = float(total) / count
        if mean != mean or mean in (float("inf"), float("-inf")):
            raise FloatingPointError(f"the loss is {mean} in epoch {epoch + 1}")
        history.append(mean)
        if on_epoch is not None:
            on_epoch(epoch, mean)
    modules.eval()
    return history


def balanced_indices(labels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Indices of one epoch in which random oversampling makes all classes equally frequent.

    Parameters
    ----------
    labels : torch.Tensor, shape (n,), int64
        Class of every sample.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    torch.Tensor, shape (n_classes * largest class,), int64
        Shuffled; every sample occurs, those of smaller classes as often as needed, with random
        ones making up the difference.
    """
    classes, counts = labels.unique(return_counts=True)
    largest = int(counts.max())
    chosen = []
    for label in classes:
        members = (labels == label).nonzero()[:, 0]
        rounds = -(-largest // len(members))
        order = [torch.randperm(len(members), generator=generator) for _ in range(rounds)]
        chosen.append(members[torch.cat(order)[:largest]])
    indices = torch.cat(chosen)
    return indices[torch.randperm(len(indices), generator=generator)]


def resolve_device(device: str) -> str:
    """Device that "auto" stands for: CUDA or MPS where there is one, else the CPU.

    Raises
    ------
    InputError
        If the device is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next((name for name, available in there.items() if available), "cpu")
    if not there.get(device.split(":")[0], device == "cpu"):
        raise InputError(f"device {device!r} is not there; use --device cpu")
    return device
