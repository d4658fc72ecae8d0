"""GISP's System 3, and System 4, which scores by all of them."""

from dataclasses import replace

import numpy as np

import asd
from asd.back_ends import Centres
from asd.model import MachineModel
from asd.synthesis import write_dataset
from asd.systems import SYSTEMS, View
from asd.systems.gisp import GISP_1, GISP_3


def test_system_4_is_the_three_others():
    assert SYSTEMS["gisp-4"] == (*SYSTEMS["gisp-1"], *SYSTEMS["gisp-2"], *SYSTEMS["gisp-3"])


def test_an_ensemble_of_two_kinds_of_networks_comes_back_from_its_file(tmp_path):
    data = write_dataset(
        tmp_path, machines=("fan", "pump"), n_source=6, n_target=2, n_test=1, duration_s=0.6
    )
    for file in (data / "pump").rglob("*.wav"):
        file.rename(file.with_stem(f"{file.stem.partition('_spd_')[0]}_noAttribute"))
    one = replace(GISP_1, contrast_epochs=1, epochs=1)
    three = replace(GISP_3, epochs=1, dim=16, n_centres=2)
    views = tuple(View(network, Centres(2), scaled=False) for network in (one, three))
    model = asd.train(data, system=views, device="cpu")
    assert [describer.n_samples for describer in model.describers.values()] == [9_600, 11_520]
    sounds = list(np.random.default_rng(0).standard_normal((3, 9600)).astype(np.float32))
    scores = model.score(sounds, "pump")
    assert np.isfinite(scores).all() and np.ptp(scores) > 0
    model.save(tmp_path / "m.asd")
    again = MachineModel.load(tmp_path / "m.asd")
    assert again.views == views
    np.testing.assert_allclose(again.score(sounds, "pump"), scores, rtol=1e-4)
