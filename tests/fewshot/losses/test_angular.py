"""The adaptive scale against its definition, written out with loops."""

import math

import numpy as np
import pytest
import torch

from fewshot.losses.angular import AdaptiveScale, fixed_scale


@pytest.mark.parametrize(("n", "start"), [(1, 0.0), (2, 0.0), (100, math.sqrt(2) * math.log(99))])
def test_fixed_scale(n, start):
    assert fixed_scale(n) == pytest.approx(start)


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_update_against_equation_38(batch):
    rng = np.random.default_rng(batch)
    cosines, angles = rng.uniform(-1, 1, (batch, 12)), rng.uniform(0, 3.0, batch)
    scale = AdaptiveScale(fixed_scale(12))
    previous = scale.value.item()
    largest = max(previous * c for row in cosines for c in row)
    average = sum(math.exp(previous * c - largest) for row in cosines for c in row) / batch
    expected = (largest + math.log(average)) / math.cos(min(math.pi / 4, np.median(angles)))
    scale.update(torch.tensor(cosines).float(), torch.tensor(angles).float())
    assert scale.value.item() == pytest.approx(expected, rel=1e-5)


def test_large_scales_do_not_overflow():
    scale = AdaptiveScale(1e4)
    scale.update(torch.ones(3, 4), torch.zeros(3))
    assert scale.value.item() == pytest.approx(1e4 + math.log(4))


def test_scales_stay_above_zero():
    scale = AdaptiveScale(2.0)
    scale.update(-torch.ones(3, 2), torch.zeros(3))
    assert scale.value.item() == pytest.approx(1e-3)
    scale.update(torch.ones(3, 2), torch.zeros(3), counted=torch.zeros(3, 2, dtype=torch.bool))
    assert scale.value.item() == pytest.approx(1e-3)
