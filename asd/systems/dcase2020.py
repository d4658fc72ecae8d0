"""The system of the challenge of 2020: sub-cluster AdaCos on log-Mel spectrograms, and a mixture.

Notes
-----
Dissertation, section 3.2.2 and Tables 4 to 8. Trained centres, 32 of each section, which is what is
told apart; all clips are mixed up.
"""

from asd.back_ends import Mixture
from asd.representations.network import Network
from asd.systems.view import System, View
from asd.systems.wilkinghoff import WEIGHT_DECAY

N_CENTRES = 32
NETWORK = Network(
    encoder="log-mel",
    dim=128,
    bias=True,
    n_centres=N_CENTRES,
    train_centres=True,
    classes="sections",
    epochs=400,
    weight_decay=WEIGHT_DECAY,
)

DCASE2020: dict[str, System] = {
    "dcase2020": (View(NETWORK, Mixture(N_CENTRES, weights=False), scaled=False),)
}
