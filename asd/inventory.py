"""What a data set holds and what it lacks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from asd.dataset import Clip, classes_of
from asd.names import ANOMALY, NORMAL, SOURCE, SUPPLEMENTAL, TARGET, TEST, TRAIN

_TOYS = ("ToyCar", "ToyTrain")
_SINCE_2022 = (*_TOYS, "bearing", "fan", "gearbox", "slider", "valve")
_OF_2021 = (*_TOYS, "fan", "gearbox", "pump", "slider", "valve")
_OF_2020 = ("fan", "pump", "slider", "valve")


def _all(machines: Sequence[str], *sections: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(machines, sections)


EXPECTED = {
    2020: (
        _all(_OF_2020, "00", "02", "04", "06")
        | {"ToyCar": ("01", "02", "03", "04"), "ToyConveyor": ("01", "02", "03")},
        _all(_OF_2020, "01", "03", "05")
        | {"ToyCar": ("05", "06", "07"), "ToyConveyor": ("04", "05", "06")},
    ),
    2021: (_all(_OF_2021, "00", "01", "02"), _all(_OF_2021, "03", "04", "05")),
    2022: (_all(_SINCE_2022, "00", "01", "02"), _all(_SINCE_2022, "03", "04", "05")),
    2023: (
        _all(_SINCE_2022, "00"),
        _all(("ToyDrone", "ToyNscale", "ToyTank", "Vacuum", "bandsaw", "grinder", "shaker"), "00"),
    ),
    2024: (
        _all(_SINCE_2022, "00"),
        _all(("3DPrinter", "AirCompressor", "BrushlessMotor", "HairDryer", "HoveringDrone"), "00")
        | _all(("RoboticArm", "Scanner", "ToothBrush", "ToyCircuit"), "00"),
    ),
    2025: (
        _all(_SINCE_2022, "00"),
        _all(("AutoTrash", "BandSealer", "CoffeeGrinder", "HomeCamera", "Polisher"), "00")
        | _all(("ScrewFeeder", "ToyPet", "ToyRCCar"), "00"),
    ),
}
"""Sections by machine of each year's development and evaluation set."""


@dataclass(frozen=True)
class Holding:
    """Numbers of clips of one section of a machine.

    Attributes
    ----------
    machine, section : str
    train : mapping of str or None to int
        By domain.
    test : mapping of (str or None, str or None) to int
        By domain and condition.
    supplemental : int
    n_classes : int
        Different attributes and domains of the training clips.
    """

    machine: str
    section: str
    train: Counter
    test: Counter
    supplemental: int
    n_classes: int


def holdings(clips: Sequence[Clip]) -> list[Holding]:
    """Count the clips of every machine and section, sorted."""
    sections: dict[tuple[str, str], list[Clip]] = {}
    for clip in clips:
        sections.setdefault((clip.machine, clip.section), []).append(clip)
    return [
        Holding(
            machine=machine,
            section=section,
            train=Counter(clip.domain for clip in own if clip.split == TRAIN),
            test=Counter((clip.domain, clip.condition) for clip in own if clip.split == TEST),
            supplemental=sum(clip.split == SUPPLEMENTAL for clip in own),
            n_classes=len(set(classes_of(clip for clip in own if clip.split == TRAIN))),
        )
        for (machine, section), own in sorted(sections.items())
    ]


def lacking(held: Sequence[Holding], year: int | None = None) -> list[str]:
    """What is missing, a line each.

    Parameters
    ----------
    held : sequence of Holding
    year : int, optional
        Also name the machines and sections of this year's challenge that are not there.
    """
    domains = {
        domain for holding in held for domain in (*holding.train, *(d for d, _ in holding.test))
    }
    lines = [
        f"{holding.machine} {holding.section}: {what}"
        for holding in held
        for what in _lacking(holding, TARGET in domains)
    ]
    if year is not None:
        there = {(holding.machine, holding.section) for holding in held}
        for part, expected in zip(("development", "evaluation"), EXPECTED[year], strict=True):
            wanted = [(machine, name) for machine, names in expected.items() for name in names]
            absent = [key for key in wanted if key not in there]
            if len(absent) == len(wanted):
                lines.append(f"the {part} set of {year}: nothing of it")
            else:
                lines += [f"{machine} {name}: in {year}'s {part} set" for machine, name in absent]
    return lines


def _lacking(holding: Holding, has_target: bool) -> list[str]:
    """What a section lacks; domains are missed only where the data set has them."""
    lines = []
    if not holding.train.total():
        lines.append("training clips")
    elif has_target:
        lines += [
            f"training clips of the {domain} domain"
            for domain in (SOURCE, TARGET)
            if not holding.train[domain]
        ]
    if not holding.test.total():
        return [*lines, "test clips"]
    conditions = Counter(condition for _, condition in holding.test.elements())
    if conditions[None]:
        return [*lines, f"the conditions of {conditions[None]} test clips (ground truth)"]
    for condition in (NORMAL, ANOMALY):
        if not conditions[condition]:
            lines.append(f"{'anomalous' if condition == ANOMALY else condition} test clips")
    return lines
