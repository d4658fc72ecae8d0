"""Encoders that others trained: sound in, one embedding per frame out.

An encoder slides a window over the waveform. Runs that begin a little later each are interleaved,
which makes the frames denser than the encoder's own step.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from fewshot.encoders.mel_input import MelSpec, log_mel_spectra
from fewshot.errors import InputError

if TYPE_CHECKING:
    import torch

GRID = 64
"""Frames that are made at a time, counted from the start of a recording."""

LOG_MEL = "log-mel"
INPUTS = ("waveform", LOG_MEL)
TIME_LAST = "time-last"
LAYOUTS = ("time-first", TIME_LAST)

Network = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class EncoderSpec:
    """What has to be known of an encoder; the JSON file beside it holds these, as far as known.

    Parameters
    ----------
    window, step : int
        Samples that a frame sees, and by which the frames of one run follow each other.
    hop : int
        Samples between frames after the interleaving; divides ``step``.
    centre : int
        Sample of the window that a frame stands for.
    dim : int
        Values per frame.
    sample_rate : int
        In Hz; 16000, as everything here.
    name, licence : str
    sha256 : str
        Of the file.
    input : {"waveform", "log-mel"}
        What the network takes: samples (batch, n), or log-Mel spectra (batch, n_spectra, n_mels)
        of them. ``window`` then holds whole spectra, and ``step`` is a multiple of their hop.
    mel : MelSpec or dict of its values, optional
        The log-Mel spectra.
    layout : {"time-first", "time-last"}
        Of what it gives: (batch, n_frames, dim) or (batch, dim, n_frames).
    block : int, optional
        Of wav2vec 2.0: the transformer's block that is taken, counted from 1.
    """

    window: int
    step: int
    hop: int
    centre: int
    dim: int
    sample_rate: int = 16000
    name: str = ""
    licence: str = "not stated"
    sha256: str = ""
    input: str = "waveform"
    mel: MelSpec | None = None
    layout: str = "time-first"
    block: int | None = None

    def __post_init__(self) -> None:
        for name in ("window", "step", "hop", "dim"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InputError(f"{name} is {value!r}; it must be a whole number above 0")
        if self.step % self.hop:
            raise InputError(f"hop is {self.hop}; it must divide the step, {self.step}")
        if not isinstance(self.centre, int) or not 0 <= self.centre <= self.window:
            raise InputError(f"centre is {self.centre!r}; it must lie in the window")
        if self.sample_rate != 16000:
            raise InputError(f"sample_rate is {self.sample_rate}; only 16000 will do")
        for name, allowed in (("input", INPUTS), ("layout", LAYOUTS)):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name} is {getattr(self, name)!r}; use {' or '.join(allowed)}")
        if isinstance(self.mel, dict):
            known = {field.name for field in fields(MelSpec)}
            if not self.mel.keys() <= known:
                raise InputError(f"mel may hold {', '.join(sorted(known))}")
            if missing := missing_values(MelSpec, self.mel):
                raise InputError(f"mel lacks {', '.join(missing)}")
            object.__setattr__(self, "mel", MelSpec(**self.mel))
        if self.input != LOG_MEL and self.mel is not None:
            raise InputError(f"mel belongs to input {LOG_MEL!r}, not to {self.input!r}")
        if self.input == LOG_MEL:
            if not isinstance(self.mel, MelSpec):
                raise InputError(
                    f"mel is {self.mel!r}; input {LOG_MEL!r} needs its values, {{...}}"
                )
            self._check_spectra(self.mel)

    def _check_spectra(self, mel: MelSpec) -> None:
        if self.window < mel.window or (self.window - mel.window) % mel.hop:
            raise InputError(
                f"window is {self.window}; it must hold whole spectra: {mel.window} samples and a "
                f"multiple of {mel.hop}"
            )
        if self.step % mel.hop:
            raise InputError(f"step is {self.step}; it must be a multiple of mel's hop, {mel.hop}")


class TorchNetwork:
    """A module of torch as a function of arrays.

    Parameters
    ----------
    module : torch.nn.Module
        On the CPU.
    movable : bool
        Whether it computes on other devices too: traced modules may hold on to the one that they
        were made on.
    """

    def __init__(self, module: "torch.nn.Module", *, movable: bool) -> None:
        self._module = module.eval()
        self._movable = movable
        self._device = "cpu"

    def to(self, device: str) -> None:
        """Compute there from now on, where that is possible."""
        if self._movable:
            self._module.to(device)
            self._device = device

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Frames (batch, n_frames, dim) of samples (batch, n)."""
        import torch

        with torch.inference_mode():
            return self._module(torch.from_numpy(samples).to(self._device)).cpu().numpy()


