"""The loss that draws embeddings to the text of their class."""

import numpy as np
import pytest
import torch

from fewshot.losses.text import TextLoss


def test_the_loss_is_its_equation_and_that_of_a_mixture_is_the_mixture_of_losses():
    rng = np.random.default_rng(0)
    texts, embeddings = rng.standard_normal((4, 6)), rng.standard_normal((5, 3))
    loss = TextLoss(torch.tensor(texts), 3).double()
    mapped = embeddings @ loss.linear.weight.detach().numpy().T

    def naive(i, label):
        cosines = [
            mapped[i] @ text / np.linalg.norm(mapped[i]) / np.linalg.norm(text) for text in texts
        ]
        shares = np.exp(np.array(cosines) / 0.1)
        return -np.log(shares[label] / shares.sum())

    one, two = np.array([0, 1, 2, 3, 0]), np.array([1, 1, 0, 2, 3])
    weights = rng.uniform(size=5)
    expected = np.mean(
        [w * naive(i, one[i]) + (1 - w) * naive(i, two[i]) for i, w in enumerate(weights)]
    )
    weight = torch.tensor(weights)[:, None]
    eye = torch.eye(4, dtype=torch.float64)
    labels = weight * eye[one] + (1 - weight) * eye[two]
    found = loss(torch.tensor(embeddings), labels).item()
    assert found == pytest.approx(expected)


def test_embeddings_and_the_map_learn_and_texts_do_not():
    loss = TextLoss(torch.randn(4, 6), 3)
    assert [name for name, _ in loss.named_parameters()] == ["linear.weight"]
    embeddings = torch.randn(5, 3, requires_grad=True)
    loss(embeddings, torch.eye(4)[[0, 1, 2, 3, 0]]).backward()
    assert embeddings.grad.abs().sum() > 0 and loss.linear.weight.grad.abs().sum() > 0
