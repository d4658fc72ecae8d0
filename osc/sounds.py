"""Clips in, as users have them: files, waveforms, arrays -> conditioned waveforms of a few seconds.

What is longer than asked for is cut to its loudest part while it is read, so that an hour of sound
takes no more memory than a clip.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fewshot import audio
from fewshot.audio import SAMPLE_RATE
from fewshot.errors import InputError

SHORTEST_S, LONGEST_S = 0.1, 3600.0
"""Of a clip, and of the part of it that counts."""
SILENCE = 1e-4
"""Clips that never leave their mean by more than this (-80 dB of full scale) are silent."""
STEP = SAMPLE_RATE // 10
"""Samples by which the part that is kept may be moved."""
_BLOCK = 10 * SAMPLE_RATE


def as_list(sounds: object) -> list:
    """Clips one by one.

    Parameters
    ----------
    sounds : sequence or np.ndarray
        Paths; waveforms; (waveform, sample_rate) pairs; or an array with a waveform per row.

    Raises
    ------
    InputError
        It is a single clip, or nothing is in it.
    """
    if isinstance(sounds, str | Path):
        raise InputError(f"{sounds}: is one path; give a list of them")
    if isinstance(sounds, np.ndarray) and sounds.dtype.kind in "biuf" and sounds.ndim < 2:
        raise InputError("an array of clips has a row per clip; give a list of waveforms")
    try:
        listed = list(sounds)
    except TypeError:
        raise InputError(f"clips are a {type(sounds).__name__}; give a list of them") from None
    if not listed:
        raise InputError("no clips; give one at least")
    return listed


def name_of(sound: object, position: int) -> str:
    """What messages call a clip."""
    return str(sound) if isinstance(sound, str | Path) else f"clip {position}"


def load(sound: object, name: str, length_s: float, *, highpass: bool = True) -> np.ndarray:
    """One clip, conditioned, or the loudest part of it.

    Parameters
    ----------
    sound : path, np.ndarray or (np.ndarray, int)
        A file; samples at 16 kHz, shape (n,) or (n, channels); or samples and their rate.
    name : str
        What messages call it.
    length_s : float
        What is longer is cut to the part of this length that has most energy.
    highpass : bool
        As in `fewshot.audio.Conditioner`.

    Returns
    -------
    np.ndarray, shape (n,), float32
        At 16 kHz, at least 0.1 s.

    Raises
    ------
    InputError
        It cannot be read, is shorter than 0.1 s, or has samples that are not finite.
    """
    if isinstance(sound, str | Path):
        blocks: Iterable[np.ndarray] = audio.read_blocks(sound, highpass=highpass)
    else:
        whole = _conditioned(sound, name, highpass)
        blocks = (whole[i : i + _BLOCK] for i in range(0, len(whole), _BLOCK))
    samples = loudest(blocks, round(length_s * SAMPLE_RATE))
    if len(samples) < SHORTEST_S * SAMPLE_RATE:
        duration_s = len(samples) / SAMPLE_RATE
        raise InputError(
            f"{name}: {duration_s:.3f} s is shorter than {SHORTEST_S} s; record the whole sound"
        )
    return samples


def is_silent(samples: np.ndarray) -> bool:
    """Whether nothing is to be heard in conditioned samples (n,).

    The first 0.1 s, in which a filter settles on a constant offset, do not count if there is more.
    """
    if len(samples) > 2 * STEP:
        samples = samples[STEP:]
    return bool(np.abs(samples - samples.mean()).max() <= SILENCE)


def loudest(blocks: Iterable[np.ndarray], n_samples: int) -> np.ndarray:
    """The part of a recording with most energy; all of it if it is not longer.

    Parameters
    ----------
    blocks : iterable of np.ndarray, shape (m,)
        The recording, piece by piece.
    n_samples : int
        Length of the part, at least 0.1 s. It begins at a multiple of 0.1 s; of equals the first is
        taken.

    Returns
    -------
    np.ndarray, shape (n,), float32
        n <= n_samples.
    """
    held, best, best_energy = np.empty(0, np.float32), np.empty(0, np.float32), -1.0
    for block in blocks:
        held = np.concatenate([held, block])
        if len(held) < n_samples + STEP:
            continue
        sums = np.concatenate([[0.0], np.cumsum(held.astype(np.float64) ** 2)])
        starts = np.arange(0, len(held) - n_samples + 1, STEP)
        energies = sums[starts + n_samples] - sums[starts]
        loudest_start = int(energies.argmax())
        if energies[loudest_start] > best_energy:
            best_energy = float(energies[loudest_start])
            start = starts[loudest_start]
            best = held[start : start + n_samples].copy()
        held = held[starts[-1] + STEP :]
    rest = held[:n_samples]
    if len(best) and (len(rest) < n_samples or np.square(rest, dtype=float).sum() <= best_energy):
        return best
    return rest


def _conditioned(sound: object, name: str, highpass: bool) -> np.ndarray:
    samples, rate = _samples_and_rate(sound, name)
    channels = samples.shape[1] if samples.ndim == 2 else 1
    conditioner = audio.Conditioner(rate, channels, name=name, highpass=highpass)
    return np.concatenate([conditioner.push(samples), conditioner.finish()])


def _samples_and_rate(sound: object, name: str) -> tuple[np.ndarray, int]:
    samples, rate = sound, SAMPLE_RATE
    if isinstance(sound, tuple | list) and len(sound) == 2 and np.ndim(sound[0]):
        samples, rate = sound
    try:
        samples, rate = np.asarray(samples, np.float32), int(rate)
        if not samples.ndim:
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(
            f"{name}: not a clip; give a path, a waveform at 16 kHz or (waveform, sample_rate)"
        ) from None
    if samples.ndim not in (1, 2) or not samples.size:
        raise InputError(
            f"{name}: has the shape {samples.shape}; a waveform is (n,) or (n, channels)"
        )
    return samples, rate
