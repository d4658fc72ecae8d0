"""Commands on a model that costs nothing: one linear layer in place of the residual network."""

from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest
import soundfile as sf
import threadpoolctl
import torch
from torch import nn

RATE = 16000


class LinearEncoder(nn.Module):
    """Maps log-Mel segments (batch, T, mels) to embeddings (batch, T, 128)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(64, 128, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.embed(x - x.mean(dim=2, keepdim=True))


@pytest.fixture
def linear(monkeypatch):
    """Models are made and loaded with the linear encoder; --threads holds for one test."""
    for module in ("kws.learning", "kws.model"):
        monkeypatch.setattr(f"{module}.TemporalResNet", LinearEncoder)
    threads = torch.get_num_threads(), numba.get_num_threads()
    with threadpoolctl.threadpool_limits():
        yield
    torch.set_num_threads(threads[0])
    numba.set_num_threads(threads[1])


def sweep(word: str, rng: np.random.Generator) -> np.ndarray:
    hz = np.geomspace(400, 2500, int(rng.uniform(0.3, 0.4) * RATE))
    tone = np.sin(2 * np.pi * np.cumsum(hz if word == "up" else hz[::-1]) / RATE)
    return 0.3 * tone * np.hanning(len(tone)) + 0.002 * rng.standard_normal(len(tone))


@pytest.fixture(scope="session")
def words(tmp_path_factory):
    """Folders of clips, a recording with up, down and up in it, and a model of both words."""
    from kws import enroll
    from kws.config import KwsConfig

    folder, rng = tmp_path_factory.mktemp("words"), np.random.default_rng(0)
    clips: dict[str, list[Path]] = {"down": [], "up": []}
    for word, paths in clips.items():
        (folder / "clips" / word).mkdir(parents=True)
        for i in range(3):
            paths.append(folder / "clips" / word / f"{i}.wav")
            sf.write(paths[-1], sweep(word, rng), RATE)
    samples = 0.002 * rng.standard_normal(4 * RATE)
    for i, word in enumerate(("up", "down", "up")):
        start, utterance = int((0.6 + i) * RATE), sweep(word, rng)
        samples[start : start + len(utterance)] += utterance
    sf.write(folder / "recording.wav", samples, RATE)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("kws.learning", "kws.model"):
            patch.setattr(f"{module}.TemporalResNet", LinearEncoder)
        model = enroll(folder / "clips", config=KwsConfig(encoder="scratch", epochs=2))
    model.threshold = -0.2
    model.save(folder / "words.kws")
    return SimpleNamespace(
        clips=clips,
        folder=folder / "clips",
        recording=folder / "recording.wav",
        model=model,
        model_path=folder / "words.kws",
    )
