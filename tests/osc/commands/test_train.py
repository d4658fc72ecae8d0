import numpy as np
import pytest
import soundfile as sf
from tones import RATE, clip, write_clips

from osc import OpenSetClassifier
from osc.commands.train import main


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder(sounds, command, capsys):
    options = ("--decision", "centre", "--rejection", "margin", "--seed", 3, "--threshold", "hp")
    assert command(main, sounds.folder / "clips", "-o", "m.osc", *options, "--verbose") == 0
    out, err = capsys.readouterr()
    assert not out and "high: 2 clips" in err and "unknown: 2 clips" in err
    assert str(sounds.folder / "clips" / "low" / "1.wav") in err
    assert "wrote m.osc: 2 classes, 1 of known unknowns, threshold " in err
    model = OpenSetClassifier.load("m.osc")
    assert model.classes_.tolist() == ["high", "low"] and model.length_s == 4.0
    chosen = (model.decision, model.rejection, model.seed, model.threshold)
    assert chosen == ("centre", "margin", 3, "hp")


def test_a_table_and_a_folder_of_unknowns(sounds, command):
    table = sounds.work / "train.csv"
    rows = "".join(f"{name}/{i}.wav,{name}\n" for name in ("low", "high") for i in range(2))
    table.write_text("filename,label\n" + rows)
    root = ("--root", sounds.folder / "clips")
    unknown = ("--unknown", sounds.folder / "clips" / "unknown")
    assert command(main, table, *root, *unknown, "-o", "m.osc", "--threshold", 0.9) == 0
    model = OpenSetClassifier.load("m.osc")
    assert model.threshold_ == 0.9 and model.examples_.known.sum() == 4
    assert model.examples_.labels[~model.examples_.known].tolist() == ["noise", "noise"]


def test_classes_and_unknowns_are_added(sounds, command, capsys):
    write_clips(sounds.work / "more", ("sweep",), range(2))
    assert command(main, "more", "--add", sounds.model, "-o", "n.osc") == 0
    assert OpenSetClassifier.load("n.osc").classes_.tolist() == ["high", "low", "sweep"]
    assert OpenSetClassifier.load(sounds.model).classes_.tolist() == ["high", "low"]
    assert command(main, "more", "--add", "n.osc") == 2
    assert "n.osc: exists; use --force" in capsys.readouterr().err
    write_clips(sounds.work / "others", ("noise",), range(7, 9))
    unknown = ("--unknown", sounds.work / "others" / "unknown")
    assert command(main, "--add", "n.osc", *unknown, "-o", "n.osc", "--threshold", 0.5) == 0
    model = OpenSetClassifier.load("n.osc")
    assert np.count_nonzero(~model.examples_.known) == 4 and model.threshold_ == 0.5
    assert files(sounds.work) == ["more", "n.osc", "others"]


def test_bad_clips_are_left_out_and_named(sounds, command, capsys):
    low = sounds.folder / "clips" / "low"
    sf.write(low / "silent.wav", np.zeros(RATE), RATE)
    (low / "text.wav").write_text("not audio")
    assert command(main, sounds.folder / "clips", "-o", "m.osc", "--quiet") == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and lines[-1] == "osc-train: 2 of 8 inputs failed"
    assert f"{low / 'silent.wav'}: silent" in lines[0] and "text.wav: not audio" in lines[1]
    assert np.count_nonzero(OpenSetClassifier.load("m.osc").examples_.labels == "low") == 2


UNUSABLE = {
    "no clips; give a folder": ("-o", "m.osc"),
    "say with -o MODEL": ("clips",),
    "nowhere: no such file": ("nowhere", "-o", "m.osc"),
    "no sound files": ("empty", "-o", "m.osc"),
    "no such folder": ("clips", "-o", "nowhere/m.osc"),
    "old.osc: exists; use --force": ("clips", "-o", "old.osc"),
    "not a model": ("clips", "--add", "old.osc", "-o", "m.osc"),
    "--length belongs to a new model": ("clips", "--add", "old.osc", "--length", "2"),
    "all 2 clips are 'unknown'": ("unknown-only", "-o", "m.osc"),
    "no usable clip of class 'low' is left": ("silent", "-o", "m.osc"),
    "the same sound as": ("twice", "-o", "m.osc"),
    "weights are not part": ("clips", "-o", "m.osc", "--representation", "vggish"),
    "no option epochs": ("clips", "-o", "m.osc", "--epochs", "3"),
    "threshold is 'x'": ("clips", "-o", "m.osc", "--threshold", "x"),
    "--root belongs to a CSV": ("clips", "--root", ".", "-o", "m.osc"),
}


@pytest.mark.parametrize("message", UNUSABLE)
def test_what_cannot_be_used_is_one_line_and_no_model(
    tmp_path, monkeypatch, bands, command, capsys, message
):
    monkeypatch.chdir(tmp_path)
    write_clips(tmp_path / "clips", ("low",), range(1))
    write_clips(tmp_path / "unknown-only", ("noise",), range(2))
    (tmp_path / "empty" / "low").mkdir(parents=True)
    for folder in ("silent/low", "twice/a", "twice/b"):
        (tmp_path / folder).mkdir(parents=True)
        sound = np.zeros(RATE) if "silent" in folder else clip("low", 0)
        sf.write(tmp_path / folder / "1.wav", sound, RATE)
    (tmp_path / "old.osc").write_text("no")
    before = files(tmp_path)
    assert command(main, *UNUSABLE[message], "--quiet") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("osc-train: ") and message in line
    assert files(tmp_path) == before and (tmp_path / "old.osc").read_text() == "no"
