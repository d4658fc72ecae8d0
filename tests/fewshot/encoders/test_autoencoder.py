import numpy as np
import pytest
import torch

from fewshot.encoders.autoencoder import DenseAutoencoder, stacked_frames


def test_number_of_parameters_of_the_baseline():
    """269,992 with the 2,064 running means and variances, as the baseline of 2020 prints."""
    assert sum(p.numel() for p in DenseAutoencoder().parameters()) == 269_992 - 2064


def test_reconstruction_by_hand():
    model = DenseAutoencoder(20, (6, 3, 6), batch_norm=False).double()
    x = np.random.default_rng(0).standard_normal((4, 20))
    y, parameters = x, [p.detach().numpy() for p in model.parameters()]
    assert len(parameters) == 8
    for layer in range(4):
        weight, bias = parameters[2 * layer : 2 * layer + 2]
        y = y @ weight.T + bias
        y = np.maximum(y, 0) if layer < 3 else y
    np.testing.assert_allclose(model(torch.from_numpy(x)).detach().numpy(), y, atol=1e-12)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_it_learns_to_reconstruct(batch_norm):
    torch.manual_seed(0)
    model = DenseAutoencoder(20, (32, 2, 32), batch_norm=batch_norm)
    x = torch.randn(256, 1) @ torch.randn(1, 20)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        loss = (model(x) - x).square().mean()
        loss.backward()
        optimiser.step()
    assert loss < 0.1 * x.var()


@pytest.mark.parametrize(("n_frames", "n"), [(5, 5), (9, 5), (4, 1)])
def test_stacked_frames_by_hand(n_frames, n):
    clips = torch.randn(2, n_frames, 3)
    found = stacked_frames(clips, n)
    for clip, vectors in zip(clips, found, strict=True):
        expected = [torch.cat(list(clip[t : t + n])) for t in range(n_frames - n + 1)]
        assert torch.equal(vectors, torch.stack(expected))
        assert torch.equal(stacked_frames(clip, n), vectors)


def test_too_few_frames_are_refused():
    with pytest.raises(ValueError, match="4 frames; 5 are stacked"):
        stacked_frames(torch.zeros(4, 128))
