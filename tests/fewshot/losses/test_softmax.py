import numpy as np
import pytest
import torch

from fewshot.losses.softmax import SoftmaxLoss


def test_against_the_definition():
    rng = np.random.default_rng(0)
    loss = SoftmaxLoss(4, 6).double()
    embeddings, labels = rng.standard_normal((5, 6)), rng.dirichlet(np.ones(4), 5)
    weight, bias = (p.detach().numpy() for p in (loss.linear.weight, loss.linear.bias))
    logits = embeddings @ weight.T + bias
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -(labels * np.log(shares)).sum() / 5
    found = loss(torch.tensor(embeddings), torch.tensor(labels))
    assert found.item() == pytest.approx(expected)
    np.testing.assert_allclose(loss.logits(torch.tensor(embeddings)).detach(), logits)
