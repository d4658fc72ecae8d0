"""Few-shot keyword spotting: five clips in, events with on- and offsets out.

The public names are reached lazily, so that ``import kws`` costs nothing:

>>> import kws
>>> sorted(kws.__all__)
['Detection', 'KeywordModel', '__version__', 'enroll']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fewshot import __version__

if TYPE_CHECKING:
    from fewshot.events import Event as Detection
    from kws.enrollment import enroll
    from kws.model import KeywordModel

__all__ = ["Detection", "KeywordModel", "__version__", "enroll"]

_HOMES = {
    "Detection": ("fewshot.events", "Event"),
    "KeywordModel": ("kws.model", "KeywordModel"),
    "enroll": ("kws.enrollment", "enroll"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
