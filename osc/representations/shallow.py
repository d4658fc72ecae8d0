"""A shallow classifier on embeddings that others trained."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch

from fewshot.encoders.loading import BUNDLED
from fewshot.encoders.shallow import ShallowEncoder
from osc.representations.external import MeanFrames
from osc.representations.learnt import Learnt


class Shallow(Learnt):
    """Given embeddings, mapped to 128 values that tell the training clips' classes apart.

    Parameters
    ----------
    encoder : str, path or callable
        What gives the embeddings, as in `osc.representations.external.MeanFrames`.
    loss, train_centres, epochs, batch_size, device
        As in `Learnt`. The encoder runs on the CPU.

    Notes
    -----
    Dissertation, sections 5.5.1 and 6.2.2. The frames of a clip are averaged before training. A
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
        self._frames = MeanFrames(encoder)

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        """What was learnt, as arrays and as settings that JSON can hold.

        Raises
        ------
        InputError
            The encoder is a function.
        """
        description = self._frames.description()
        tensors, settings = super().state()
        return tensors, settings | description

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray], settings: Mapping) -> Self:
        """Rebuild what `state` described, on the CPU.

        Raises
        ------
        KeyError, TypeError, ValueError, RuntimeError, InputError
            The arrays or settings are not what `state` gives, or the encoder is another one.
        """
        options = dict(settings)
        description = {key: options.pop(key) for key in ("file", "sha256")}
        restored = super().restore(tensors, options | {"encoder": description["file"]})
        restored._frames = MeanFrames.described(description)
        return restored

    def _inputs(self, waveforms: Sequence[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(self._frames(waveforms))

    def _network(self, n_values: int) -> ShallowEncoder:
        return ShallowEncoder(n_values)
