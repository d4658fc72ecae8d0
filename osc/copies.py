"""Altered copies of a clip: what another recording of it might at least differ by."""

import numpy as np

from fewshot.audio import SAMPLE_RATE

COPIES = 4
GAIN_DB = 6.0
SHIFT_S = 0.1
NOISE_DB = (15.0, 30.0)


def altered_copies(samples: np.ndarray, seed: int) -> list[np.ndarray]:
    """Copies that are louder or softer, earlier or later, and in white noise.

    Parameters
    ----------
    samples : np.ndarray, shape (n,)
        A waveform at 16 kHz.
    seed : int
        Same seed, same copies.

    Returns
    -------
    list of np.ndarray, shape (n,), float32
        Four: gain within 6 dB, shift within 0.1 s (what leaves at one end enters at the other),
        noise 15 to 30 dB below the waveform.
    """
    rng = np.random.default_rng(seed)
    level = float(np.sqrt(np.mean(np.square(samples, dtype=float))))
    copies = []
    for _ in range(COPIES):
        gain = 10 ** (rng.uniform(-GAIN_DB, GAIN_DB) / 20)
        shift = round(rng.uniform(-SHIFT_S, SHIFT_S) * SAMPLE_RATE)
        noise = level * 10 ** (-rng.uniform(*NOISE_DB) / 20) * rng.standard_normal(len(samples))
        copies.append((gain * (np.roll(samples, shift) + noise)).astype(np.float32))
    return copies
