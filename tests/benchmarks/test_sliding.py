"""The sliding-window baseline: its network, its boxes and their thresholds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fewshot.events import Event
from fewshot.features import log_mel
from kws.clips import Clip, EnrolledClip, LoadedClip

HOP_S = 256 / 16000


def naive_boxes(curve, length, threshold, duration_s):
    """As section 6.3.7 has it: compare, then take the median, then widen the boxes."""
    active = np.pad(curve >= threshold, length // 2)
    active = [sum(active[k : k + length]) > length / 2 for k in range(len(curve))]
    boxes, first = [], None
    for k, on in enumerate([*active, False]):
        if on and first is None:
            first = k
        if not on and first is not None:
            offset_s = (k - 1) * HOP_S + 0.125
            boxes.append((max(0.0, first * HOP_S - 0.125), min(duration_s, offset_s)))
            first = None
    return boxes


@pytest.mark.parametrize("length", [1, 3, 9, 31])
@pytest.mark.parametrize("seed", range(3))
def test_boxes_are_those_of_filtered_decisions(script, length, seed):
    rng = np.random.default_rng(seed)
    curve = np.convolve(rng.standard_normal(108), np.ones(9) / 9, "valid").astype(np.float32)
    curves = {"a.wav": script.smoothed(curve, length)[None]}
    boxes = script.Boxes(curves, ["yes"], {"a.wav": 1.6})
    for threshold in np.quantile(curve, [0.0, 0.3, 0.5, 0.8, 0.99]).tolist():
        found = [(e.onset_s, e.offset_s) for e in boxes.at(threshold)]
        expected = naive_boxes(curve, length, threshold, 1.6)
        assert len(found) == len(expected)
        assert sum(found, ()) == pytest.approx(sum(expected, ()))
        assert boxes.at({"yes": threshold}) == boxes.at(threshold)
    assert boxes.at({}) == []


def box(*stretches):
    """Similarities that are high in stretches (first, end, height) of two seconds."""
    curve = np.zeros(126, np.float32)
    for first, end, height in stretches:
        curve[first:end] = height
    return curve


def test_thresholds_are_tuned_for_all_keywords_and_for_each(script):
    curves = np.array([box((20, 41, 0.9), (80, 101, 0.7)), box((50, 71, 0.6), (10, 31, 0.405))])
    boxes = script.Boxes({"a.wav": curves}, ["yes", "no"], {"a.wav": 2.0})
    truth = [
        Event("a.wav", 20 * HOP_S - 0.125, 40 * HOP_S + 0.125, "yes"),
        Event("a.wav", 50 * HOP_S - 0.125, 70 * HOP_S + 0.125, "no"),
    ]
    # 0.9 yes right, 0.7 yes wrong, 0.6 no right, 0.4 no wrong.
    tuned = boxes.tune(truth)
    assert (tuned.threshold, tuned.n_sys, tuned.n_tp) == (0.60, 3, 2)
    assert tuned.f_score == pytest.approx(4 / 5)
    # In the midst of those that do so well.
    assert 0.41 < boxes.tune_for_others(truth).threshold < 0.6
    each = boxes.tune_per_keyword(truth)
    assert each.thresholds == {"yes": 0.9, "no": 0.6}
    assert (each.n_ref, each.n_sys, each.n_tp, each.f_score) == (2, 2, 2, 1.0)
    assert len(boxes.at(each.thresholds)) == 2


def test_a_keyword_that_is_not_in_the_truth_is_left_out_by_its_threshold(script):
    curves = np.array([box((20, 41, 0.9)), box((50, 71, 0.95))])
    boxes = script.Boxes({"a.wav": curves}, ["yes", "no"], {"a.wav": 2.0})
    truth = [Event("a.wav", 20 * HOP_S - 0.125, 40 * HOP_S + 0.125, "yes")]
    each = boxes.tune_per_keyword(truth)
    assert [e.label for e in boxes.at(each.thresholds)] == ["yes"]
    assert each.f_score == 1.0


def test_one_embedding_per_segment(script):
    network = script.SlidingResNet().eval()
    segments = torch.randn(3, 16, 64)
    assert network.blocks(segments.unsqueeze(1)).shape == (3, 128, 2, 8)
    assert network(segments).shape == (3, 128)


def test_segments_are_centred_at_every_hop(script):
    """Similarities are those of segments that are cut by hand, padded with half a segment."""
    samples = np.random.default_rng(0).standard_normal(90_000).astype(np.float32)
    system = script.SlidingSystem(["yes"], lambda x: x.mean(dim=(1, 2))[:, None], [1])
    found = system.curves(samples)
    assert found.shape == (1, 1 + 90_000 // 256)
    padded = np.concatenate([np.zeros(2000, np.float32), samples, np.zeros(2000, np.float32)])
    for k in (0, 1, 200, 351):
        segment = torch.from_numpy(padded[256 * k : 256 * k + 4000])[None]
        assert found[0, k] == pytest.approx(log_mel(segment).mean().item(), abs=1e-4)


def tone(rng, hz, seconds):
    t = np.arange(int(16000 * seconds)) / 16000
    return (np.sin(2 * np.pi * hz * t) + 0.01 * rng.standard_normal(len(t))).astype(np.float32)


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    return [
        EnrolledClip.of(LoadedClip(Clip(name, Path("a.wav")), tone(rng, hz, 0.6), 0, 0, ""))
        for name, hz in (("low", 400), ("high", 3000))
        for _ in range(2)
    ]


@pytest.mark.parametrize("reversed_classes", [False, True])
def test_tones_are_told_apart(script, clips, reversed_classes):
    rng = np.random.default_rng(1)
    system = script.learn(clips, reversed_classes=reversed_classes, epochs=20, seed=0)
    assert system.keywords == ["high", "low"]
    # 38 segments fit into 0.6 s; 37 and 39 are as near.
    assert system.lengths == [39, 39]
    for row, hz in enumerate((3000, 400)):
        curves = system.curves(tone(rng, hz, 1.0))
        assert curves.shape == (2, 63)
        middle = curves[:, 10:-10].mean(axis=1)
        assert middle[row] > middle[1 - row] + 0.1


def test_training_is_repeatable(script, clips):
    sound = tone(np.random.default_rng(2), 1000, 0.5)
    first, same, other = (
        script.learn(clips, reversed_classes=True, epochs=1, seed=seed).curves(sound)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
