"""A system for machines that nobody has tuned one to: statistics, and a network where it can learn.

Notes
-----
The network is that of the combined self-supervised approach (ICASSP paper, section 3), told apart
are attributes or, where a clip has none, domain and clusters, and scores are local-density ratios
(arXiv 2509.10951). Its scores join those of the default system's views as one more. Of few clips
such a network learns nothing that helps: with fewer than `FEWEST_CLIPS` there is none.
"""

from dataclasses import replace

from asd.back_ends import LocalDensity
from asd.config import AUTO, DEFAULT
from asd.systems.training_free import TRAINING_FREE
from asd.systems.view import System, View
from asd.systems.wilkinghoff import SELF_SUPERVISED

FEWEST_CLIPS = 500
NETWORK = View(
    replace(SELF_SUPERVISED, classes="attributes-or-clusters"),
    LocalDensity(cosine=True),
    scaled=False,
)

AUTOMATIC: dict[str, System] = {AUTO: (*TRAINING_FREE[DEFAULT], NETWORK)}


def suited_to(n_clips: int) -> str:
    """The system that "auto" is with so many training clips.

    >>> suited_to(100), suited_to(1000)
    ('statistics', 'auto')
    """
    return AUTO if n_clips >= FEWEST_CLIPS else DEFAULT
