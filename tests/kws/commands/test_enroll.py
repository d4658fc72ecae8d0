import hashlib
import json
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from tiny_wav2vec import tiny_file

from kws.commands.detect import main as detect_main
from kws.commands.enroll import main
from kws.commands.info import main as info_main
from kws.config import KwsConfig
from kws.model import KeywordModel


@pytest.fixture
def quick(tmp_path, monkeypatch, linear):
    """Runs kws-enroll with one epoch in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, epochs=("--encoder", "scratch", "--epochs", 1)):
        return main([str(argument) for argument in (*arguments, *epochs)])

    return run


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_keyword(quick, words, tmp_path, capsys):
    assert quick("--keyword", "up", *words.clips["up"], "-o", "up.kws", "--seed", 4) == 0
    out, err = capsys.readouterr()
    assert not out
    for clip in words.clips["up"]:
        assert f"{sf.info(clip).duration:.2f} s  {clip}" in err
    assert "up: 3 clips" in err and "warning: " in err and "learnt 1 keyword" in err
    model = KeywordModel.load("up.kws")
    assert (model.keywords, model.seed, model.config.epochs) == (["up"], 4, 1)
    assert files(tmp_path) == ["up.kws"]


def test_silence_around_words_is_trimmed_and_told(quick, words, tmp_path, capsys):
    for i, clip in enumerate(words.clips["up"]):
        sf.write(f"{i}.wav", np.pad(sf.read(clip)[0], (12000, 16000)), 16000)
    clips = ("--keyword", "up", "0.wav", "1.wav", "2.wav")
    assert quick(*clips, "-o", "up.kws", "--report", "up.json") == 0
    err = capsys.readouterr().err
    assert re.search(r"0\.[34]\d s  0\.wav from 0\.7\d s of 2\.\d\d s", err)
    for clip in json.loads(Path("up.json").read_text())["clips"]:
        assert 0.65 < clip["onset_s"] < 0.8 and 0.3 < clip["offset_s"] - clip["onset_s"] < 0.6
    whole = [len(sf.read(f"{i}.wav")[0]) for i in range(3)]
    assert quick(*clips, "-o", "whole.kws", "--no-trim") == 0
    model = KeywordModel.load("whole.kws")
    assert [len(clip.samples) for clip in model.clips] == whole
    with open("train.csv", "w") as table:
        print("event_label,event_onset,event_offset,file", file=table)
        print(*(f"up,0,{n / 16000},{i}.wav" for i, n in enumerate(whole)), sep="\n", file=table)
    assert quick("train.csv", "-o", "table.kws") == 0
    assert [len(clip.samples) for clip in KeywordModel.load("table.kws").clips] == whole


def test_a_folder_and_the_settings(quick, words, capsys):
    options = ("--templates", "barycenter", "--loss", "adacos", "--threads", 1, "--verbose")
    assert quick(words.folder, "-o", "m.kws", *options) == 0
    model = KeywordModel.load("m.kws")
    assert model.config == KwsConfig(encoder="scratch", epochs=1, loss="adacos")
    assert model.keywords == ["down", "up"] and len(model.clips) == 6
    assert "epoch 1 of 1: loss" in capsys.readouterr().err


def test_a_table_names_the_row_of_a_bad_clip(quick, words, capsys):
    rows = [f"up,0.05,0.3,{path}" for path in words.clips["up"]]
    rows += [rf"up,{times},{words.clips['up'][0]}" for times in ("0.1,99", "-1,0.2")]
    with open("train.csv", "w") as table:
        print("event_label,event_onset,event_offset,file", *rows, sep="\n", file=table)
    assert quick("train.csv", "-o", "m.kws", "--quiet") == 1
    named, other, summary = capsys.readouterr().err.splitlines()
    assert "kws-enroll: train.csv:5: " in named and "99" in named
    assert "kws-enroll: train.csv:6: " in other and "-1" in other
    assert summary == "kws-enroll: 2 of 5 inputs failed"
    assert [clip.onset_s for clip in KeywordModel.load("m.kws").clips] == [0.05] * 3


def test_label_files_without_their_audio(quick, capsys):
    with open("train.csv", "w") as table:
        print("idx,event_label,event_onset,event_offset,file,scene_label", file=table)
        print(r"1,expensive,0.79,1.66,.\dailytalk\data\1002\12_1_d1002.wav,1002", file=table)
    assert quick("train.csv", "-o", "m.kws") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "dailytalk/data/1002/12_1_d1002.wav" in line and "--root" in line


def test_keywords_are_added_and_removed(quick, words, capsys):
    assert quick("--keyword", "up", *words.clips["up"], "-o", "up.kws", "--loss", "adacos") == 0
    before = Path("up.kws").read_bytes()
    add = ("--add", "up.kws", "--keyword", "down", *words.clips["down"])
    assert quick(*add, "-o", "both.kws", epochs=()) == 0
    both = KeywordModel.load("both.kws")
    assert both.keywords == ["down", "up"]
    assert both.config == KwsConfig(encoder="scratch", epochs=1, loss="adacos"), (
        "settings are those of the model"
    )

    assert quick(*add) == 2, "the model itself is replaced with --force only"
    assert "up.kws: exists; use --force" in capsys.readouterr().err
    assert Path("up.kws").read_bytes() == before
    assert quick("both.kws", "--remove", "down", "-o", "fewer.kws", epochs=()) == 0
    fewer = KeywordModel.load("fewer.kws")
    assert fewer.keywords == ["up"]
    (own,) = (t for t in both.templates if t.keyword == "up")
    np.testing.assert_array_equal(fewer.templates[0].frames, own.frames)
    assert quick("--add", "both.kws", "--remove", "up", "-o", "both.kws", epochs=()) == 0
    assert KeywordModel.load("both.kws").keywords == ["down"]
    assert quick(*add, "--force") == 0
    assert KeywordModel.load("up.kws").keywords == ["down", "up"]


def test_a_keyword_can_be_recorded_anew(quick, words):
    again = ("--remove", "up", "--keyword", "up", words.clips["up"][1], "-o", "new.kws")
    assert quick("--add", words.model_path, *again) == 0
    model = KeywordModel.load("new.kws")
    assert [clip.file for clip in model.clips if clip.label == "up"] == [str(words.clips["up"][1])]
    assert len(model.clips) == 4


UNUSABLE = {
    "no clips; give CLIPS": ("-o", "m.kws"),
    "say with -o": ("clips",),
    "--keyword up: no clips": ("--keyword", "up", "-o", "m.kws"),
    "--root belongs to a CSV": ("clips", "--root", ".", "-o", "m.kws"),
    "nowhere: no such file": ("nowhere", "-o", "m.kws"),
    "nowhere.wav: no such file": ("--keyword", "up", "nowhere.wav", "-o", "m.kws"),
    "tone.wav: is a sound file": ("tone.wav", "-o", "m.kws"),
    "text.wav: is a sound file": ("clips/up/text.wav", "-o", "m.kws"),
    "text.wav: not": ("clips", "-o", "m.kws"),
    "no such folder": ("clips", "-o", "nowhere/m.kws"),
    "old.kws: exists; use --force": ("clips", "-o", "old.kws"),
    "clips/up: no sound": ("--keyword", "up", "clips/up/empty", "-o", "m.kws"),
    "not a model": ("--add", "old.kws", "clips", "-o", "m.kws"),
    "--no-trim needs clips": ("--add", "old.kws", "--remove", "up", "--no-trim", "-o", "m.kws"),
    "--remove needs the model": ("--remove", "up", "-o", "m.kws"),
    "device 'cuda' is not there": ("clips", "-o", "m.kws", "--device", "cuda"),
}


@pytest.mark.parametrize("message", UNUSABLE)
def test_what_cannot_be_used_is_one_line_and_no_model(quick, tmp_path, capsys, message):
    if "cuda" in message and __import__("torch").cuda.is_available():
        pytest.skip("there is a CUDA device")
    (tmp_path / "clips" / "up" / "empty").mkdir(parents=True)
    (tmp_path / "clips" / "up" / "text.wav").write_text("not audio")
    (tmp_path / "old.kws").write_text("not a model")
    sf.write(tmp_path / "tone.wav", np.ones(16), 16000)
    try:
        status = quick(*UNUSABLE[message])
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kws-enroll: ")
    assert message.removeprefix("clips/up: ") in line
    assert files(tmp_path) == ["clips", "old.kws", "tone.wav"]
    assert (tmp_path / "old.kws").read_text() == "not a model"


def test_unknown_keywords_cannot_be_removed(quick, words, tmp_path, capsys):
    for names, message in ((["left"], "'left' is not in the model"), (["up", "down"], "only one")):
        remove = [part for name in names for part in ("--remove", name)]
        assert quick(words.model_path, *remove, "-o", "m.kws") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert not files(tmp_path)


def test_an_interrupt_in_training_leaves_nothing(quick, words, tmp_path, monkeypatch, capsys):
    def interrupt(*_, **__):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("kws.learning.balanced_indices", interrupt)
    assert quick("--keyword", "up", *words.clips["up"], "-o", "m.kws", "--quiet") == 130
    assert capsys.readouterr().err == "kws-enroll: interrupted\n"
    assert not files(tmp_path)


def test_help_states_the_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    config = KwsConfig()
    for default in (config.encoder, config.epochs, config.templates, config.loss):
        assert f"(default: {default}" in text


def test_the_built_in_encoder(quick, words, tmp_path, capsys):
    assert quick(words.folder, "-o", "m.kws", epochs=()) == 0
    err = capsys.readouterr().err
    assert "4 templates" in err and "false alarms in an hour" in err
    assert KeywordModel.load("m.kws").config == KwsConfig()
    assert quick(words.folder, "--background", words.recording, "-o", "n.kws", epochs=()) == 0
    assert (
        KeywordModel.load("n.kws").templates[0].mean != KeywordModel.load("m.kws").templates[0].mean
    )


def test_the_report(quick, words, tmp_path, capsys):
    assert quick(words.folder, "-o", "m.kws", "--report", "m.json", "--quiet", epochs=()) == 0
    report = json.loads(Path("m.json").read_text())
    assert report["keywords"] == ["down", "up"] and report["threshold"] == 5.0
    assert [clip["nearest"] for clip in report["clips"]] == ["up"] * 3 + ["down"] * 3
    assert all(clip["score"] > clip["nearest_score"] for clip in report["clips"])
    assert 0 <= report["missed"] <= 1 and report["background_minutes"] > 10
    assert quick(words.folder, "-o", "n.kws", "--report", "m.json", epochs=()) == 2
    assert "m.json: exists" in capsys.readouterr().err


@pytest.fixture
def weights(tmp_path):
    """Of wav2vec 2.0, with a licence, and some minutes of other sound."""
    pytest.importorskip("torchaudio", exc_type=(ImportError, OSError))
    sf.write(tmp_path / "other.wav", 0.1 * np.random.default_rng(0).standard_normal(10**6), 16000)
    (tmp_path / "tiny.json").write_text('{"licence": "MIT", "block": 1}')
    return tiny_file(tmp_path / "tiny.pt")


def test_an_encoder_from_a_file_and_detection_with_it(quick, words, weights, capsys):
    chosen = (words.folder, "--encoder", "tiny.pt", "-o", "m.kws", "--quiet")
    assert quick(*chosen, epochs=()) == 2
    assert "give some minutes with --background" in capsys.readouterr().err
    assert quick(*chosen, "--background", "other.wav", epochs=()) == 0
    encoder = KeywordModel.header("m.kws")["encoder"]
    assert [encoder[name] for name in ("name", "licence", "block")] == ["tiny.pt", "MIT", 1]
    assert encoder["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert info_main(["m.kws"]) == 0
    assert "name tiny.pt, licence MIT, sha256" in capsys.readouterr().out

    detect = ["m.kws", str(words.recording), "--candidates", "--threads", "1"]
    assert detect_main(detect) == 0
    found = capsys.readouterr().out.splitlines()
    assert {row.split(",")[3] for row in found[1:]} == {"down", "up"}
    Path("elsewhere").mkdir()
    weights.rename("elsewhere/tiny.pt")
    capsys.readouterr()
    assert detect_main(detect) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kws-detect: m.kws: its encoder ") and "tiny.pt is not there" in line
    for file in ("m.kws", "tiny.json"):
        Path(file).rename(f"elsewhere/{file}")
    assert detect_main(["elsewhere/m.kws", *detect[1:]]) == 0
    assert capsys.readouterr().out.splitlines() == found

    state = torch.load("elsewhere/tiny.pt")
    state["encoder.feature_projection.projection.bias"] += 1
    torch.save(state, "elsewhere/tiny.pt")
    assert detect_main(["elsewhere/m.kws", *detect[1:]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "was learnt with another encoder than elsewhere/tiny.pt" in line


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--epochs", 3), "--epochs belongs to --encoder scratch"),
        (("--noise", "."), "--noise belongs to --encoder scratch"),
        (("--encoder", "scratch", "--background", "."), "--background belongs to pre-trained"),
        (("--encoder", "scratch", "--false-alarms-per-hour", 1), "belongs to pre-trained"),
        (("--encoder", "none.onnx"), "none.onnx: no such encoder"),
    ],
)
def test_options_that_do_not_go_together(quick, words, tmp_path, capsys, options, reason):
    assert quick(words.folder, "-o", "m.kws", "--quiet", *options, epochs=()) == 2
    assert reason in capsys.readouterr().err
    assert not files(tmp_path)
