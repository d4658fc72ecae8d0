"""The losses against their definitions, written out with loops."""

import math

import numpy as np
import pytest
import torch

from fewshot.losses.adacos import AdaCosLoss, SubClusterAdaCosLoss

WORKED = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.8, -0.1]])
"""Similarities of a sample of class 1 and of one of class 2."""


def embeddings_with(cosines, loss):
    """Embeddings with given similarities to orthogonal centres, which the loss gets."""
    n, n_entries = cosines.shape
    loss.centres = torch.eye(n_entries + n)[:n_entries]
    rest = (1 - cosines.square().sum(dim=1)).sqrt()
    return torch.cat([cosines, torch.diag(rest)], dim=1)


@pytest.mark.parametrize(
    ("kind", "expected"), [(AdaCosLoss, 0.876113), (SubClusterAdaCosLoss, 1.739403)]
)
def test_scale_of_a_worked_example(kind, expected):
    loss = kind(3, 5)
    assert loss.scale.value.item() == pytest.approx(0.980258, abs=1e-6)
    loss(3.0 * embeddings_with(WORKED, loss), torch.eye(3)[:2])
    assert loss.scale.value.item() == pytest.approx(expected, abs=1e-6)
    loss.eval()
    loss(embeddings_with(WORKED.flip(1), loss), torch.eye(3)[:2])
    assert loss.scale.value.item() == pytest.approx(expected, abs=1e-6), "frozen in evaluation"


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def naive_scale(cosines, labels, previous, foreign_only):
    """Definitions 2.8 and 3.4; cosines (batch, n_classes, n_centres)."""
    angles, total = [], 0.0
    for row, label in zip(cosines, labels, strict=True):
        angles.append(sum(y * np.arccos(c).mean() for y, c in zip(label, row, strict=True)))
        for y, own in zip(label, row, strict=True):
            if not (foreign_only and y > 0):
                total += sum(math.exp(previous * c) for c in own)
    return math.log(total / len(cosines)) / math.cos(min(math.pi / 4, float(np.median(angles))))


def naive_loss(cosines, labels, scale):
    """Equations 41 and 42."""
    total = 0.0
    for row, label in zip(cosines, labels, strict=True):
        everything = np.exp(scale * row).sum()
        for y, own in zip(label, row, strict=True):
            total -= y * math.log(np.exp(scale * own).sum() / everything)
    return total / len(cosines)


