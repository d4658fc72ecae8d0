"""The challenge's baselines: an autoencoder's square error, or Mahalanobis distance of its errors.

Notes
-----
Dissertation, equation 2; the baselines of DCASE Challenge Task 2 since 2020 and 2023.
"""

from asd.back_ends import Value
from asd.representations.autoencoder import Autoencoder
from asd.systems.view import System, View

AUTOENCODERS: dict[str, System] = {
    "autoencoder": (View(Autoencoder(), Value(), scaled=False),),
    "autoencoder-mahalanobis": (View(Autoencoder(score="mahalanobis"), Value(), scaled=False),),
}
