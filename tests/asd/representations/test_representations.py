"""What all trainings of representations do alike."""

import pytest
import torch
from torch import nn

from asd.representations import Training
from fewshot.errors import InputError


def training(told):
    return Training(None, [], 0, "cpu", None, lambda *epoch: told.append(epoch), [])


def run(told, factor, **options):
    module = nn.Linear(1, 1)
    training(told).run(
        "network 1",
        module,
        lambda _epoch: [(torch.ones(4, 1),)],
        lambda batch: factor * module(batch[0]).square().mean(),
        epochs=2,
        **options,
    )


def test_every_epoch_is_told():
    told = []
    run(told, 1.0)
    assert [epoch[:3] for epoch in told] == [("network 1", 1, 2), ("network 1", 2, 2)]
    assert told[1][3] < told[0][3]


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "the loss is nan in epoch 1; try another seed"),
        ({"of": "fan", "remedy": "less"}, "fan: the loss is nan in epoch 1; try less"),
    ],
)
def test_a_loss_that_is_not_finite_is_an_error_of_the_input(options, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        run([], float("nan"), **options)
