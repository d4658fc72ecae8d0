import io
import json
import shutil
import signal
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf
from matplotlib.image import imread

from fewshot.events import FORMATS, csv_line, read_events
from fewshot.plot import new_figure
from kws.commands.detect import main
from kws.model import KeywordModel


@pytest.fixture
def detect(words, linear, tmp_path, monkeypatch):
    """Runs kws-detect beside recordings: a.wav, deep/b.flac (its second half), c.wav (noise)."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "recordings"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(words.recording, folder / "a.wav")
    samples, rate = sf.read(words.recording)
    sf.write(folder / "deep" / "b.flac", samples[len(samples) // 2 :], rate)
    sf.write(folder / "c.wav", 0.01 * np.random.default_rng(0).standard_normal(24000), rate)

    def run(*arguments, model=words.model_path):
        return main([str(argument) for argument in (model, *arguments)])

    return run


@pytest.fixture
def pipe(monkeypatch):
    """Puts bytes into standard input, and lines that are printed into a list."""

    def pipe(data):
        stdin = SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data)), isatty=lambda: False)
        monkeypatch.setattr(sys, "stdin", stdin)

    return pipe


def rows(text):
    header, *lines = text.splitlines()
    assert header == "filename,event_onset,event_offset,event_label,score"
    return lines


def test_a_table_on_standard_output(detect, words, capsys):
    assert detect("recordings/a.wav") == 0
    out, err = capsys.readouterr()
    expected = words.model.detect(words.recording)
    assert [line.split(",")[0] for line in rows(out)] == ["recordings/a.wav"] * 3
    assert [line.split(",")[3] for line in rows(out)] == [event.label for event in expected]
    assert "3 events in 1 recording\n" in err


@pytest.mark.parametrize("threads", [1, 2])
def test_many_recordings_in_order(detect, words, capsys, threads):
    assert detect("recordings", "recordings/a.wav", "--threads", threads, "-o", "e.csv") == 0
    out, err = capsys.readouterr()
    assert not out and "3 recordings" in err
    events = read_events("e.csv")
    assert events == sorted(events)
    names = ["recordings/a.wav", "recordings/c.wav", "recordings/deep/b.flac"]
    for name in names:
        own = [csv_line(event) for event in events if event.filename == name]
        assert own == [csv_line(event) for event in words.model.detect(name)]
    assert {event.filename for event in events} >= {names[0], names[2]}


def test_every_format_holds_the_same_events(detect, tmp_path):
    assert detect("recordings", "--output-format", "all", "-o", "out", "--candidates") == 0
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    single = [f"{stem}{FORMATS[f].suffix}" for f in ("audacity", "textgrid") for stem in "abc"]
    assert found == sorted(["events.csv", "events.jsonl", "events.rttm", *single])

    def times(events):
        return sorted((round(e.onset_s, 3), round(e.offset_s, 3), e.label) for e in events)

    expected = read_events("out/events.csv")
    assert {event.filename[-5:] for event in expected} >= {"a.wav", "c.wav", ".flac"}
    for name in ("events.jsonl", "events.rttm"):
        assert times(read_events(tmp_path / "out" / name)) == times(expected)
    for form in ("audacity", "textgrid"):
        events = []
        for stem in "abc":
            events += read_events(tmp_path / "out" / f"{stem}{FORMATS[form].suffix}")
        assert times(events) == times(expected)


@pytest.mark.parametrize("name", FORMATS)
def test_the_extension_names_the_format(detect, capsys, name):
    path = f"out{FORMATS[name].suffix}"
    assert detect("recordings/a.wav", "-o", path) == 0
    assert detect("recordings/a.wav", "--output-format", name) == 0
    with open(path, newline="") as written:
        assert written.read() == capsys.readouterr().out


def test_thresholds_and_choices(detect, words, capsys):
    def found(*options):
        assert detect("recordings/a.wav", *options) == 0
        return [line.split(",")[1:] for line in rows(capsys.readouterr().out)]

    candidates = found("--candidates")
    scores = sorted(float(row[3]) for row in candidates)
    middle = (scores[-2] + scores[-3]) / 2
    assert found("--threshold", middle) == [r for r in candidates if float(r[3]) >= middle]
    assert found("--threshold", 1) == []
    best = found("--candidates", "--top", 2)
    assert sorted(float(row[3]) for row in best) == scores[-2:]
    assert best == sorted(best, key=lambda row: float(row[0]))
    assert {row[2] for row in found("--keyword", "up")} == {"up"}
    assert {row[2] for row in found("--keyword", "up", "--keyword", "down")} == {"up", "down"}


def test_score_curves(detect, words, tmp_path):
    assert detect("recordings", "--scores", "curves", "-q") == 0
    assert sorted(p.name for p in (tmp_path / "curves").iterdir()) == ["a.npz", "b.npz", "c.npz"]
    with np.load("curves/a.npz") as curves:
        keywords, times_s, scores = words.model.scores(words.recording)
        assert curves["keywords"].tolist() == keywords
        np.testing.assert_array_equal(curves["times_s"], times_s)
        np.testing.assert_array_equal(curves["scores"], scores)


def drawn(path):
    """Height and width of a picture."""
    return imread(path).shape[:2]


@pytest.mark.parametrize("threads", [1, 2])
def test_pictures(detect, words, tmp_path, threads):
    options = ("--candidates", "--threads", threads, "-o", "e.csv")
    assert detect("recordings", *options) == 0
    without = (tmp_path / "e.csv").read_text()
    assert detect("recordings", *options, "--force", "--plot", "pictures", "-q") == 0
    assert (tmp_path / "e.csv").read_text() == without
    pictures = tmp_path / "pictures"
    assert sorted(path.name for path in pictures.iterdir()) == ["a.png", "b.png", "c.png"]
    assert drawn(pictures / "a.png") == drawn(pictures / "c.png")
    assert not list((tmp_path).glob("*.npz"))


def test_pictures_of_what_was_asked_for(detect, words, tmp_path, monkeypatch):
    """The threshold, the best events and the truth under another path reach the picture."""
    calls = []

    def figure(path, curves, thresholds, events, truth):
        calls.append((path, curves[0], thresholds, events, truth))
        return new_figure(1, 1)

    monkeypatch.setattr("kws.pictures.recording_figure", figure)
    (tmp_path / "truth.csv").write_text(
        "file,event_label,event_onset,event_offset\nelsewhere\\a.wav,up,0.6,1.0\n"
    )
    options = ("--plot", "p", "--reference", "truth.csv", "--threads", 1)
    assert detect("recordings/a.wav", "recordings/c.wav", *options) == 0
    truth = read_events("truth.csv")
    name, keywords, thresholds, events, true = calls[0]
    assert (name, keywords) == ("recordings/a.wav", ["down", "up"])
    assert thresholds == {"down": -0.2, "up": -0.2}
    assert [csv_line(e) for e in events] == [csv_line(e) for e in words.model.detect(name)]
    assert true == truth and calls[1][4] == []
    options = ("--candidates", "--top", 1, "--keyword", "up", "--plot", "q")
    assert detect("recordings/a.wav", *options) == 0
    _, keywords, thresholds, events, true = calls[2]
    assert (keywords, thresholds, len(events), true) == (["up"], {"up": -0.2}, 1, None)
    assert detect("recordings/a.wav", "--threshold", -0.5, "--plot", "r") == 0
    assert set(calls[3][2].values()) == {-0.5}


def test_a_reference_of_other_recordings_is_said_to_be(detect, tmp_path, capsys):
    (tmp_path / "truth.csv").write_text(
        "file,event_label,event_onset,event_offset\nrecordings/deep/b.flac,up,0.6,1.0\n"
    )
    options = ("--plot", "p", "--reference", "truth.csv")
    assert detect("recordings/c.wav", *options) == 0
    assert "warning: truth.csv: has no event in these recordings" in capsys.readouterr().err


def test_pictures_of_odd_names_and_lengths(detect, words, tmp_path):
    shutil.copy(words.recording, tmp_path / "recordings" / "録音 $1.wav")
    sf.write(tmp_path / "recordings" / "short.wav", np.full(3, 0.1), 16000)
    assert detect("recordings", "--plot", "new", "--scores", "new") == 0
    assert {"録音 $1.png", "short.png", "short.npz"} <= {
        p.name for p in (tmp_path / "new").iterdir()
    }


def test_one_bad_recording_among_good_ones(detect, tmp_path, capsys):
    (tmp_path / "recordings" / "text.wav").write_text("not audio")
    samples = np.zeros(32000)
    samples[20000] = np.nan
    sf.write("recordings/nan.wav", samples, 16000, subtype="FLOAT")
    assert detect("recordings", "nowhere.wav", "--quiet", "-o", "e.csv") == 1
    named = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in named[:-1]] == [
        "recordings/text.wav",
        "nowhere.wav",
        "recordings/nan.wav",
    ]
    assert named[-1] == "kws-detect: 3 of 6 inputs failed"
    names = {event.filename for event in read_events("e.csv")}
    assert "recordings/a.wav" in names and "recordings/nan.wav" not in names


def test_nothing_is_written_where_all_fail(detect, tmp_path, capsys):
    sf.write("nan.wav", np.full(8000, np.nan), 16000, subtype="FLOAT")
    options = ("-o", "out", "--output-format", "all", "--scores", "curves")
    assert detect("nan.wav", "nowhere.wav", *options, "-q") == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nan.wav", "recordings"]


UNUSABLE = {
    "e.csv: exists; use --force": ("recordings", "-o", "e.csv"),
    "no such folder": ("recordings", "-o", "nowhere/e.csv"),
    "out.xls: no format has this ending": ("recordings", "-o", "out.xls"),
    "textgrid writes one file per recording": ("recordings", "--output-format", "textgrid"),
    "audacity writes one file per recording": ("recordings", "-o", "new.txt"),
    "all writes several files": ("recordings/a.wav", "--output-format", "all"),
    "old/a.npz: exists": ("recordings", "--scores", "old"),
    "old/b.png: exists": ("recordings", "--plot", "old"),
    "no such folder: ": ("recordings", "--plot", "nowhere/deep/er"),
    "e.csv/a.png: ": ("recordings", "--plot", "e.csv"),
    "give --plot as well": ("recordings", "--reference", "e.csv"),
    "x.csv: No such file": ("recordings", "--plot", "p", "--reference", "x.csv"),
    "'left' is not in the model": ("recordings", "--keyword", "left"),
    "- stands alone": ("recordings", "-"),
    "standard input is the keyboard": ("-",),
    "not allowed with argument": ("recordings", "--threshold", -1, "--candidates"),
    "'nan' is not a finite number": ("recordings", "--threshold", "nan"),
}


@pytest.mark.parametrize("message", UNUSABLE)
def test_what_cannot_be_used_is_one_line(detect, tmp_path, capsys, monkeypatch, message):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    (tmp_path / "e.csv").write_text("mine")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.npz").touch()
    (tmp_path / "old" / "b.png").touch()
    try:
        status = detect(*UNUSABLE[message])
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    out, err = capsys.readouterr()
    assert not out
    (line,) = err.splitlines()
    assert line.startswith("kws-detect: ") and message in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.csv", "old", "recordings"]
    assert (tmp_path / "e.csv").read_text() == "mine"


def test_force_replaces(detect, tmp_path):
    (tmp_path / "e.csv").write_text("mine")
    assert detect("recordings/a.wav", "-o", "e.csv", "--force") == 0
    assert read_events("e.csv")


def test_other_files_are_no_models(detect, capsys):
    assert detect("recordings", model="recordings/a.wav") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "recordings/a.wav" in line


def pcm(words):
    samples, _ = sf.read(words.recording, dtype="int16")
    return samples.astype("<i2").tobytes()


def test_standard_input_raw_and_wav(detect, pipe, words, capsys):
    found = []
    with open(words.recording, "rb") as wav:
        for data in (pcm(words), wav.read()):
            pipe(data)
            assert detect("-", "--threshold", -0.3) == 0
            found.append(rows(capsys.readouterr().out))
    assert found[0] == found[1]
    assert [line.split(",")[3] for line in found[0]] == ["up", "down", "up"]
    assert found[0][0].startswith("-,")


def test_events_are_printed_as_they_become_certain(detect, pipe, words, capsys, monkeypatch):
    class Stream(io.BytesIO):
        def read1(self, size=-1):
            seen.append(capsys.readouterr().out)
            return self.read(size)

    seen = []
    stdin = SimpleNamespace(buffer=Stream(pcm(words)), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", stdin)
    assert detect("-", "--output-format", "jsonl", "--threshold", -0.3) == 0
    events = [json.loads(line) for line in "".join(seen).splitlines()]
    assert events and set(events[0]) == {
        *("filename", "event_onset", "event_offset", "event_label", "score", "threshold", "time")
    }
    assert events[0]["threshold"] == -0.3


def test_a_stream_into_files(detect, pipe, words, tmp_path, capsys):
    pipe(pcm(words))
    assert detect("-", "-o", "e.TextGrid", "--scores", ".", "--top", 1) == 0
    assert capsys.readouterr().out == ""
    assert len(read_events("e.TextGrid")) == 1
    assert "xmax = 4\n" in (tmp_path / "e.TextGrid").read_text()
    assert (tmp_path / "-.npz").exists()


def test_a_stream_cannot_be_drawn(detect, pipe, words, tmp_path, capsys):
    pipe(pcm(words))
    assert detect("-", "--plot", "p") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kws-detect: --plot ") and line.endswith("not standard input")
    assert not (tmp_path / "p").exists()


def test_a_stream_at_another_rate(detect, pipe, words, capsys):
    pipe(pcm(words)[: 2 * 32000])
    assert detect("-", "--rate", 8000, "-o", "e.TextGrid") == 0
    with open("e.TextGrid") as written:
        assert "xmax = 4\n" in written.read()


@pytest.mark.parametrize("data", [b"", b"\0", b"RIFF....", b"fLaC...."])
def test_streams_that_hold_no_sound(detect, pipe, capsys, data):
    pipe(data)
    assert detect("-") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kws-detect: standard input: ")


@pytest.mark.parametrize("inputs", ["recordings/a.wav", "recordings"])
def test_an_interrupt_leaves_nothing(detect, tmp_path, capsys, monkeypatch, inputs):
    def interrupt(*_, **__):
        signal.raise_signal(signal.SIGINT)
        return []

    monkeypatch.setattr(KeywordModel, "detect", interrupt)
    assert detect(inputs, "-o", "e.csv", "-q", "--threads", 2) == 130
    assert capsys.readouterr().err == "kws-detect: interrupted\n"
    assert [path.name for path in tmp_path.iterdir()] == ["recordings"]
