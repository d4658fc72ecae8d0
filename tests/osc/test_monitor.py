import tracemalloc

import numpy as np
import pytest
import soundfile as sf
from tones import RATE, Bands, clip

from fewshot.errors import InputError
from osc import Monitor, OpenSetClassifier
from osc.monitor import watch


@pytest.fixture(scope="module")
def model():
    """Two tones and noise, one second each."""
    names = [name for name in ("high", "low", "noise") for _ in range(2)]
    labels = ["unknown" if name == "noise" else name for name in names]
    clips = [clip(name, seed) for seed, name in enumerate(names)]
    return OpenSetClassifier(Bands(), length_s=1.0).fit(clips, labels, groups=names)


def recording():
    """Noise with a low tone from 3 to 6 s and a high one from 9 to 11 s."""
    sound = clip("noise", 0, 15.0)
    for name, onset, offset in (("low", 3, 6), ("high", 9, 11)):
        sound[onset * RATE : offset * RATE] = clip(name, 50, offset - onset)
    return sound


def events_of(model, sound, sizes, **options):
    monitor = Monitor(model, **options)
    events = []
    for piece in np.split(sound, np.cumsum(sizes)):
        events += monitor.push(piece)
    return events + monitor.finish()


def test_equal_answers_become_events(model):
    found = events_of(model, recording(), [])
    assert [event.label for event in found] == ["low", "high"]
    for event, (onset, offset) in zip(found, ((3, 6), (9, 11)), strict=True):
        assert event.onset_s == pytest.approx(onset, abs=0.51)
        assert event.offset_s == pytest.approx(offset, abs=0.51)
        assert event.score >= model.threshold_


@pytest.mark.parametrize("sizes", [[1] * 5, [RATE // 3] * 30, [7 * RATE], [100, 14 * RATE]])
def test_events_do_not_depend_on_the_pieces(model, sizes):
    whole = events_of(model, recording(), [])
    pieces = events_of(model, recording(), sizes)
    assert [(e.label, e.onset_s, e.offset_s) for e in pieces] == [
        (e.label, e.onset_s, e.offset_s) for e in whole
    ]
    np.testing.assert_allclose([e.score for e in pieces], [e.score for e in whole], atol=1e-5)


@pytest.mark.parametrize("duration_s", [0.1, 0.5, 1.0, 1.01, 2.37])
def test_short_recordings_are_covered_to_their_end(model, duration_s):
    sound = clip("low", 20, 3.0)[: round(duration_s * RATE)]
    (event,) = events_of(model, sound, [])
    assert event.label == "low" and event.onset_s == 0
    assert event.offset_s == pytest.approx(duration_s, abs=1e-4)


def test_silence_and_nothing_have_no_events(model):
    assert events_of(model, np.zeros(3 * RATE, np.float32), []) == []
    assert Monitor(model).finish() == []
    with pytest.raises(InputError, match=r"shorter than 0\.1 s"):
        events_of(model, np.ones(100, np.float32), [])


@pytest.mark.parametrize(
    "options", [{"window_s": 5.0}, {"window_s": 0.05}, {"hop_s": 0.0}, {"hop_s": 1.5}]
)
def test_windows_and_steps_out_of_range(model, options):
    with pytest.raises(InputError, match=r"the (window|step) is"):
        Monitor(model, **options)


def test_files_are_read_in_blocks_at_constant_memory(model, tmp_path):
    path = tmp_path / "long.wav"
    quiet = clip("noise", 1, 30.0)
    with sf.SoundFile(path, "w", RATE, 1, subtype="PCM_16") as file:
        for minute in range(20):
            file.write(clip("low", 3, 30.0) if minute == 7 else quiet)
    sf.write(tmp_path / "short.wav", quiet, RATE)
    seconds, peaks = [], []
    for name in ("short.wav", "short.wav", "long.wav"):
        tracemalloc.start()
        found = watch(model, tmp_path / name, hop_s=1.0, progress=seconds.append)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    (event,) = found
    assert event.filename == path.as_posix() and event.label == "low"
    assert event.onset_s == pytest.approx(210, abs=1.1)
    assert seconds[-1] == 600 and peaks[2] < 1.5 * peaks[1]
