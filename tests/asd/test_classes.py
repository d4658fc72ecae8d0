"""Which clips are of one class."""

from pathlib import Path

import numpy as np
import pytest

from asd.classes import CLASSES, class_names, places_of, told_apart
from asd.dataset import Clip
from asd.recordings import Recordings
from asd.representations import Training
from fewshot.errors import InputError

SPEED = (("spd", "6"),)


def clip(machine, section, domain, attributes=()):
    return Clip(Path("a.wav"), machine, section, domain, "train", "normal", 0, attributes)


CLIPS = [
    clip("fan", "00", "source", SPEED),
    clip("fan", "00", "target", SPEED),
    clip("fan", "00", "target"),
    clip("fan", "01", "source", SPEED),
    clip("pump", "00", "source"),
    clip("pump", "00", None),
]
CLUSTERS = [f"fan cluster {i}" for i in (0, 0, 1, 1)] + ["pump cluster 0"] * 2


@pytest.fixture
def training(tmp_path):
    recordings = Recordings(tmp_path / "waveforms")
    for sound in np.random.default_rng(0).standard_normal((len(CLIPS), 3200)):
        recordings.append(0.1 * sound)
    yield Training(recordings, CLIPS, 0, "cpu", None, lambda *_: None, [])
    recordings.close()


@pytest.mark.parametrize(
    ("scheme", "partition"),
    [
        ("attributes", "abcdef"),
        ("domains", "abbcde"),
        ("clusters", "aabcdd"),
        ("attributes-or-clusters", "abcdef"),
        ("sections", "aaabcc"),
        ("machines", "aaaabb"),
        ("one", "aaaaaa"),
    ],
)
def test_schemes_keep_apart_what_they_say(monkeypatch, scheme, partition):
    monkeypatch.setattr("asd.classes.cluster_names", lambda *_: CLUSTERS)
    names = class_names(scheme, None, CLIPS)
    assert scheme in CLASSES
    assert len(set(zip(names, partition, strict=True))) == len(set(names)) == len(set(partition))


def test_clusters_name_clips_without_attributes_alone(monkeypatch):
    monkeypatch.setattr("asd.classes.cluster_names", lambda *_: CLUSTERS)
    names = class_names("attributes-or-clusters", None, CLIPS)
    assert names[0] == "fan 00 spd=6 source" and names[2] == "fan 00 target fan cluster 1"
    known = CLIPS[:2]
    monkeypatch.setattr("asd.classes.cluster_names", lambda *_: pytest.fail("not needed"))
    assert len(set(class_names("attributes-or-clusters", None, known))) == 2


def test_classes_have_places(training):
    names = class_names("sections", training.recordings, CLIPS)
    assert places_of(names, CLIPS) == {
        "fan 00": ("fan", "00"),
        "fan 01": ("fan", "01"),
        "pump 00": ("pump", "00"),
    }


def test_a_single_class_is_split_with_a_note(training):
    names = told_apart("one", training)
    assert set(names) == {"fan cluster 0", "pump cluster 0"}
    assert training.notes == [
        "all clips are of one class; 2 clusters of them are told apart instead"
    ]
    assert len(set(told_apart("machines", training))) == 2 and len(training.notes) == 1


def test_clips_that_are_all_the_same_are_refused(tmp_path):
    recordings = Recordings(tmp_path / "same")
    for _ in range(3):
        recordings.append(np.full(3200, 0.5))
    same = [clip("fan", "00", "source")] * 3
    training = Training(recordings, same, 0, "cpu", None, lambda *_: None, [])
    with pytest.raises(InputError, match="the training clips are all the same"):
        told_apart("attributes", training)
    recordings.close()


def test_unknown_schemes_are_refused():
    with pytest.raises(InputError, match="classes is 'magic'; use attributes, domains"):
        class_names("magic", None, CLIPS)
