"""What a class of clips is in words: machine, section, attributes, cluster and domain.

The report on System 3 of GISP (Tian et al., DCASE Challenge 2024, Task 2, section 2.2) transforms
"the labels of audio into descriptive text" and gives no template. Chosen here, with the section,
since classes differ by it:

    a fan machine, section 00, speed 18, source domain
    a pump machine, section 00, group 3, source domain
"""

import re
from collections.abc import Mapping, Sequence

from asd.dataset import Clip

_CLUSTER = re.compile(r" cluster (\d+)$")


def class_texts(names: Sequence[str], clips: Sequence[Clip]) -> dict[str, str]:
    """A text for each class.

    Parameters
    ----------
    names : sequence of str
        The class of each clip, as `asd.classes` gives it.
    clips : sequence of Clip
        What is known of each of them.

    Returns
    -------
    dict of str to str
        By class: what all of its clips have in common, and the number of its cluster.
    """
    members: dict[str, list[Clip]] = {}
    for name, clip in zip(names, clips, strict=True):
        members.setdefault(name, []).append(clip)
    return {name: _text(name, own) for name, own in members.items()}


def _text(name: str, clips: Sequence[Clip]) -> str:
    first, *others = (_facts(clip) for clip in clips)
    common = {
        key: value for key, value in first.items() if all(o.get(key) == value for o in others)
    }
    machine, domain = common.pop("machine", ""), common.pop("domain", "")
    cluster = _CLUSTER.search(name)
    parts = [
        " ".join(["a", *machine.split(), "machine"]),
        *(f"{key} {value}".rstrip() for key, value in common.items()),
        *([f"group {cluster[1]}"] if cluster else []),
        *([f"{domain} domain"] if domain else []),
    ]
    return ", ".join(parts)


def _facts(clip: Clip) -> Mapping[str, str]:
    facts = {"machine": clip.machine, "section": clip.section, "domain": clip.domain or ""}
    return facts | dict(clip.attributes)
