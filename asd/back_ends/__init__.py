"""Back ends: training vectors of one section, with their domains, and test vectors -> scores.

A score is the higher, the more anomalous a clip is. All take arrays and give arrays: `fit` gives
what is kept of the training clips by name, `score` takes it. `leave_one_out` gives the score that
each training clip gets from the others, from which decision thresholds are estimated; it lacks
(empty) where there is one clip alone.

>>> import numpy as np
>>> train, target = np.array([[0.0], [1.0], [3.0]]), np.array([False, False, False])
>>> back_end = Nearest()
>>> back_end.score(back_end.fit(train, target), np.array([[1.2], [7.0]])).round(3).tolist()
[0.2, 4.0]
>>> back_end.leave_one_out(train, target).tolist()
[1.0, 1.0, 2.0]
"""

from asd.back_ends.base import DOMAINS, N_CENTRES, REGULARISATION, BackEnd, Fitted, World
from asd.back_ends.centres import Centres
from asd.back_ends.domain_means import DomainMeans
from asd.back_ends.gaussian import Gaussian
from asd.back_ends.mixture import Mixture
from asd.back_ends.neighbours import FEWEST, LocalDensity, Nearest, Standardised
from asd.back_ends.plda import Plda
from asd.back_ends.value import Value
from asd.back_ends.whitened import WhitenedDensity

__all__ = [
    "DOMAINS",
    "FEWEST",
    "N_CENTRES",
    "REGULARISATION",
    "BackEnd",
    "Centres",
    "DomainMeans",
    "Fitted",
    "Gaussian",
    "LocalDensity",
    "Mixture",
    "Nearest",
    "Plda",
    "Standardised",
    "Value",
    "WhitenedDensity",
    "World",
]
