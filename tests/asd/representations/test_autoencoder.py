"""Autoencoders of log-Mel frames."""

import numpy as np
import pytest

import asd
from asd.back_ends import Value
from asd.model import MachineModel
from asd.representations.autoencoder import Autoencoder
from asd.synthesis import write_dataset
from asd.systems import View
from fewshot.errors import InputError


@pytest.fixture(scope="module")
def dcase(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dcase")
    return write_dataset(
        folder, machines=("fan",), n_source=6, n_target=2, n_test=1, duration_s=0.6
    )


@pytest.mark.parametrize(("score", "columns"), [("error", 1), ("mahalanobis", 2)])
def test_noise_is_reconstructed_worse(dcase, tmp_path, score, columns):
    views = (View(Autoencoder(score, epochs=80, batch_size=16), Value(), scaled=False),)
    model = asd.train(dcase, system=views, device="cpu")
    noise = np.random.default_rng(0).standard_normal(9600).astype(np.float32)
    normal = sorted((dcase / "fan" / "test").glob("*normal*"))
    assert model.score(normal, "fan").max() < model.score([noise], "fan")[0]
    (describer,) = model.describers.values()
    vectors = describer.vectors([noise, noise[:5000]], ("fan", "00"))
    assert vectors.shape == (2, columns)
    inputs = describer.config.inputs(noise)
    errors = describer.errors(inputs, "fan").numpy()
    if score == "error":
        assert vectors[0, 0] == pytest.approx(np.mean(errors**2), rel=1e-4)
    else:
        precision = describer.precisions["fan", "00"][1].numpy()
        naive = [np.sqrt(max(error @ precision @ error, 0)) for error in errors]
        assert vectors[0, 1] == pytest.approx(np.mean(naive), rel=1e-3)
    model.save(tmp_path / "m.asd")
    again = MachineModel.load(tmp_path / "m.asd")
    np.testing.assert_allclose(again.score(normal, "fan"), model.score(normal, "fan"), rtol=1e-5)


def test_unknown_scores_are_refused():
    with pytest.raises(InputError, match="score is 'magic'; use error, mahalanobis"):
        Autoencoder("magic")
