"""wav2vec 2.0 from a file that the user names: as frames, or maps on those of log-Mel spectrograms.

torchaudio holds the network; it is imported when one is made and nowhere else. Weights are never
downloaded: a file is what torch saved of the network's state, as torchaudio's bundle WAV2VEC2_BASE
(94,370,944 parameters, learnt from 960 hours of LibriSpeech, MIT licence) gives it.
"""

import math
import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import interpolate

from fewshot.encoders.tgram import HOP
from fewshot.errors import InputError, MissingError

STRIDES = (5, 2, 2, 2, 2, 2, 2)
"""Of the convolutions."""
FRAME_HOP = math.prod(STRIDES)
"""Samples between frames, 20 ms."""
BLOCK = 8
"""Of the twelve of the published network; its middle blocks tell phones best."""
TOGETHER, AROUND = 32, 34
"""Frames that are kept of a window of `Wav2VecFrames`, and that lie on either side of them."""
HEAD_WIDTH = 64
"""Values per head of attention, of which the file says nothing."""
_DROPOUT = 0.1
_LAYERS = "encoder.transformer.layers"
_POSITIONS = "encoder.transformer.pos_conv_embed.conv"


class Wav2VecMaps(nn.Module):
    """Frames of a transformer's block, narrowed, at the places of log-Mel frames.

    Parameters
    ----------
    model : nn.Module
        Of `load_wav2vec` or `wav2vec_of`.
    n_bands : int
        Values of a frame behind the bottleneck, a linear layer.

    Notes
    -----
    A. Baevski et al., "wav2vec 2.0: a framework for self-supervised learning of speech
    representations", 2020. Its frames are 20 ms apart and are interpolated linearly in time. The
    convolutions are frozen, everything behind them can be trained.
    """

    def __init__(self, model: nn.Module, n_bands: int = 128) -> None:
        super().__init__()
        self.model = model
        self.model.feature_extractor.requires_grad_(False)
        self.bottleneck = nn.Linear(
            model.encoder.feature_projection.projection.out_features, n_bands
        )

    def frames(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map waveforms (batch, n_samples) to narrowed frames (batch, n_frames, n_bands).

        At least 400 samples, full scale 1, 16 kHz; as they are, not standardised. 499 frames of
        10 s.
        """
        return self.bottleneck(_last_block(self.model, waveforms))

    @torch.no_grad()
    def narrow_by(self, waveforms: Iterable[torch.Tensor]) -> None:
        """Let the bottleneck give principal components of the frames of waveforms.

        Parameters
        ----------
        waveforms : iterable of torch.Tensor, shapes (batch, n_samples)
            Gone through once. Where frames have fewer values than the bottleneck, its others are 0.
        """
        dim, count = self.bottleneck.in_features, 0
        total, squares = torch.zeros(dim).double(), torch.zeros(dim, dim).double()
        for batch in waveforms:
            frames = _last_block(self.model, batch).flatten(0, 1).cpu().double()
            count += len(frames)
            total += frames.sum(dim=0)
            squares += frames.T @ frames
        mean = total / count
        _, directions = torch.linalg.eigh(squares / count - mean.outer(mean))
        weight = torch.zeros(self.bottleneck.weight.shape).double()
        largest = directions.T.flip(0)[: len(weight)]
        weight[: len(largest)] = largest
        self.bottleneck.weight.copy_(weight)
        self.bottleneck.bias.copy_(-weight @ mean)

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map waveforms (batch, n_samples) to maps (batch, 1 + n_samples // 512, n_bands)."""
        frames = self.frames(waveforms).float().transpose(1, 2)
        size = 1 + waveforms.shape[1] // HOP
        return interpolate(frames, size=size, mode="linear").transpose(1, 2)


class Wav2VecFrames(nn.Module):
    """Frames of a transformer's block that do not depend on how long a recording is.

    Parameters
    ----------
    model : nn.Module
        Of `load_wav2vec`, with the block last.

    Attributes
    ----------
    dim : int
        Values per frame.
    window : int
        Samples that a frame sees at least, in whose middle it lies: 22160 of the published network.

    Notes
    -----
    The transformer sees whatever it is given, and frames at the borders of it know one side only.
    So it is given windows of 100 frames, 2 s, of which the middle 32 are kept: each has 0.68 to
    1.32 s around it, more than a word, and three times as much is computed as kept. Windows for
    every single frame would cost a hundred times as much.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.dim = model.encoder.feature_projection.projection.out_features
        seen, hop = 1, 1
        for layer, stride in zip(model.feature_extractor.conv_layers, STRIDES, strict=True):
            seen += (layer.kernel_size - 1) * hop
            hop *= stride
        self.window = seen + 2 * AROUND * FRAME_HOP

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Map waveforms (batch, n) to frames (batch, 1 + (n - window) // FRAME_HOP, dim).

        Full scale 1, 16 kHz; as they are, not standardised.
        """
        n_frames = 1 + (waveforms.shape[1] - self.window) // FRAME_HOP
        kept = []
        for first in range(0, n_frames, TOGETHER):
            last = min(first + TOGETHER, n_frames) - 1
            heard = waveforms[:, first * FRAME_HOP : last * FRAME_HOP + self.window]
            kept.append(_last_block(self.model, heard)[:, AROUND:-AROUND])
        return torch.cat(kept, dim=1)


def _last_block(model: nn.Module, waveforms: torch.Tensor) -> torch.Tensor:
    blocks, _ = model.extract_features(waveforms)
    return blocks[-1]


def load_wav2vec(path: str | Path, block: int | None = None) -> nn.Module:
    """The network whose state a file holds.

    Parameters
    ----------
    path : path
        What torch saved of a network of the layout of torchaudio's ``wav2vec2_base``, of any size;
        a head that transcribes speech is ignored.
    block : int, optional
        The last of the transformer's blocks that is kept, counted from 1; by default all are.

    Returns
    -------
    nn.Module
        torchaudio's, in evaluation mode.

    Raises
    ------
    InputError
        torchaudio is not there or does not work, there is no such file, it holds something else,
        or has fewer blocks.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give the weights of wav2vec 2.0 (WAV2VEC2_BASE)")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path}: not what torch saved of a network's state; give another file"
        ) from error
    try:
        return wav2vec_of(state, block)
    except (ValueError, RuntimeError, TypeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: not the state of torchaudio's wav2vec2_base ({reason}); give another file"
        ) from error


def wav2vec_of(state: Mapping[str, torch.Tensor], block: int | None = None) -> nn.Module:
    """The network that has a state; its sizes are read from the state's shapes.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
    block : int, optional
        As for `load_wav2vec`.

    Raises
    ------
    InputError
        torchaudio is not there or does not work, or there are fewer blocks.
    ValueError, RuntimeError
        It is the state of something else.
    """
    models = _torchaudio_models()
    if not isinstance(state, Mapping):
        raise ValueError("no state of a network")
    own = {name.removeprefix("model."): one for name, one in state.items()}
    sizes = _sizes(own)
    n_blocks = sizes["encoder_num_layers"]
    if block is not None:
        if not 1 <= block <= n_blocks:
            raise InputError(f"block {block} of {n_blocks}; use one from 1 to {n_blocks}")
        sizes["encoder_num_layers"] = block
    kept = {
        name: one.float()
        for name, one in own.items()
        if _is_kept(name, sizes["encoder_num_layers"])
    }
    with torch.device("meta"):
        model = models.wav2vec2_model(**sizes)
    model.load_state_dict(kept, assign=True)
    return model.eval()


def _is_kept(name: str, n_blocks: int) -> bool:
    found = re.match(rf"{re.escape(_LAYERS)}\.(\d+)\.", name)
    return not name.startswith("aux.") and (found is None or int(found[1]) < n_blocks)


def _sizes(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """What torchaudio makes a network by; ValueError if the state is of something else."""
    try:
        convolutions = [
            state[f"feature_extractor.conv_layers.{i}.conv.weight"].shape
            for i in range(len(STRIDES))
        ]
        dim = len(state["encoder.feature_projection.projection.bias"])
        # Files from before torch had parametrisations name the direction of the weights "v".
        directions = state.get(f"{_POSITIONS}.weight_v")
        if directions is None:
            directions = state[f"{_POSITIONS}.parametrizations.weight.original1"]
        inner = len(state[f"{_LAYERS}.0.feed_forward.intermediate_dense.bias"])
    except KeyError as error:
        raise ValueError(f"it lacks {error.args[0]}") from error
    last = [int(found[1]) for name in state if (found := re.match(rf"{_LAYERS}\.(\d+)\.", name))]
    return {
        "extractor_mode": "group_norm",
        "extractor_conv_layer_config": [
            (shape[0], shape[2], stride)
            for shape, stride in zip(convolutions, STRIDES, strict=True)
        ],
        "extractor_conv_bias": False,
        "encoder_embed_dim": dim,
        "encoder_projection_dropout": _DROPOUT,
        "encoder_pos_conv_kernel": directions.shape[2],
        "encoder_pos_conv_groups": dim // directions.shape[1],
        "encoder_num_layers": 1 + max(last),
        "encoder_num_heads": max(1, dim // HEAD_WIDTH),
        "encoder_attention_dropout": _DROPOUT,
        "encoder_ff_interm_features": inner,
        "encoder_ff_interm_dropout": 0.0,
        "encoder_dropout": _DROPOUT,
        "encoder_layer_norm_first": False,
        "encoder_layer_drop": 0.0,
        "aux_num_out": None,
    }


def _torchaudio_models() -> Any:
    try:
        from torchaudio import models
    except ImportError as error:
        raise MissingError(
            "wav2vec 2.0 needs torchaudio; pip install 'fewshot-audio[wav2vec]'"
        ) from error
    except OSError as error:
        raise MissingError(
            "wav2vec 2.0 needs torchaudio, whose compiled extension does not fit this torch; "
            "run tools/mend_torchaudio.py"
        ) from error
    return models
