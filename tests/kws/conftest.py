"""Synthetic words: sweeps that differ in direction and range, cheap to learn."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

SWEEPS_HZ = {"down": (2500.0, 400.0), "up": (400.0, 2500.0)}


def sweep(word: str, duration_s: float, rng: np.random.Generator) -> np.ndarray:
    """One synthetic utterance at 16 kHz."""
    first, last = np.array(SWEEPS_HZ[word]) * rng.uniform(0.95, 1.05)
    n = int(duration_s * 16000)
    hz = np.geomspace(first, last, n)
    tone = np.sin(2 * np.pi * np.cumsum(hz) / 16000) * np.hanning(n)
    return (0.3 * tone + 0.002 * rng.standard_normal(n)).astype(np.float32)


def write_clips(folder: Path, words=tuple(SWEEPS_HZ), count: int = 5) -> Path:
    """Folder with one sub-folder of clips per word."""
    rng = np.random.default_rng(0)
    for word in words:
        (folder / word).mkdir(parents=True)
        for i in range(count):
            sf.write(folder / word / f"{i}.wav", sweep(word, rng.uniform(0.3, 0.4), rng), 16000)
    return folder


def write_recording(path: Path) -> list[tuple[str, float, float]]:
    """Recording with planted words; gives (word, onset_s, offset_s)."""
    rng = np.random.default_rng(1)
    samples = 0.002 * rng.standard_normal(8 * 16000).astype(np.float32)
    events = []
    for i, word in enumerate(("up", "down", "down", "up")):
        utterance, start = sweep(word, 0.35, rng), int((0.7 + 1.8 * i) * 16000)
        samples[start : start + len(utterance)] += utterance
        events.append((word, start / 16000, (start + len(utterance)) / 16000))
    sf.write(path, samples, 16000)
    return events


@pytest.fixture(scope="session", params=["speech-embedding", "speech", "scratch"])
def sound(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict:
    """Clips, a recording with planted words, and a model learnt from the clips."""
    from kws import enroll
    from kws.config import KwsConfig

    folder = tmp_path_factory.mktemp("sound")
    clips = write_clips(folder / "clips")
    events = write_recording(folder / "recording.wav")
    model = enroll(clips, config=KwsConfig(encoder=request.param, epochs=12), seed=0)
    model.save(folder / "words.kws")
    return {
        "folder": folder,
        "clips": clips,
        "recording": folder / "recording.wav",
        "events": events,
        "model": model,
        "model_path": folder / "words.kws",
    }
