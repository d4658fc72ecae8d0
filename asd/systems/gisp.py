"""Systems 1 and 2 of GISP: contrastive learning with clusters, or with what is known of clips.

Notes
-----
Tian et al., report for Task 2 of the DCASE Challenge 2024. System 1 tells clusters of statistics of
each machine apart; System 2 attributes, or domains where there are none. How clips are scored is
not told: the back end is that of the report's third system, the least distance to 16 centres of the
source domain and to all clips of the target domain.
"""

from asd.back_ends import Centres
from asd.representations.contrastive import Contrastive
from asd.systems.view import System, View

GISP_1 = Contrastive(classes="clusters")
GISP_2 = Contrastive(classes="attributes")

GISP: dict[str, System] = {
    "gisp-1": (View(GISP_1, Centres(16), scaled=False),),
    "gisp-2": (View(GISP_2, Centres(16), scaled=False),),
}
