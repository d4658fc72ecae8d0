"""Fewer dimensions than a representation gives."""

import numpy as np
import pytest

import asd
from asd.back_ends import Nearest
from asd.model import MachineModel
from asd.representations import representation_of
from asd.representations.reduced import Reduced
from asd.representations.statistics import Statistics
from asd.synthesis import write_dataset
from asd.systems import View
from fewshot.errors import InputError


@pytest.mark.parametrize(("reduction", "dims"), [("pca", 3), ("lda", 3)])
def test_models_with_fewer_dimensions(tmp_path, reduction, dims):
    data = write_dataset(
        tmp_path, machines=("fan", "pump"), n_source=6, n_target=2, n_test=1, duration_s=0.4
    )
    representation = Reduced(Statistics("mfcc"), reduction, n_dims=3)
    assert representation_of(representation.described()) == representation
    model = asd.train(data, system=(View(representation, Nearest(), scaled=False),))
    sound = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    (vectors,) = model.vectors([sound], "fan")
    assert vectors.shape == (1, dims)
    model.save(tmp_path / "m.asd")
    again = MachineModel.load(tmp_path / "m.asd")
    np.testing.assert_allclose(again.score([sound], "fan"), model.score([sound], "fan"), rtol=1e-6)


def test_unknown_reductions_are_refused():
    with pytest.raises(InputError, match="reduction is 'magic'; use pca, lda"):
        Reduced(Statistics("mfcc"), "magic")
