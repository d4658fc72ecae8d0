import shutil
import signal

import numpy as np
import pytest
import soundfile as sf

from fewshot.events import FORMATS, read_events
from kws.alignment import align_recording
from kws.commands import enroll
from kws.commands.align import main
from kws.model import KeywordModel

TABLE = "file,words\na.wav,please up then down up\nb.wav,down | up\nc.wav,\n"


@pytest.fixture
def align(words, linear, tmp_path, monkeypatch):
    """Runs kws-align on audio/a.wav (up, down, up), audio/b.wav (down, up), audio/c.wav (noise)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audio").mkdir()
    shutil.copy(words.recording, "audio/a.wav")
    samples, rate = sf.read(words.recording)
    sf.write("audio/b.wav", samples[int(1.3 * rate) :], rate)
    sf.write("audio/c.wav", 0.01 * np.random.default_rng(0).standard_normal(24000), rate)

    def run(*arguments, table=TABLE, model=words.model_path):
        (tmp_path / "t.csv").write_text(table)
        return main([str(argument) for argument in (model, "t.csv", *arguments)])

    return run


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_words_become_events(align, words, capsys):
    assert align("--root", "audio", "-o", "e.csv") == 0
    out, err = capsys.readouterr()
    assert not out and err == "5 of 5 keywords placed in 3 recordings\n"
    events = read_events("e.csv")
    assert [(event.filename, event.label) for event in events] == [
        *(("a.wav", label) for label in ("up", "down", "up")),
        *(("b.wav", label) for label in ("down", "up")),
    ]
    for event, onset_s in zip(events, (0.6, 1.6, 2.6, 0.3, 1.3), strict=True):
        assert event.onset_s == pytest.approx(onset_s, abs=0.15)
        assert event.offset_s == pytest.approx(onset_s + 0.35, abs=0.15)
    expected = align_recording(words.model, "audio/a.wav", ["up", "down", "up"])
    assert [e.score for e in events[:3]] == pytest.approx([e.score for e in expected])


def test_the_events_are_clips_for_enrolment(align, capsys):
    assert align("--root", "audio", "-o", "e.csv") == 0
    options = ["--encoder", "scratch", "--epochs", "1"]
    assert enroll.main(["e.csv", "--root", "audio", "-o", "m.kws", *options]) == 0
    model = KeywordModel.load("m.kws")
    events = sorted((event.label, event.onset_s) for event in read_events("e.csv"))
    assert sorted((clip.label, clip.onset_s) for clip in model.clips) == events


@pytest.mark.parametrize("name", FORMATS)
def test_the_extension_names_the_format(align, capsys, name):
    (path, table) = f"out{FORMATS[name].suffix}", "file,words\naudio/a.wav,up down\n"
    assert align("-o", path, table=table) == 0
    assert align("--output-format", name, table=table) == 0
    with open(path, newline="") as written:
        assert written.read() == capsys.readouterr().out
    assert [event.label for event in sorted(read_events(path))] == ["up", "down"]


def test_every_format_into_a_folder(align, tmp_path):
    assert align("--root", "audio", "--output-format", "all", "-o", "out") == 0
    single = [f"{stem}{suffix}" for stem in "abc" for suffix in (".TextGrid", ".txt")]
    expected = sorted(["events.csv", "events.jsonl", "events.rttm", *single])
    assert files(tmp_path / "out") == expected


def test_what_is_found_nowhere_is_named(align, capsys):
    table = "file,words\na.wav,up down down up\nc.wav,up\n"
    assert align("--root", "audio", table=table) == 0
    out, err = capsys.readouterr()
    named = err.splitlines()
    assert "warning: a.wav: 'down', keyword " in named[0] and "of 4, scores nowhere" in named[0]
    assert "warning: c.wav: 'up', keyword 1 of 1" in named[1] and "more than -0.2;" in named[1]
    assert named[2:] == ["3 of 5 keywords placed in 2 recordings"]
    assert len(out.splitlines()) == 4
    assert align("--root", "audio", "--least", -2, table=table) == 0
    out, err = capsys.readouterr()
    assert err == "5 of 5 keywords placed in 2 recordings\n"


def test_words_that_the_model_does_not_know(align, capsys):
    assert align("--root", "audio", "--verbose") == 0
    assert "not in the model: please, then\n" in capsys.readouterr().err


def test_bad_recordings_among_good_ones(align, capsys, tmp_path):
    (tmp_path / "audio" / "text.wav").write_text("not audio")
    samples = np.zeros(32000)
    samples[20000] = np.nan
    sf.write("audio/nan.wav", samples, 16000, subtype="FLOAT")
    table = f"{TABLE}gone.wav,up\ntext.wav,up\nnan.wav,up\n"
    assert align("--root", "audio", "-o", "e.csv", "-q", table=table) == 1
    gone, text, nan, summary = capsys.readouterr().err.splitlines()
    assert gone.startswith("kws-align: t.csv:5: audio/gone.wav: ")
    assert text.startswith("kws-align: t.csv:6: audio/text.wav: ")
    assert nan.startswith("kws-align: audio/nan.wav: ")
    assert summary == "kws-align: 3 of 6 inputs failed"
    assert {event.filename for event in read_events("e.csv")} == {"a.wav", "b.wav"}


def test_nothing_is_written_where_all_fail(align, tmp_path, capsys):
    sf.write("nan.wav", np.full(8000, np.nan), 16000, subtype="FLOAT")
    assert align("-o", "e.csv", table="file,words\nnan.wav,up\n") == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert files(tmp_path) == ["audio", "nan.wav", "t.csv"]


UNUSABLE = {
    "t.csv: no column words": ("file,said\na.wav,up\n", ()),
    "t.csv: empty": ("", ()),
    "t.csv: no recordings in it": ("file,words\n", ()),
    "t.csv: lists none of the model's keywords; they are written down, up": (
        "file,words\na.wav,Up left\nb.wav,right\n",
        ("--root", "audio"),
    ),
    "t.csv:3: a.wav is there already": (f"{TABLE.splitlines()[0]}\na.wav,up\na.wav,up\n", ()),
    "say with --root DIR": (TABLE, ()),
    "nowhere: no such file": (TABLE, ("--root", "nowhere")),
    "no such folder": (TABLE, ("--root", "audio", "-o", "nowhere/e.csv")),
    "old.csv: exists; use --force": (TABLE, ("--root", "audio", "-o", "old.csv")),
    "e.xls: no format has this ending": (TABLE, ("--root", "audio", "-o", "e.xls")),
    "writes one file per recording": (TABLE, ("--root", "audio", "-o", "e.txt")),
    "'nan' is not a finite number": (TABLE, ("--root", "audio", "--least", "nan")),
    "device 'cuda' is not there": (TABLE, ("--root", "audio", "--device", "cuda")),
}


@pytest.mark.parametrize("message", UNUSABLE)
def test_what_cannot_be_used_is_one_line(align, tmp_path, capsys, monkeypatch, message):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (tmp_path / "old.csv").write_text("mine")
    table, options = UNUSABLE[message]
    try:
        status = align(*options, table=table)
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    out, err = capsys.readouterr()
    assert not out
    (line,) = err.splitlines()
    assert line.startswith("kws-align: ") and message in line
    assert files(tmp_path) == ["audio", "old.csv", "t.csv"]
    assert (tmp_path / "old.csv").read_text() == "mine"


def test_force_replaces(align, tmp_path):
    (tmp_path / "e.csv").write_text("mine")
    assert align("--root", "audio", "-o", "e.csv", "--force") == 0
    assert len(read_events("e.csv")) == 5


def test_other_files_are_no_models(align, capsys):
    assert align("--root", "audio", model="audio/a.wav") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "audio/a.wav" in line


def test_an_interrupt_leaves_nothing(align, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "kws.alignment.align_recording", lambda *_, **__: signal.raise_signal(signal.SIGINT)
    )
    assert align("--root", "audio", "-o", "e.csv", "-q") == 130
    assert capsys.readouterr().err == "kws-align: interrupted\n"
    assert files(tmp_path) == ["audio", "t.csv"]
