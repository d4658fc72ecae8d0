"""One training in several processes, each on a device of its own, as torchrun starts them.

    torchrun --nproc-per-node 4 --no-python asd-train dev_data -o machines.asd --system wilkinghoff

Every process draws the same batches and computes the gradient of its share of each; what they step
by is the mean. Losses that compare the clips of a batch with each other see those of a share.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import distributed, nn

from fewshot.errors import InputError

WORLD_SIZE, LOCAL_RANK = "WORLD_SIZE", "LOCAL_RANK"
"""Variables by which torchrun tells processes how many they are, and which one on their machine."""


def n_processes() -> int:
    """How many train together, once they have joined."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes files and messages; alone, it is."""
    return n_processes() == 1 or distributed.get_rank() == 0


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Train together with the other processes that torchrun started, if it did.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        With a GPU, each process has the one of its own number.

    Raises
    ------
    InputError
        There are fewer GPUs than processes.
    """
    if int(os.environ.get(WORLD_SIZE, 1)) == 1:
        yield
        return
    on_gpu = device in ("auto", "cuda") and torch.cuda.is_available()
    if on_gpu:
        own = int(os.environ[LOCAL_RANK])
        if own >= torch.cuda.device_count():
            raise InputError(
                f"{torch.cuda.device_count()} GPUs for more processes; lower --nproc-per-node"
            )
        torch.cuda.set_device(own)
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def share(batch: tuple[torch.Tensor, ...]) -> tuple[tuple[torch.Tensor, ...], float]:
    """This process's part of a batch, and how much its gradient counts.

    A batch of fewer than two samples for each process is nobody's alone: all take the whole.
    """
    n, size = n_processes(), len(batch[0])
    if n == 1 or size < 2 * n:
        return batch, 1.0
    own = tuple(part.tensor_split(n)[distributed.get_rank()] for part in batch)
    return own, len(own[0]) * n / size


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Put the mean over the processes in place of each gradient."""
    if n_processes() > 1:
        _exchange([p.grad for p in parameters if p.grad is not None], _mean)


def follow_first(modules: nn.Module, *, parameters: bool = False) -> None:
    """Take over the buffers, such as running averages and scales, of the first process.

    Parameters
    ----------
    modules : nn.Module
    parameters : bool
        Whether what is trained is taken over too.
    """
    if n_processes() > 1:
        own = [*modules.buffers(), *(modules.parameters() if parameters else ())]
        with torch.no_grad():
            _exchange([one for one in own if one.is_floating_point()], _from_first)


def mean_over_processes(value: torch.Tensor) -> torch.Tensor:
    """Mean of a value that each process has one of."""
    if n_processes() > 1:
        _exchange([value], _mean)
    return value


def _mean(flat: torch.Tensor) -> None:
    distributed.all_reduce(flat)
    flat /= n_processes()


def _from_first(flat: torch.Tensor) -> None:
    distributed.broadcast(flat, 0)


def _exchange(tensors: list[torch.Tensor], how: Callable[[torch.Tensor], None]) -> None:
    """Exchange all tensors, of one type, at once, in their places."""
    if not tensors:
        return
    flat = torch.cat([one.detach().reshape(-1) for one in tensors])
    how(flat)
    for one, new in zip(tensors, flat.split([one.numel() for one in tensors]), strict=True):
        one.detach().copy_(new.view_as(one))
