"""What official and own-domain figures are made of: areas of parts of a section, and means."""

import math
import sys
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from asd.evaluation.joining import SectionScores
from asd.names import SOURCE, TARGET
from fewshot.errors import InputError
from fewshot.metrics import pauc

DOMAINS = (SOURCE, TARGET)
ARITHMETIC, HARMONIC = "arithmetic mean", "harmonic mean"
MAX_FPR = 0.1

Area = Callable[[np.ndarray, np.ndarray], float]


def pauc_10(anomalous: np.ndarray, scores: np.ndarray) -> float:
    """Standardised partial area up to the challenge's false positive rate."""
    return pauc(anomalous, scores, MAX_FPR)


def area(measure: Area, section: SectionScores, clips: np.ndarray | slice = slice(None)) -> float:
    """An area of some clips of a section; NaN where all are normal or all are anomalous."""
    anomalous = section.anomalous[clips]
    if anomalous.all() or not anomalous.any():
        return np.nan
    return measure(anomalous, section.scores[clips])


def of_domain(section: SectionScores, domain: str) -> np.ndarray:
    """Which clips are of a domain."""
    if section.target is None:
        raise InputError(f"{section.name}: the truth tells no domains, this year has them")
    return section.target == (domain == TARGET)


def decided(section: SectionScores, clips: np.ndarray) -> dict[str, float]:
    """Precision, recall and F1 of the decisions on some clips; empty without decisions.

    Each is 0 where there is nothing to divide by.
    """
    if section.decisions is None:
        return {}
    anomalous, decisions = section.anomalous[clips], section.decisions[clips]
    tp, found, there = (int(x.sum()) for x in (anomalous & decisions, decisions, anomalous))
    return {
        "precision": tp / max(found, 1),
        "recall": tp / max(there, 1),
        "F1 score": 2 * tp / max(found + there, 1),
    }


def percent(share: float) -> str:
    """A figure as tables show it.

    >>> percent(0.625), percent(float("nan"))
    ('62.50', 'n/a')
    """
    return "n/a" if math.isnan(share) else f"{100 * share:.2f}"


def harmonic_mean(values: Iterable[float]) -> float:
    """Harmonic mean, where what is below the machine epsilon counts as that.

    >>> harmonic_mean([0.5, 1.0])
    0.6666666666666666
    >>> harmonic_mean([0.0, 1.0])
    4.440892098500625e-16
    """
    clamped = np.maximum(list(values), sys.float_info.epsilon)
    return float(len(clamped) / np.sum(1 / clamped))


def arithmetic_mean(values: Iterable[float]) -> float:
    """Arithmetic mean of finitely many values."""
    return float(np.mean(list(values)))


MEANS = {ARITHMETIC: arithmetic_mean, HARMONIC: harmonic_mean}


def mean_of(year: int) -> str:
    """Name of the mean over sections that a year's challenge goes by."""
    return ARITHMETIC if year == 2020 else HARMONIC


def checked_sections(sections: Sequence[SectionScores]) -> dict[tuple[str, str], SectionScores]:
    """Sections by machine and section; InputError if there are none or doubles."""
    if not sections:
        raise InputError("no scores to evaluate")
    by_key = {(section.machine, section.section): section for section in sections}
    if len(by_key) < len(sections):
        raise InputError("a section is there twice")
    return by_key
