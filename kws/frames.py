"""Frames that are searched, whoever makes them.

A `FrameSource` embeds recordings: `SegmentFrames` with a network that was trained on the clips
alone, `PretrainedFrames` with one that has heard a lot of speech before.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn

from fewshot import audio
from fewshot.background import Background
from fewshot.encoders.external import GRID, EncoderSpec, ExternalEncoder, FrameStream
from fewshot.networks import arrays_of
from kws.segments import FIRST_FRAME_S, HOP, PADDING, SAMPLE_RATE, FrameExtractor

EARLY_S = 0.06
"""Of frames that see much on either side, where words begin weakly (0.06 to 0.08 did best)."""


class Stream(Protocol):
    """Embeds a recording that is given piece by piece."""

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take samples, shape (n,), give the frames that are complete, shape (n_frames, dim)."""

    def finish(self, after: np.ndarray | None = None) -> np.ndarray:
        """Give the remaining frames; ``after`` is sound behind the recording."""


class FrameSource(Protocol):
    """Makes frames of recordings.

    Attributes
    ----------
    hop_s, first_s : float
        Seconds between frames, and time of the first one's centre.
    early_s : float
        Seconds by which words begin before what is found of them, in the middle.
    context : int
        Samples that frames see before and behind them, at most.
    """

    hop_s: float
    first_s: float
    early_s: float
    context: int

    def stream(self, before: np.ndarray | None = None) -> Stream:
        """Start a recording; ``before`` is sound in front of it, divided like the recording."""

    def to(self, device: str) -> "FrameSource":
        """Compute there from now on, where that is possible."""


class SegmentFrames:
    """Frames of a network for short segments, those of overlapping segments averaged.

    Parameters
    ----------
    encoder : nn.Module
        As in `kws.segments.FrameExtractor`.
    """

    hop_s = HOP / SAMPLE_RATE
    first_s = FIRST_FRAME_S
    early_s = 0.0
    context = PADDING

    def __init__(self, encoder: nn.Module) -> None:
        self.encoder = encoder.eval()

    @property
    def n_parameters(self) -> int:
        """Trainable parameters of the encoder."""
        return sum(p.numel() for p in self.encoder.parameters())

    def stream(self, before: np.ndarray | None = None) -> FrameExtractor:
        """As in `FrameSource`."""
        return FrameExtractor(self.encoder, before)

    def to(self, device: str) -> "SegmentFrames":
        """As in `FrameSource`."""
        self.encoder.to(device)
        return self

    def tensors(self) -> dict[str, np.ndarray]:
        """The encoder's parameters, by name."""
        return arrays_of(self.encoder)

    def load(self, tensors: dict[str, np.ndarray]) -> "SegmentFrames":
        """Take over parameters.

        Raises
        ------
        RuntimeError
            They do not fit.
        """
        self.encoder.load_state_dict({n: torch.from_numpy(t) for n, t in tensors.items()})
        self.encoder.to(memory_format=torch.channels_last)
        return self


