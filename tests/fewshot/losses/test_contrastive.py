"""Contrastive losses against their definitions, written out with loops."""

import math

import numpy as np
import pytest
import torch

from fewshot.losses.contrastive import ProjectionHead, paired_contrastive, supervised_contrastive


def cosine(one, other):
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def naive_supervised(z, labels, tau):
    losses = []
    for i in range(len(z)):
        positives = [p for p in range(len(z)) if p != i and labels[p] == labels[i]]
        total = sum(math.exp(cosine(z[i], z[a]) / tau) for a in range(len(z)) if a != i)
        shares = [math.exp(cosine(z[i], z[p]) / tau) / total for p in positives]
        if positives:
            losses.append(-sum(map(math.log, shares)) / len(positives))
    return sum(losses) / len(losses)


def naive_paired(z, g, labels, tau):
    losses = []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j == i or labels[j] != labels[i]]
        total = sum(math.exp(cosine(z[i], g[j]) / tau) for j in others)
        losses.append(-math.log(math.exp(cosine(z[i], g[i]) / tau) / total))
    return sum(losses) / len(losses)


@pytest.mark.parametrize(
    ("labels", "tau"), [([0, 0], 1.0), ([0, 1, 0, 2, 1, 1, 1], 0.1), ([3, 3, 3, 1], 0.5)]
)
def test_losses_against_their_definitions(labels, tau):
    rng = np.random.default_rng(len(labels))
    z, g = rng.standard_normal((2, len(labels), 5))
    found = supervised_contrastive(torch.tensor(z), torch.tensor(labels), tau)
    assert found.item() == pytest.approx(naive_supervised(z, labels, tau))
    found = paired_contrastive(torch.tensor(z), torch.tensor(g), torch.tensor(labels), tau)
    assert found.item() == pytest.approx(naive_paired(z, g, labels, tau))


@pytest.mark.parametrize("batch", [2, 5, 16])
def test_identical_labels_and_vectors_give_the_logarithm_of_the_others(batch):
    found = supervised_contrastive(torch.ones(batch, 4), torch.zeros(batch))
    assert found.item() == pytest.approx(math.log(batch - 1), abs=1e-6)


def test_classes_that_are_apart_cost_less_than_mixed_ones():
    directions = torch.eye(3).repeat_interleave(2, dim=0)
    apart = supervised_contrastive(directions, torch.tensor([0, 0, 1, 1, 2, 2]))
    assert apart < 0.01 < supervised_contrastive(directions, torch.tensor([0, 1, 2, 0, 1, 2]))


def test_gradients_are_finite_also_where_no_sample_has_another_of_its_class():
    for labels in ([0, 1, 2], [0, 0, 1]):
        z = torch.randn(3, 4, requires_grad=True)
        supervised_contrastive(z, torch.tensor(labels)).backward()
        assert z.grad.isfinite().all()
        assert bool(z.grad.any()) == (labels[1] == 0)
    z, g = torch.randn(2, 3, 4, requires_grad=True)
    paired_contrastive(z, g, torch.zeros(3)).backward()


def test_projections_have_the_shape_of_embeddings():
    head = ProjectionHead(6)
    embeddings = torch.randn(4, 6, requires_grad=True)
    head(embeddings).square().sum().backward()
    assert head(embeddings).shape == (4, 6)
    assert sum(p.numel() for p in head.parameters()) == 2 * (6 * 6 + 2 * 6)
    assert embeddings.grad.any()
