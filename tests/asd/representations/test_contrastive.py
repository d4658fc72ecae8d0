"""Contrastive learning: training in stages, vectors, files."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import asd
from asd.back_ends import Centres, Nearest, Value
from asd.clusters import Clustering
from asd.model import MachineModel
from asd.representations import representation_of
from asd.representations.contrastive import (
    CLASS_RATE,
    Contrastive,
    ContrastiveTask,
    SpectralTemporalNet,
)
from asd.synthesis import write_dataset
from asd.systems import View
from fewshot.errors import InputError

QUICK = Contrastive(contrast_epochs=1, epochs=2, batch_size=8)
VARIANTS = {
    "clusters": QUICK,
    "attributes, posterior": replace(QUICK, classes="attributes", output="posterior"),
    "joint": replace(QUICK, joint=True),
    "statistics": replace(QUICK, contrast="statistics", clustering=Clustering("moments")),
    "classes alone": replace(QUICK, contrast_epochs=0),
}


@pytest.fixture(scope="module")
def dcase(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dcase")
    return write_dataset(
        folder, machines=("fan", "gearbox"), n_source=6, n_target=2, n_test=1, duration_s=0.4
    )


def system(config):
    return (View(config, Value() if config.output == "posterior" else Centres(4), scaled=False),)


def sounds(n=3, length=6400):
    return list(np.random.default_rng(1).standard_normal((n, length)).astype(np.float32))


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_models_come_back_from_their_files(dcase, tmp_path, config):
    model = asd.train(dcase, system=system(config), device="cpu")
    scores = model.score(sounds(), "fan")
    assert np.isfinite(scores).all() and np.ptp(scores) > 0
    model.save(tmp_path / "m.asd")
    again = MachineModel.load(tmp_path / "m.asd")
    assert again.views == model.views
    np.testing.assert_allclose(again.score(sounds(), "fan"), scores, rtol=1e-4, atol=1e-6)


def test_machines_are_told_apart_after_training(tmp_path):
    data = write_dataset(
        tmp_path, machines=("fan", "spindle"), n_source=12, n_target=2, n_test=3, duration_s=0.4
    )
    config = replace(QUICK, classes="machines", contrast_epochs=4, epochs=4)
    view = View(config, Nearest(cosine=True), scaled=False)
    told = []
    # With another seed the contrast can end where it began, which four epochs are too few to tell.
    model = asd.train(
        data, system=(view,), seed=1, device="cpu", on_epoch=lambda *one: told.append(one)
    )
    assert [one[:3] for one in told] == [
        (f"{part} 1", epoch, 4) for part in ("contrast", "classes") for epoch in range(1, 5)
    ]
    assert told[3][3] < told[0][3] and told[7][3] < told[4][3]
    tests = {m: sorted((data / m / "test").glob("*normal*")) for m in ("fan", "spindle")}
    own = np.concatenate([model.score(tests[m], m) for m in tests])
    foreign = [model.score(tests["fan"], "spindle"), model.score(tests["spindle"], "fan")]
    foreign = np.concatenate(foreign)
    assert np.mean(own[:, None] < foreign) > 0.8


@pytest.mark.parametrize("stage", ["contrast", "classes"])
def test_a_training_that_stopped_in_either_stage_goes_on(dcase, tmp_path, stage):
    config = replace(QUICK, contrast_epochs=2, epochs=2)
    whole = asd.train(dcase, system=system(config), device="cpu").score(sounds(), "fan")

    def stop(title, epoch, _epochs, _loss):
        if (title, epoch) == (f"{stage} 1", 2):
            raise KeyboardInterrupt

    def train(on_epoch):
        return asd.train(
            dcase, system=system(config), device="cpu", folder=tmp_path, on_epoch=on_epoch
        )

    with pytest.raises(KeyboardInterrupt):
        train(stop)
    told = []
    model = train(lambda *one: told.append(one[:2]))
    assert told == [("contrast 1", 2), ("classes 1", 1), ("classes 1", 2)][-len(told) :]
    assert len(told) == (3 if stage == "contrast" else 1)
    np.testing.assert_allclose(model.score(sounds(), "fan"), whole, rtol=1e-5)


@pytest.mark.parametrize("contrast", ["classes", "statistics"])
def test_everything_is_trained(contrast):
    config = replace(QUICK, contrast=contrast, joint=True)
    n_statistics = 5 if contrast == "statistics" else 0
    task = ContrastiveTask(config, config.network(8000), config.head(3), n_statistics)
    waveforms = 0.1 * torch.randn(6, 8000)
    statistics = torch.randn(6, n_statistics)
    task((waveforms, torch.tensor([0, 0, 1, 1, 2, 2]), statistics)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in task.parameters())


def test_embeddings_have_the_size_of_the_report():
    with torch.device("meta"):
        network = SpectralTemporalNet(160_000)
    n_dense = 128 * 128 + 2 * 128
    assert sum(p.numel() for p in network.parameters()) == 1_059_392 + 280_406 + n_dense


def test_the_learning_rate_of_classes_falls_to_a_tenth():
    rates = [Contrastive(epochs=100).class_rate(epoch) for epoch in range(100)]
    assert rates[:21] == [CLASS_RATE] * 21
    assert rates[-1] == pytest.approx(CLASS_RATE / 10)
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[60] == pytest.approx(CLASS_RATE * 0.55, rel=0.03)
    assert Contrastive(epochs=5).class_rate(4) == CLASS_RATE


def test_long_clips_are_cut_to_the_configured_length(dcase):
    config = replace(QUICK, clip_s=0.3, contrast_epochs=0, epochs=1)
    (describer,) = asd.train(dcase, system=system(config), device="cpu").describers.values()
    assert describer.n_samples == 4800
    assert describer.vectors(sounds(2, 9000), ("fan", "00")).shape == (2, 128)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": "magic"}, "classes is 'magic'"),
        ({"contrast": "magic"}, "contrast is 'magic'; use classes, statistics"),
        ({"output": "magic"}, "output is 'magic'"),
        ({"clip_s": 30.0}, "clip_s is 30.0; it must be 0.2 to 18"),
    ],
)
def test_unknown_choices_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        Contrastive(**changes)


def test_configurations_survive_json():
    for config in VARIANTS.values():
        assert representation_of(config.described()) == config
