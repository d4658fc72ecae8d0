"""What classes are in words."""

from pathlib import Path

import pytest

from asd.class_texts import class_texts
from asd.dataset import Clip


def clip(section="00", domain="source", attributes=(), machine="fan"):
    return Clip(Path("a.wav"), machine, section, domain, "train", "normal", 0, attributes)


@pytest.mark.parametrize(
    ("name", "clips", "text"),
    [
        (
            "fan 00 vel=6 loc=A source",
            [clip(attributes=(("vel", "6"), ("loc", "A")))] * 2,
            "a fan machine, section 00, vel 6, loc A, source domain",
        ),
        (
            "fan 00 target fan cluster 12",
            [clip(domain="target")],
            "a fan machine, section 00, group 12, target domain",
        ),
        ("fan 00", [clip(domain=None)], "a fan machine, section 00"),
        (
            "fan",
            [clip(), clip("01", "target", (("vel", "6"),))],
            "a fan machine",
        ),
        ("", [clip(), clip(machine="pump")], "a machine, section 00, source domain"),
    ],
)
def test_texts_tell_what_the_clips_of_a_class_have_in_common(name, clips, text):
    assert class_texts([name] * len(clips), clips) == {name: text}


def test_every_class_has_its_text():
    clips = [clip(attributes=(("vel", value),)) for value in "676"]
    texts = class_texts(["six", "seven", "six"], clips)
    assert texts == {
        "six": "a fan machine, section 00, vel 6, source domain",
        "seven": "a fan machine, section 00, vel 7, source domain",
    }