class ExternalEncoder:
    """A frame encoder from a file.

    Parameters
    ----------
    spec : EncoderSpec
    network : callable
        Maps samples (batch, n) in [-1, 1], or what the description says is made of them, float32,
        to frames (batch, n_frames, dim), with n_frames = 1 + (n - window) // step; or as its layout
        says.
    together : int
        Frames that the network makes of one piece, where each sees all of what the others see.

    Attributes
    ----------
    hop_s, first_s : float
        Seconds between frames, and time of the first one (0).
    context : int
        Samples that frames see before and behind them, at most.
    """

    first_s = 0.0

    def __init__(self, spec: EncoderSpec, network: Network, *, together: int = 1) -> None:
        self.spec = spec
        self.hop_s = spec.hop / spec.sample_rate
        beyond = (together - 1) * spec.step
        self.context = max(spec.centre, spec.window - spec.centre) + beyond
        self._network = network

    def stream(self, before: np.ndarray | None = None) -> "FrameStream":
        """Start a recording that is given piece by piece; ``before`` is what was heard before."""
        return FrameStream(self, before)

    def embed(
        self,
        samples: np.ndarray,
        before: np.ndarray | None = None,
        after: np.ndarray | None = None,
    ) -> np.ndarray:
        """Embed a whole recording.

        Parameters
        ----------
        samples : np.ndarray, shape (n,)
            In [-1, 1], at 16 kHz.
        before, after : np.ndarray, optional
            Sound around it; zeros where less than the context is known.

        Returns
        -------
        np.ndarray, shape (ceil(n / hop), dim), float32
        """
        stream = self.stream(before)
        return np.concatenate([stream.push(samples), stream.finish(after)])

    def steps(self, samples: np.ndarray) -> np.ndarray:
        """Embed a clip by its own sound alone, at the encoder's own step.

        Parameters
        ----------
        samples : np.ndarray, shape (n,)
            In [-1, 1], at 16 kHz; repeated where they are shorter than a window.

        Returns
        -------
        np.ndarray, shape (1 + (n - window) // step, dim), float32
            Of the windows that lie within the clip.
        """
        spec = self.spec
        samples = np.resize(samples, max(len(samples), spec.window)).astype(np.float32, copy=False)
        n_frames = 1 + (len(samples) - spec.window) // spec.step
        frames = []
        for first in range(0, n_frames, GRID):
            last = min(first + GRID, n_frames) - 1
            part = samples[first * spec.step : last * spec.step + spec.window]
            frames.append(self.run(np.array(part[None]))[0])
        return np.concatenate(frames)

    def to(self, device: str) -> "ExternalEncoder":
        """Compute there from now on, if the network can; ONNX and TorchScript stay on the CPU."""
        if isinstance(self._network, TorchNetwork):
            self._network.to(device)
        return self

    def run(self, samples: np.ndarray) -> np.ndarray:
        """Frames of a batch of runs.

        Raises
        ------
        InputError
            If the network does not give what its description promises.
        """
        spec = self.spec
        n_frames = 1 + (samples.shape[1] - spec.window) // spec.step
        expected = (len(samples), n_frames, spec.dim)
        if spec.layout == TIME_LAST:
            expected = (len(samples), spec.dim, n_frames)
        inputs = samples if spec.mel is None else log_mel_spectra(samples, spec.mel)
        frames = np.asarray(self._network(inputs), np.float32)
        # Other axes of one value are nothing to stumble over; axes in another order are.
        if _longer_than_one(frames.shape) != _longer_than_one(expected):
            raise InputError(
                f"encoder {spec.name}: gave frames of shape {frames.shape} for "
                f"{samples.shape[1]} samples, its description says {expected}; mend the JSON file"
            )
        frames = frames.reshape(expected)
        return frames.transpose(0, 2, 1) if spec.layout == TIME_LAST else frames


def missing_values(kind: type, values: Mapping[str, object]) -> list[str]:
    """Names of the fields of a data class that have no default and no value."""
    needed = [field.name for field in fields(kind) if field.default is MISSING]
    return [name for name in needed if name not in values]


def _longer_than_one(shape: tuple[int, ...]) -> list[int]:
    return [size for size in shape if size > 1]


class FrameStream:
    """Embeds a recording that is given piece by piece.

    Frame i stands for sample ``i * hop``. Every run of the network takes ``GRID`` frames, counted
    from the start of the recording, so that the result does not depend on the pieces.
    """

    def __init__(self, encoder: ExternalEncoder, before: np.ndarray | None = None) -> None:
        spec = encoder.spec
        self._encoder = encoder
        self._shifts = spec.step // spec.hop
        self._n_frames = -(-GRID // self._shifts) * self._shifts
        self._run = (self._n_frames // self._shifts - 1) * spec.step + spec.window
        self._waiting = np.zeros(spec.centre, np.float32)
        if before is not None and len(before) and spec.centre:
            kept = before[-spec.centre :]
            self._waiting[spec.centre - len(kept) :] = kept
        self._total = 0
        self._made = 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take samples, shape (n,), give the frames that are complete, shape (n_frames, dim)."""
        self._total += len(samples)
        return self._take(samples)

    def finish(self, after: np.ndarray | None = None) -> np.ndarray:
        """Give the remaining frames, shape (n_frames, dim)."""
        spec = self._encoder.spec
        tail = np.zeros(self._block, np.float32)
        if after is not None:
            kept = after[: len(tail)]
            tail[: len(kept)] = kept
        n_frames = -(-self._total // spec.hop)
        made = self._made
        return self._take(tail)[: n_frames - made]

    @property
    def _block(self) -> int:
        """Samples that a block needs."""
        return self._run + (self._shifts - 1) * self._encoder.spec.hop

    def _take(self, samples: np.ndarray) -> np.ndarray:
        spec = self._encoder.spec
        self._waiting = np.concatenate([self._waiting, samples.astype(np.float32, copy=False)])
        frames = [np.zeros((0, spec.dim), np.float32)]
        start = 0
        while len(self._waiting) - start >= self._block:
            block = self._waiting[start : start + self._block]
            runs = np.lib.stride_tricks.sliding_window_view(block, self._run)[:: spec.hop]
            # A view of what must not be written to is nothing that torch takes.
            made = self._encoder.run(np.array(runs))
            frames.append(made.transpose(1, 0, 2).reshape(-1, spec.dim))
            self._made += self._n_frames
            start += self._n_frames * spec.hop
        self._waiting = self._waiting[start:].copy()
        return np.concatenate(frames)
