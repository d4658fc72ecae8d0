"""The batch-hard triplet loss against its definition, written out with loops."""

import math

import numpy as np
import pytest
import torch

from fewshot.losses.triplet import TripletLoss


def naive_loss(embeddings, labels, margin, unit_length):
    if unit_length:
        embeddings = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    terms, n = [], len(labels)
    for a in range(n):

        def distance(b, a=a):
            return math.sqrt(((embeddings[a] - embeddings[b]) ** 2).sum())

        own = [distance(p) for p in range(n) if p != a and labels[p] == labels[a]]
        foreign = [distance(q) for q in range(n) if labels[q] != labels[a]]
        if own and foreign:
            x = max(own) - min(foreign)
            terms.append(math.log1p(math.exp(x)) if margin is None else max(0.0, margin + x))
    return sum(terms) / len(terms) if terms else 0.0


@pytest.mark.parametrize("unit_length", [False, True])
@pytest.mark.parametrize("margin", [None, 0.3])
@pytest.mark.parametrize("labels", [[0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 2], [0, 0, 0], [0, 1, 2]])
def test_against_the_definition(labels, margin, unit_length):
    """Also with anchors that lack a positive, and with batches where all lack something."""
    embeddings = np.random.default_rng(0).standard_normal((len(labels), 4))
    loss = TripletLoss(margin, unit_length=unit_length)
    found = loss(torch.tensor(embeddings), torch.tensor(labels))
    assert found.item() == pytest.approx(naive_loss(embeddings, labels, margin, unit_length))


def test_the_order_of_a_batch_does_not_matter():
    embeddings, labels = torch.randn(8, 3), torch.tensor([0, 1, 2, 3] * 2)
    order = torch.randperm(8)
    torch.testing.assert_close(
        TripletLoss()(embeddings, labels), TripletLoss()(embeddings[order], labels[order])
    )


def test_separated_classes_lose_less_than_mixed_ones():
    separated, labels = torch.tensor([[0.0], [0.1], [5.0], [5.1]]), torch.tensor([0, 0, 1, 1])
    assert TripletLoss()(separated, labels) < TripletLoss()(separated, labels[[0, 2, 1, 3]])
    assert TripletLoss(0.3)(separated, labels) == 0


def test_copies_have_a_finite_gradient():
    embeddings = torch.zeros(4, 3, requires_grad=True)
    TripletLoss()(embeddings, torch.tensor([0, 0, 1, 1])).backward()
    assert embeddings.grad.isfinite().all()


def test_gradient_against_finite_differences():
    rng = np.random.default_rng(1)
    embeddings = torch.tensor(rng.standard_normal((6, 3)), requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    assert torch.autograd.gradcheck(lambda x: TripletLoss()(x, labels), (embeddings,))
