import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from machines import RATE, clips_in

import asd
from asd.monitor import Excesses, Monitor, follow, watch
from fewshot.errors import InputError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = clips_in(tmp_path_factory.mktemp("own") / "pump", 8)
    return asd.train(folder, system="mfcc-nearest", false_alarm_rate=0.2)


class Loudness:
    """A model that scores windows by their highest sample."""

    shortest_s = 0.1

    def __init__(self, threshold=0.5):
        self.thresholds = {("pump", "00"): threshold}

    def key_of(self, machine, section):
        return ("pump", "00")

    def score(self, clips, machine, section):
        (clip,) = clips
        if len(clip) < 1600:
            raise InputError("too short")
        return np.array([float(np.max(clip))])


def pushed(monitor, sound, cuts):
    points = []
    for piece in np.split(sound, cuts):
        points += monitor.push(piece)
    return points + monitor.finish()


def naive(model, sound, window, hop):
    """Scores of all windows of a sound that is there at once."""
    last = max(len(sound) - window, 0)
    starts = sorted({*range(0, last + 1, hop), last})
    return [
        ((start + min(start + window, len(sound))) / 2 / RATE, *model.score([cut], "pump", "00"))
        for start in starts
        for cut in [sound[start : start + window]]
    ]


@given(
    n_samples=st.integers(1600, 40000),
    window=st.integers(1600, 12000),
    hop_share=st.floats(0.1, 1.0),
    cuts=st.lists(st.integers(0, 40000), max_size=8),
)
def test_windows_do_not_depend_on_the_blocks(n_samples, window, hop_share, cuts):
    sound = np.random.default_rng(n_samples).standard_normal(n_samples).astype(np.float32)
    hop = max(1, int(window * hop_share))
    options = {"window_s": window / RATE, "hop_s": hop / RATE}
    monitor = Monitor(Loudness(), **options)
    points = pushed(monitor, sound, sorted(cuts))
    assert points == naive(Loudness(), sound, window, hop)
    assert monitor.duration_s == n_samples / RATE


def test_scores_are_bit_equal_whatever_the_blocks(model):
    rng = np.random.default_rng(0)
    sound = rng.standard_normal(5 * RATE + 123).astype(np.float32) * 0.1
    whole = pushed(Monitor(model, window_s=1.0, hop_s=0.3), sound, [])
    assert whole == pushed(Monitor(model, window_s=1.0, hop_s=0.3), sound, range(0, 80000, 777))
    assert [score for _, score in whole[:2]] == [
        *model.score([sound[:RATE]]),
        *model.score([sound[4800 : 4800 + RATE]]),
    ]


@given(
    scores=st.lists(st.floats(-1, 1), min_size=1, max_size=30),
    hop_s=st.floats(0.1, 10),
)
def test_events_cover_the_time_of_the_windows_above(scores, hop_s):
    times_s = [(i + 1) * hop_s for i in range(len(scores))]
    end_s = (len(scores) + 1) * hop_s
    excesses = Excesses(0.25)
    found = [excesses.push(*point) for point in zip(times_s, scores, strict=True)]
    events = [event for event in [*found, excesses.finish(end_s)] if event is not None]
    for event in events:
        inside = [
            score
            for time_s, score in zip(times_s, scores, strict=True)
            if event.onset_s < time_s < event.offset_s
        ]
        assert min(inside) > 0.25 and max(inside) == event.score and event.label == "anomaly"
    starts = sum(
        score > 0.25 and (i == 0 or not scores[i - 1] > 0.25) for i, score in enumerate(scores)
    )
    assert len(events) == starts
    for event in events:
        for edge_s in (event.onset_s, event.offset_s):
            middles = [time_s + hop_s / 2 for time_s in times_s[:-1]]
            assert edge_s in (0.0, end_s) or edge_s == pytest.approx(
                min(middles, key=lambda middle, edge_s=edge_s: abs(middle - edge_s))
            )


