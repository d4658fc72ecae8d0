"""Embeddings that others trained: the mean over the frames of a clip."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from fewshot.encoders.external import ExternalEncoder
from fewshot.encoders.loading import load_encoder
from fewshot.errors import InputError
from osc.vectors import unit


class MeanFrames:
    """Maps clips to the means of the frames that a given encoder makes of them.

    Parameters
    ----------
    encoder : str, path or callable
        "speech-embedding"; "speech"; a file that `fewshot.encoders.loading.load_encoder` takes; or
        a function that maps a waveform (n,), float32 at 16 kHz, to frames (n_frames, dim) or one
        embedding (dim,).

    Notes
    -----
    The encoder is loaded when it is first used, and again in every process that a copy is sent to.
    """

    def __init__(self, encoder: str | Path | Callable[[np.ndarray], np.ndarray]) -> None:
        self.encoder = encoder
        self._loaded: ExternalEncoder | None = None

    def __call__(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Mean frames, shape (n, dim), float32."""
        return np.stack([self._mean(samples) for samples in waveforms])

    def description(self) -> dict[str, str]:
        """Name and hash of the file, as model files hold them.

        Raises
        ------
        InputError
            The encoder is a function.
        """
        if callable(self.encoder):
            raise InputError(
                "a function cannot be saved with a model; export it to ONNX or TorchScript and "
                "give the file"
            )
        return {"file": str(self.encoder), "sha256": self._file().spec.sha256}

    @classmethod
    def described(cls, description: Mapping) -> Self:
        """Load the file of a description again.

        Raises
        ------
        InputError
            It is not there, or another one.
        """
        restored = cls(str(description["file"]))
        if restored._file().spec.sha256 != description["sha256"]:
            raise InputError(
                f"{description['file']}: not the encoder that the model was learnt with; put that "
                "one back, or learn the classes again"
            )
        return restored

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_loaded": None}

    def _file(self) -> ExternalEncoder:
        if self._loaded is None:
            self._loaded = load_encoder(self.encoder)
        return self._loaded

    def _mean(self, samples: np.ndarray) -> np.ndarray:
        if not callable(self.encoder):
            return self._file().embed(samples).mean(axis=0)
        frames = np.asarray(self.encoder(samples), np.float32)
        if frames.ndim not in (1, 2) or not frames.size or not np.isfinite(frames).all():
            raise InputError(
                f"the encoder gave an array of shape {frames.shape} for {len(samples)} samples; it "
                "must give finite frames (n_frames, dim) or an embedding (dim,)"
            )
        return frames if frames.ndim == 1 else frames.mean(axis=0)


class External:
    """The mean over the frames that a given encoder makes of a clip, centred, at unit length.

    Embeddings of other people's networks tend to point the same way; where there are two training
    clips or more, their mean is taken off.

    Parameters
    ----------
    encoder : str, path or callable
        As in `MeanFrames`. A function cannot be saved with a model.
    """

    name = "external"
    highpass = True

    def __init__(self, encoder: str | Path | Callable[[np.ndarray], np.ndarray]) -> None:
        self.encoder = encoder
        self.mean_: np.ndarray | None = None
        self._frames = MeanFrames(encoder)

    def fit(self, waveforms: Sequence[np.ndarray], labels: Sequence[str], *, seed: int = 0) -> Self:
        """Learn the mean of the training clips; labels and seed change nothing."""
        embeddings = self._frames(waveforms)
        alone = len(embeddings) < 2
        self.mean_ = np.zeros_like(embeddings[0]) if alone else embeddings.mean(axis=0)
        return self

    def transform(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Embeddings, shape (n, dim), float32, of unit length."""
        return unit(self._frames(waveforms) - self.mean_)

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        """What was learnt, and which file was used."""
        return {"mean": self.mean_}, self._frames.description()

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray], settings: Mapping) -> Self:
        """Load the file again.

        Raises
        ------
        InputError
            It is not there, or another one.
        """
        restored = cls(str(settings["file"]))
        restored._frames = MeanFrames.described(settings)
        restored.mean_ = tensors["mean"]
        return restored
