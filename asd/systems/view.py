"""What systems are made of: a description of clips, and a comparison with those of training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from asd.back_ends import (
    BackEnd,
    Centres,
    DomainMeans,
    Gaussian,
    LocalDensity,
    Mixture,
    Nearest,
    Plda,
    Standardised,
    Value,
    WhitenedDensity,
)
from asd.representations import Representation, representation_of

_KINDS = {
    kind.__name__: kind
    for kind in (
        Centres,
        DomainMeans,
        Gaussian,
        LocalDensity,
        Mixture,
        Nearest,
        Plda,
        Standardised,
        Value,
        WhitenedDensity,
    )
}


@dataclass(frozen=True)
class View:
    """A representation of clips and the back end that compares their vectors.

    Parameters
    ----------
    representation : Representation
    back_end : BackEnd
    scaled : bool
        Whether each value is standardised by its mean and deviation over the training clips.
    """

    representation: Representation
    back_end: BackEnd
    scaled: bool = True

    def described(self) -> dict[str, Any]:
        """What JSON can hold of it."""
        return {
            "representation": self.representation.described(),
            "back_end": type(self.back_end).__name__,
            "parameters": asdict(self.back_end),
            "scaled": self.scaled,
        }

    @classmethod
    def restored(cls, description: Mapping[str, Any]) -> "View":
        """From what `described` gave; KeyError or TypeError if it is something else."""
        back_end = _KINDS[description["back_end"]](**description["parameters"])
        representation = representation_of(description["representation"])
        return cls(representation, back_end, bool(description["scaled"]))

    def member(self, index: int) -> "View":
        """The same with another seed, where there is something to draw."""
        if not any(field.name == "member" for field in fields(self.representation)):
            return self
        return replace(self, representation=replace(self.representation, member=index))


System = tuple[View, ...]


def ensemble(system: System, size: int) -> System:
    """A system of `size` members for each view that has something to draw."""
    views = (view.member(index) for view in system for index in range(size))
    return tuple(dict.fromkeys(views))


def trained_for(system: System, epochs: int) -> System:
    """A system whose networks are trained for some epochs, other than they were published with."""
    return tuple(
        replace(view, representation=view.representation.trained_for(epochs)) for view in system
    )


def kinds(system: System) -> list[list[int]]:
    """Indices of the views of each kind; those of one kind are members of one ensemble."""
    found: dict[View, list[int]] = {}
    for i, view in enumerate(system):
        found.setdefault(view.member(0), []).append(i)
    return list(found.values())


def shortest_s(system: System) -> float:
    """What clips must be as long as, in seconds."""
    return max(view.representation.shortest_s for view in system)