def mixed_labels(rng, batch, n_classes):
    weight = rng.random((batch, 1))
    one, two = (np.eye(n_classes)[rng.integers(n_classes, size=batch)] for _ in range(2))
    return weight * one + (1 - weight) * two


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize(
    ("batch", "n_classes", "n_centres"), [(1, 2, 2), (4, 5, 1), (7, 4, 3), (6, 9, 16)]
)
def test_sub_cluster_adacos_against_the_definition(batch, n_classes, n_centres, trainable):
    rng = np.random.default_rng(batch)
    loss = SubClusterAdaCosLoss(n_classes, 6, n_centres, trainable=trainable).double()
    embeddings, labels = rng.standard_normal((batch, 6)), mixed_labels(rng, batch, n_classes)
    centres = loss.centres.detach().numpy().reshape(n_classes, n_centres, 6)
    cosines = np.array([[[cosine(e, c) for c in own] for own in centres] for e in embeddings])
    start = loss.scale.value.item()
    assert start == pytest.approx(math.sqrt(2) * math.log(n_classes * n_centres - 1))
    scale = naive_scale(cosines, labels, start, foreign_only=False)
    found = loss(torch.tensor(embeddings), torch.tensor(labels))
    assert loss.scale.value.item() == pytest.approx(scale)
    assert found.item() == pytest.approx(naive_loss(cosines, labels, scale))
    loss.eval()
    shares = loss.logits(torch.tensor(embeddings)).softmax(dim=1).detach().numpy()
    expected = np.exp(scale * cosines).sum(axis=2)
    np.testing.assert_allclose(shares, expected / expected.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(("batch", "n_classes"), [(1, 4), (4, 5), (7, 9)])
def test_adacos_against_the_definition(batch, n_classes, dynamic):
    rng = np.random.default_rng(batch)
    loss = AdaCosLoss(n_classes, 6, dynamic=dynamic).double()
    embeddings, labels = rng.standard_normal((batch, 6)), mixed_labels(rng, batch, n_classes)
    cosines = np.array([[[cosine(e, c)] for c in loss.centres.numpy()] for e in embeddings])
    scale = loss.scale.value.item()
    assert scale == pytest.approx(math.sqrt(2) * math.log(n_classes - 1))
    if dynamic:
        scale = max(1e-3, naive_scale(cosines, labels, scale, foreign_only=True))
    found = loss(torch.tensor(embeddings), torch.tensor(labels))
    assert loss.scale.value.item() == pytest.approx(scale)
    assert found.item() == pytest.approx(naive_loss(cosines, labels, scale))
    logits = loss.eval().logits(torch.tensor(embeddings)).numpy()
    np.testing.assert_allclose(logits, scale * cosines[:, :, 0], atol=1e-12)


@pytest.mark.parametrize("n_centres", [1, 4])
def test_gradient_is_that_of_weighted_compactness_losses(n_centres):
    """Theorem 3.5: own centres pull by P(c | own class), all centres push by P(c)."""
    torch.manual_seed(0)
    loss = SubClusterAdaCosLoss(3, 5, n_centres).double().eval()
    weight = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    x, classes = torch.randn(6, 7, dtype=torch.float64), torch.tensor([0, 0, 1, 2, 2, 2])

    def embed():
        return torch.nn.functional.normalize(x @ weight.T, dim=1)

    found = torch.autograd.grad(
        loss(embed(), torch.nn.functional.one_hot(classes, 3).double()), weight
    )[0]
    scaled = (loss.scale.value * loss.cosines(embed())).detach()
    of_all = scaled.softmax(dim=1)
    own = torch.arange(3).repeat_interleave(n_centres) == classes[:, None]
    of_own = scaled.masked_fill(~own, -math.inf).softmax(dim=1)
    distances = (embed()[:, None] - loss.centres).square().sum(dim=2)
    compactness = ((of_own - of_all) * distances).sum() / len(x)
    expected = loss.scale.value / 2 * torch.autograd.grad(compactness, weight)[0]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", [AdaCosLoss, SubClusterAdaCosLoss])
def test_the_scale_carries_no_gradient(kind):
    rng = np.random.default_rng(0)
    loss = kind(4, 6, trainable=True).double()
    embeddings = torch.tensor(rng.standard_normal((5, 6)), requires_grad=True)
    labels = torch.tensor(mixed_labels(rng, 5, 4))
    in_training = torch.autograd.grad(loss(embeddings, labels), (embeddings, loss.centres))
    loss.eval()
    frozen = torch.autograd.grad(loss(embeddings, labels), (embeddings, loss.centres))
    for a, b in zip(in_training, frozen, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", [AdaCosLoss, SubClusterAdaCosLoss])
def test_centres_are_on_the_sphere_and_trained_only_if_asked(kind):
    fixed, trained = kind(40, 16), kind(40, 16, trainable=True)
    for loss in (fixed, trained):
        torch.testing.assert_close(loss.centres.norm(dim=1), torch.ones(40))
    assert list(fixed.parameters()) == []
    assert [name for name, _ in trained.named_parameters()] == ["centres"]
    assert "centres" in fixed.state_dict() and "scale.value" in fixed.state_dict()


def spread_embeddings(loss, n):
    """One at its own centre, the others 42 degrees away: the scale grows by a third per step."""
    centres = torch.eye(4)
    loss.centres = centres[:2]
    away = 0.75 * centres[0] + math.sqrt(1 - 0.75**2) * centres[2]
    return torch.stack([centres[0], *[away] * (n - 1)]), torch.eye(2)[[0] * n]


def test_a_scale_that_runs_away_is_an_error():
    loss = SubClusterAdaCosLoss(2, 4)
    embeddings, labels = spread_embeddings(loss, 8)
    with (
        pytest.warns(UserWarning, match="without mixup"),
        pytest.raises(FloatingPointError, match=r"scale went from .* to inf; train"),
    ):
        for _ in range(1000):
            loss(embeddings, labels)


def test_a_scale_can_be_held():
    loss = SubClusterAdaCosLoss(2, 4, largest_scale=64.0)
    embeddings, labels = spread_embeddings(loss, 8)
    labels = 0.9 * labels + 0.05
    for _ in range(100):
        assert loss(embeddings, labels).isfinite()
    assert loss.scale.value.item() == 64.0


def test_one_mixed_batch_is_enough_not_to_be_warned():
    loss = SubClusterAdaCosLoss(3, 4)
    labels = torch.eye(3)
    for step in range(30):
        loss(torch.randn(3, 4), 0.5 * (labels + labels.flip(0)) if step == 5 else labels)


def test_two_classes():
    """AdaCos has no scale of its own for them; sub-cluster AdaCos has."""
    with pytest.warns(UserWarning, match="stays at 10"):
        loss = AdaCosLoss(2, 4)
    for _ in range(3):
        loss(torch.randn(5, 4), torch.eye(2)[[0, 1, 1, 0, 1]])
    assert loss.scale.value.item() == 10.0
    assert AdaCosLoss(2, 4, dynamic=False).scale.value.item() == 10.0
    loss = SubClusterAdaCosLoss(2, 4)
    mixed = torch.tensor([[0.3, 0.7], [0.6, 0.4]])
    for _ in range(200):
        loss(torch.randn(2, 4), mixed)
    assert 0.5 < loss.scale.value.item() < 50


@pytest.mark.parametrize("kind", [AdaCosLoss, SubClusterAdaCosLoss])
def test_one_class_is_refused(kind):
    with pytest.raises(ValueError, match="1 class;"):
        kind(1, 4)
