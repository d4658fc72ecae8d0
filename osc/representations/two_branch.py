"""The published network, trained on the clips alone."""

from collections.abc import Sequence

import numpy as np
import torch

from fewshot.audio import SAMPLE_RATE
from fewshot.encoders.two_branch import TwoBranchEncoder
from fewshot.errors import InputError
from osc.representations.learnt import Learnt

LENGTHS_S = (0.2, 60.0)
"""Shorter clips leave nothing behind the encoder's poolings; longer ones take gigabytes."""


class TwoBranch(Learnt):
    """Embeddings of the two-branch encoder: 256 values, half by spectrum, half by spectrogram.

    Parameters
    ----------
    length_s : float
        Clips are repeated up to this length, in seconds, or cut behind it; 0.2 to 60.
    loss, train_centres, epochs, batch_size, device
        As in `Learnt`.

    Notes
    -----
    Dissertation, sections 5.3.1 and 6.2.2. The level of a clip is left as it is.
    """

    name = "two-branch"

    def __init__(
        self,
        *,
        length_s: float = 4.0,
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
        self.length_s = length_s

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        """What was learnt, as arrays and as settings that JSON can hold."""
        tensors, settings = super().state()
        return tensors, settings | {"length_s": self.length_s}

    def _inputs(self, waveforms: Sequence[np.ndarray]) -> torch.Tensor:
        shortest, longest = LENGTHS_S
        if not shortest <= self.length_s <= longest:
            raise InputError(f"length_s is {self.length_s}; it must be {shortest} to {longest}")
        n_samples = round(self.length_s * SAMPLE_RATE)
        return torch.from_numpy(
            np.stack([np.resize(np.asarray(w, np.float32), n_samples) for w in waveforms])
        )

    def _network(self, n_values: int) -> TwoBranchEncoder:
        return TwoBranchEncoder(n_values)
