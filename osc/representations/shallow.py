"""A shallow classifier on embeddings that others trained."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from fewshot.encoders.external import BUNDLED, ExternalEncoder, load_encoder
from fewshot.encoders.shallow import ShallowEncoder
from fewshot.errors import InputError
from osc.representations.learnt import Learnt


class Shallow(Learnt):
    """Given embeddings, mapped to 128 values that tell the training clips' classes apart.

    Parameters
    ----------
    encoder : str, path or callable
        What gives the embeddings: "speech-embedding"; an ONNX or TorchScript file with its
        description beside it (`fewshot.encoders.external.load_encoder`); or a function that maps a
        waveform (n_samples,) at 16 kHz to frames (n_frames, dim) or one embedding (dim,).
    loss, train_centres, epochs, batch_size, device
        As in `Learnt`. The encoder runs on the CPU.

    Notes
    -----
    Dissertation, sections 5.5.1 and 6.2.2. The frames of a clip are averaged before training. An
    encoder is loaded when it is first used, and again in every process that a copy is sent to. A
    function cannot be saved with a model.
    """

    name = "shallow"

    def __init__(
        self,
        encoder: str | Path | Callable[[np.ndarray], np.ndarray] = BUNDLED,
        *,
        loss: str = "sub-cluster-adacos",
        train_centres: bool = False,
        epochs: int | None = None,
        batch_size: int | None = None,
        device: str = "auto",
    ) -> None:
        super().__init__(
            loss=loss,
            train_centres=train_centres,
            epochs=epochs,
            batch_size=batch_size,
            device=device,
        )
        self.encoder = encoder
        self._loaded: ExternalEncoder | None = None

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        """What was learnt, as arrays and as settings that JSON can hold.

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
        tensors, settings = super().state()
        given = {"encoder": str(self.encoder), "sha256": self._file().spec.sha256}
        return tensors, settings | given

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray], settings: Mapping) -> Self:
        """Rebuild what `state` described, on the CPU.

        Raises
        ------
        KeyError, TypeError, ValueError, RuntimeError, InputError
            The arrays or settings are not what `state` gives, or the encoder is another one.
        """
        options = dict(settings)
        sha256 = options.pop("sha256")
        restored = super().restore(tensors, options)
        if restored._file().spec.sha256 != sha256:
            raise InputError(
                f"{restored.encoder}: not the encoder that the model was learnt with; put that one "
                "back, or learn the classes again"
            )
        return restored

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_loaded": None}

    def _file(self) -> ExternalEncoder:
        if self._loaded is None:
            self._loaded = load_encoder(self.encoder)
        return self._loaded

    def _inputs(self, waveforms: Sequence[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.stack([self._given(w) for w in waveforms]))

    def _given(self, samples: np.ndarray) -> np.ndarray:
        """The mean over the frames of a clip, shape (n_values,)."""
        if not callable(self.encoder):
            return self._file().embed(samples).mean(axis=0)
        frames = np.asarray(self.encoder(samples), np.float32)
        if frames.ndim not in (1, 2) or not frames.size or not np.isfinite(frames).all():
            raise InputError(
                f"the encoder gave an array of shape {frames.shape} for {len(samples)} samples; it "
                "must give finite frames (n_frames, dim) or an embedding (dim,)"
            )
        return frames if frames.ndim == 1 else frames.mean(axis=0)

    def _network(self, n_values: int) -> ShallowEncoder:
        return ShallowEncoder(n_values)
