import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fewshot.errors import InputError
from fewshot.training import balanced_indices, resolve_device, train


def test_minimises_a_loss_and_ends_in_evaluation_mode():
    module = nn.Linear(1, 1)
    x = torch.linspace(-1, 1, 32)[:, None]
    seen = []
    losses = train(
        nn.ModuleList([module]),
        lambda _epoch: [(x, 3 * x + 1)],
        lambda batch: (module(batch[0]) - batch[1]).square().mean(),
        epochs=300,
        learning_rate=0.05,
        on_epoch=lambda epoch, loss: seen.append((epoch, loss)),
    )
    assert losses[-1] < 1e-3 < losses[0]
    assert seen == list(enumerate(losses))
    assert not module.training


def test_a_loss_that_is_not_finite_is_an_error():
    module = nn.Linear(1, 1)
    with pytest.raises(FloatingPointError, match="epoch 1"):
        train(
            nn.ModuleList([module]),
            lambda _epoch: [(torch.ones(1, 1),)],
            lambda batch: module(batch[0]).sum() * float("nan"),
            epochs=3,
        )


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 100))
def test_an_epoch_has_all_classes_equally_often(labels, seed):
    labels = torch.tensor(labels)
    chosen = balanced_indices(labels, torch.Generator().manual_seed(seed))
    counts = labels[chosen].unique(return_counts=True)[1]
    assert len(counts) == len(labels.unique())
    assert counts.min() == counts.max() == labels.unique(return_counts=True)[1].max()
    assert set(chosen.tolist()) == set(range(len(labels))), "every sample occurs"


def test_devices():
    assert resolve_device("cpu") == "cpu"
    with pytest.raises(InputError):
        resolve_device("toaster")
