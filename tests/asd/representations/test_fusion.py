"""Classifiers of sections by several features: parts, training, scores, files."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from machines import clips_in
from torch.nn.functional import log_softmax, softmax

import asd
from asd.attribute_loss import token_targets, tokens_of
from asd.back_ends import Nearest, Value
from asd.dataset import read_dataset
from asd.fusion_learning import ALL, Task
from asd.model import MachineModel
from asd.representations import representation_of
from asd.representations.fusion import LEAST_SAMPLES, Fusion
from asd.representations.network import log_odds_against
from asd.synthesis import write_dataset
from asd.systems import View, system_of, with_wav2vec
from asd.systems.ustc import FUSION, USTC
from fewshot.errors import InputError

QUICK = Fusion(dim=16, n_pooled=24, clips_of_each=4, epochs=2)
POSTERIOR = replace(QUICK, output="posterior")


@pytest.fixture(scope="module")
def dcase(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dcase")
    return write_dataset(
        folder, machines=("fan", "gearbox"), n_source=8, n_target=2, n_test=1, duration_s=0.6
    )


@pytest.fixture(scope="module")
def sections(tmp_path_factory):
    """Machines of two sections each, as a table."""
    folder = tmp_path_factory.mktemp("sections")
    lines = ["filename,machine,section"]
    for machine in ("fan", "motor"):
        for section, own in enumerate((machine, "pump")):
            clips = clips_in(folder / f"{machine}{section}", 6, machine=own, duration_s=0.6)
            lines += [f"{clips / f'{i}.wav'},{machine},{section}" for i in range(6)]
    (folder / "clips.csv").write_text("\n".join(lines))
    return folder / "clips.csv"


def system(fusion):
    back_end = Value() if fusion.output == "posterior" else Nearest(cosine=True)
    return (View(fusion, back_end, scaled=False),)


def sounds(n=3, length=9600):
    return list(np.random.default_rng(1).standard_normal((n, length)).astype(np.float32))


def describer_of(model):
    (describer,) = model.describers.values()
    return describer


VARIANTS = {
    "baseline": replace(POSTERIOR, features=("log-mel",), losses=("triplet",)),
    "log-mel + tgram": replace(POSTERIOR, losses=("triplet",)),
    "all losses": POSTERIOR,
    "embedding": QUICK,
    "heads, margin": replace(QUICK, auxiliary="heads", margin=0.3),
    "cross entropy alone": replace(QUICK, features=("tgram",), losses=()),
}


@pytest.mark.parametrize("fusion", VARIANTS.values(), ids=VARIANTS)
def test_models_come_back_from_their_files(dcase, tmp_path, fusion):
    assert representation_of(fusion.described()) == fusion
    model = asd.train(dcase, system=system(fusion), device="cpu")
    scores = model.score(sounds(), "fan")
    assert np.isfinite(scores).all() and np.ptp(scores) > 0
    model.save(tmp_path / "m.asd")
    again = MachineModel.load(tmp_path / "m.asd")
    assert again.views == model.views
    np.testing.assert_allclose(again.score(sounds(), "fan"), scores, rtol=1e-5, atol=1e-7)


def test_the_published_sizes():
    network = FUSION.network(160_000, 6)
    assert sum(p.numel() for p in network.tgram.parameters()) == 280_406
    n_planes = len(FUSION.features)
    expected = 5_398_676 - (3 - n_planes) * 128 * (512 * 5 + 2)
    assert sum(p.numel() for p in network.encoder.parameters()) == expected
    assert network.head.weight.shape == (6, 512)


def test_every_part_is_trained(dcase):
    clips = read_dataset(dcase).clips[:4]
    tokens = tokens_of(clips)
    task = Task(QUICK, QUICK.network(LEAST_SAMPLES, 2), tokens)
    targets = token_targets(clips, tokens)
    latent = torch.zeros(4, 1 + LEAST_SAMPLES // 512, 0)
    batch = torch.randn(4, LEAST_SAMPLES), latent, torch.tensor([0, 0, 1, 1]), targets
    task(batch).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in task.parameters())
    parts = (task.network.tgram.filters, task.network.encoder.embed, task.attributes.linear)
    assert all(part.weight.grad.abs().sum() > 0 for part in parts)


def test_losses_are_added_up(dcase):
    torch.manual_seed(0)
    clips = read_dataset(dcase).clips[:4]
    tokens = tokens_of(clips)
    batch = (
        torch.randn(4, LEAST_SAMPLES),
        torch.zeros(4, 1 + LEAST_SAMPLES // 512, 0),
        torch.tensor([0, 0, 1, 1]),
        token_targets(clips, tokens),
    )
    task = Task(QUICK, QUICK.network(LEAST_SAMPLES, 2), tokens)
    whole = task(batch)
    triplet, attributes, task.triplet, task.attributes = task.triplet, task.attributes, None, None
    embeddings = task.network(*batch[:2])
    top = task.network.encoder.top(embeddings)
    expected = task(batch) + triplet(embeddings, batch[2]) + attributes(top, batch[3])
    torch.testing.assert_close(whole, expected)


def test_odds_against_a_class_are_those_of_equation_6_and_rank_like_its_surprise():
    logits = torch.tensor(np.random.default_rng(0).standard_normal((20, 6)) * 3)
    p = softmax(logits, dim=1)
    odds = log_odds_against(logits)
    torch.testing.assert_close(odds, torch.log((1 - p) / p))
    surprise = -log_softmax(logits, dim=1)
    assert torch.equal(odds.argsort(dim=0), surprise.argsort(dim=0))
    assert log_odds_against(1e6 * logits).isfinite().all()


def test_machines_of_several_sections_have_a_classifier_each(sections):
    model = asd.train(sections, system=system(POSTERIOR), device="cpu")
    describer = describer_of(model)
    assert describer.classes == {
        machine: [(machine, "0"), (machine, "1")] for machine in ("fan", "motor")
    }
    first, second = (describer.vectors(sounds(), ("fan", section)) for section in "01")
    np.testing.assert_allclose(first, -second, rtol=1e-4, err_msg="two classes: p and 1 - p")


def test_machines_of_one_section_share_a_classifier(dcase):
    describer = describer_of(asd.train(dcase, system=system(QUICK), device="cpu"))
    assert describer.classes == {ALL: [("fan", "00"), ("gearbox", "00")]}


def test_sections_are_told_apart_after_training(tmp_path):
    data = write_dataset(
        tmp_path, machines=("fan", "spindle"), n_source=16, n_target=2, n_test=4, duration_s=0.6
    )
    losses = []
    fusion = replace(QUICK, learning_rate=3e-3, epochs=8)
    tests = {m: sorted((data / m / "test").glob("*normal*")) for m in ("fan", "spindle")}
    for one in (fusion, replace(fusion, output="posterior")):
        model = asd.train(
            data, system=system(one), device="cpu", on_epoch=lambda *told: losses.append(told[3])
        )
        assert losses[-1] < losses[-one.epochs]
        for own, foreign in (("fan", "spindle"), ("spindle", "fan")):
            assert model.score(tests[own], own).mean() < model.score(tests[foreign], own).mean()


def test_equation_7_is_0_for_a_training_clip_and_not_where_it_is_left_out(dcase):
    model = asd.train(dcase, system=system(QUICK), device="cpu")
    clips = [clip.path for clip in read_dataset(dcase).clips if clip.split == "train"]
    own = [path for path in clips if "fan" in str(path)]
    np.testing.assert_allclose(model.score(own, "fan"), 0, atol=1e-6)
    assert model.sections["fan", "00"].left_out.min() > 1e-6


def test_a_stopped_training_goes_on_and_ends_as_if_it_had_not_stopped(sections, tmp_path):
    fusion = replace(QUICK, epochs=3)
    whole = asd.train(sections, system=system(fusion), device="cpu").score(sounds(), "fan", "0")
    told = []

    def stop(title, epoch, _epochs, _loss):
        told.append((title, epoch))
        if told[-1] == ("classifier 1, motor", 2):
            raise KeyboardInterrupt

    asked = {"system": system(fusion), "device": "cpu", "folder": tmp_path, "on_epoch": stop}
    with pytest.raises(KeyboardInterrupt):
        asd.train(sections, **asked)
    told.clear()
    with pytest.raises(KeyboardInterrupt):
        asd.train(sections, **asked)
    assert told == [("classifier 1, motor", 2)]
    asked["on_epoch"] = lambda *_: None
    model = asd.train(sections, **asked)
    np.testing.assert_allclose(model.score(sounds(), "fan", "0"), whole, rtol=1e-5)


def test_members_differ(dcase):
    both = asd.train(dcase, system=system(QUICK), members=2, device="cpu")
    one, two = (one.vectors(sounds(), ("fan", "00")) for one in both.describers.values())
    assert not np.allclose(one, two)


def test_a_single_section_is_split_into_clusters(tmp_path):
    folder = clips_in(tmp_path / "pump", 10, duration_s=0.3)
    model = asd.train(folder, system=system(POSTERIOR), device="cpu")
    assert "clusters of them are told apart instead" in model.notes[0]
    assert model.notes[1] == "no clip has attributes; the auxiliary loss has nothing to tell"
    assert set(describer_of(model).classes[ALL]) == {("pump", "00")}
    assert np.ptp(model.score(sounds())) > 0


def test_long_clips_are_the_mean_of_their_pieces(dcase):
    describer = describer_of(asd.train(dcase, system=system(QUICK), device="cpu"))
    (clip,) = sounds(1, 3 * describer.n_samples)
    whole = describer.vectors([clip], ("fan", "00"))
    parts = describer.vectors(np.split(clip, 3), ("fan", "00"))
    np.testing.assert_allclose(whole[0], parts.mean(axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"auxiliary": "magic"}, "auxiliary is 'magic'; use tokens, heads"),
        ({"output": "magic"}, "output is 'magic'; use embedding, posterior"),
        ({"features": ("magic",)}, "features: 'magic' is not known; use log-mel, tgram, wav2vec"),
        ({"features": ()}, "features: none are given"),
        ({"losses": ("magic",)}, "losses: 'magic' is not known; use triplet, auxiliary"),
    ],
)
def test_unknown_choices_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        Fusion(**changes)


def test_other_systems_do_not_listen_through_wav2vec(tmp_path):
    with pytest.raises(InputError, match="no such file; give the weights of wav2vec 2"):
        with_wav2vec(USTC["ustc"], tmp_path / "none.pt")
    with pytest.raises(InputError, match="only the system ustc listens through wav2vec 2"):
        with_wav2vec(system_of("mfcc-nearest"), tmp_path / "none.pt")


def test_a_single_section_is_told_apart_by_what_is_known_of_its_clips(tmp_path):
    data = write_dataset(
        tmp_path, machines=("fan",), n_source=8, n_target=2, n_test=1, duration_s=0.3
    )
    model = asd.train(data, system=system(POSTERIOR), device="cpu")
    classes = describer_of(model).classes[ALL]
    n_known = len(
        {(c.domain, c.attributes) for c in read_dataset(data).clips if c.split == "train"}
    )
    assert len(classes) == n_known > 1 and set(classes) == {("fan", "00")}
    assert not any("clusters" in note for note in model.notes)
    assert np.ptp(model.score(sounds(), "fan")) > 0
