"""Pre-trained embeddings with a shallow classifier.

Notes
-----
Dissertation, section 5.5: the mean of the embeddings before training, sub-cluster AdaCos, cosine
distances; what was found best for encoders with frames of their own. Which encoder is up to what
there is: the bundled one was trained on speech, those of the paper on any sound.
"""

from dataclasses import replace
from pathlib import Path

from asd.back_ends import Centres
from asd.representations import Representation
from asd.representations.pretrained import Pretrained
from asd.representations.reduced import Reduced
from asd.systems.view import System, View
from fewshot.encoders.loading import NAMES, load_encoder
from fewshot.errors import InputError

PRETRAINED: dict[str, System] = {"pretrained": (View(Pretrained(), Centres(16), scaled=False),)}


def with_encoder(system: System, encoder: str | Path) -> System:
    """A system with the pre-trained embeddings of another encoder.

    Parameters
    ----------
    system : tuple of View
    encoder : str or path
        As `fewshot.encoders.loading.load_encoder` takes it.

    Raises
    ------
    InputError
        The system has no pre-trained embeddings, or the encoder cannot be loaded.
    """
    found = [_encoded(view.representation, encoder) for view in system]
    if not any(found):
        raise InputError(f"encoder {encoder}: only the system pretrained takes one")
    return tuple(
        replace(view, representation=one or view.representation)
        for view, one in zip(system, found, strict=True)
    )


def _encoded(representation: Representation, encoder: str | Path) -> Representation | None:
    if isinstance(representation, Pretrained):
        load_encoder(encoder)
        name = str(encoder) if str(encoder) in NAMES else str(Path(encoder).resolve())
        return replace(representation, encoder=name)
    if isinstance(representation, Reduced):
        base = _encoded(representation.base, encoder)
        return base and replace(representation, base=base)
    return None
