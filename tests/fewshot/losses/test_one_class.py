import numpy as np
import pytest
import torch

from fewshot.losses.one_class import CompactnessLoss


@pytest.mark.parametrize("with_softmax", [False, True])
@pytest.mark.parametrize("n_classes", [1, 2, 5])
def test_loss_against_the_definition(n_classes, with_softmax):
    rng = np.random.default_rng(n_classes)
    loss = CompactnessLoss(n_classes, 6, with_softmax=with_softmax).double()
    embeddings = 3 * rng.standard_normal((7, 6))
    labels = rng.dirichlet(np.ones(n_classes), size=7)
    expected = 0.0
    for e, label in zip(embeddings, labels, strict=True):
        for y, centre in zip(label, loss.centres.numpy(), strict=True):
            expected += y * np.square(e / np.linalg.norm(e) - centre).sum() / 7
        if with_softmax:
            weight, bias = (p.detach().numpy() for p in loss.softmax.parameters())
            shares = np.exp(weight @ e + bias)
            expected -= label @ np.log(shares / shares.sum()) / 7
    found = loss(torch.tensor(embeddings), torch.tensor(labels))
    assert found.item() == pytest.approx(expected)


def test_an_embedding_at_its_centre_and_one_opposite_to_it():
    loss = CompactnessLoss(1, 8)
    embeddings = torch.cat([5 * loss.centres, -loss.centres])
    assert loss(embeddings[:1], torch.ones(1, 1)).item() == pytest.approx(0, abs=1e-6)
    assert loss(embeddings[1:], torch.ones(1, 1)).item() == pytest.approx(4)
    torch.testing.assert_close(loss.logits(embeddings), torch.tensor([[1.0], [-1.0]]))


def test_only_the_softmax_layer_is_trained():
    assert not list(CompactnessLoss(3, 8).parameters())
    loss = CompactnessLoss(3, 8, with_softmax=True)
    assert sorted(name for name, _ in loss.named_parameters()) == [
        "softmax.linear.bias",
        "softmax.linear.weight",
    ]
    assert "centres" in loss.state_dict()
    torch.testing.assert_close(loss.centres.norm(dim=1), torch.ones(3))


def test_embeddings_move_to_their_centre():
    loss = CompactnessLoss(2, 8)
    embeddings = torch.randn(6, 8, requires_grad=True)
    labels = torch.eye(2)[[0, 0, 0, 1, 1, 1]]
    optimiser = torch.optim.SGD([embeddings], lr=5.0)
    for _ in range(200):
        optimiser.zero_grad()
        loss(embeddings, labels).backward()
        optimiser.step()
    torch.testing.assert_close((labels * loss.logits(embeddings)).sum(dim=1), torch.ones(6))


def test_no_class_is_refused():
    with pytest.raises(ValueError, match="0 class"):
        CompactnessLoss(0, 4)
