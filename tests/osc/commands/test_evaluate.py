import csv
import json

import numpy as np
import pytest
import soundfile as sf
from tones import RATE

from osc.commands.evaluate import main


def test_the_figures_and_the_classes(sounds, command, capsys):
    assert command(main, sounds.model, sounds.folder / "test", "-o", "r.csv") == 0
    out, err = capsys.readouterr()
    assert err == "not taught, so unknown: sweep\n"
    lines = out.splitlines()
    assert lines[0].startswith("6 known clips, 6 unknown; threshold ")
    assert ["weighted", "accuracy", "100.0"] in [line.split() for line in lines]
    assert ["low", "3", "3", "100.0", "0", "0"] in [line.split() for line in lines]
    rows = list(csv.DictReader((sounds.work / "r.csv").read_text().splitlines()))
    assert [row["label"] for row in rows] == ["high", "low", "unknown"]
    assert rows[2] == {
        "label": "unknown",
        "clips": "6",
        "right": "6",
        "rejected": "6",
        "confused": "0",
    }


def test_the_object_and_the_best_threshold(sounds, command, capsys):
    arguments = (sounds.model, sounds.folder / "test", "--threshold", 1.5, "--tune", "--json")
    assert command(main, *arguments, "--quiet") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["weighted_accuracy"], found["closed_set_accuracy"], found["auroc"]) == (0.5, 1, 1)
    assert found["tuned"]["weighted_accuracy"] == 1.0 and found["tuned"]["threshold"] < 1
    assert found["confusion"]["labels"] == ["high", "low", "unknown"]
    assert np.array(found["confusion"]["counts"])[:, 2].tolist() == [3, 3, 6]


def test_the_picture(sounds, command):
    assert command(main, sounds.model, sounds.folder / "test", "--plot", "plots", "--quiet") == 0
    assert (sounds.work / "plots" / "confusion.png").stat().st_size > 1000
    assert command(main, sounds.model, sounds.folder / "test", "--plot", "plots", "--quiet") == 2


def test_known_clips_alone_and_clips_that_fail(sounds, command, capsys):
    for name in ("unknown", "sweep"):
        (sounds.folder / "test" / name).rename(sounds.folder / name)
    sf.write(sounds.folder / "test" / "low" / "short.wav", np.ones(50), RATE)
    assert command(main, sounds.model, sounds.folder / "test", "--tune") == 1
    out, err = capsys.readouterr()
    assert ["weighted", "accuracy", "n/a"] in [line.split() for line in out.splitlines()]
    assert "short.wav: 0.003 s is shorter" in err and "1 of 7 inputs failed" in err
    assert "--tune needs known and unknown clips" in err


@pytest.mark.parametrize("clips", ["nowhere", "."])
def test_what_cannot_be_used_is_one_line(sounds, command, capsys, clips):
    assert command(main, sounds.model, clips) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("osc-evaluate: ")
