"""The rows of the keyword benchmarks, on chirps: what they search with and how."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from fewshot.events import Event
from kws.clips import Clip, LoadedClip

RATE = 16000
PITCHES = {"up": (500, 2500), "down": (4000, 800)}
BAND_HZ = (60.0, 7600.0)


def chirp(rng, word):
    t = np.arange(int(RATE * rng.uniform(0.45, 0.55))) / RATE
    start, end = PITCHES[word]
    phase = 2 * np.pi * (start * t + (end - start) * t**2 / (2 * t[-1]))
    sound = 0.5 * np.sin(phase) * np.sin(np.pi * t / t[-1])
    return (sound + 1e-3 * rng.standard_normal(len(t))).astype(np.float32)


@pytest.fixture(scope="module")
def clips():
    rng = np.random.default_rng(0)
    return [
        LoadedClip(Clip(word, Path(f"{word}{i}.wav")), chirp(rng, word), 0, 0, f"{word}{i}")
        for word in PITCHES
        for i in range(3)
    ]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Three seconds with both words, one second apart, and where they are."""
    rng = np.random.default_rng(1)
    sound, truth = 1e-3 * rng.standard_normal(3 * RATE), []
    for onset, word in ((RATE // 2, "down"), (3 * RATE // 2, "up")):
        samples = chirp(rng, word)
        sound[onset : onset + len(samples)] += samples
        truth.append(Event("a.wav", onset / RATE, (onset + len(samples)) / RATE, word))
    folder = tmp_path_factory.mktemp("audio")
    soundfile.write(folder / "a.wav", sound, RATE)
    return folder, truth


@pytest.mark.parametrize("frames", ["default", "raw", "mfcc", "hfcc"])
@pytest.mark.parametrize("templates", ["", " shots", " msdtw"])
def test_words_are_found_without_training(script, clips, recording, frames, templates):
    row = "shots" if frames + templates == "default shots" else frames + templates
    assert row in script.ROWS
    folder, truth = recording
    system = script.system_of(row, clips, BAND_HZ, 1, 0)
    found = system.search(folder, {"a.wav": 3.0})
    tuned = found.tune(truth)
    assert tuned.f_score == 1.0
    assert len(found.at(tuned.threshold)) == 2
    assert (system.threshold is None) == (row not in ("default", "shots"))


def test_multi_sample_templates_of_a_trained_network(script, clips, recording):
    folder, truth = recording
    system = script.system_of("adacos unreversed msdtw", clips, BAND_HZ, 5, 0)
    assert system.keywords == ["down", "up"]
    assert system.search(folder, {"a.wav": 3.0}).tune(truth).f_score == 1.0


def test_all_rows_have_names_of_their_own(script):
    names = (*script.ROWS, *script.TRAINED)
    assert len(set(names)) == len(names)
    contexts = [script.context_of(row) for row in ("mfcc msdtw", "raw", "sliding adacos")]
    assert [context > 0 for context in contexts] == [False, True, True]
