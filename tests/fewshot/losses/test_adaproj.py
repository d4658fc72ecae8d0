"""AdaProj against its definition, written out with loops."""

import math

import numpy as np
import pytest
import torch

from fewshot.losses.adaproj import AdaProjLoss


def naive_cosine(embedding, basis):
    """Equation 54, then the cosine between an embedding and its projection."""
    projection = sum((embedding @ c) * c for c in basis)
    return float(embedding @ projection / np.linalg.norm(embedding) / np.linalg.norm(projection))


def naive_scale(cosines, labels, previous):
    angles, total = [], 0.0
    for row, label in zip(cosines, labels, strict=True):
        angles.append(sum(y * math.acos(c) for y, c in zip(label, row, strict=True)))
        total += sum(
            math.exp(previous * c) if y < 1 else 1.0 for y, c in zip(label, row, strict=True)
        )
    return math.log(total / len(cosines)) / math.cos(min(math.pi / 4, float(np.median(angles))))


def some_labels(rng, batch, n_classes):
    """The first half mixed, the others pure."""
    one, two = (np.eye(n_classes)[rng.integers(n_classes, size=batch)] for _ in range(2))
    weight = rng.random((batch, 1))
    weight[batch // 2 :] = 1.0
    return weight * one + (1 - weight) * two


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize(
    ("batch", "n_classes", "dim", "subspace_dim"),
    [(1, 3, 4, 2), (4, 2, 9, 5), (7, 5, 6, 1), (6, 9, 20, 16)],
)
def test_loss_against_the_definition(batch, n_classes, dim, subspace_dim, trainable):
    rng = np.random.default_rng(batch)
    loss = AdaProjLoss(n_classes, dim, subspace_dim, trainable=trainable).double()
    embeddings, labels = 3 * rng.standard_normal((batch, dim)), some_labels(rng, batch, n_classes)
    bases = loss.centres.detach().numpy().reshape(n_classes, subspace_dim, dim)
    cosines = np.array([[naive_cosine(e, basis) for basis in bases] for e in embeddings])
    start = loss.scale.value.item()
    assert start == pytest.approx(math.sqrt(2) * math.log(n_classes - 1))
    scale = naive_scale(cosines, labels, start)
    found = loss(torch.tensor(embeddings), torch.tensor(labels)).item()
    assert loss.scale.value.item() == pytest.approx(scale)
    shares = np.exp(scale * cosines)
    shares /= shares.sum(axis=1, keepdims=True)
    assert found == pytest.approx(-(labels * np.log(shares)).sum(axis=1).mean())
    logits = loss.eval().logits(torch.tensor(embeddings)).detach().numpy()
    np.testing.assert_allclose(logits, scale * cosines)
    loss(torch.tensor(embeddings), torch.tensor(labels))
    assert loss.scale.value.item() == pytest.approx(scale), "frozen in evaluation"


def test_one_basis_vector_gives_the_absolute_cosine():
    loss = AdaProjLoss(3, 5, 1).double()
    embeddings = torch.randn(20, 5, dtype=torch.float64)
    cosines = loss.cosines(embeddings)
    assert (cosines < 0).any()
    torch.testing.assert_close(loss.similarities(embeddings), cosines.abs())


def test_an_embedding_in_the_span_of_an_orthonormal_basis():
    """Lemma 5.3: its distance is 0, so its logit is the scale; that of a foreign span is 0."""
    loss = AdaProjLoss(2, 8, 3)
    loss.centres = torch.linalg.qr(torch.randn(8, 8)).Q.T[:6]
    loss.scale.value.fill_(7.0)
    embeddings = torch.randn(4, 3) @ loss.centres[:3]
    torch.testing.assert_close(
        loss.logits(embeddings), torch.tensor([[7.0, 0.0]]).expand(4, 2), atol=1e-4, rtol=1e-5
    )


@pytest.mark.parametrize("trainable", [False, True])
def test_gradients(trainable):
    loss = AdaProjLoss(4, 12, 3, trainable=trainable)
    embeddings = torch.randn(6, 12, requires_grad=True)
    loss(embeddings, torch.eye(4)[[0, 1, 2, 3, 0, 1]]).backward()
    assert (embeddings.grad.abs().sum(dim=1) > 0).all()
    assert [name for name, _ in loss.named_parameters()] == ["centres"] * trainable
    assert not trainable or (loss.centres.grad.abs().sum(dim=1) > 0).all()


def test_gradient_is_finite_where_an_embedding_is_orthogonal_to_a_subspace():
    loss = AdaProjLoss(2, 4, 1)
    loss.centres = torch.eye(4)[:2]
    embeddings = torch.eye(4)[[0, 3]].requires_grad_()
    loss(embeddings, torch.tensor([[0.5, 0.5], [0.2, 0.8]])).backward()
    assert embeddings.grad.isfinite().all()


def test_a_random_embedding_has_the_cosine_of_the_share_of_dimensions():
    torch.manual_seed(0)
    loss = AdaProjLoss(30, 512)
    cosines = loss.similarities(torch.randn(64, 512))
    assert cosines.mean().item() == pytest.approx(0.25, abs=0.01)


def test_a_scale_can_be_held():
    loss = AdaProjLoss(300, 8, 2, largest_scale=3.0)
    loss(torch.randn(4, 8), torch.full((4, 300), 1 / 300))
    assert loss.scale.value.item() == 3.0


@pytest.mark.parametrize(
    ("sizes", "message"),
    [((1, 64), "1 class"), ((3, 32), "subspace_dim is 32"), ((3, 8, 0), "subspace_dim is 0")],
)
def test_sizes_that_make_no_sense_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        AdaProjLoss(*sizes)
