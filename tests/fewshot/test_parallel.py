"""Training in several processes against training in one."""

import subprocess
import sys

import pytest
import torch

from fewshot.errors import InputError
from fewshot.parallel import TOLD, average_gradients, joined, n_processes, rank, share

SCRIPT = """
import sys

import torch
from torch import nn

from fewshot.parallel import joined, n_processes, rank
from fewshot.training import train

with joined("cpu"):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    module.register_buffer("seen", torch.zeros(()))
    generator = torch.Generator().manual_seed(1)

    def batches(_epoch):
        # Of the last, no process could have two samples of its own.
        for size in (8, 6, 3):
            x = torch.randn(size, 3, generator=generator)
            yield x, x.sum(dim=1, keepdim=True)

    def loss_of(batch):
        module.seen += len(batch[0])
        return (module(batch[0]) - batch[1]).square().mean()

    history = train(
        nn.ModuleList([module]),
        batches,
        loss_of,
        epochs=4,
        learning_rate=0.05,
        generator=generator,
        checkpoint=sys.argv[2] if len(sys.argv) > 2 else None,
    )
    if rank() == 0:
        torch.save([module.state_dict(), history, n_processes()], sys.argv[1])
"""


def run(tmp_path, n, *more):
    script, out = tmp_path / "script.py", tmp_path / f"{n}.pt"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    subprocess.run([*command, str(n), script, out, *more], check=True, capture_output=True)
    return torch.load(out)


def test_two_processes_learn_what_one_does(tmp_path):
    alone, history, n = run(tmp_path, 1)
    together, histories, n_both = run(tmp_path, 2, tmp_path / "checkpoint")
    assert (n, n_both) == (1, 2)
    assert histories == pytest.approx(history, rel=1e-4) and history[-1] < history[0]
    assert alone.pop("seen") == 4 * 17
    assert together.pop("seen") == 4 * (4 + 3 + 3)  # Of the first process.
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=1e-3, atol=1e-5)
    again, _, _ = run(tmp_path, 2, tmp_path / "checkpoint")
    for name, value in together.items():
        assert torch.equal(again[name], value)


def test_a_process_alone_has_all_to_itself():
    with joined("auto"):
        assert n_processes() == 1 and rank() == 0
        batch = torch.arange(3), torch.ones(3, 2)
        assert share(batch) is batch
        layer = torch.nn.Linear(1, 1)
        layer(torch.ones(1, 1)).sum().backward()
        average_gradients(layer.parameters())
        assert layer.weight.grad.item() == 1


def test_more_processes_than_gpus_are_refused(monkeypatch):
    for name, value in zip(TOLD, ("2", "2", "3", "localhost", "29500"), strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    told = "2 GPUs for more processes; lower --nproc-per-node"
    with pytest.raises(InputError, match=told), joined("cuda"):
        pass


def test_processes_that_torchrun_did_not_start_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    told = "WORLD_SIZE is set, but not RANK; start with torchrun"
    with pytest.raises(InputError, match=told), joined("cpu"):
        pass


OF_EACH = """
import sys

import torch

from fewshot.parallel import check_agreed, joined, rank, share

with joined("cpu"):
    own, other = share((torch.arange(7), torch.arange(14).reshape(7, 2)))
    sys.stdout.write(f"{own.tolist()} {other[:, 0].tolist()}\\n")
    sys.stdout.flush()
    check_agreed((len(own),), "shares")
    check_agreed((rank(),), "numbers")
"""


def test_shares_are_of_one_size_and_what_differs_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(OF_EACH)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    done = subprocess.run([*command, "2", script], capture_output=True, text=True)
    assert done.returncode == 1
    lines = {"[0, 1, 2, 3] [0, 2, 4, 6]", "[4, 5, 6, 0] [8, 10, 12, 0]"}
    assert set(done.stdout.splitlines()) == lines
    assert "processes that train together have numbers of their own" in done.stderr
