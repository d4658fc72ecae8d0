import csv

import numpy as np
import pytest
import soundfile as sf

from asd.commands.prepare import main

TRAIN = "fan/train/section_00_source_train_normal_0000_m-n_W.wav"
TEST = "fan/test/section_00_target_test_anomaly_0001_m-n_X.wav"


@pytest.fixture
def data(tmp_path):
    for i, name in enumerate((TRAIN, TEST), 1):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True)
        sf.write(path, np.zeros((8000 * i, 2)), 16000)
    return tmp_path / "data"


def test_what_is_there_and_what_is_missing(data, command, capsys):
    assert command(main, "--check", data, "--year", 2023, "--quiet") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert lines[0] == (
        "2 clips, layout of the DCASE challenge, Task 2: 0.5 to 1 s, 16000 Hz, 2 channels"
    )
    row = next(line for line in lines if line.startswith("fan"))
    assert " ".join(row.split()) == "fan 00 1 + 0 0 0 + 1 0 0 1"
    missing = [line.strip() for line in lines[lines.index("missing:") + 1 :]]
    assert missing[:2] == [
        "fan 00: training clips of the target domain",
        "fan 00: normal test clips",
    ]
    assert missing[-1] == "the evaluation set of 2023: nothing of it"


def test_clips_without_domains_are_one_number(tmp_path, command, capsys):
    folder = tmp_path / "fan" / "train"
    folder.mkdir(parents=True)
    for i in range(3):
        sf.write(folder / f"normal_id_00_0000000{i}.wav", np.zeros(100), 16000)
    assert command(main, "--check", tmp_path) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("fan"))
    assert " ".join(row.split()) == "fan 00 3 0 0 0 0 1"


def test_the_table(data, command, tmp_path):
    table = data.parent / "clips.csv"
    assert command(main, data, "-o", table, "--quiet") == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert rows[1] == {
        "filename": f"data/{TRAIN}",
        "machine": "fan",
        "section": "00",
        "domain": "source",
        "split": "train",
        "condition": "normal",
        "attributes": "m-n=W",
    }
    assert command(main, data, "-o", table, "--quiet") == 2
    assert command(main, "--check", table, "--quiet") == 0


def test_unreadable_and_empty_files_are_named_and_counted(data, command, capsys):
    (data / "fan/train/section_00_source_train_normal_0001.wav").write_bytes(b"no sound")
    sf.write(data / "fan/train/section_00_source_train_normal_0002.wav", np.zeros(0), 16000)
    (data / "fan/train/notes.wav").touch()
    assert command(main, "--check", data) == 1
    out, err = capsys.readouterr()
    assert out.startswith("2 clips, ")
    assert "normal_0001.wav: " in err and "normal_0002.wav: " in err
    assert "notes.wav: not a name of the challenge" in err
    assert err.endswith("3 of 5 inputs failed\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((".",), "nothing to do; say --check or -o CLIPS.csv"),
        (("--check", "nowhere"), "nowhere: no such file or folder"),
        (("--check", "."), "no sound files in this folder"),
        (("--check", ".", "--year", "2019"), "invalid choice"),
        (("--check", ".", "--root", "."), "--root belongs to a CSV"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path, monkeypatch, command, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    assert command(main, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


def test_only_unusable_files(tmp_path, command, capsys):
    (tmp_path / "a.wav").touch()
    assert command(main, "--check", tmp_path) == 2
    assert capsys.readouterr().out == ""
