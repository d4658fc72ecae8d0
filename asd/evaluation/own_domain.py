"""The figures of the papers: anomalous clips of the own domain, or all clips of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asd.evaluation.figures import (
    DOMAINS,
    MEANS,
    area,
    checked_sections,
    mean_of,
    of_domain,
    pauc_10,
)
from asd.evaluation.joining import SectionScores
from fewshot.metrics import auc


@dataclass(frozen=True)
class OwnDomain:
    """The papers' figures of one system, beside the official ones.

    Attributes
    ----------
    mean : str
        Which mean is taken: "arithmetic mean" of 2020, "harmonic mean" of later years.
    sections : mapping of (str, str) to mapping of str to float
        By machine and section: "own-domain AUC (source)", "own-domain pAUC (source)", those of the
        target domain, "mixed AUC" and "mixed pAUC"; of 2020 the last two alone. NaN where clips
        lack.
    machines : mapping of str to mapping of str to float
        Means over each machine's sections.
    overall : mapping of str to float
        Means over all sections.
    """

    mean: str
    sections: Mapping[tuple[str, str], Mapping[str, float]]
    machines: Mapping[str, Mapping[str, float]]
    overall: Mapping[str, float]


def own_domain_figures(sections: Sequence[SectionScores], year: int) -> OwnDomain:
    """Compute the figures of the dissertation and its papers.

    Parameters
    ----------
    sections : sequence of SectionScores
    year : int

    Returns
    -------
    OwnDomain

    Raises
    ------
    InputError
        No sections, or no domains where the year has them.

    Notes
    -----
    "source" and "target" pair the normal clips of a domain with the anomalous clips of the same
    domain, for AUC and pAUC; "mixed" takes all clips of a section (dissertation, Tables 16 to 27).
    The official AUC of a domain, since 2022, takes the anomalous clips of both.
    """
    rows = {key: _row(section, year) for key, section in checked_sections(sections).items()}
    mean = mean_of(year)
    return OwnDomain(
        mean=mean,
        sections=rows,
        machines={
            machine: _mean(mean, [row for (of, _), row in rows.items() if of == machine])
            for machine in dict.fromkeys(machine for machine, _ in rows)
        },
        overall=_mean(mean, list(rows.values())),
    )


def _row(section: SectionScores, year: int) -> dict[str, float]:
    row = {}
    for domain in DOMAINS if year > 2020 else ():
        own = of_domain(section, domain)
        row[f"own-domain AUC ({domain})"] = area(auc, section, own)
        row[f"own-domain pAUC ({domain})"] = area(pauc_10, section, own)
    return row | {"mixed AUC": area(auc, section), "mixed pAUC": area(pauc_10, section)}


def _mean(mean: str, rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: MEANS[mean](row[name] for row in rows) for name in rows[0]}
