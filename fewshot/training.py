"""The one training loop."""

import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from fewshot.errors import InputError
from fewshot.parallel import (
    average_gradients,
    check_agreed,
    follow_first,
    mean_over_processes,
    rank,
    share,
)

Batch = tuple[torch.Tensor, ...]
LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
"""What has a kernel."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from a seed within, and go on behind as if nothing had been drawn."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def train(
    modules: nn.ModuleList,
    batches: Callable[[int], Iterable[Batch]],
    loss_of: Callable[[Batch], torch.Tensor],
    *,
    epochs: int,
    learning_rate: float | Callable[[int], float] = 1e-3,
    warm_up: int = 0,
    weight_decay: float = 0.0,
    epsilon: float = 1e-8,
    on_epoch: Callable[[int, float], None] | None = None,
    checkpoint: str | Path | None = None,
    generator: torch.Generator | None = None,
) -> list[float]:
    """Minimise a loss with Adam, together with other processes (`fewshot.parallel`) if there are.

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
    learning_rate : float or callable
        Of Adam; a callable gives that of an epoch, counted from 0.
    warm_up : int
        First steps, over which the learning rate rises in proportion to their number.
    weight_decay : float
        What is added to the gradient of each kernel of a convolution or dense layer, times the
        kernel: twice the factor of an L2 penalty. Biases, norms and centres have none.
    epsilon : float
        Of Adam.
    on_epoch : callable, optional
        Called behind every epoch with its number and mean loss.
    checkpoint : path, optional
        File that is written behind every epoch. Where it is there already, training goes on from
        it and ends as if it had never stopped.
    generator : torch.Generator, optional
        What ``batches`` draws from; its state is kept in the checkpoint.

    Returns
    -------
    list of float
        Mean loss of every epoch.

    Raises
    ------
    FloatingPointError
        If a loss is not finite; the message names the epoch.
    InputError
        If the checkpoint is damaged or of another training.
    """
    kernels = {id(m.weight) for m in modules.modules() if isinstance(m, LAYERS)}
    of_kernels = [one for one in modules.parameters() if id(one) in kernels]
    others = [one for one in modules.parameters() if id(one) not in kernels]
    devices = {parameter.device.type for parameter in modules.parameters()}
    rate_of = learning_rate if callable(learning_rate) else lambda _epoch: learning_rate
    optimiser = torch.optim.Adam(
        [{"params": of_kernels, "weight_decay": weight_decay}, {"params": others}],
        lr=rate_of(0),
        eps=epsilon,
        fused=devices <= {"cpu", "cuda"},
    )
    history: list[float] = []
    steps = 0
    if checkpoint is not None and Path(checkpoint).exists():
        history, steps = _resume(Path(checkpoint), modules, optimiser, generator)
    check_agreed((len(history), steps), "a checkpoint")
    follow_first(modules, parameters=True)
    for epoch in range(len(history), epochs):
        modules.train()
        total, count = torch.zeros(()), 0
        for whole in batches(epoch):
            batch = share(whole)
            steps += 1
            for group in optimiser.param_groups:
                group["lr"] = rate_of(epoch) * min(1.0, steps / max(warm_up, 1))
            loss = loss_of(batch)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            average_gradients(modules.parameters())
            optimiser.step()
            follow_first(modules)
            total = total.to(loss.device) + loss.detach() * len(whole[0])
            count += len(whole[0])
        mean = float(mean_over_processes(total)) / count
        if mean != mean or mean in (float("inf"), float("-inf")):
            raise FloatingPointError(f"the loss is {mean} in epoch {epoch + 1}")
        history.append(mean)
        if on_epoch is not None:
            on_epoch(epoch, mean)
        if checkpoint is not None and rank() == 0:
            _keep(Path(checkpoint), modules, optimiser, generator, history, steps)
    modules.eval()
    return history


def _keep(
    path: Path,
    modules: nn.ModuleList,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator | None,
    history: list[float],
    steps: int,
) -> None:
    state = {
        "modules": modules.state_dict(),
        "optimiser": optimiser.state_dict(),
        "history": history,
        "steps": steps,
        "random": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else [],
        "generator": None if generator is None else generator.get_state(),
    }
    part = path.with_name(path.name + ".part")
    torch.save(state, part)
    os.replace(part, path)


def _resume(
    path: Path,
    modules: nn.ModuleList,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator | None,
) -> tuple[list[float], int]:
    """Bring everything to where a checkpoint was written; the losses and the steps until then."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        modules.load_state_dict(state["modules"])
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        if torch.cuda.is_available() and state["cuda"]:
            torch.cuda.set_rng_state(state["cuda"][0])
        if generator is not None:
            generator.set_state(state["generator"])
        history, steps = state["history"], int(state["steps"])
    except (
        pickle.UnpicklingError,
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: not a checkpoint of this training ({reason}); remove it to start again"
        ) from error
    return history, steps


@torch.no_grad()
def estimate_norms(network: nn.Module, inputs: Iterable[torch.Tensor]) -> None:
    """Estimate the statistics of batch normalisations for the network as it is now.

    The running averages of a short training still hold what they started with, and what the
    network was like before.

    Parameters
    ----------
    network : nn.Module
        Put into evaluation mode at the end.
    inputs : iterable of torch.Tensor
        Batches as in training; all count the same.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    network.train()
    for x in inputs:
        network(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


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


def pairs_of_classes(labels: torch.Tensor, generator: torch.Generator) -> list[torch.Tensor]:
    """Indices of one epoch in which nobody is without another one of the same class.

    Parameters
    ----------
    labels : torch.Tensor, shape (n,), int64
        Class of every sample.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    list of torch.Tensor, shapes (2,) or (1,), int64
        Pairs of one class, shuffled, that make up batches. Every sample occurs once, but one of
        each class with an odd number of them twice; the only one of its class is alone.
    """
    pairs: list[torch.Tensor] = []
    for label in labels.unique():
        members = (labels == label).nonzero()[:, 0]
        members = members[torch.randperm(len(members), generator=generator)]
        if len(members) % 2 and len(members) > 1:
            members = torch.cat([members, members[:1]])
        pairs += members.split(2)
    return [pairs[i] for i in torch.randperm(len(pairs), generator=generator).tolist()]


def batches_of_classes(
    labels: torch.Tensor, n_classes: int, n_each: int, generator: torch.Generator
) -> Iterator[torch.Tensor]:
    """Batches of one epoch, each with as many samples of each of some classes.

    Parameters
    ----------
    labels : torch.Tensor, shape (n,), int64
        Class of every sample.
    n_classes, n_each : int
        Random classes of a batch, all if there are fewer, and samples of each.
    generator : torch.Generator
        On the CPU.

    Yields
    ------
    torch.Tensor, shape (n_classes * n_each,), int64
        Indices; together about n, at least one batch. A class gives all its samples in random
        order before one of them comes again.
    """
    members = [(labels == label).nonzero()[:, 0] for label in labels.unique()]
    n_classes = min(n_classes, len(members))
    waiting = [labels[:0] for _ in members]
    for _ in range(max(1, len(labels) // (n_classes * n_each))):
        chosen = torch.randperm(len(members), generator=generator)[:n_classes].tolist()
        for i in chosen:
            while len(waiting[i]) < n_each:
                order = torch.randperm(len(members[i]), generator=generator)
                waiting[i] = torch.cat([waiting[i], members[i][order]])
        yield torch.cat([waiting[i][:n_each] for i in chosen])
        for i in chosen:
            waiting[i] = waiting[i][n_each:]


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
