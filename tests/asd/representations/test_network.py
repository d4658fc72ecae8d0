"""Networks that tell machines apart: configuration, training, vectors, files."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from machines import clips_in

import asd
from asd.back_ends import Centres, Nearest, Value
from asd.excerpts import resampled
from asd.learning import Task, make_loss
from asd.model import MachineModel
from asd.representations import representation_of
from asd.representations.network import LOSSES, Embedder, Network
from asd.synthesis import write_dataset
from asd.systems import View, ensemble, trained_for
from asd.systems.dcase2020 import NETWORK as LOG_MEL
from asd.systems.mobilenet import NETWORK as MOBILENET
from asd.systems.training_free import view
from asd.systems.wilkinghoff import ADAPROJ_SSL, SELF_SUPERVISED
from fewshot.errors import InputError
from fewshot.losses.adacos import SubClusterAdaCosLoss

QUICK = Network(epochs=2, batch_size=8, dim=16, n_centres=2)


@pytest.fixture(scope="module")
def dcase(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dcase")
    return write_dataset(
        folder, machines=("fan", "gearbox"), n_source=8, n_target=2, n_test=1, duration_s=0.6
    )


def system(network, back_end=None):
    return (View(network, back_end or Centres(4), scaled=False),)


def sounds(n=3, length=9600):
    return list(np.random.default_rng(1).standard_normal((n, length)).astype(np.float32))


VARIANTS = {
    "two-branch": QUICK,
    "spectrum": replace(QUICK, branches=("spectrum",)),
    "ssl": replace(SELF_SUPERVISED, epochs=2, batch_size=8, dim=16, n_centres=2),
    "statex": replace(QUICK, exchanges=("statex",), regular=False),
    "adaproj-ssl": replace(ADAPROJ_SSL, epochs=1, batch_size=8, dim=16, n_centres=3),
    "log-mel": replace(LOG_MEL, epochs=1, batch_size=8, dim=16, n_centres=2),
    "attention, texts, 19.2 kHz": replace(
        QUICK, frequency_attention="attention", text_weight=0.5, sample_rate=19_200
    ),
    "gate": replace(QUICK, epochs=1, frequency_attention="gate"),
    "mobilenet": replace(MOBILENET, epochs=1, batch_size=8, dim=16, output="embedding"),
    "one class": replace(QUICK, loss="compactness", classes="one"),
}


@pytest.mark.parametrize("network", VARIANTS.values(), ids=VARIANTS)
def test_models_come_back_from_their_files(dcase, tmp_path, network):
    model = asd.train(dcase, system=system(network), device="cpu")
    assert list(model.sections) == [("fan", "00"), ("gearbox", "00")]
    scores = model.score(sounds(), "fan")
    assert np.isfinite(scores).all() and np.ptp(scores) > 0
    model.save(tmp_path / "m.asd")
    again = MachineModel.load(tmp_path / "m.asd")
    assert again.views == model.views
    np.testing.assert_allclose(again.score(sounds(), "fan"), scores, rtol=1e-5, atol=1e-7)


def test_same_seed_same_scores_and_members_differ(dcase):
    views = system(QUICK, Nearest(cosine=True))
    one, two = (asd.train(dcase, system=views, seed=3, device="cpu") for _ in range(2))
    first = one.score(sounds(), "fan")
    np.testing.assert_array_equal(first, two.score(sounds(), "fan"))
    both = asd.train(dcase, system=views, members=2, seed=3, device="cpu")
    other = asd.train(dcase, system=views, seed=4, device="cpu").score(sounds(), "fan")
    np.testing.assert_allclose(both.score(sounds(), "fan"), (first + other) / 2, rtol=1e-5)
    assert len(both.describers) == 2


def test_members_of_an_ensemble_are_counted_once():
    assert len(ensemble(system(QUICK), 3)) == 3
    assert len(ensemble((*system(QUICK), view("mfcc", "nearest")), 3)) == 4


def test_networks_are_trained_for_as_long_as_asked(dcase):
    told = []
    views = (*system(QUICK), view("mfcc", "nearest"))
    model = asd.train(dcase, system=views, epochs=3, on_epoch=lambda *at: told.append(at[1:3]))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert model.views == trained_for(views, 3) and model.views[1] == views[1]


def test_machines_are_told_apart_after_training(tmp_path):
    data = write_dataset(
        tmp_path, machines=("fan", "spindle"), n_source=16, n_target=2, n_test=1, duration_s=0.6
    )
    network = replace(QUICK, classes="machines", epochs=12)
    losses = []
    model = asd.train(
        data, system=system(network), device="cpu", on_epoch=lambda *told: losses.append(told[3])
    )
    assert losses[-1] < losses[0]
    tests = {m: sorted((data / m / "test").glob("*normal*")) for m in ("fan", "spindle")}
    own = np.mean([model.score(tests[m], m).mean() for m in tests])
    foreign = np.mean([model.score(tests["fan"], "spindle"), model.score(tests["spindle"], "fan")])
    assert own < foreign


@pytest.mark.parametrize(
    "changes",
    [{}, {"sample_rate": 19_200, "text_weight": 0.5, "frequency_attention": "attention"}],
    ids=["plain", "19.2 kHz"],
)
def test_a_stopped_training_goes_on_and_ends_as_if_it_had_not_stopped(dcase, tmp_path, changes):
    network = replace(QUICK, epochs=3, **changes)
    whole = asd.train(dcase, system=system(network), device="cpu").score(sounds(), "fan")

    def stop(_title, epoch, _epochs, _loss):
        if epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asd.train(dcase, system=system(network), device="cpu", folder=tmp_path, on_epoch=stop)
    (kept,) = tmp_path.iterdir()
    assert kept.match("network_*.checkpoint")
    other = replace(network, loss="adacos", n_centres=1)
    asd.train(dcase, system=system(other), device="cpu", folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2, "another network does not go on from it"
    epochs = []
    model = asd.train(
        dcase,
        system=system(network),
        device="cpu",
        folder=tmp_path,
        on_epoch=lambda _title, epoch, *_: epochs.append(epoch),
    )
    assert epochs == [3]
    np.testing.assert_allclose(model.score(sounds(), "fan"), whole, rtol=1e-5)


def test_a_single_class_is_split_into_clusters(tmp_path):
    folder = clips_in(tmp_path / "pump", 10, duration_s=0.6)
    model = asd.train(folder, system=system(QUICK), device="cpu")
    assert model.notes[0] == (
        "all clips are of one class; 2 clusters of them are told apart instead"
    )


def test_posteriors_are_scores_of_the_own_section(dcase):
    model = asd.train(
        dcase, system=system(replace(QUICK, output="posterior"), Value()), device="cpu"
    )
    (describer,) = model.describers.values()
    clips = sounds()
    fan, gearbox = (describer.vectors(clips, (name, "00"))[:, 0] for name in ("fan", "gearbox"))
    np.testing.assert_allclose(np.exp(-fan) + np.exp(-gearbox), 1.0, rtol=1e-4)
    np.testing.assert_allclose(model.score(clips, "fan"), fan, rtol=1e-5)


def test_odds_are_against_the_likeliest_class_of_the_own_section():
    config = Network(loss="softmax", dim=4, output="odds")
    head = make_loss(config, 3)
    network = torch.nn.Sequential(torch.nn.Linear(6, 4))
    embedder = Embedder(config, network, 6, [("fan", "00"), ("fan", "00"), ("pump", "00")], head)
    clips = sounds(5, 6)
    with torch.no_grad():
        shares = head.logits(network(torch.from_numpy(np.stack(clips)))).softmax(dim=1).numpy()
    for machine, p in (("fan", shares[:, :2].max(axis=1)), ("pump", shares[:, 2])):
        found = embedder.vectors(clips, (machine, "00"))
        np.testing.assert_allclose(found[:, 0], np.log((1 - p) / p), rtol=1e-4, atol=1e-6)


def test_patches_overlap_and_their_scores_are_averaged(dcase):
    config = replace(MOBILENET, epochs=1, batch_size=8, dim=16, clip_s=0.3, hop_s=0.1)
    (describer,) = asd.train(
        dcase, system=system(config, Value()), device="cpu"
    ).describers.values()
    assert describer.n_samples == 4800
    (clip,) = sounds(1, 8000)
    whole = describer.vectors([clip], ("fan", "00"))
    patches = [clip[start : start + 4800] for start in (0, 1600, 3200)]
    np.testing.assert_allclose(
        whole[0], describer.vectors(patches, ("fan", "00")).mean(axis=0), rtol=1e-4
    )


def test_long_clips_are_the_mean_of_their_pieces(dcase):
    (describer,) = asd.train(dcase, system=system(QUICK), device="cpu").describers.values()
    (clip,) = sounds(1, 3 * describer.n_samples)
    whole = describer.vectors([clip], ("fan", "00"))
    parts = describer.vectors(np.split(clip, 3), ("fan", "00"))
    np.testing.assert_allclose(whole[0], parts.mean(axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_has_a_gradient(loss):
    head = make_loss(Network(loss=loss, dim=8, n_centres=2), 4)
    embeddings = torch.randn(6, 8, requires_grad=True)
    labels = torch.eye(4)[[0, 1, 2, 3, 0, 1]]
    head(embeddings, 0.7 * labels + 0.3 * labels.flip(0)).backward()
    assert embeddings.grad.abs().sum() > 0
    assert head.logits(embeddings).shape == (6, 4)


@pytest.mark.parametrize(
    "changes",
    [{"exchange_classes": False}, {"statex_along": "either", "temporal_mean": False}],
)
def test_variants_of_the_self_supervised_loss(changes):
    config = replace(SELF_SUPERVISED, dim=16, n_centres=2, **changes)
    generator = torch.Generator().manual_seed(0)
    task = Task(config, config.network(9600), list("abcde"), generator)
    assert task.further.n_classes == (45 if config.exchange_classes else 9)
    assert task.regular.n_classes == 5
    task((torch.randn(4, 9600), torch.eye(5)[[0, 1, 2, 3]])).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in task.encoder.parameters())


def test_classes_of_the_self_supervised_loss():
    config = replace(SELF_SUPERVISED, dim=16, n_centres=2)
    texts = [f"speed {n}" for n in range(5)]
    task = Task(config, config.network(9600), texts, torch.Generator().manual_seed(0))
    assert task.regular.n_classes == 5 and task.further.n_classes == 45
    assert not isinstance(task.regular.centres, torch.nn.Parameter)
    assert isinstance(task.further.centres, torch.nn.Parameter)
    assert isinstance(task.further, SubClusterAdaCosLoss)
    labels = torch.eye(5)[[0, 1, 2, 3]]
    task((torch.randn(4, 9600), labels)).backward()
    assert all(p.grad is not None for p in task.encoder.parameters())


def test_texts_pull_at_the_network_and_stay_out_of_its_model(dcase):
    config = replace(QUICK, text_weight=0.5)
    texts = ["a fan machine, speed 18", "a fan machine, speed 21", "a pump machine"]
    task, same = (
        Task(one, one.network(9600), texts, torch.Generator().manual_seed(0))
        for one in (config, replace(config, text_weight=0.0))
    )
    same.load_state_dict(task.state_dict(), strict=False)
    batch = torch.randn(6, 9600), torch.eye(3)[[0, 1, 2, 0, 1, 2]]
    halves = task.encoder.halves(*task.encoder.inputs(batch[0]))
    without = replace(config, mixup=0.0)
    task.config, same.config = without, replace(without, text_weight=0.0)
    own = task.text(task.encoder.combined(halves), batch[1])
    torch.testing.assert_close(task(batch), same(batch) + 0.5 * own)
    task(batch).backward()
    assert task.text.linear.weight.grad.any()
    (describer,) = asd.train(dcase, system=system(config), device="cpu").describers.values()
    assert not any("text" in name for name in describer.state()[0])


def test_networks_hear_clips_at_their_rate(dcase):
    network = replace(QUICK, sample_rate=19_200)
    (describer,) = asd.train(dcase, system=system(network), device="cpu").describers.values()
    assert describer.n_samples == 11_520
    (clip,) = sounds(1)
    expected = describer.network(resampled(torch.from_numpy(clip)[None], 11_520, 19_200))
    np.testing.assert_allclose(
        describer.vectors([clip], ("fan", "00")),
        torch.nn.functional.normalize(expected).detach(),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "magic"}, "loss is 'magic'; use sub-cluster-adacos"),
        ({"encoder": "magic"}, "encoder is 'magic'"),
        ({"classes": "magic"}, "classes is 'magic'"),
        ({"exchanges": ("magic",)}, "exchange 'magic' is not known"),
        ({"statex_along": "magic"}, "statex_along is 'magic'; use frequency, time, either"),
        ({"statex_along": "time"}, "statex_along is 'time'; use it without temporal_mean"),
        ({"frequency_attention": "magic"}, "frequency_attention is 'magic'; use none, attention"),
        ({"sample_rate": 8_000}, "sample_rate is 8000; use 16000 to 48000"),
        ({"sample_rate": 19_200, "log_mel": True}, "sample_rate is 19200; Mel bands are those of"),
    ],
)
def test_unknown_choices_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        Network(**changes)


def test_a_loss_that_is_not_finite_is_told(dcase, monkeypatch):
    monkeypatch.setattr(Task, "forward", lambda self, batch: self.encoder(batch[0]).sum() * np.nan)
    with pytest.raises(InputError, match="the loss is nan in epoch 1; try another seed or loss"):
        asd.train(dcase, system=system(QUICK), device="cpu")


def test_configurations_survive_json():
    for network in VARIANTS.values():
        assert representation_of(network.described()) == network
