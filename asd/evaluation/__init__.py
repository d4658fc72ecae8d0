"""Figures of anomaly scores: the official ones of DCASE Challenge Task 2, and the papers' own.

>>> import numpy as np
>>> fan = SectionScores(
...     machine="fan",
...     section="00",
...     anomalous=np.array([0, 0, 1, 1, 0, 0, 1, 1], bool),
...     target=np.array([0, 0, 0, 0, 1, 1, 1, 1], bool),
...     scores=np.array([0.1, 0.2, 0.3, 0.8, 0.4, 0.6, 0.5, 0.9]),
... )
>>> official_figures([fan], 2023).sections["fan", "00"]["AUC (target)"]
0.625
>>> own_domain_figures([fan], 2023).sections["fan", "00"]["own-domain AUC (target)"]
0.75
"""

from asd.evaluation.jackknife import Intervals, jackknife_intervals
from asd.evaluation.joining import SectionScores, join
from asd.evaluation.official import YEARS, Official, official_figures
from asd.evaluation.own_domain import OwnDomain, own_domain_figures
from asd.evaluation.scores import ScoredClip, read_scores
from asd.evaluation.truth import TrueClip, read_truth, truth_of_names

__all__ = [
    "YEARS",
    "Intervals",
    "Official",
    "OwnDomain",
    "ScoredClip",
    "SectionScores",
    "TrueClip",
    "jackknife_intervals",
    "join",
    "official_figures",
    "own_domain_figures",
    "read_scores",
    "read_truth",
    "truth_of_names",
]
