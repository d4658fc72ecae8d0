"""Synthetic clips: two tones, a sweep, and noise as what is known to be unknown."""

from pathlib import Path

import numpy as np
import soundfile as sf

from osc.vectors import unit

RATE = 16000
TONES_HZ = {"high": 2250.0, "low": 300.0}


def clip(name: str, seed: int, duration_s: float = 1.0) -> np.ndarray:
    """A tone, "sweep", or "noise", a little different for each seed."""
    rng = np.random.default_rng([seed, len(name)])
    t = np.arange(round(duration_s * RATE)) / RATE
    if name in TONES_HZ:
        sound = np.sin(2 * np.pi * TONES_HZ[name] * rng.uniform(0.98, 1.02) * t)
    elif name == "sweep":
        sound = np.sin(2 * np.pi * 150 * rng.uniform(0.9, 1.1) * 2 ** (4 * t))
    else:
        sound = rng.standard_normal(len(t))
    noise = 0.01 * rng.standard_normal(len(t))
    return (rng.uniform(0.1, 0.3) * sound + noise).astype(np.float32)


def write_clips(folder: Path, names: tuple[str, ...], seeds: range) -> list[Path]:
    """Clips as files, a folder per name; "noise" goes into unknown/noise."""
    paths = []
    for name in names:
        own = folder / "unknown" / name if name == "noise" else folder / name
        own.mkdir(parents=True, exist_ok=True)
        for seed in seeds:
            paths.append(own / f"{seed}.wav")
            sf.write(paths[-1], clip(name, seed), RATE)
    return paths


class Bands:
    """Energies in 16 bands: a cheap representation that tells tones from noise."""

    name = "bands"
    highpass = True

    def fit(self, waveforms, labels, *, seed=0):
        return self

    def transform(self, waveforms):
        spectra = [np.abs(np.fft.rfft(samples, 16000)[:8000]) ** 2 for samples in waveforms]
        return unit(np.stack([spectrum.reshape(16, 500).sum(axis=1) for spectrum in spectra]))

    def state(self):
        return {}, {}

    @classmethod
    def restore(cls, tensors, settings):
        return cls()
