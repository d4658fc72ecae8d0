"""Generated machines: reproducible, in the challenge's layout, with faults that can be heard."""

import numpy as np
import pytest

from asd.dataset import CHALLENGE, read_dataset
from asd.inventory import holdings, lacking
from asd.synthesis import FAULTS, MACHINES, Hall, recording, write_dataset
from fewshot.metrics import auc

HALL = Hall()


def clip(name, fault, seed, hall=HALL):
    rng = np.random.default_rng(seed)
    return recording(name, MACHINES[name].speeds_hz[0], "low", hall, fault, rng, 1.0)


@pytest.mark.parametrize("name", MACHINES)
def test_clips_are_the_same_for_the_same_seed_and_differ_otherwise(name):
    one = clip(name, None, 0)
    assert one.shape == (16000,) and one.dtype == np.float32
    assert np.abs(one).max() <= 1 and -33 < 20 * np.log10(np.std(one)) < -22
    np.testing.assert_array_equal(one, clip(name, None, 0))
    for other in (
        clip(name, None, 1),
        clip(name, None, 0, Hall(slope=1.6)),
        clip(name, FAULTS[0], 0),
    ):
        assert np.abs(other - one).max() > 0.01


def share(samples, low_hz, high_hz):
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / 16000)
    return power[(low_hz <= hz) & (hz < high_hz)].sum() / power.sum()


def test_a_leak_hisses_and_an_imbalance_hums():
    for fault, low, high in (("leak", 4500, 7200), ("imbalance", 10, 45)):
        normal = [share(clip("fan", None, seed), low, high) for seed in range(8)]
        anomalous = [share(clip("fan", fault, 100 + seed), low, high) for seed in range(8)]
        assert auc([0] * 8 + [1] * 8, normal + anomalous) > 0.6


def test_the_data_set_is_one_of_the_challenge(tmp_path):
    write_dataset(tmp_path, machines=("fan",), n_source=5, n_target=2, n_test=3, duration_s=0.2)
    dataset = read_dataset(tmp_path)
    assert (dataset.layout, dataset.problems) == (CHALLENGE, [])
    (held,) = holdings(dataset.clips)
    assert held.train == {"source": 5, "target": 2}
    assert set(held.test.values()) == {3} and len(held.test) == 4
    assert lacking([held]) == []
    speeds = {c.domain: set() for c in dataset.clips}
    for c in dataset.clips:
        speeds[c.domain].add(dict(c.attributes)["spd"])
    assert not speeds["source"] & speeds["target"]


def test_halls_differ_and_are_heard():
    rng = np.random.default_rng(0)
    assert Hall.drawn(rng) != Hall.drawn(rng)
    bright = Hall(octaves_db=(0, 0, 0, 0, 0, 0, 20, 20), snr_db=(-10, -10))
    plain = Hall(snr_db=(-10, -10))
    assert share(clip("fan", None, 0, bright), 4500, 8000) > 5 * share(
        clip("fan", None, 0, plain), 4500, 8000
    )
