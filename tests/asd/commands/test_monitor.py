import csv
import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from machines import RATE, clips_in

import asd
from asd.commands.score import main
from asd.model import MachineModel
from asd.monitor import watch
from asd.synthesis import Hall, recording
from fewshot.events import read_events


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    path = folder / "fan.asd"
    trained = asd.train(clips_in(folder / "fan", 12), system="mfcc-nearest", false_alarm_rate=0.2)
    trained.save(path)
    return path


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A quarter of a minute of a fan, from 6 to 10 s something else is heard."""
    rng = np.random.default_rng(5)
    parts = [recording("fan", 18, "low", Hall(), None, rng, 6.0)]
    parts += [rng.standard_normal(4 * RATE) * 0.3]
    parts += [recording("fan", 18, "low", Hall(), None, rng, 5.0)]
    path = tmp_path_factory.mktemp("night") / "night.wav"
    soundfile.write(path, np.concatenate(parts), RATE)
    return path


@pytest.fixture
def piped(monkeypatch):
    def pipe(data):
        stdin = SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data)), isatty=lambda: False)
        monkeypatch.setattr(sys, "stdin", stdin)

    return pipe


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_events_scores_and_a_picture(model, night, tmp_path, command, capsys):
    curve, picture = tmp_path / "scores.csv", tmp_path / "night.png"
    arguments = (model, night, "--monitor", "--window", 1, "--scores-out", curve)
    assert command(main, *arguments, "--plot", picture) == 0
    out, err = capsys.readouterr()
    events = rows_of(out)
    assert err == f"{len(events)} event{'s' * (len(events) != 1)} in 1 recording\n"
    loudest = max(events, key=lambda row: float(row["score"]))
    assert loudest["event_label"] == "anomaly" and loudest["filename"] == night.as_posix()
    assert float(loudest["event_onset"]) == pytest.approx(6.0, abs=0.8)
    assert float(loudest["event_offset"]) == pytest.approx(10.0, abs=0.8)
    watched = watch(MachineModel.load(model), night, window_s=1.0)
    rows = rows_of(curve.read_text())
    assert list(rows[0]) == ["filename", "time", "score", "threshold"]
    assert [float(row["time"]) for row in rows] == watched.times_s.tolist()
    assert [float(row["score"]) for row in rows] == watched.scores.tolist()
    assert {float(row["threshold"]) for row in rows} == {watched.threshold}
    assert {row["filename"] for row in rows} == {night.as_posix()}
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_every_format_of_several_recordings(model, night, tmp_path, command, capsys):
    other = clips_in(tmp_path / "day", 1) / "0.wav"
    out = tmp_path / "out"
    out.mkdir()
    arguments = ("--monitor", "--window", 1, "--output-format", "all", "-o", out)
    assert command(main, model, night, other, *arguments, "--plot", tmp_path / "png") == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *("0.TextGrid", "0.txt", "events.csv", "events.jsonl", "events.rttm"),
        *("night.TextGrid", "night.txt"),
    ]
    assert sorted(path.name for path in (tmp_path / "png").iterdir()) == ["0.png", "night.png"]
    assert read_events(out / "events.csv") == read_events(out / "events.jsonl")


def test_standard_input_is_as_a_file(model, night, command, capsys, piped, tmp_path):
    assert command(main, model, night, "--monitor", "--window", 1, "-q") == 0
    wanted = [row | {"filename": "-"} for row in rows_of(capsys.readouterr().out)]
    pcm = soundfile.read(night, dtype="int16")[0].astype("<i2").tobytes()
    piped(pcm)
    assert command(main, model, "-", "--monitor", "--window", 1, "-q") == 0
    assert rows_of(capsys.readouterr().out) == wanted
    piped(night.read_bytes())
    curve = tmp_path / "curve.csv"
    arguments = ("--monitor", "--window", 1, "--output-format", "jsonl", "--scores-out", curve)
    assert command(main, model, "-", *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["event_onset"] for line in lines] == [
        float(row["event_onset"]) for row in wanted
    ]
    assert len(rows_of(curve.read_text())) == 29
    piped(b"")
    assert command(main, model, "-", "--monitor") == 2
    assert "standard input: no samples" in capsys.readouterr().err


def test_recordings_that_fail_are_named(model, night, tmp_path, command, capsys):
    bad = tmp_path / "bad.wav"
    soundfile.write(bad, np.concatenate([np.zeros(RATE), [np.nan], np.zeros(9)]), RATE, "FLOAT")
    assert command(main, model, bad, night, "--monitor", "--window", 2, "-q") == 1
    out, err = capsys.readouterr()
    assert {row["filename"] for row in rows_of(out)} == {night.as_posix()}
    assert err.startswith(f"asd-score: {bad}: has NaN, infinite or huge samples at 1.000 s; ")
    assert command(main, model, bad, "--monitor") == 2
    assert command(main, model, tmp_path / "none.wav", "--monitor") == 2


@pytest.mark.parametrize(
    "options, message",
    [
        (("--window", 1), "--window belongs to --monitor"),
        (("--scores-out", "a.csv"), "--scores-out belongs to --monitor"),
        (("--output-format", "rttm"), "--output-format belongs to --monitor"),
        (("--monitor", "--window", 0.01), "the window is 0.01 s; give 0.1 s or more"),
        (("--monitor", "--hop", 11), "the step is 11 s; give more than 0 and at most the window"),
        (("--monitor", "--window", "nan"), "argument --window: 'nan' is not a finite number"),
        (("--monitor", "--machine", "saw"), "the model does not know saw; it knows fan 00; see"),
        (("--monitor", "-o", "a.xls"), "a.xls: no format has this ending"),
        (("--monitor", "-o", "a.csv", "--scores-out", "a.csv"), "a.csv: is named twice"),
        (("--monitor", "--scores-out", "."), ".: is a folder; name a file"),
        (("--monitor", "--plot", "no/where/a.png"), "no/where: no such folder: "),
        (("-", "--monitor"), "- stands alone; give files and standard input one after the other"),
    ],
)
def test_wrong_options(model, night, tmp_path, monkeypatch, command, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert command(main, model, night, *options) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"asd-score: {message}") and err.count("\n") == 1
    assert out == "" and list(tmp_path.iterdir()) == []


def test_pictures_are_of_files_one_each(model, night, tmp_path, command, capsys, piped):
    other = clips_in(tmp_path / "day", 1)
    assert command(main, model, night, other, "--monitor", "--plot", tmp_path / "a.png") == 2
    assert "a picture shows one recording; give --plot a folder" in capsys.readouterr().err
    piped(b"")
    assert command(main, model, "-", "--monitor", "--plot", tmp_path / "a.png") == 2
    assert "--plot reads the sound once more" in capsys.readouterr().err
