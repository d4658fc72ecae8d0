"""Scores and truth, joined by machine, section and file name."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from asd.evaluation.scores import ScoredClip
from asd.evaluation.truth import TrueClip
from asd.names import TARGET
from fewshot.errors import InputError


@dataclass(frozen=True)
class SectionScores:
    """The test clips of one section of one machine.

    Parameters
    ----------
    machine, section : str
    anomalous : np.ndarray of bool, shape (n,)
    target : np.ndarray of bool, shape (n,), or None
        Which clips are of the target domain; None without domains.
    scores : np.ndarray, shape (n,)
        The higher, the more anomalous.
    decisions : np.ndarray of bool, shape (n,), optional
        Which clips were taken for anomalous.
    names : tuple of str
        File names without extension, where they are known.
    """

    machine: str
    section: str
    anomalous: np.ndarray
    target: np.ndarray | None
    scores: np.ndarray
    decisions: np.ndarray | None = None
    names: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.machine} {self.section}"


def join(truth: Iterable[TrueClip], scored: Iterable[ScoredClip]) -> list[SectionScores]:
    """Put scores to the clips that they belong to.

    Parameters
    ----------
    truth : iterable of TrueClip
        All clips that must have a score.
    scored : iterable of ScoredClip

    Returns
    -------
    list of SectionScores
        By machine and section; clips in the order of their names, as evaluators sort them.

    Raises
    ------
    InputError
        A clip has no score or two, or a score belongs to no clip.
    """
    clips = sorted(truth, key=lambda clip: (clip.machine, clip.section, clip.name))
    names = {(clip.machine, clip.section, clip.name): clip for clip in clips}
    long = {(c.machine, c.section, c.long_name): c for c in clips if c.long_name is not None}
    found: dict[TrueClip, ScoredClip] = {}
    for score in scored:
        clip = names.get(score.key) or long.get(score.key)
        if clip is None:
            raise InputError(
                f"{score.where}: {score.name} is no test clip of {score.machine} {score.section}"
            )
        other = found.setdefault(clip, score)
        if other is not score:
            raise InputError(f"{score.where}: {score.name} has a score in {other.where} as well")
    missing = [clip for clip in clips if clip not in found]
    if missing:
        first, others = missing[0], len(missing) - 1
        more = f", nor on {others} others" if others else ""
        raise InputError(f"no score on {first.machine} {first.section} {first.name}{more}")
    sections = defaultdict(list)
    for clip in clips:
        sections[clip.machine, clip.section].append(clip)
    return [
        _section(machine, section, members, found)
        for (machine, section), members in sections.items()
    ]


def _section(
    machine: str, section: str, clips: list[TrueClip], found: dict[TrueClip, ScoredClip]
) -> SectionScores:
    domains = [clip.domain for clip in clips]
    if None in domains and any(domains):
        unknown = clips[domains.index(None)].name
        raise InputError(f"{machine} {section}: {unknown} has no domain, but other clips have")
    decisions = [found[clip].decision for clip in clips]
    return SectionScores(
        machine=machine,
        section=section,
        anomalous=np.array([clip.anomalous for clip in clips]),
        target=None if None in domains else np.array([domain == TARGET for domain in domains]),
        scores=np.array([found[clip].score for clip in clips]),
        decisions=None if None in decisions else np.array(decisions),
        names=tuple(clip.name for clip in clips),
    )