def test_a_score_equal_to_the_threshold_is_normal():
    excesses = Excesses(0.5)
    assert excesses.push(1.0, 0.5) is None and excesses.finish(2.0) is None


def test_events_of_a_recording():
    sound = np.zeros(30 * RATE, np.float32)
    sound[13 * RATE] = 0.9
    heard = []
    watched = follow(
        Monitor(Loudness(), window_s=4.0), np.array_split(sound, 7), on_event=heard.append
    )
    assert watched.times_s.tolist() == [float(t) for t in range(2, 29, 2)]
    (event,) = watched.events
    assert heard == [event]
    # The windows 10 to 14 s and 12 to 16 s hold the sample.
    assert (event.onset_s, event.offset_s) == (11.0, 15.0)
    assert event.score == pytest.approx(0.9)
    assert (watched.threshold, watched.duration_s) == (0.5, 30.0)


@pytest.mark.parametrize("duration_s", [0.1, 3.0, 10.0])
def test_up_to_a_window_is_one_window(duration_s):
    watched = follow(Monitor(Loudness()), [np.ones(round(duration_s * RATE), np.float32)])
    assert watched.times_s.tolist() == [duration_s / 2]
    (event,) = watched.events
    assert (event.onset_s, event.offset_s) == (0.0, duration_s)


def test_silence_is_scored(model):
    watched = follow(Monitor(model, window_s=1.0), [np.zeros(2 * RATE, np.float32)])
    assert watched.scores.tolist() == [*model.score([np.zeros(RATE, np.float32)])] * 3


def test_what_cannot_be_scored_is_named_with_its_time(model, tmp_path):
    monitor = Monitor(model, window_s=1.0)
    monitor.push(np.zeros(RATE, np.float32))
    bad = np.zeros(RATE, np.float32)
    bad[8000] = np.nan
    with pytest.raises(InputError, match=r"^has NaN or infinite samples at 1\.500 s"):
        monitor.push(bad)
    path = tmp_path / "bad.wav"
    soundfile.write(path, np.concatenate([np.zeros(RATE), bad]), RATE, "FLOAT")
    with pytest.raises(InputError, match=r"bad\.wav: has NaN.* at 1\.500 s") as caught:
        watch(model, path)
    assert str(caught.value).count("bad.wav") == 1
    soundfile.write(path, np.zeros(100), RATE)
    with pytest.raises(InputError, match=r"bad\.wav: 0\.000 to 0\.006 s: 0\.006 s is shorter"):
        watch(model, path)
    endless = Loudness()
    endless.score = lambda clips, *key: np.array([np.inf])
    with pytest.raises(InputError, match=r"^0\.000 to 10\.000 s: the score is inf"):
        Monitor(endless).push(np.zeros(10 * RATE, np.float32))


def test_a_file_is_watched_like_its_samples(model, tmp_path):
    path = tmp_path / "long.wav"
    sound = (0.1 * np.random.default_rng(1).standard_normal(25 * RATE)).astype(np.float32)
    soundfile.write(path, sound, RATE, "FLOAT")
    done = []
    watched = watch(model, path, "pump", window_s=2.0, on_progress=done.append)
    again = follow(Monitor(model, "pump", "00", window_s=2.0), [sound])
    assert watched.scores.tolist() == again.scores.tolist() and len(watched.scores) == 24
    assert watched.events == again.events
    assert done[-1] == 25.0 and len(done) > 2


@pytest.mark.parametrize(
    "options", [{"window_s": 0.05}, {"window_s": np.inf}, {"hop_s": 0.0}, {"hop_s": 10.1}]
)
def test_windows_and_steps_out_of_range(model, options):
    with pytest.raises(InputError, match=r"the (window|step) is"):
        Monitor(model, **options)
    with pytest.raises(InputError, match="does not know saw"):
        Monitor(model, "saw")
