"""The four systems of GISP: contrast of clusters or attributes, self-supervision, all together.

Notes
-----
Tian et al., report for Task 2 of the DCASE Challenge 2024. Systems 1 and 2 (section 2.1) learn by
contrast: of clusters of statistics of each machine, or of attributes and, where there are none, of
domains. System 3 (section 2.2) is the self-supervised classifier of `asd.systems.wilkinghoff` with
attention to frequencies and the words of labels; clips without attributes are told apart by domain
and cluster. The report says that sound is "upsampled to 19.2 kHz" for it: clips of 10 s then have
192000 samples. What `fewshot.encoders.frequency_attention`, `fewshot.losses.text`,
`asd.class_texts`, `asd.clusters` and `asd.representations.contrastive` do is left open there, like
the anomaly score: here it is that of the system which System 3 builds on, the least distance to 16
centres of the source domain and to all clips of the target domain.

System 4 (section 2.3) gives the others the same weight. How scores of different scales meet is not
told: here they are put into standard deviations above the mean of the scores that the training
clips get when left out, and averaged by `asd.section` like those of any views of different kinds:
as log(1 + exp(z)).
"""

from dataclasses import replace

from asd.back_ends import Centres
from asd.representations.contrastive import Contrastive
from asd.systems.view import System, View
from asd.systems.wilkinghoff import SELF_SUPERVISED

GISP_1 = Contrastive(classes="clusters")
GISP_2 = Contrastive(classes="attributes")
GISP_3 = replace(
    SELF_SUPERVISED,
    classes="attributes-or-clusters",
    frequency_attention="attention",
    text_weight=0.5,
    sample_rate=19_200,
    clip_s=10.0,
)
VIEWS = tuple(View(network, Centres(16), scaled=False) for network in (GISP_1, GISP_2, GISP_3))

GISP: dict[str, System] = {f"gisp-{i}": (view,) for i, view in enumerate(VIEWS, 1)}
GISP["gisp-4"] = VIEWS
