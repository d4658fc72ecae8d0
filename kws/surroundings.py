"""Clips in other surroundings than those in which they were recorded.

A pre-trained encoder's frames see some tenths of a second on either side. In a clip that was cut
out of its recording they see nothing there, in running speech other words; and elsewhere there is
noise. What frames of a clip have in common, whatever surrounds it, is what describes its sound.

Where speech goes on in another way behind a keyword's beginning, the frames resemble those of the
whole word for a while: they see that beginning. So it is also heard what such speech looks like.
"""

from collections.abc import Sequence

import numpy as np
from scipy.signal import lfilter

from kws.frames import FrameSource, embed, unit_rows

COUNT = 6
"""Surroundings of speech that are tried per clip, every other one with noise; even."""
LENGTH = 8000
"""Samples of speech on either side."""
SNR_DB = 10.0
SAID = 0.6
"""Share of a clip that is heard where it is broken off."""

Parts = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Sound in front of a clip, the clip, sound behind."""


def embed_as_recorded(source: FrameSource, parts: Parts, rng: np.random.Generator) -> np.ndarray:
    """Mean frames of a clip as it was recorded, and of the same with noise.

    Parameters
    ----------
    source : FrameSource
    parts : tuple of np.ndarray, shapes (n_i,)
        Sound in front of the clip, the clip, sound behind; divided by the clip's maximum.
    rng : numpy.random.Generator

    Returns
    -------
    np.ndarray, shape (n_frames, dim), float32
        Rows of unit length.
    """
    return unit_rows(_embed(source, parts) + _embed(source, _with_noise(source, parts, rng)))


def embed_in_speech(
    source: FrameSource,
    samples: np.ndarray,
    pool: Sequence[np.ndarray],
    rng: np.random.Generator,
    *,
    said: float = 1.0,
) -> np.ndarray:
    """Mean frames of a clip over several surroundings of speech, half of them with noise.

    Parameters
    ----------
    source : FrameSource
    samples : np.ndarray, shape (n,)
        The clip, divided by its maximum.
    pool : sequence of np.ndarray, shapes (n_i,)
        Speech; stretches of it, played backwards and as loud as the clip, are put around it, so
        that it makes no difference if it holds the keyword itself.
    rng : numpy.random.Generator
    said : float
        Share of the clip that is heard; then, in place of the rest too, there is speech. Below 1
        no noise is added: an end that noise hides is not to be taken for one that was not said.

    Returns
    -------
    np.ndarray, shape (n_frames, dim), float32
        Rows of unit length, as many as the whole clip has.
    """
    n, total = len(samples), 0.0
    for number in range(COUNT):
        before, heard = _stretch(pool, samples, rng), samples[: round(said * n)]
        while len(heard) < n:
            heard = np.concatenate([heard, _stretch(pool, samples, rng)])
        parts = before, heard[:n], np.concatenate([heard[n:], _stretch(pool, samples, rng)])
        if number % 2 and said == 1.0:
            parts = _with_noise(source, parts, rng)
        total = total + _embed(source, parts)
    return unit_rows(total)


def _embed(source: FrameSource, parts: Parts) -> np.ndarray:
    before, samples, after = parts
    return embed(source, samples, before, after)


def _with_noise(source: FrameSource, parts: Parts, rng: np.random.Generator) -> Parts:
    """The same with noise, as far as frames see."""
    before, samples, after = parts
    before = np.concatenate([np.zeros(max(0, source.context - len(before))), before])
    after = np.concatenate([after, np.zeros(max(0, source.context - len(after)))])
    whole = np.concatenate([before, samples, after])
    # White to nearly brown, with its power where speech has it.
    noise = lfilter([1.0], [1.0, -rng.uniform(0.0, 0.95)], rng.standard_normal(len(whole)))
    noise = noise * (_rms(samples) * 10 ** (-SNR_DB / 20) / _rms(noise))
    first, last = len(before), len(before) + len(samples)
    noisy = (whole + noise).astype(np.float32)
    return noisy[:first], noisy[first:last], noisy[last:]


def _stretch(pool: Sequence[np.ndarray], like: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    chosen = pool[rng.integers(len(pool))][::-1]
    start = rng.integers(max(1, len(chosen) - LENGTH))
    piece = chosen[start : start + LENGTH]
    return (piece * (_rms(like) / max(_rms(piece), 1e-3))).astype(np.float32)


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))
