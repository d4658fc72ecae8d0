"""The official figures of DCASE Challenge Task 2, 2020 to 2025."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asd.evaluation.figures import (
    DOMAINS,
    HARMONIC,
    MEANS,
    area,
    checked_sections,
    decided,
    harmonic_mean,
    of_domain,
    pauc_10,
)
from asd.evaluation.jackknife import Intervals, jackknife_intervals
from asd.evaluation.joining import SectionScores
from asd.names import SOURCE
from fewshot.errors import InputError
from fewshot.metrics import auc

YEARS = (2020, 2021, 2022, 2023, 2024, 2025)
PRINTED = " as printed in 2022"
"""Ends the names of the means that the evaluator of 2022 took over other sections than it says."""

_AUC_OF = tuple(f"AUC ({domain})" for domain in DOMAINS)
_PAUC_OF = tuple(f"pAUC ({domain})" for domain in DOMAINS)

Figures = Mapping[str, float]
"""Values by the name of their column."""


@dataclass(frozen=True)
class Official:
    """The official figures of one system.

    Attributes
    ----------
    year : int
    sections : mapping of (str, str) to mapping of str to float
        By machine and section. 2020 has the columns "AUC" and "pAUC"; later years have "AUC
        (source)" and "AUC (target)", "pAUC (source)" and "pAUC (target)", since 2022 also "AUC
        (all)" and "pAUC"; with decisions "precision (source)", "recall (source)", "F1 score
        (source)" and those of the target domain. NaN where clips lack for it.
    machines : mapping of str to mapping of str to mapping of str to float
        By machine, mean and column: means over the machine's sections. The means are "arithmetic
        mean", "harmonic mean" and, with domains, "source harmonic mean" and "target harmonic mean".
        Beside the sections' columns they have "AUC", "pAUC", "precision", "recall" and "F1 score",
        over both domains or of the one. 2022 also has the last two means "as printed in 2022".
    overall : mapping of str to mapping of str to float
        By mean and column: the same over all sections of all machines. None of 2020.
    score : float or None
        The official score; 2020 had none.
    intervals : Intervals or None
        Since 2022, from two normal and two anomalous clips on.
    """

    year: int
    sections: Mapping[tuple[str, str], Figures]
    machines: Mapping[str, Mapping[str, Figures]]
    overall: Mapping[str, Figures]
    score: float | None
    intervals: Intervals | None


def scored_columns(year: int) -> tuple[str, ...]:
    """Columns of sections that the official score is the mean of; those of 2020, which had none."""
    if year == 2020:
        return ("AUC", "pAUC")
    return (*_AUC_OF, *_PAUC_OF) if year == 2021 else (*_AUC_OF, "pAUC")


def shown_columns(official: "Official") -> list[str]:
    """Columns of sections that are shown at a glance: those of `scored_columns` and F1 scores."""
    columns = next(iter(official.sections.values()))
    return [*scored_columns(official.year), *(name for name in columns if name.startswith("F1"))]


def paired_clips(section: SectionScores, domain: str, year: int) -> np.ndarray:
    """Which clips the official AUC of a domain is taken from; InputError without domains."""
    own = of_domain(section, domain)
    return own if year == 2021 else own | section.anomalous


def official_figures(sections: Sequence[SectionScores], year: int) -> Official:
    """Compute what the challenge's evaluator of a year computes.

    Parameters
    ----------
    sections : sequence of SectionScores
    year : int
        2020 to 2025.

    Returns
    -------
    Official

    Raises
    ------
    InputError
        No sections, no domains where the year has them, or a domain without the normal or the
        anomalous clips that an official figure needs.

    Notes
    -----
    2020: AUC and pAUC of each id; arithmetic means per machine. 2021: both of each section and
    domain, from the clips of that domain; the score is the harmonic mean of all of them. Since 2022
    the AUC of a domain pairs the normal clips of that domain with the anomalous clips of both, and
    there is one pAUC per section, over both domains; the score is the harmonic mean of all AUC
    (source), AUC (target) and pAUC. Precision, recall and F1 score are those of the submitted
    decisions on the clips of the domain. pAUC goes up to a false positive rate of 0.1 and is
    standardised after McClish. In harmonic means zeros count as the machine epsilon.

    The evaluator of 2022 divides the list of a machine's source and target values not in its middle
    but at half the number of sections: with three sections its "source harmonic mean" is the first
    section's source value, and its "target harmonic mean" takes the other five. Both readings are
    given.
    """
    if year not in YEARS:
        raise InputError(f"year {year} is none of {YEARS[0]} to {YEARS[-1]}")
    rows = {key: _row(section, year) for key, section in checked_sections(sections).items()}
    pooled = _pooled(next(iter(rows.values())), year)
    machines = {}
    for machine in dict.fromkeys(machine for machine, _ in rows):
        own = [row for (of, _), row in rows.items() if of == machine]
        machines[machine] = _means(own, pooled)
        if year == 2022 and len(own) > 1:
            machines[machine] |= _as_printed_in_2022(own, pooled)
    if year == 2020:
        return Official(year, rows, machines, {}, None, None)
    score = harmonic_mean(row[name] for row in rows.values() for name in scored_columns(year))
    return Official(
        year=year,
        sections=rows,
        machines=machines,
        overall=_means(list(rows.values()), pooled),
        score=score,
        intervals=jackknife_intervals(sections) if year >= 2022 else None,
    )


def _row(section: SectionScores, year: int) -> dict[str, float]:
    if year == 2020:
        row = {"AUC": area(auc, section), "pAUC": area(pauc_10, section)}
    else:
        row = {}
        if year > 2021:
            row = {"AUC (all)": area(auc, section), "pAUC": area(pauc_10, section)}
        for domain in DOMAINS:
            own = of_domain(section, domain)
            row[f"AUC ({domain})"] = area(auc, section, paired_clips(section, domain, year))
            row[f"pAUC ({domain})"] = area(pauc_10, section, own)
            row |= {f"{name} ({domain})": x for name, x in decided(section, own).items()}
    lacking = [name for name in scored_columns(year) if np.isnan(row[name])]
    if lacking:
        raise InputError(
            f"{section.name}: normal or anomalous clips lack for the {lacking[0]} of {year}"
        )
    return row


def _pooled(row: Figures, year: int) -> dict[str, tuple[str, ...]]:
    """Columns of means over both domains, and the sections' columns that each is made of."""
    if year == 2020:
        return {}
    names = [name for name in ("precision", "recall", "F1 score") if f"{name} ({SOURCE})" in row]
    pooled = {name: tuple(f"{name} ({domain})" for domain in DOMAINS) for name in names}
    return {"AUC": _AUC_OF, "pAUC": _PAUC_OF if year == 2021 else ("pAUC",) * 2} | pooled


