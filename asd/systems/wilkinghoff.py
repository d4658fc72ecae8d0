"""The systems with two branches: angular margin losses, self-supervised classes, AdaProj.

Notes
-----
Dissertation, sections 5.3.1 ("two-branch"), 5.6 ("adaproj"), 5.7 ("wilkinghoff", as in the ICASSP
paper on self-supervised learning) and 5.8 ("adaproj-ssl").
"""

from dataclasses import replace

from asd.back_ends import Centres
from asd.representations.network import Network
from asd.systems.view import System, View, ensemble

WEIGHT_DECAY = 2e-5
"""An L2 penalty of 1e-5, as in the author's code."""
TWO_BRANCH = Network(weight_decay=WEIGHT_DECAY)
SELF_SUPERVISED = replace(TWO_BRANCH, exchanges=("statex", "featex"), mixup=0.5)
ADAPROJ = replace(TWO_BRANCH, loss="adaproj", dim=512, n_centres=32)
ADAPROJ_SSL = replace(SELF_SUPERVISED, loss="adaproj", dim=512, n_centres=32)
ADAPROJ_MEMBERS = 10

WILKINGHOFF: dict[str, System] = {
    "two-branch": (View(TWO_BRANCH, Centres(16), scaled=False),),
    "wilkinghoff": (View(SELF_SUPERVISED, Centres(16), scaled=False),),
    "adaproj": (View(ADAPROJ, Centres(32), scaled=False),),
    "adaproj-ssl": ensemble((View(ADAPROJ_SSL, Centres(32), scaled=False),), ADAPROJ_MEMBERS),
}
