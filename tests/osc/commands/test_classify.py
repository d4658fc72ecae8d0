import csv
import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf
from tones import RATE, clip

from fewshot.events import read_events
from osc.commands.classify import main


def rows_of(text):
    return list(csv.DictReader(text.splitlines()))


def test_a_table_of_answers(sounds, command, capsys):
    assert command(main, sounds.model, sounds.folder / "test", sounds.folder / "tone.wav") == 0
    out, err = capsys.readouterr()
    assert err.splitlines()[-1] == "13 files: 7 known, 6 unknown"
    rows = rows_of(out)
    assert list(rows[0]) == ["filename", "label", "score", "runner_up", "runner_up_score"]
    for row in rows:
        name = next(n for n in ("high", "low", "noise", "sweep", "tone") if n in row["filename"])
        expected = {"tone": "low", "noise": "unknown", "sweep": "unknown"}.get(name, name)
        assert row["label"] == expected
        assert row["runner_up"] != row["label"] and -1 <= float(row["runner_up_score"]) <= 1


def test_files_and_thresholds(sounds, command, capsys):
    tone = sounds.folder / "tone.wav"
    assert command(main, sounds.model, tone, "-o", "a.csv", "--threshold", 1.5) == 0
    (row,) = rows_of((sounds.work / "a.csv").read_text())
    assert (row["label"], row["runner_up"]) == ("unknown", "low")
    assert row["runner_up_score"] == row["score"]
    assert command(main, sounds.model, tone, "-o", "a.csv") == 2
    assert "a.csv: exists; use --force" in capsys.readouterr().err
    assert command(main, sounds.model, tone, "-o", "a.jsonl", "--quiet") == 0
    answer = json.loads((sounds.work / "a.jsonl").read_text())
    assert answer["label"] == "low" and answer["runner_up"] in ("high", "unknown")
    assert capsys.readouterr() == ("", "")


def test_some_files_fail(sounds, command, capsys):
    sf.write("short.wav", clip("low", 0)[:100], RATE)
    (sounds.work / "text.wav").write_text("not audio")
    tone = sounds.folder / "tone.wav"
    assert command(main, sounds.model, tone, "short.wav", "text.wav", "nowhere.wav") == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    for words in ("short.wav: 0.006 s is shorter", "text.wav: not audio", "nowhere.wav: no such"):
        assert sum(words in line for line in err.splitlines()) == 1
    assert command(main, sounds.model, "short.wav", "-o", "a.csv") == 2
    assert not (sounds.work / "a.csv").exists()


def write_recording(path):
    """Noise with a low tone from 3 to 6 s."""
    sound = clip("noise", 0, 10.0)
    sound[3 * RATE : 6 * RATE] = clip("low", 50, 3.0)
    sf.write(path, sound, RATE)


def test_monitoring(sounds, command, capsys):
    write_recording("a.wav")
    sf.write("b.wav", np.zeros(2 * RATE), RATE)
    assert command(main, sounds.model, "a.wav", "b.wav", "--monitor", "-o", "events.csv") == 0
    (event,) = read_events("events.csv")
    assert (event.filename, event.label) == ("a.wav", "low")
    assert (event.onset_s, event.offset_s) == (pytest.approx(3, abs=0.3), pytest.approx(6, abs=0.3))
    assert capsys.readouterr().err == "1 event in 2 recordings\n"
    window = ("--window", 0.5, "--hop", 0.1)
    assert command(main, sounds.model, "a.wav", "--monitor", *window, "-o", "a.TextGrid") == 0
    (event,) = read_events("a.TextGrid")
    assert event.onset_s == pytest.approx(3, abs=0.15)
    assert command(main, sounds.model, "a.wav", "--monitor", "--threshold", 1.5) == 0
    assert capsys.readouterr().out.splitlines() == [
        "filename,event_onset,event_offset,event_label,score"
    ]


@pytest.fixture
def piped(monkeypatch):
    def pipe(data):
        stdin = SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data)), isatty=lambda: False)
        monkeypatch.setattr(sys, "stdin", stdin)

    return pipe


def test_standard_input_gives_what_the_file_does(sounds, command, capsys, piped):
    write_recording("a.wav")
    assert command(main, sounds.model, "a.wav", "--monitor") == 0
    expected = rows_of(capsys.readouterr().out)
    assert len(expected) == 1
    samples, _ = sf.read("a.wav", dtype="int16")
    for data in ((sounds.work / "a.wav").read_bytes(), samples.astype("<i2").tobytes()):
        piped(data)
        assert command(main, sounds.model, "-", "--monitor") == 0
        out, err = capsys.readouterr()
        assert rows_of(out) == [row | {"filename": "-"} for row in expected]
        assert err == "1 event in 1 recording\n"
    piped(samples.astype("<i2").tobytes())
    assert command(main, sounds.model, "-", "--monitor", "-o", "a.rttm", "--rate", RATE) == 0
    assert capsys.readouterr().out == "" and len(read_events("a.rttm")) == 1
    piped(b"\0" * 8)
    assert command(main, sounds.model, "-", "--monitor") == 2
    assert "-: 0.000 s is shorter than 0.1 s" in capsys.readouterr().err


UNUSABLE = {
    "standard input is listened to with --monitor": ("MODEL", "-"),
    "- stands alone": ("MODEL", "-", "tone.wav", "--monitor"),
    "--rate belongs to --monitor": ("MODEL", "tone.wav", "--rate", "8000"),
    "nowhere.osc: not read": ("nowhere.osc", "tone.wav"),
    "tone.wav: is not a model file": ("tone.wav", "tone.wav"),
    "nowhere.wav: no such file": ("MODEL", "nowhere.wav"),
    "--hop belongs to --monitor": ("MODEL", "tone.wav", "--hop", "1"),
    "not textgrid; events: --monitor": ("MODEL", "tone.wav", "-o", "a.TextGrid"),
    "the window is 9.0 s": ("MODEL", "tone.wav", "--monitor", "--window", "9"),
    "'x' is not a finite number": ("MODEL", "tone.wav", "--threshold", "x"),
}


@pytest.mark.parametrize("message", UNUSABLE)
def test_what_cannot_be_used_is_one_line(sounds, command, capsys, message):
    sf.write("tone.wav", clip("low", 4), RATE)
    arguments = [sounds.model if a == "MODEL" else a for a in UNUSABLE[message]]
    assert command(main, *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("osc-classify: ") and message in line
