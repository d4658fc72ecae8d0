"""The loss against definition 6.2, written out with loops."""

import math

import numpy as np
import pytest
import torch

from fewshot.losses.prototypical import PrototypicalLoss


def naive_loss(queries, query_labels, support, support_classes):
    classes = sorted(set(support_classes))
    total = 0.0
    for x, label in zip(queries, query_labels, strict=True):
        distances = [((x - support[support_classes == j].mean(axis=0)) ** 2).sum() for j in classes]
        log_sum = math.log(sum(math.exp(-d) for d in distances))
        total -= sum(label[j] * (-d - log_sum) for j, d in zip(classes, distances, strict=True))
    return total / len(queries)


@pytest.mark.parametrize("classes", [[0, 1, 2, 3, 3], [3, 0, 0, 3, 0]])
def test_against_the_definition(classes):
    """With all classes, and with two of four in the support."""
    rng = np.random.default_rng(0)
    classes = np.array(classes)
    support, queries = 0.5 * rng.standard_normal((5, 6)), 0.5 * rng.standard_normal((7, 6))
    weight = rng.random((7, 1))
    one, two = (np.eye(4)[rng.choice(classes, 7)] for _ in range(2))
    labels = weight * one + (1 - weight) * two
    found = PrototypicalLoss(4, 6)(
        *(torch.tensor(a) for a in (queries, labels, support, np.eye(4)[classes]))
    )
    assert found.item() == pytest.approx(naive_loss(queries, labels, support, classes))


def test_nearer_is_better():
    """The printed softmax of +d would reward distance."""
    eye = torch.eye(2)
    loss = PrototypicalLoss(2, 2)
    assert loss(eye, eye, eye, eye) < loss(eye.flip(0), eye, eye, eye)


def test_logits_are_distances_to_the_prototypes_that_were_set():
    loss = PrototypicalLoss(2, 3)
    embeddings = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    loss.set_prototypes(embeddings, torch.eye(2)[[0, 0, 1]])
    expected = [[-1.0, -9.0], [-1.0, -13.0], [-10.0, 0.0]]
    torch.testing.assert_close(loss.logits(embeddings), torch.tensor(expected))


def test_gradient_against_finite_differences():
    rng = np.random.default_rng(0)
    queries, support = (
        torch.tensor(rng.standard_normal((n, 3)), requires_grad=True) for n in (2, 4)
    )
    labels = torch.tensor(rng.dirichlet(np.ones(2), 2))
    of_support = torch.eye(2, dtype=torch.float64)[[0, 1, 1, 0]]
    loss = PrototypicalLoss(2, 3)
    assert torch.autograd.gradcheck(lambda q, s: loss(q, labels, s, of_support), (queries, support))
