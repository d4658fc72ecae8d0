"""Model files: a fitted classifier as one safetensors file, and back.

Files from elsewhere are not trusted: a model whose parts do not fit each other is refused when it
is read, not when it meets the first clip.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fewshot import bundle
from fewshot.audio import SAMPLE_RATE
from fewshot.errors import InputError
from osc import representations
from osc.config import KIND, VERSION
from osc.decisions import Examples
from osc.representations.external import External

if TYPE_CHECKING:
    from osc.classifier import OpenSetClassifier

PREFIX = "representation."
PARAMETERS = (
    *("decision", "threshold", "unknown_label", "rejection"),
    *("length_s", "options", "seed"),
)
"""What the header keeps of a classifier's parameters; the representation has its own field."""


def write(model: "OpenSetClassifier", path: str | Path, *, force: bool) -> None:
    """Write a fitted classifier, as `OpenSetClassifier.save` says."""
    name = representations.name_of(model.representation_)
    tensors, settings = model.representation_.state()
    examples = model.examples_
    tensors = {f"{PREFIX}{key}": value for key, value in tensors.items()} | {
        "embeddings": examples.embeddings,
        "known": examples.known,
        "copies": examples.copies,
        "copied": examples.copied,
    }
    header = {
        "classes": model.classes_.tolist(),
        "labels": examples.labels.tolist(),
        "clips": examples.names.tolist(),
        "sha256": examples.digests.tolist(),
        "threshold": model.threshold_,
        "representation": {"name": name, "settings": settings},
        "parameters": {key: _plain(getattr(model, key)) for key in PARAMETERS},
    }
    bundle.save(path, tensors, header, kind=KIND, version=VERSION, force=force)


def read(kind: "type[OpenSetClassifier]", path: str | Path) -> "OpenSetClassifier":
    """Read a classifier of the given class, as `OpenSetClassifier.load` says."""
    tensors, header = bundle.load(path, kind=KIND, version=VERSION)
    try:
        with np.errstate(divide="raise", over="raise", invalid="raise"):
            return _rebuilt(kind, tensors, header, Path(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (
        *(ArithmeticError, AttributeError, IndexError, KeyError),
        *(RuntimeError, TypeError, ValueError),
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: damaged model ({reason}); train it again") from error


def _rebuilt(
    kind: "type[OpenSetClassifier]", tensors: dict[str, np.ndarray], header: dict, path: Path
) -> "OpenSetClassifier":
    described = header["representation"]
    settings = dict(described["settings"])
    beside = path.parent / Path(settings.get("file", "")).name
    if "file" in settings and not Path(settings["file"]).exists() and beside.is_file():
        settings["file"] = str(beside)
    own = bundle.part(tensors, PREFIX)
    name = settings["file"] if described["name"] == External.name else described["name"]
    model = kind(name, **header["parameters"])
    model.representation_ = representations.restore(described["name"], own, settings)
    model.check_parameters()
    model.examples_ = _examples(tensors, header)
    model.classes_ = model.examples_.classes
    if model.classes_.tolist() != header["classes"]:
        raise ValueError("its classes are not those of its clips")
    if type(header["classes"][0]) is not type(model.unknown_label):
        raise ValueError("its unknown label is of another type than its classes")
    if model.unknown_label in header["classes"]:
        raise ValueError("its unknown label is a class")
    if type(header["threshold"]) is not float:
        raise ValueError("its threshold is not a number")
    model.threshold_ = header["threshold"]
    # No check of sizes sees all that may be wrong with a network; a clip of noise does.
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
    if not np.isfinite(model.similarities_of([0.1 * noise])).all():
        raise ValueError("its similarities are not finite")
    return model


def _examples(tensors: Mapping[str, np.ndarray], header: Mapping) -> Examples:
    classes, labels = header["classes"], header["labels"]
    type_ = int if all(type(label) is int for label in classes) else str
    if not classes or not all(type(label) is type_ for label in [*classes, *labels]):
        raise ValueError("its labels are neither texts nor whole numbers")
    examples = Examples(
        tensors["embeddings"],
        np.asarray(labels, dtype=type_),
        tensors["known"].astype(bool),
        tensors["copies"],
        tensors["copied"].astype(int),
        np.asarray(header["clips"], dtype=str),
        np.asarray(header["sha256"], dtype=str),
    )
    examples.check()
    return examples


def _plain(value: object) -> Any:
    """A parameter as JSON holds it."""
    if isinstance(value, Mapping):
        return {name: _plain(own) for name, own in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, Path) else value
