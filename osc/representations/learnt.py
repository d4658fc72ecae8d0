"""Representations that a network learns from the training clips."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import numpy as np
import torch
from torch import nn

from fewshot.training import resolve_device
from osc.learning import Embedder, class_indices, learn, make_head


class Learnt(ABC):
    """What the representations share whose network tells the training clips' classes apart.

    Parameters
    ----------
    loss : {"sub-cluster-adacos", "adacos", "softmax", "prototypical"}
        With one centre per class.
    train_centres : bool
        Whether the centres of the first two are trained; else they stay where they are drawn.
    epochs, batch_size : int, optional
        100 and 8 per shot by default, 400 and 32 at most (`osc.learning.learn`).
    device : {"auto", "cpu", "cuda", "mps"}

    Attributes
    ----------
    classes_ : list of str
        Labels of the training clips, in alphabetical order: the columns of `logits`.
    losses_ : list of float
        Mean loss of every epoch.

    Notes
    -----
    Dissertation, section 6.2.2.
    """

    def __init__(
        self,
        *,
        loss: str,
        train_centres: bool,
        epochs: int | None,
        batch_size: int | None,
        device: str,
    ) -> None:
        self.loss = loss
        self.train_centres = train_centres
        self.epochs = epochs
        self.batch_size = batch_size
        self.device = device

    def fit(
        self,
        waveforms: Sequence[np.ndarray],
        labels: Sequence[str],
        *,
        seed: int = 0,
        on_epoch: Callable[[int, float], None] | None = None,
    ) -> Self:
        """Learn from training clips.

        Parameters
        ----------
        waveforms : sequence of np.ndarray, shapes (n_samples,)
            Mono, at 16 kHz.
        labels : sequence of str
            Their classes, among them those of known unknowns.
        seed : int
            Of the parameters, the order and the mixtures.
        on_epoch : callable, optional
            Called behind every epoch with its number and mean loss.

        Raises
        ------
        InputError
            A parameter is out of range, or there is one class only.
        """
        inputs = self._inputs(waveforms)
        self.n_values_ = inputs.shape[1]
        self.classes_, classes = class_indices(labels)
        self.embedder_, self.losses_ = learn(
            lambda: self._network(self.n_values_),
            inputs,
            classes,
            loss=self.loss,
            train_centres=self.train_centres,
            epochs=self.epochs,
            batch_size=self.batch_size,
            device=resolve_device(self.device),
            seed=seed,
            on_epoch=on_epoch,
        )
        return self

    def transform(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Embeddings, shape (n, dim), float32, of unit length."""
        return self.embedder_.embed(self._inputs(waveforms))

    def logits(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """What the loss's softmax over `classes_` is taken of, shape (n, n_classes), float32."""
        return self.embedder_.logits(self._inputs(waveforms))

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        """What was learnt, as arrays and as settings that JSON can hold."""
        settings = {
            "loss": self.loss,
            "train_centres": self.train_centres,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "n_values": self.n_values_,
            "classes": self.classes_,
            "losses": self.losses_,
        }
        return self.embedder_.tensors(), settings

    @classmethod
    def restore(cls, tensors: Mapping[str, np.ndarray], settings: Mapping) -> Self:
        """Rebuild what `state` described, on the CPU.

        Raises
        ------
        KeyError, TypeError, ValueError, RuntimeError, InputError
            The arrays or settings are not what `state` gives.
        """
        options = dict(settings)
        learnt = {f"{name}_": options.pop(name) for name in ("n_values", "classes", "losses")}
        restored = cls(**options)
        vars(restored).update(learnt)
        # What a file says of sizes takes no memory before its arrays are seen to be of them.
        with torch.device("meta"):
            network = restored._network(restored.n_values_)
            head = make_head(
                restored.loss,
                len(restored.classes_),
                network.dim,
                train_centres=restored.train_centres,
            )
        restored.embedder_ = Embedder(network, head).load(tensors)
        return restored

    @abstractmethod
    def _inputs(self, waveforms: Sequence[np.ndarray]) -> torch.Tensor:
        """What the network sees of waveforms, shape (n, n_values), float32."""

    @abstractmethod
    def _network(self, n_values: int) -> nn.Module:
        """The network, with new parameters."""
