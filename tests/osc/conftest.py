"""A small model for all tests of the package."""

import pytest
from tones import clip

from osc import OpenSetClassifier


@pytest.fixture(scope="session")
def fitted() -> OpenSetClassifier:
    """Two tones and noise from two clips each; do not change it."""
    names = [name for name in ("high", "low", "noise") for _ in range(2)]
    labels = ["unknown" if name == "noise" else name for name in names]
    clips = [clip(name, seed) for seed, name in enumerate(names)]
    return OpenSetClassifier().fit(clips, labels, groups=names)
