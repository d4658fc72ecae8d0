"""A model of other sound: what is ordinary, so that what is special stands out.

Frames of a pre-trained encoder share a mean and strong correlations, whatever was said. Taking both
out (whitening) leaves what tells sounds apart. The frames themselves say how well a template is
matched by speech that does not hold it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import numpy as np

from fewshot import bundle
from fewshot.errors import InputError

KIND = "background model"
VERSION = 1
STEP = 1 / 24
"""Resolution of kept frames, whose values have unit variance."""


@dataclass(frozen=True)
class Background:
    """Statistics and examples of other sound, for the frames of one encoder.

    Attributes
    ----------
    mean : np.ndarray, shape (dim,)
    covariance : np.ndarray, shape (dim, dim)
        Of the encoder's frames.
    count : int
        Frames that these were taken from.
    frames : list of np.ndarray, shapes (n_i, dim), float32
        The encoder's frames of recordings.
    encoder : str
        SHA-256 of the encoder's file.
    source : str
        What was heard, and its licence.
    """

    mean: np.ndarray = field(repr=False)
    covariance: np.ndarray = field(repr=False)
    count: int
    frames: list[np.ndarray] = field(repr=False)
    encoder: str
    source: str = ""

    @classmethod
    def learn(cls, frames: Sequence[np.ndarray], *, encoder: str, source: str = "") -> "Background":
        """Take the statistics of recordings.

        Parameters
        ----------
        frames : sequence of np.ndarray, shapes (n_i, dim)

        Raises
        ------
        InputError
            If there are fewer frames than values in each, or some are not finite.
        """
        everything = np.concatenate(frames).astype(np.float64)
        if len(everything) <= everything.shape[1]:
            raise InputError(
                f"{len(everything)} frames of background are too few; give some minutes of speech"
            )
        if not np.isfinite(everything).all():
            raise InputError("the background's frames hold NaN or Inf")
        if not everything.std(axis=0).any():
            raise InputError("the background is silent; give ordinary speech")
        return cls(
            everything.mean(axis=0),
            np.cov(everything.T, bias=True),
            len(everything),
            list(frames),
            encoder,
            source,
        )

    def with_more(self, frames: Sequence[np.ndarray]) -> "Background":
        """Background that has heard other recordings as well, shapes (n_i, dim)."""
        more = np.concatenate(frames).astype(np.float64)
        count = self.count + len(more)
        share = len(more) / count
        difference = more.mean(axis=0) - self.mean
        scatter = (more - more.mean(axis=0)).T @ (more - more.mean(axis=0)) / len(more)
        return Background(
            self.mean + share * difference,
            (1 - share) * self.covariance
            + share * scatter
            + share * (1 - share) * np.outer(difference, difference),
            count,
            [*self.frames, *frames],
            self.encoder,
            self.source,
        )

    def whitening(self) -> np.ndarray:
        """Symmetric matrix, shape (dim, dim), that makes the covariance the identity.

        Directions that hardly vary (below a millionth of the mean variance) are not raised further.
        """
        values, vectors = np.linalg.eigh(self.covariance)
        values = np.maximum(values, 1e-6 * values.mean())
        return (vectors / np.sqrt(values)) @ vectors.T

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the model; its frames are rounded to 8 bits in the whitened space."""
        whitening = self.whitening()
        white = [(frames - self.mean) @ whitening / STEP for frames in self.frames]
        tensors = {
            "mean": self.mean.astype(np.float32),
            "covariance": self.covariance.astype(np.float32),
            "frames": np.concatenate([np.clip(np.round(w), -127, 127) for w in white]).astype(
                np.int8
            ),
        }
        header = {
            "count": self.count,
            "lengths": [len(frames) for frames in self.frames],
            "encoder": self.encoder,
            "source": self.source,
        }
        bundle.save(path, tensors, header, kind=KIND, version=VERSION, force=force)

    @classmethod
    def load(cls, path: str | Path) -> "Background":
        """Read a model.

        Raises
        ------
        InputError
            If it is missing, damaged or something else.
        """
        tensors, header = bundle.load(path, kind=KIND, version=VERSION)
        try:
            model = cls(
                tensors["mean"].astype(np.float64),
                tensors["covariance"].astype(np.float64),
                int(header["count"]),
                [],
                str(header["encoder"]),
                str(header["source"]),
            )
            white = tensors["frames"].astype(np.float64) * STEP
            raw = (white @ np.linalg.inv(model.whitening()) + model.mean).astype(np.float32)
            ends = np.cumsum(header["lengths"])
            if ends[-1] != len(raw):
                raise ValueError("its frames do not fit their lengths")
        except (KeyError, TypeError, ValueError, IndexError, np.linalg.LinAlgError) as error:
            raise InputError(f"{path}: damaged background model ({error}); make it anew") from error
        model.frames.extend(np.split(raw, ends[:-1]))
        return model


def bundled(encoder: str) -> Background | None:
    """The background model that comes with an encoder, known by its SHA-256, if there is one."""
    for file in (resources.files("fewshot") / "data").iterdir():
        if file.name.endswith(".background"):
            with resources.as_file(file) as path:
                if bundle.read_header(path, kind=KIND, version=VERSION)["encoder"] == encoder:
                    return Background.load(path)
    return None
