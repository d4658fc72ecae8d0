import json
import pickle

import numpy as np
import pytest

from fewshot import bundle
from fewshot.errors import InputError
from osc.learning import LOSSES
from osc.representations.two_branch import TwoBranch


def tones(n_samples=6000, seed=0):
    """Two clips each of three classes: a steady tone, an interrupted one, noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_samples) / 16000
    clips = []
    for _ in range(2):
        phase = rng.uniform(0, 6)
        steady = 0.3 * np.sin(2 * np.pi * 700 * t + phase)
        beeps = 0.3 * np.sin(2 * np.pi * 2500 * t + phase) * (np.sin(2 * np.pi * 8 * t + phase) > 0)
        clips += [steady, beeps, 0.2 * rng.standard_normal(n_samples)]
    noisy = [clip + 0.01 * rng.standard_normal(n_samples) for clip in clips]
    return [clip.astype(np.float32) for clip in noisy], ["steady", "beeps", "noise"] * 2


@pytest.fixture(scope="module")
def learnt():
    return TwoBranch(length_s=0.375, epochs=40).fit(*tones())


def test_learns_the_classes_of_new_clips(learnt):
    clips, labels = tones()
    new, expected = tones(seed=1)
    similarities = learnt.transform(new) @ learnt.transform(clips).T
    assert [labels[i] for i in similarities.argmax(axis=1)] == expected
    assert learnt.classes_ == ["beeps", "noise", "steady"]
    found = learnt.logits(new).argmax(axis=1)
    assert [learnt.classes_[i] for i in found] == expected
    assert learnt.losses_[-1] < learnt.losses_[0]


def test_embeddings_are_of_unit_length_whatever_the_clips(learnt):
    clips = [np.zeros(9000), np.ones(10), np.random.default_rng(0).standard_normal(100_000)]
    found = learnt.transform(clips)
    assert found.shape == (3, 256) and found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_short_clips_are_repeated_and_long_ones_cut(learnt):
    clip = np.random.default_rng(0).standard_normal(1500).astype(np.float32)
    four = np.tile(clip, 4)
    found = learnt.transform([clip, four, np.tile(clip, 7), four[:3000]])
    np.testing.assert_allclose(found, found[[0] * 4], atol=1e-6)


def test_seeds(learnt):
    again, other = (
        TwoBranch(length_s=0.375, epochs=2).fit(*tones(), seed=seed).losses_ for seed in (0, 1)
    )
    assert again == learnt.losses_[:2] != other


def test_progress_is_told():
    seen = []
    TwoBranch(length_s=0.2, epochs=3).fit(*tones(), on_epoch=lambda n, loss: seen.append(n))
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("loss", LOSSES)
def test_survives_a_file(loss, tmp_path):
    clips, labels = tones()
    learnt = TwoBranch(length_s=0.2, loss=loss, epochs=2, device="cpu").fit(clips, labels)
    tensors, settings = learnt.state()
    bundle.save(tmp_path / "a.osc", tensors, {"settings": settings}, kind="test", version=1)
    tensors, header = bundle.load(tmp_path / "a.osc", kind="test", version=1)
    restored = TwoBranch.restore(tensors, header["settings"])
    np.testing.assert_allclose(restored.transform(clips), learnt.transform(clips), atol=1e-6)
    np.testing.assert_allclose(restored.logits(clips), learnt.logits(clips), rtol=1e-4)
    assert (restored.classes_, restored.losses_) == (learnt.classes_, learnt.losses_)
    assert json.dumps(restored.state()[1]) == json.dumps(settings)


def test_trained_centres_survive_too():
    clips, labels = tones()
    learnt = TwoBranch(length_s=0.2, train_centres=True, epochs=2).fit(clips, labels)
    restored = TwoBranch.restore(*learnt.state())
    np.testing.assert_allclose(restored.logits(clips), learnt.logits(clips), rtol=1e-4)


def test_sizes_that_a_file_makes_up_take_no_memory(learnt):
    tensors, settings = learnt.state()
    with pytest.raises(RuntimeError, match="size mismatch"):
        TwoBranch.restore(tensors, settings | {"n_values": 10**11})
    with pytest.raises(KeyError):
        TwoBranch.restore(tensors, {k: v for k, v in settings.items() if k != "classes"})
    with pytest.raises(TypeError):
        TwoBranch.restore(tensors, settings | {"colour": "red"})


def test_can_be_sent_to_another_process(learnt):
    clips, _ = tones()
    copy = pickle.loads(pickle.dumps(learnt))
    np.testing.assert_array_equal(copy.transform(clips), learnt.transform(clips))


@pytest.mark.parametrize("length_s", [0.1, 61.0, float("nan")])
def test_lengths_out_of_range_are_refused(length_s):
    with pytest.raises(InputError, match=r"length_s is .*; it must be 0.2 to 60"):
        TwoBranch(length_s=length_s).fit(*tones())


def test_one_class_is_refused():
    with pytest.raises(InputError, match="one class only"):
        TwoBranch(length_s=0.2).fit(tones()[0], ["a"] * 6)