def _means(rows: Sequence[Figures], pooled: Mapping[str, tuple[str, ...]]) -> dict[str, Figures]:
    means = {}
    for mean, of in MEANS.items():
        means[mean] = {name: of(row[name] for row in rows) for name in rows[0]}
        means[mean] |= {name: of(_listed(rows, parts)) for name, parts in pooled.items()}
    if pooled:
        for i, domain in enumerate(DOMAINS):
            means[_of_domain(domain)] = {
                name: harmonic_mean(row[parts[i]] for row in rows) for name, parts in pooled.items()
            }
    return means


def _of_domain(domain: str) -> str:
    return f"{domain} {HARMONIC}"


def _listed(rows: Sequence[Figures], parts: Iterable[str]) -> list[float]:
    """All sections' values of the source domain, then those of the target domain."""
    return [row[part] for part in parts for row in rows]


def _as_printed_in_2022(
    rows: Sequence[Figures], pooled: Mapping[str, tuple[str, ...]]
) -> dict[str, Figures]:
    half = len(rows) // 2
    listed = {name: _listed(rows, parts) for name, parts in pooled.items()}
    parts = (slice(None, half), slice(half, None))
    return {
        _of_domain(domain) + PRINTED: {name: harmonic_mean(x[part]) for name, x in listed.items()}
        for domain, part in zip(DOMAINS, parts, strict=True)
    }
