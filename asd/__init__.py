"""Machines that fail: anomalous sound detection from recordings of normal operation."""

from fewshot import __version__

__all__ = ["__version__"]
