"""One training in several processes, each on a device of its own, as torchrun starts them.

    torchrun --nproc-per-node 4 --no-python asd-train dev_data -o machines.asd --system wilkinghoff

Every process reads all clips, draws the same batches and computes the gradient of its share of
each; what they step by is the mean. Normalisations, mixup and losses that compare the clips of a
batch with each other see those of a share. The first writes checkpoints, which all have to see.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import distributed, nn

from fewshot.errors import InputError

TOLD = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Variables by which torchrun tells processes who they are."""


def n_processes() -> int:
    """How many train together, once they have joined."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this one is; the first, 0, writes files and messages."""
    return distributed.get_rank() if distributed.is_initialized() else 0


@contextlib.contextmanager
def joined(device: str) -> Iterator[None]:
    """Train together with the other processes that torchrun started, if it did.

    What all but the first write to standard error is lost, and none goes on before all are done.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        With CUDA, each process has the GPU of its own number.

    Raises
    ------
    InputError
        They were started by something else, or there are fewer GPUs than processes.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    if missing := [name for name in TOLD if name not in os.environ]:
        raise InputError(f"WORLD_SIZE is set, but not {missing[0]}; start with torchrun")
    on_gpu = device in ("auto", "cuda") and torch.cuda.is_available()
    if not on_gpu and device in ("auto", "mps") and torch.backends.mps.is_available():
        raise InputError("several processes have one GPU (mps); give --device cpu")
    if on_gpu:
        own, n = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if own >= n:
            raise InputError(f"{n} GPUs for more processes; lower --nproc-per-node")
        torch.cuda.set_device(own)
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        with contextlib.ExitStack() as stack:
            if rank() > 0:
                nowhere = stack.enter_context(open(os.devnull, "w"))
                stack.enter_context(contextlib.redirect_stderr(nowhere))
            yield
            wait()
    finally:
        distributed.destroy_process_group()


def wait() -> None:
    """Until all processes are here."""
    if n_processes() > 1:
        distributed.barrier()


def check_agreed(values: tuple[int, ...], what: str) -> None:
    """Raise an InputError that names `what`, unless all processes have the same values."""
    if n_processes() > 1:
        found: list = [None] * n_processes()
        distributed.all_gather_object(found, values)
        if len(set(found)) > 1:
            raise InputError(
                f"processes that train together have {what} of their own; give them the same files"
            )


def share(batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """This process's part of a batch.

    All parts are of one size, so that all processes draw as many random numbers: where the batch
    cannot be divided, its first samples are in the last part too. A batch of fewer than two samples
    for each process is nobody's alone: all take the whole.
    """
    n, size = n_processes(), len(batch[0])
    if n == 1 or size < 2 * n:
        return batch
    each = -(-size // n)
    own = (rank() * each + torch.arange(each)) % size
    return tuple(part[own.to(part.device)] for part in batch)


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
