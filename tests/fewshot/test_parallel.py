"""Training in several processes against training in one."""

import os
import subprocess
import sys

import pytest
import torch

from fewshot.errors import InputError
from fewshot.parallel import average_gradients, is_first, joined, n_processes, share

SCRIPT = """
import sys

import torch
from torch import nn

from fewshot.parallel import is_first, joined, n_processes
from fewshot.training import train

with joined("cpu"):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    module.register_buffer("seen", torch.zeros(()))
    generator = torch.Generator().manual_seed(1)

    def batches(_epoch):
        # Of the last, no process could have two samples of its own.
        for size in (8, 5, 3):
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
    if is_first():
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
    assert alone.pop("seen") == 4 * 16
    assert together.pop("seen") == 4 * (4 + 3 + 3)  # Of the first process.
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=1e-3, atol=1e-5)
    again, _, _ = run(tmp_path, 2, tmp_path / "checkpoint")
    for name, value in together.items():
        assert torch.equal(again[name], value)


def test_a_process_alone_has_all_to_itself():
    with joined("auto"):
        assert n_processes() == 1 and is_first()
        batch = torch.arange(3), torch.ones(3, 2)
        assert share(batch) == (batch, 1.0)
        layer = torch.nn.Linear(1, 1)
        layer(torch.ones(1, 1)).sum().backward()
        average_gradients(layer.parameters())
        assert layer.weight.grad.item() == 1


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "3")
    monkeypatch.setitem(os.environ, "LOCAL_RANK", "2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    told = "2 GPUs for more processes; lower --nproc-per-node"
    with pytest.raises(InputError, match=told), joined("cuda"):
        pass
