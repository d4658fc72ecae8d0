"""Segments of clips and recordings, position labels, and frames from overlapping segments."""

import numpy as np
import torch
from torch import nn

from fewshot.features import log_mel

SAMPLE_RATE = 16000
SEGMENT = 4000
"""Length of a segment in samples (0.25 s)."""
TRAINING_HOP = SEGMENT // 5
HOP = 256
"""Hop of the frames, and of the segments at inference, in samples (16 ms)."""
FRAMES = 1 + SEGMENT // HOP
"""Frames of a segment (T = 16)."""
GRID = 64
"""Segments per run of the network, counted from the start of a recording."""

PADDING = SEGMENT // 2
"""Samples of padding at both ends of a recording."""
_FIRST = -(-PADDING // HOP)
"""First frame of the padded recording whose time is not negative."""
FIRST_FRAME_S = (_FIRST * HOP - PADDING) / SAMPLE_RATE
"""Time of the first frame's centre (3 ms)."""


def frame_count(n_samples: int) -> int:
    """Number of frames of a recording: those whose centre lies inside it."""
    return max(0, -(-(n_samples + PADDING) // HOP) - _FIRST)


def segment_count(n_samples: int) -> int:
    """Number of training segments of a clip.

    Notes
    -----
    1 + ceil(max(0, n - L) / (L / 5)) with L = 4000 samples: the last one is padded with zeros.

    Examples
    --------
    >>> [segment_count(n) for n in (100, 4000, 4001, 16000)]
    [1, 1, 2, 16]
    """
    return 1 + -(-max(0, n_samples - SEGMENT) // TRAINING_HOP)


def training_segments(samples: np.ndarray) -> np.ndarray:
    """Cut a clip into overlapping segments.

    Parameters
    ----------
    samples : np.ndarray, shape (n_samples,)
        At 16 kHz.

    Returns
    -------
    np.ndarray, shape (segment_count(n_samples), 4000)
    """
    n = segment_count(len(samples))
    padded = np.zeros((n - 1) * TRAINING_HOP + SEGMENT, np.float32)
    padded[: len(samples)] = samples
    return np.lib.stride_tricks.sliding_window_view(padded, SEGMENT)[::TRAINING_HOP]


def position_labels(n_segments: int, n_positions: int) -> np.ndarray:
    """Categorical encoding of the relative position of each segment of a clip.

    Parameters
    ----------
    n_segments : int
        Segments of this clip.
    n_positions : int
        Segments of the longest clip, at least ``n_segments``.

    Returns
    -------
    np.ndarray, shape (n_segments, n_positions), float32
        Rows sum to 1.

    Notes
    -----
    Dissertation, definition 6.3: segment i (from 1) is active from 1 + floor((i - 1) P / S) to
    ceil(i P / S).

    Examples
    --------
    >>> position_labels(3, 5) > 0
    array([[ True,  True, False, False, False],
           [False,  True,  True,  True, False],
           [False, False, False,  True,  True]])
    """
    labels = np.zeros((n_segments, n_positions), np.float32)
    for i in range(n_segments):
        labels[i, i * n_positions // n_segments : -(-(i + 1) * n_positions // n_segments)] = 1.0
    return labels / labels.sum(axis=1, keepdims=True)


class FrameExtractor:
    """Embeds a recording: overlapping segments, averaged per frame, of unit length.

    Parameters
    ----------
    encoder : nn.Module
        Maps (batch, T, mels) to (batch, T, dim); in evaluation mode.
    before : np.ndarray, shape (n,), optional
        What was heard just before the recording; zeros where less than half a segment is known.

    Notes
    -----
    Segments follow each other by one hop, with half a segment of padding at both ends, so that the
    centre of a segment is its time. A network's output is not bit-equal for other batch shapes:
    every run takes ``GRID`` segments, counted from the start of the recording, so that the result
    does not depend on how the samples come in.
    """

    def __init__(self, encoder: nn.Module, before: np.ndarray | None = None) -> None:
        self.encoder = encoder
        self.device = next(encoder.parameters()).device
        lead = np.zeros(PADDING, np.float32)
        if before is not None and len(before):
            kept = before[-PADDING:]
            lead[PADDING - len(kept) :] = kept
        self._samples = lead
        self._n_samples = 0
        self._n_segments = 0
        self._sums: torch.Tensor | None = None
        self._n_frames = -_FIRST

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take samples, give the frames that are complete.

        Parameters
        ----------
        samples : np.ndarray, shape (n,)
            Normalised, at 16 kHz.

        Returns
        -------
        np.ndarray, shape (n_frames, dim), float32
            May be empty.
        """
        self._n_samples += len(samples)
        return self._take(samples)

    def finish(self, after: np.ndarray | None = None) -> np.ndarray:
        """Give the remaining frames.

        Parameters
        ----------
        after : np.ndarray, shape (n,), optional
            What was heard just behind the recording; zeros where less than half a segment is known.

        Returns
        -------
        np.ndarray, shape (n_frames, dim), float32
        """
        tail = np.zeros(PADDING, np.float32)
        if after is not None:
            kept = after[:PADDING]
            tail[: len(kept)] = kept
        frames = [self._take(tail)]
        wanted = frame_count(self._n_samples)
        remaining = 1 + self._n_samples // HOP - self._n_segments
        if remaining > 0:
            block = np.zeros((GRID - 1) * HOP + SEGMENT, np.float32)
            block[: len(self._samples)] = self._samples[: len(block)]
            frames.append(self._embed(block, remaining))
        if self._sums is not None:
            frames.append(self._emit(self._sums))
        out = np.concatenate(frames)
        surplus = self._n_frames - wanted
        return out[: len(out) - surplus] if surplus > 0 else out

    def _take(self, samples: np.ndarray) -> np.ndarray:
        self._samples = np.concatenate([self._samples, samples.astype(np.float32, copy=False)])
        size, step = (GRID - 1) * HOP + SEGMENT, GRID * HOP
        frames = []
        while len(self._samples) >= size:
            frames.append(self._embed(self._samples[:size], GRID))
            self._samples = self._samples[step:]
        if not frames:
            return np.zeros((0, self.encoder.embed.out_features), np.float32)
        return np.concatenate(frames)

    @torch.inference_mode()
    def _embed(self, block: np.ndarray, n_segments: int) -> np.ndarray:
        segments = torch.from_numpy(block).to(self.device).unfold(0, SEGMENT, HOP)
        embeddings = self.encoder(log_mel(segments))[:n_segments]
        sums = embeddings.new_zeros(n_segments + FRAMES - 1, embeddings.shape[2])
        if self._sums is not None:
            sums[: FRAMES - 1] = self._sums
        for t in range(FRAMES):
            sums[t : t + n_segments] += embeddings[:, t]
        self._n_segments += n_segments
        self._sums = sums[n_segments:].clone()
        return self._emit(sums[:n_segments])

    def _emit(self, sums: torch.Tensor) -> np.ndarray:
        early = min(len(sums), max(0, -self._n_frames))
        self._n_frames += len(sums)
        return nn.functional.normalize(sums[early:], dim=1).cpu().numpy()
