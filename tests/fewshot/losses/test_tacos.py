"""The loss against the definition, written out with loops."""

import math

import numpy as np
import pytest
import torch

from fewshot.losses.tacos import TACosLoss


def naive_similarity(embedding, centres):
    """Equation 69 for one segment (T, D) and all centres (clusters, K, P, D)."""
    n_clusters, n_keywords, n_positions, _ = centres.shape
    out = np.zeros((n_keywords, n_positions))
    for k in range(n_keywords):
        for p in range(n_positions):
            best = [
                max(
                    float(frame @ centres[c, k, p])
                    / (np.linalg.norm(frame) * np.linalg.norm(centres[c, k, p]))
                    for c in range(n_clusters)
                )
                for frame in embedding
            ]
            out[k, p] = sum(best) / len(best)
    return out


def naive_loss(similarities, labels, scale):
    """Equations 70 to 73 for similarities and joint labels (batch, K, P)."""
    total = 0.0
    for sim, joint in zip(similarities, labels, strict=True):
        exponentials = np.exp(scale * sim)
        softmax = exponentials / exponentials.sum()
        for k in range(sim.shape[0]):
            total -= joint[k].sum() * math.log(softmax[k].sum())
        for p in range(sim.shape[1]):
            total -= joint[:, p].sum() * math.log(softmax[:, p].sum())
    return total / len(similarities)


def naive_scale(similarities, labels, previous):
    angles = [
        math.acos((sim * joint).sum()) for sim, joint in zip(similarities, labels, strict=True)
    ]
    total = sum(np.exp(previous * sim).sum() for sim in similarities) / len(similarities)
    return math.log(total) / math.cos(min(math.pi / 4, float(np.median(angles))))


def joint_labels(rng, batch, n_keywords, n_positions):
    """Mixtures of two outer products, as mixup makes them."""

    def product():
        keyword = np.eye(n_keywords)[rng.integers(n_keywords, size=batch)]
        position = rng.dirichlet(np.ones(n_positions), batch)
        return keyword[:, :, None] * position[:, None, :]

    weight = rng.random((batch, 1, 1))
    return weight * product() + (1 - weight) * product()


@pytest.mark.parametrize(
    ("batch", "n_keywords", "n_positions", "n_clusters"),
    [(1, 2, 3, 1), (4, 3, 2, 3), (5, 5, 1, 2), (3, 2, 1, 16)],
)
def test_against_the_definition(batch, n_keywords, n_positions, n_clusters):
    rng = np.random.default_rng(batch)
    loss = TACosLoss(n_keywords, n_positions, dim=6, n_clusters=n_clusters).double()
    embeddings = rng.standard_normal((batch, 4, 6))
    labels = joint_labels(rng, batch, n_keywords, n_positions)
    centres = loss.centres.detach().numpy()
    similarities = [naive_similarity(e, centres) for e in embeddings]
    np.testing.assert_allclose(
        loss.similarities(torch.tensor(embeddings)).detach().numpy(), similarities, atol=1e-10
    )
    start = loss.scale.value.item()
    scale = naive_scale(similarities, labels, start)
    found = loss(torch.tensor(embeddings), torch.tensor(labels))
    assert loss.scale.value.item() == pytest.approx(scale)
    assert found.item() == pytest.approx(naive_loss(similarities, labels, scale))

    loss.eval()
    again = loss(torch.tensor(embeddings), torch.tensor(labels))
    assert again.item() == pytest.approx(found.item()), "evaluation leaves the scale alone"


def test_gradient_against_finite_differences():
    loss = TACosLoss(3, 2, dim=5, n_clusters=2).double().eval()
    rng = np.random.default_rng(0)
    embeddings = torch.tensor(rng.standard_normal((2, 4, 5)), requires_grad=True)
    labels = torch.tensor(joint_labels(rng, 2, 3, 2))
    assert torch.autograd.gradcheck(
        lambda e, c: _with(loss, e, c, labels), (embeddings, loss.centres)
    )


def _with(loss, embeddings, centres, labels):
    return torch.func.functional_call(loss, {"centres": centres}, (embeddings, labels))


def test_one_position_is_the_two_dimensional_adacos_loss():
    """With one position the position loss vanishes: -log softmax over keywords remains."""
    loss = TACosLoss(4, 1, dim=6, n_clusters=2).eval()
    embeddings = torch.randn(3, 5, 6)
    labels = torch.eye(4)[[0, 2, 3]][:, :, None]
    logits = loss.scale.value * loss.similarities(embeddings)[:, :, 0]
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2, 3]))
    torch.testing.assert_close(loss(embeddings, labels), expected)


def test_one_keyword_without_positions_keeps_a_finite_scale():
    loss = TACosLoss(2, 1, dim=4, n_clusters=1)
    for _ in range(50):
        loss(torch.randn(4, 3, 4), torch.tensor([[1.0], [0.0]]).expand(4, 2, 1))
    assert math.isfinite(loss.scale.value.item())
