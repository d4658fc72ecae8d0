from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fewshot.errors import InputError
from fewshot.training import (
    balanced_indices,
    batches_of_classes,
    estimate_norms,
    pairs_of_classes,
    resolve_device,
    train,
)


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


def test_weight_decay_takes_from_kernels_alone():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv1d(2, 3, 2), nn.Flatten(), nn.Linear(9, 4), nn.BatchNorm1d(4))
    before = {name: value.clone() for name, value in module.named_parameters()}
    train(
        nn.ModuleList([module]),
        lambda _epoch: [(torch.ones(5, 2, 4),)],
        lambda batch: 0.0 * module(batch[0]).sum(),
        epochs=1,
        learning_rate=0.01,
        weight_decay=2.0,
        epsilon=0.5,
    )
    for name, value in module.named_parameters():
        old = before[name]
        # The first step of Adam is the gradient over its own size.
        expected = (
            old - 0.01 * 2 * old / (2 * old.abs() + 0.5)
            if name in ("0.weight", "2.weight")
            else old
        )
        torch.testing.assert_close(value, expected)


def noisy_training(epochs, checkpoint=None, stop_at=None, warm_up=0):
    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    def stop(epoch, _loss):
        if epoch + 1 == stop_at:
            raise KeyboardInterrupt

    losses = train(
        nn.ModuleList([module]),
        lambda _epoch: [(torch.randn(4, 3, generator=generator),) for _ in range(3)],
        lambda batch: (module(batch[0]).sum(dim=1) - batch[0].sum(dim=1)).square().mean(),
        epochs=epochs,
        warm_up=warm_up,
        on_epoch=stop,
        checkpoint=checkpoint,
        generator=generator,
    )
    return losses, module[0].weight.detach()


@pytest.mark.parametrize("warm_up", [0, 15])
def test_an_interrupted_training_ends_as_if_it_had_never_stopped(tmp_path, warm_up):
    checkpoint = tmp_path / "training"
    with pytest.raises(KeyboardInterrupt):
        noisy_training(6, checkpoint, stop_at=4, warm_up=warm_up)
    losses, weight = noisy_training(6, checkpoint, warm_up=warm_up)
    expected_losses, expected_weight = noisy_training(6, warm_up=warm_up)
    assert losses == expected_losses
    torch.testing.assert_close(weight, expected_weight, rtol=0, atol=0)
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_the_learning_rate_rises_over_the_first_steps():
    """The first steps of Adam are as long as its learning rate."""
    module, places = nn.Linear(1, 1, bias=False), []

    def loss_of(_batch):
        places.append(module.weight.item())
        return module.weight.sum()

    train(
        nn.ModuleList([module]),
        lambda _epoch: [(torch.ones(1),)] * 3,
        loss_of,
        epochs=2,
        learning_rate=0.4,
        warm_up=4,
    )
    steps = [before - behind for before, behind in pairwise([*places, module.weight.item()])]
    assert steps == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4], abs=1e-5)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_checkpoint_of_something_else_is_refused(tmp_path, content):
    checkpoint = tmp_path / "training"
    if content is None:
        torch.save({"modules": {}}, checkpoint)
    else:
        checkpoint.write_bytes(content)
    with pytest.raises(InputError, match="not a checkpoint of this training"):
        noisy_training(1, checkpoint)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 100))
def test_an_epoch_has_all_classes_equally_often(labels, seed):
    labels = torch.tensor(labels)
    chosen = balanced_indices(labels, torch.Generator().manual_seed(seed))
    counts = labels[chosen].unique(return_counts=True)[1]
    assert len(counts) == len(labels.unique())
    assert counts.min() == counts.max() == labels.unique(return_counts=True)[1].max()
    assert set(chosen.tolist()) == set(range(len(labels))), "every sample occurs"


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=60),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(0, 100),
)
def test_batches_have_as_many_of_each_of_their_classes(labels, n_classes, n_each, seed):
    labels = torch.tensor(labels)
    generator = torch.Generator().manual_seed(seed)
    batches = list(batches_of_classes(labels, n_classes, n_each, generator))
    n_classes = min(n_classes, len(labels.unique()))
    assert len(batches) == max(1, len(labels) // (n_classes * n_each))
    for batch in batches:
        classes, counts = labels[batch].unique(return_counts=True)
        assert len(classes) == n_classes and set(counts.tolist()) == {n_each}
    for label in labels.unique():
        drawn = torch.cat(batches)[labels[torch.cat(batches)] == label]
        if len(drawn):
            times = drawn.bincount(minlength=len(labels))[labels == label]
            assert times.max() - times.min() <= 1, "all of them before one comes again"


@given(st.lists(st.integers(0, 4), min_size=1, max_size=20), st.integers(0, 3))
def test_pairs_are_of_one_class_and_leave_nobody_out(labels, seed):
    labels = torch.tensor(labels)
    pairs = pairs_of_classes(labels, torch.Generator().manual_seed(seed))
    counts = torch.cat(pairs).bincount(minlength=len(labels))
    assert (counts >= 1).all()
    for label in labels.unique():
        n = int((labels == label).sum())
        assert int(counts[labels == label].sum()) == (n if n == 1 else n + n % 2)
    for pair in pairs:
        assert len(pair.unique()) == len(pair) and len(labels[pair].unique()) == 1
        assert len(pair) == 2 or int((labels == labels[pair]).sum()) == 1


def test_pairs_are_drawn_anew():
    generator = torch.Generator().manual_seed(0)
    one, two = (torch.cat(pairs_of_classes(torch.zeros(20), generator)) for _ in range(2))
    assert not torch.equal(one, two)


def test_learning_rates_may_change_from_epoch_to_epoch():
    module = nn.Linear(1, 1, bias=False)
    steps = [module.weight.item()]
    train(
        nn.ModuleList([module]),
        lambda _epoch: [(torch.ones(1, 1),)],
        lambda batch: module(batch[0]).sum(),
        epochs=3,
        learning_rate=lambda epoch: (0.1, 0.01, 0.0)[epoch],
        on_epoch=lambda *_: steps.append(module.weight.item()),
    )
    # Adam's steps are as long as the learning rate where the gradient stays the same.
    assert -torch.tensor(steps).diff() == pytest.approx([0.1, 0.01, 0.0], abs=1e-5)


def test_devices():
    assert resolve_device("cpu") == "cpu"
    with pytest.raises(InputError):
        resolve_device("toaster")


def test_statistics_are_those_of_the_batches_and_of_nothing_before():
    network = nn.Sequential(nn.BatchNorm1d(3, momentum=0.01), nn.Dropout(0.5))
    network(torch.randn(100, 3) - 50)
    batches = [2 * torch.randn(400, 3) + 7 for _ in range(5)]
    estimate_norms(network, iter(batches))
    norm = network[0]
    torch.testing.assert_close(norm.running_mean, torch.cat(batches).mean(dim=0))
    expected = torch.stack([batch.var(dim=0) for batch in batches]).mean(dim=0)
    torch.testing.assert_close(norm.running_var, expected)
    assert norm.momentum == 0.01 and not network.training
    assert norm.weight.grad is None
