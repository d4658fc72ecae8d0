"""Open-set classification of sound: a class, or "unknown", from one to four clips of each.

The public names are reached lazily, so that ``import osc`` costs nothing:

>>> import osc
>>> sorted(osc.__all__)
['Monitor', 'OpenSetClassifier', '__version__']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fewshot import __version__

if TYPE_CHECKING:
    from osc.classifier import OpenSetClassifier
    from osc.monitor import Monitor

__all__ = ["Monitor", "OpenSetClassifier", "__version__"]

_HOMES = {"Monitor": "osc.monitor", "OpenSetClassifier": "osc.classifier"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
