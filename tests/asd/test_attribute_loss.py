"""Attributes as tokens: what file names say, and the loss against its definition."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from asd.attribute_loss import AttributeLoss, token_targets, tokens_of
from asd.dataset import Clip
from asd.names import parse_name


def clip(machine, name):
    told = parse_name(name)
    return Clip(
        Path(name), machine, told.section, told.domain, "train", "normal", 0, told.attributes
    )


CLIPS = [
    clip("ToyCar", "section_00_source_train_normal_0000_car_A1_spd_28V_mic_1_noise_1.wav"),
    clip("ToyCar", "section_01_target_train_normal_0001_car_A2_spd_28V_mic_1_noise_2.wav"),
    clip("valve", "section_03_source_train_normal_0002_v1pat_04_v2pat_05.wav"),
    clip("BrushlessMotor", "section_00_source_train_normal_0003_spd1000_BckgA.wav"),
    clip("slider", "section_00_source_train_normal_0004_noAttribute.wav"),
    clip("slider", "section_00_0001.wav"),
]


def test_tokens_are_the_pairs_of_the_file_names_by_machine():
    assert tokens_of(CLIPS) == [
        ("BrushlessMotor", "Bckg", "A"),
        ("BrushlessMotor", "spd", "1000"),
        ("ToyCar", "car", "A1"),
        ("ToyCar", "car", "A2"),
        ("ToyCar", "mic", "1"),
        ("ToyCar", "noise", "1"),
        ("ToyCar", "noise", "2"),
        ("ToyCar", "spd", "28V"),
        ("valve", "v1pat", "04"),
        ("valve", "v2pat", "05"),
    ]
    same = [clip(machine, CLIPS[0].path.name) for machine in ("ToyCar", "ToyTrain")]
    assert len(tokens_of(same)) == 8, "those of different machines are different"


def test_targets_ask_only_for_the_attributes_of_the_own_machine():
    targets = token_targets(CLIPS, tokens_of(CLIPS))
    assert targets[0].tolist() == [-1, -1, 1, 0, 1, 1, 0, 1, -1, -1]
    assert targets[1].tolist() == [-1, -1, 0, 1, 1, 0, 1, 1, -1, -1]
    assert (targets[4:] == -1).all(), "nothing is known of these"


def naive_loss(logits, clips, tokens, kind):
    of_clips = []
    for u, one in zip(logits, clips, strict=True):
        own = {(one.machine, *pair) for pair in one.attributes}
        terms = []
        if kind == "tokens" and own:
            for k, token in enumerate(tokens):
                if token[0] == one.machine:
                    p = 1 / (1 + math.exp(-u[k]))
                    terms.append(-math.log(p if token in own else 1 - p))
        elif kind == "heads":
            for machine, name, value in own:
                values = [k for k, token in enumerate(tokens) if token[:2] == (machine, name)]
                k = tokens.index((machine, name, value))
                terms.append(math.log(sum(math.exp(u[j]) for j in values)) - u[k])
        if terms:
            of_clips.append(sum(terms) / len(terms))
    return sum(of_clips) / len(of_clips) if of_clips else 0.0


@pytest.mark.parametrize("kind", ["tokens", "heads"])
@pytest.mark.parametrize("clips", [CLIPS, CLIPS[:2], CLIPS[4:]])
def test_against_the_definition(clips, kind):
    tokens = tokens_of(CLIPS)
    loss = AttributeLoss(tokens, 4, kind).double()
    inputs = torch.tensor(np.random.default_rng(0).standard_normal((len(clips), 4)))
    found = loss(inputs, token_targets(clips, tokens).double())
    expected = naive_loss(loss.linear(inputs).tolist(), clips, tokens, kind)
    assert found.item() == pytest.approx(expected)


def test_two_values_of_one_name_share_its_softmax():
    both = clip("fan", "section_00_source_train_normal_0000_m-n_A_m-n_B.wav")
    tokens = tokens_of([both])
    loss = AttributeLoss(tokens, 1, "heads")
    with torch.no_grad():
        loss.linear.weight.zero_()
        loss.linear.bias.zero_()
    found = loss(torch.ones(1, 1), token_targets([both], tokens))
    assert found.item() == pytest.approx(math.log(2))
