"""Small generated machines for tests."""

from pathlib import Path

import numpy as np
import soundfile

from asd.synthesis import Hall, recording

RATE = 16000


def clips_in(folder: Path, n: int, *, machine="fan", seed=0, fault=None, duration_s=1.0) -> Path:
    """Clips 0.wav, 1.wav, ... of a machine at two speeds."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        samples = recording(machine, (18, 21)[i % 2], "low", Hall(), fault, rng, duration_s)
        soundfile.write(folder / f"{i}.wav", samples, RATE)
    return folder
