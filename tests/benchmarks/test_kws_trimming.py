"""The benchmark of trimming: what it puts around clips."""

from pathlib import Path

import numpy as np
import pytest

from kws.clips import Clip, LoadedClip


def test_clips_lie_in_the_middle_of_noise(script):
    word = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    around = np.full(4000, 9.0, np.float32)
    clip = Clip("lamp", Path("a.wav"), 1.0, 1.5)
    item = LoadedClip(clip, np.concatenate([around, word, around]), 4000, 4000, "")
    padded = script.padded(item, 20.0, np.random.default_rng(1))
    assert (padded.before, padded.after, padded.clip.onset_s) == (0, 0, None)
    onset = int(np.correlate(padded.samples, word, "valid").argmax())
    behind = len(padded.samples) - onset - len(word)
    assert 8000 <= onset <= 16000 and 8000 <= behind <= 16000
    added = padded.samples.copy()
    added[onset : onset + len(word)] -= word
    assert 20 * np.log10(word.std() / added.std()) == pytest.approx(20.0, abs=0.5)
