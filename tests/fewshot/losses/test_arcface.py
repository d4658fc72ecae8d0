"""The losses with a margin against their definitions, written out with loops."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from fewshot.losses.arcface import ArcFaceLoss, CosFaceLoss

KINDS = [ArcFaceLoss, CosFaceLoss]


def naive_logit(kind, embedding, centres, margin, scale):
    nearest = max(
        float(embedding @ c / np.linalg.norm(embedding) / np.linalg.norm(c)) for c in centres
    )
    if kind is CosFaceLoss:
        return scale * (nearest - margin)
    if math.acos(nearest) + margin > math.pi:
        return scale * (nearest - margin * math.sin(margin))
    return scale * math.cos(math.acos(nearest) + margin)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("batch", "n_classes", "n_centres", "margin"), [(1, 2, 1, 0.5), (5, 4, 3, 0.0), (8, 3, 2, 1.3)]
)
def test_loss_against_the_definition(kind, batch, n_classes, n_centres, margin):
    rng = np.random.default_rng(batch)
    loss = kind(n_classes, 6, n_centres, margin=margin, scale=7.0).double()
    embeddings = 2 * rng.standard_normal((batch, 6))
    labels = rng.dirichlet(np.ones(n_classes), size=batch)
    labels[0] = np.eye(n_classes)[0]
    centres = loss.centres.detach().numpy().reshape(n_classes, n_centres, 6)
    expected = 0.0
    for e, label in zip(embeddings, labels, strict=True):
        logits = [
            naive_logit(kind, e, own, margin * y, 7.0)
            for y, own in zip(label, centres, strict=True)
        ]
        shares = np.exp(logits) / np.exp(logits).sum()
        expected -= label @ np.log(shares) / batch
    found = loss(torch.tensor(embeddings), torch.tensor(labels))
    assert found.item() == pytest.approx(expected)
    plain = [[naive_logit(kind, e, own, 0.0, 7.0) for own in centres] for e in embeddings]
    np.testing.assert_allclose(loss.logits(torch.tensor(embeddings)).detach().numpy(), plain)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_margin_it_is_cross_entropy_of_the_logits(kind):
    loss = kind(4, 6, margin=0.0)
    embeddings, labels = torch.randn(5, 6), torch.eye(4)[[0, 1, 2, 3, 0]]
    torch.testing.assert_close(
        loss(embeddings, labels), cross_entropy(loss.logits(embeddings), labels)
    )


@pytest.mark.parametrize(("kind", "margin"), [(ArcFaceLoss, 0.5), (CosFaceLoss, 0.35)])
def test_margins_of_the_literature(kind, margin):
    assert (kind(2, 3).margin, kind(2, 3).scale) == (margin, 30.0)


def test_opposite_embeddings_still_cost_the_more_the_farther_they_are():
    loss = ArcFaceLoss(2, 2, margin=0.7, scale=1.0, trainable=False)
    loss.centres = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    angles = torch.tensor([2.3, 2.6, 3.0], requires_grad=True)
    away = torch.stack([angles.cos(), -angles.sin()], dim=1)
    own = loss._penalised(loss.similarities(away), torch.tensor([[1.0, 0.0]] * 3))[:, 0]
    expected = [math.cos(3.0), *(math.cos(a) - 0.7 * math.sin(0.7) for a in (2.6, 3.0))]
    assert own.tolist() == pytest.approx(expected)
    own.sum().backward()
    assert (angles.grad < 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite_at_a_centre_and_reach_the_nearest_centres(kind):
    loss = kind(2, 3, 2)
    embeddings = torch.cat([loss.centres.detach()[:1], torch.randn(3, 3)]).requires_grad_()
    loss(embeddings, torch.eye(2)[[0, 0, 1, 1]]).backward()
    assert embeddings.grad.isfinite().all() and (embeddings.grad[1:] != 0).any(dim=1).all()
    assert loss.centres.grad.isfinite().all() and loss.centres.grad.any()
    assert not list(kind(2, 3, trainable=False).parameters())


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (ArcFaceLoss, {"margin": 1.6}, "margin is 1.6; it must be 0 to 1.5708"),
        (CosFaceLoss, {"margin": -0.1}, "margin is -0.1"),
        (CosFaceLoss, {"scale": 0.0}, "scale is 0.0"),
        (ArcFaceLoss, {"n_classes": 1}, "1 class; ArcFaceLoss needs 2"),
    ],
)
def test_what_makes_no_sense_is_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**({"n_classes": 3, "dim": 4} | options))
