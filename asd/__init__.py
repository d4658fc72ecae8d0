"""Machines that fail: anomalous sound detection from recordings of normal operation.

The public names are reached lazily, so that ``import asd`` costs nothing:

>>> import asd
>>> sorted(asd.__all__)
['MachineModel', '__version__', 'train']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fewshot import __version__

if TYPE_CHECKING:
    from asd.model import MachineModel
    from asd.training import train

__all__ = ["MachineModel", "__version__", "train"]

_HOMES = {"MachineModel": "asd.model", "train": "asd.training"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
