"""How sure the areas are: leave one clip out, for every clip."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid
from scipy.stats import t

from asd.evaluation.figures import MAX_FPR
from asd.evaluation.joining import SectionScores

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Intervals:
    """Half widths of 95 % confidence intervals of the areas over all clips of all machines.

    Attributes
    ----------
    official : float
        What the evaluators print beside the official score: the mean of both half widths below,
        each n - 1 times too narrow for n clips.
    auc, pauc : float
        The jackknife's own.
    """

    official: float
    auc: float
    pauc: float


def jackknife_intervals(sections: Sequence[SectionScores]) -> Intervals | None:
    """Intervals of the AUC and of the pAUC over the clips of all sections together.

    None if there are fewer than two normal or two anomalous clips.

    Notes
    -----
    With the areas a_i of all clips but the i-th, the jackknife's standard error is
    sqrt((n - 1) / n sum (a_i - mean a)^2) (Mesaros et al., IEEE/ACM TASLP 27 (6), 2019, section
    IV); times the quantile of Student's t with n - 1 degrees of freedom it is the half width. The
    evaluators since 2022 divide by n (n - 1) instead, which is right for pseudo-values but not for
    the a_i.
    """
    anomalous = np.concatenate([section.anomalous for section in sections])
    scores = np.concatenate([section.scores for section in sections])
    n = len(scores)
    if not 2 <= anomalous.sum() <= n - 2:
        return None
    quantile = t.ppf((1 + CONFIDENCE) / 2, n - 1)
    areas = areas_left_out(anomalous, scores)
    deviations = areas - areas.mean(axis=1, keepdims=True)
    widths = quantile * np.sqrt((n - 1) / n * (deviations**2).sum(axis=1))
    return Intervals(float(widths.mean() / (n - 1)), float(widths[0]), float(widths[1]))


def areas_left_out(anomalous: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """AUC and pAUC without each of the clips, shape (2, n).

    Clips of equal score and kind leave the same behind: each such group is computed once.
    """
    levels, level = np.unique(-scores, return_inverse=True)
    kinds = np.stack([~anomalous, anomalous])
    counts = np.stack([np.bincount(level, kind, len(levels)) for kind in kinds])
    areas = np.empty((2, len(scores)))
    for kind in (0, 1):
        for i in np.flatnonzero(counts[kind]):
            counts[kind, i] -= 1
            areas[:, (level == i) & kinds[kind]] = np.array(_areas(*counts))[:, None]
            counts[kind, i] += 1
    return areas


def _areas(normal: np.ndarray, anomalous: np.ndarray) -> tuple[float, float]:
    """AUC and standardised pAUC from the numbers of clips at each score, the highest first."""
    fpr = np.concatenate([[0.0], np.cumsum(normal)]) / normal.sum()
    tpr = np.concatenate([[0.0], np.cumsum(anomalous)]) / anomalous.sum()
    stop = np.searchsorted(fpr, MAX_FPR, side="right")
    at_stop = np.interp(MAX_FPR, fpr[stop - 1 : stop + 1], tpr[stop - 1 : stop + 1])
    part = trapezoid(np.append(tpr[:stop], at_stop), np.append(fpr[:stop], MAX_FPR))
    least, most = MAX_FPR**2 / 2, MAX_FPR
    return trapezoid(tpr, fpr), (1 + (part - least) / (most - least)) / 2
