"""The benchmarks, which are scripts, as modules."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RATE = 16000
PITCHES = {"one": (400, 900), "two": (3000, 1500), "six": (700, 3500)}
HEADER = "idx,event_label,event_onset,event_offset,file,scene_label"


@pytest.fixture(scope="module")
def script(request):
    """The script that a file of tests is about; the others are there to be imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module(request.path.stem.removeprefix("test_"))


def chirp(rng, word):
    t = np.arange(int(RATE * rng.uniform(0.35, 0.45))) / RATE
    start, end = PITCHES[word]
    phase = 2 * np.pi * (start * t + (end - start) * t**2 / (2 * t[-1]))
    return 0.3 * np.sin(phase) * np.sin(np.pi * t / t[-1])


def write(folder, name, words, rng):
    """A recording of words, one per second; rows of its table."""
    sound, rows = 1e-4 * rng.standard_normal(RATE * len(words)), []
    for i, word in enumerate(words):
        samples = chirp(rng, word)
        first = i * RATE + 3000
        sound[first : first + len(samples)] += samples
        times = f"{first / RATE},{(first + len(samples)) / RATE}"
        rows.append(f"{word},{times},audio/{name}.flac,{name}")
    soundfile.write(folder / "audio" / f"{name}.flac", sound, RATE)
    return rows


@pytest.fixture(scope="session")
def digits_data(tmp_path_factory):
    """A small tree of tones, as the fsdd task: ada speaks the shots of fold 1, and in fold 2."""
    root = tmp_path_factory.mktemp("data")
    folder, rng = root / "kws" / "fsdd", np.random.default_rng(0)
    (folder / "audio").mkdir(parents=True)
    recordings = {
        name: write(folder, name, list(PITCHES) * (2 if name == "ada_0" else 3), rng)
        for name in ("ada_0", "ada_1", "ada_2", "bob_0", "bob_1", "cy_1")
    }
    folds = {
        "fold1": {"train": ["ada_0"], "validation": ["bob_0"], "test": ["bob_1", "cy_1"]},
        "fold2": {"train": ["bob_0"], "validation": ["ada_1"], "test": ["ada_1", "ada_2"]},
    }
    for fold, parts in folds.items():
        (folder / fold).mkdir()
        for part, names in parts.items():
            rows = [row for name in names for row in recordings[name]]
            lines = [HEADER, *(f"{i},{row}" for i, row in enumerate(rows))]
            (folder / fold / f"{part}_keywords.csv").write_text("\n".join(lines) + "\n")
    return root