class PretrainedFrames:
    """Frames of a pre-trained encoder, freed of what all speech has in common.

    Parameters
    ----------
    encoder : ExternalEncoder
    mean : np.ndarray, shape (dim,)
        Taken off every frame.
    whitening : np.ndarray, shape (dim, dim)
        Which the rest is multiplied by; then frames are scaled to unit length.
    """

    early_s = EARLY_S

    def __init__(self, encoder: ExternalEncoder, mean: np.ndarray, whitening: np.ndarray) -> None:
        self.encoder = encoder
        self.mean = mean.astype(np.float32)
        self.whitening = whitening.astype(np.float32)
        self.hop_s = encoder.hop_s
        self.first_s = encoder.first_s
        self.context = encoder.context

    @classmethod
    def of(cls, encoder: ExternalEncoder, background: Background) -> "PretrainedFrames":
        """Whitened by a background model of this encoder."""
        return cls(encoder, background.mean, background.whitening())

    @property
    def spec(self) -> EncoderSpec:
        """What is known of the encoder."""
        return self.encoder.spec

    def stream(self, before: np.ndarray | None = None) -> "WhitenedStream":
        """As in `FrameSource`."""
        return WhitenedStream(self.encoder.stream(before), self)

    def to(self, device: str) -> "PretrainedFrames":
        """As in `FrameSource`; only "speech" and wav2vec 2.0 leave the CPU."""
        self.encoder.to(device)
        return self

    def whiten(self, frames: np.ndarray) -> np.ndarray:
        """Frames of the encoder (n, dim) as they are searched: whitened, of unit length.

        Products of matrices of other shapes differ in the last bits: ``GRID`` frames are taken at a
        time, so that the result does not depend on how many are given.
        """
        n = len(frames)
        padded = np.zeros((-(-n // GRID) * GRID, frames.shape[1]), np.float32)
        padded[:n] = frames - self.mean
        return unit_rows(
            (padded.reshape(-1, GRID, frames.shape[1]) @ self.whitening).reshape(padded.shape)[:n]
        )


class WhitenedStream:
    """Whitens what a stream gives."""

    def __init__(self, stream: FrameStream, source: PretrainedFrames) -> None:
        self._stream = stream
        self._source = source

    def push(self, samples: np.ndarray) -> np.ndarray:
        """As in `Stream`."""
        return self._source.whiten(self._stream.push(samples))

    def finish(self, after: np.ndarray | None = None) -> np.ndarray:
        """As in `Stream`."""
        return self._source.whiten(self._stream.finish(after))


def embed(
    source: FrameSource,
    samples: np.ndarray,
    before: np.ndarray | None = None,
    after: np.ndarray | None = None,
) -> np.ndarray:
    """Embed a whole recording or clip.

    Parameters
    ----------
    source : FrameSource
    samples : np.ndarray, shape (n_samples,)
        Normalised, at 16 kHz.
    before, after : np.ndarray, optional
        Sound around it, normalised likewise.

    Returns
    -------
    np.ndarray, shape (n_frames, dim), float32
        Rows of unit length.
    """
    stream = source.stream(before)
    return np.concatenate([stream.push(samples), stream.finish(after)])


def embed_file(
    source: FrameSource | ExternalEncoder,
    path: str | Path,
    progress: Callable[[float], None] | None = None,
) -> tuple[np.ndarray, float]:
    """Embed a recording as detection sees it, block by block.

    Parameters
    ----------
    source : FrameSource or ExternalEncoder
    path : path
    progress : callable, optional
        Called with the seconds that are done.

    Returns
    -------
    frames : np.ndarray, shape (n_frames, dim), float32
    duration_s : float

    Raises
    ------
    InputError
        If the recording cannot be read, or has samples that are not finite.
    """
    stream, peak = source.stream(), audio.peak(path)
    frames, done = [], 0
    for block in audio.read_blocks(path):
        frames.append(stream.push(audio.normalise(block, peak)))
        done += len(block)
        if progress is not None:
            progress(done / SAMPLE_RATE)
    return np.concatenate([*frames, stream.finish()]), done / SAMPLE_RATE


def borders_s(
    source: FrameSource, onset_frame: int, offset_frame: int, duration_s: float
) -> tuple[float, float]:
    """Time that the frames ``[onset_frame, offset_frame)`` stand for, in seconds.

    Each frame stands for one hop around its centre, and the onset is `FrameSource.early_s` earlier;
    nothing reaches out of the recording.
    """
    shift = source.first_s - source.hop_s / 2
    onset = onset_frame * source.hop_s + shift - source.early_s
    offset = offset_frame * source.hop_s + shift
    return min(max(0.0, onset), duration_s), min(max(0.0, offset), duration_s)


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows (n, dim) scaled to unit length, float32; zeros stay zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, where=lengths > 0, out=np.zeros_like(rows)).astype(np.float32)
