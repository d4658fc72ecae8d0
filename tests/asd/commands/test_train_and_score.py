import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from machines import RATE, clips_in

import asd
from asd.commands.evaluate import main as evaluate
from asd.commands.score import main as score
from asd.commands.train import main as train
from asd.model import MachineModel
from asd.synthesis import write_dataset
from asd.systems import SYSTEMS
from asd.training_run import TrainingRun


@pytest.fixture(scope="module")
def dcase(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dcase") / "data"
    return write_dataset(
        folder, machines=("fan", "pump"), n_source=6, n_target=2, n_test=3, duration_s=0.6
    )


@pytest.fixture(scope="module")
def pump(tmp_path_factory):
    return clips_in(tmp_path_factory.mktemp("own") / "pump", 8)


@pytest.fixture
def model(pump, tmp_path, command, capsys):
    path = tmp_path / "pump.asd"
    assert command(train, pump, "-o", path, "--false-alarm-rate", 0.2) == 0
    assert capsys.readouterr().err == f"wrote {path}: 1 section, system statistics\n"
    return path


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_scores_of_a_data_set_are_what_asd_evaluate_reads(dcase, tmp_path, command, capsys):
    path, table = tmp_path / "m.asd", tmp_path / "scores.csv"
    assert command(train, dcase, "-o", path, "-v", "--system", "mfcc-density") == 0
    err = capsys.readouterr().err
    assert "fan 00: 8 clips (6 source, 2 target), threshold " in err
    assert err.endswith(f"wrote {path}: 2 sections, system mfcc-density\n")
    assert command(score, path, dcase, "-o", table) == 0
    rows = rows_of(table.read_text())
    assert list(rows[0]) == ["filename", "machine", "section", "score", "threshold", "decision"]
    assert len(rows) == 24 and {row["machine"] for row in rows} == {"fan", "pump"}
    loaded = MachineModel.load(path)
    for row in rows:
        assert float(row["threshold"]) == loaded.thresholds[row["machine"], "00"]
        assert row["decision"] == str(int(float(row["score"]) > float(row["threshold"])))
    assert [float(rows[0]["score"])] == loaded.score([rows[0]["filename"]], "fan").tolist()
    found = sum(row["decision"] == "1" for row in rows)
    assert capsys.readouterr().err == f"24 clips: {found} anomalous\n"
    assert command(evaluate, table, "--truth", dcase, "--year", 2023) == 0
    assert "official score" in capsys.readouterr().out


def test_own_clips_from_any_place_are_of_the_only_machine(model, tmp_path, command, capsys):
    other = clips_in(tmp_path / "monday", 2, seed=1)
    assert command(score, model, other / "1.wav", other, "-q") == 0
    out, err = capsys.readouterr()
    rows = rows_of(out)
    assert [Path(row["filename"]).name for row in rows] == ["1.wav", "0.wav"]
    assert {(row["machine"], row["section"]) for row in rows} == {("pump", "00")}
    assert err == ""


def test_bad_clips_are_named_and_the_others_scored(model, tmp_path, command, capsys):
    folder = clips_in(tmp_path / "day", 1)
    soundfile.write(folder / "short.wav", np.zeros(10), RATE)
    assert command(score, model, folder, tmp_path / "none.wav") == 1
    out, err = capsys.readouterr()
    assert len(rows_of(out)) == 1
    lines = err.splitlines()
    assert lines[0] == f"asd-score: {tmp_path / 'none.wav'}: no such file; check the path"
    assert lines[1].startswith(f"asd-score: {folder / 'short.wav'}: 0.001 s is shorter than 0.1 s")
    assert "asd-score: 2 of 3 inputs failed" in lines
    assert command(score, model, tmp_path / "none.wav") == 2
    assert capsys.readouterr().out == ""


def test_bad_training_clips_are_named_and_left_out(tmp_path, command, capsys):
    folder = clips_in(tmp_path / "pump", 4)
    (folder / "broken.wav").write_bytes(b"no sound at all")
    assert command(train, folder, "-o", tmp_path / "m.asd") == 1
    err = capsys.readouterr().err
    assert err.startswith(f"asd-train: {folder / 'broken.wav'}: not audio or damaged")
    assert "asd-train: 1 of 5 inputs failed" in err
    assert "warning: pump 00: 4 clips tell little of a rate of 0.01, 100 tell more" in err
    assert len(next(iter(MachineModel.load(tmp_path / "m.asd").sections.values())).target) == 4


@pytest.mark.parametrize(
    "options, message",
    [
        (["--system", "magic"], "argument --system: invalid choice: 'magic'"),
        (["--false-alarm-rate", "0.9"], "the rate of false alarms is 0.9; give 0 < rate <= 0.5"),
        (["--false-alarm-rate", "-1"], "argument --false-alarm-rate: '-1' is not a finite number"),
        (["--threshold", "magic"], "no threshold 'magic'; use one of gdp"),
        (["--root", "."], "--root belongs to a CSV; leave it out"),
    ],
)
def test_wrong_options_end_before_the_clips_are_read(
    pump, tmp_path, command, capsys, options, message
):
    try:
        status = command(train, pump, "-o", tmp_path / "m.asd", *options)
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert capsys.readouterr().err.startswith(f"asd-train: {message}")
    assert not (tmp_path / "m.asd").exists()


def test_nothing_is_overwritten_without_force(model, pump, command, capsys):
    assert command(train, pump, "-o", model) == 2
    assert "exists; use --force" in capsys.readouterr().err
    assert command(train, pump, "-o", model, "--force", "-q") == 0
    assert command(score, model, pump, "-o", model) == 2


def test_a_model_of_several_machines_has_to_be_told(dcase, pump, tmp_path, command, capsys):
    path = tmp_path / "m.asd"
    assert command(train, dcase, "-o", path, "--system", "mfcc-nearest", "-q") == 0
    capsys.readouterr()
    assert command(score, path, pump / "0.wav", "--machine", "fan", "--section", "00", "-q") == 0
    assert rows_of(capsys.readouterr().out)[0]["machine"] == "fan"
    clip = next((dcase / "fan" / "test").iterdir())
    assert command(score, path, clip, "-q") == 0
    assert rows_of(capsys.readouterr().out)[0]["machine"] == "fan"
    other = clips_in(tmp_path / "saw", 1)
    assert command(score, path, other / "0.wav") == 2
    assert capsys.readouterr().err == (
        f"asd-score: {other / '0.wav'}: the model does not know saw 00; it knows fan 00, pump 00; "
        "see --machine and --section\n"
    )
    assert command(score, path, clip, "--machine", "saw") == 2
    assert capsys.readouterr().err == "asd-score: --machine saw: the model knows fan, pump\n"


def test_a_table_tells_machines_and_domains(pump, tmp_path, command, capsys):
    table = tmp_path / "clips.csv"
    lines = [f"{i}.wav,{'ab'[i % 2]},{'target' if i > 5 else ''}" for i in range(8)]
    table.write_text("\n".join(["filename,machine,domain", *lines]))
    path = tmp_path / "m.asd"
    assert command(train, table, "--root", pump, "-o", path, "-q") == 0
    sections = MachineModel.load(path).sections
    assert {key: int(own.target.sum()) for key, own in sections.items()} == {
        ("a", "00"): 1,
        ("b", "00"): 1,
    }


def test_a_foreign_file_is_no_model(pump, command, capsys):
    assert command(score, pump / "0.wav", pump) == 2
    assert capsys.readouterr().err.startswith(f"asd-score: {pump / '0.wav'}: is not a model file")


def test_a_network_leaves_its_configuration_and_log(dcase, tmp_path, command, capsys):
    path, run = tmp_path / "m.asd", tmp_path / "m.run"
    asked = (dcase, "-o", path, "--system", "two-branch", "--device", "cpu")
    assert command(train, *asked) == 0
    assert sorted(file.name for file in run.iterdir()) == ["config.json", "log.csv"]
    rows = rows_of((run / "log.csv").read_text())
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, 11)]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    told = json.loads((run / "config.json").read_text())
    assert told["sections"]["fan 00"] == {"source": 6, "target": 2} and told["seed"] == 0
    capsys.readouterr()
    assert command(train, *asked, "--seed", 1) == 2
    assert "exists" in capsys.readouterr().err
    path.unlink()
    assert command(train, *asked, "--seed", 1) == 2
    assert capsys.readouterr().err == (
        f"asd-train: {run}: of another training; remove it, or give --force to train anew\n"
    )
    assert command(train, *asked, "--seed", 1, "--force", "--ensemble", 2) == 0
    assert len(rows_of((run / "log.csv").read_text())) == 20
    assert len(MachineModel.load(path).views) == 2


@pytest.mark.parametrize("system", ["pretrained", "mobilenet"])
def test_further_networks_score_what_they_have_not_heard(system, dcase, tmp_path, command, capsys):
    path = tmp_path / "m.asd"
    asked = ("--system", system, "--epochs", 1, "--device", "cpu", "-q")
    assert command(train, dcase, "-o", path, *asked) == 0
    assert command(score, path, dcase, "-q") == 0
    scores = [float(row["score"]) for row in rows_of(capsys.readouterr().out)]
    assert len(scores) == 24 and np.isfinite(scores).all() and np.ptp(scores) > 0


def test_only_pretrained_embeddings_have_another_encoder(dcase, tmp_path, command, capsys):
    asked = (dcase, "-o", tmp_path / "m.asd", "--encoder", "none.onnx", "--system")
    assert command(train, *asked, "mfcc-nearest") == 2
    message = "asd-train: encoder none.onnx: only the system pretrained takes one\n"
    assert capsys.readouterr().err == message
    assert command(train, *asked, "pretrained") == 2
    message = "asd-train: none.onnx: no such encoder; give a file, or speech-embedding or speech\n"
    assert capsys.readouterr().err == message
    assert not list(tmp_path.iterdir())


def test_a_stopped_training_goes_on(dcase, tmp_path, command, capsys, monkeypatch):
    asked = (dcase, "-o", tmp_path / "m.asd", "--system", "two-branch", "--device", "cpu")
    told = TrainingRun.on_epoch

    def stop(self, title, epoch, epochs, loss):
        told(self, title, epoch, epochs, loss)
        if epoch == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "on_epoch", stop)
    assert command(train, *asked) == 130
    monkeypatch.setattr(TrainingRun, "on_epoch", told)
    capsys.readouterr()
    assert command(train, *asked) == 0
    assert capsys.readouterr().err.startswith(f"goes on with what {tmp_path / 'm.run'} holds\n")
    epochs = [row["epoch"] for row in rows_of((tmp_path / "m.run" / "log.csv").read_text())]
    assert epochs == [*"1234", *map(str, range(4, 11))]


def test_both_stages_of_a_contrastive_system_are_told(
    dcase, tmp_path, command, capsys, monkeypatch
):
    system = "gisp-1"
    (view,) = SYSTEMS[system]
    quick = replace(view.representation, contrast_epochs=1, epochs=2)
    views = {system: (replace(view, representation=quick),)}
    monkeypatch.setattr("asd.systems.SYSTEMS", views)
    path = tmp_path / "m.asd"
    assert command(train, dcase, "-o", path, "--system", system, "--device", "cpu") == 0
    rows = rows_of((tmp_path / "m.run" / "log.csv").read_text())
    assert [list(row.values())[:2] for row in rows] == [
        ["contrast 1", "1"],
        ["classes 1", "1"],
        ["classes 1", "2"],
    ]
    capsys.readouterr()
    assert command(score, path, dcase, "-q") == 0
    assert len(rows_of(capsys.readouterr().out)) == 24


def test_processes_that_torchrun_starts_train_one_model(dcase, tmp_path):
    bad = dcase / "fan" / "train" / "section_00_source_train_normal_0099.wav"
    soundfile.write(bad, np.empty(0), RATE)
    together = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    path = tmp_path / "m.asd"
    done = subprocess.run(
        [
            *together,
            *("--nproc-per-node", "2", "--no-python", Path(sys.executable).with_name("asd-train")),
            *(dcase, "-o", path, "--system", "two-branch", "--epochs", "2", "--device", "cpu"),
        ],
        capture_output=True,
        text=True,
    )
    bad.unlink()
    # torchrun has one status for all that is not 0.
    assert done.returncode == 1 and done.stderr.count(bad.name) == 1, done.stderr
    assert done.stderr.count("wrote ") == 1
    assert len((tmp_path / "m.run" / "log.csv").read_text().splitlines()) == 3
    assert sorted(one.name for one in (tmp_path / "m.run").iterdir()) == ["config.json", "log.csv"]
    anomalous = sorted((dcase / "fan" / "test").glob("*anomaly*"))
    alone = asd.train(dcase, system="two-branch", epochs=2, device="cpu").score(anomalous, "fan")
    assert MachineModel.load(path).score(anomalous, "fan") == pytest.approx(alone, abs=0.3)


@pytest.mark.parametrize("option", ["--ensemble", "--epochs"])
def test_what_networks_are_told_needs_a_network(option, dcase, tmp_path, command, capsys):
    assert command(train, dcase, "-o", tmp_path / "m.asd", option, 2) == 2
    assert capsys.readouterr().err == (
        f"asd-train: {option}: the system statistics trains no network; see --system\n"
    )


def test_a_training_that_never_began_leaves_nothing(tmp_path, command, capsys):
    folder = tmp_path / "pump"
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.zeros(16000), RATE)
    assert command(train, folder, "-o", tmp_path / "m.asd", "--system", "two-branch") == 2
    assert "no usable training clip" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["pump"]


def test_only_ustc_listens_through_wav2vec(dcase, tmp_path, command, capsys):
    weights, path = tmp_path / "w.pt", tmp_path / "m.asd"
    assert command(train, dcase, "-o", path, "--system", "ustc", "--wav2vec", weights) == 2
    assert "w.pt" in capsys.readouterr().err
    weights.write_bytes(b"no weights")
    assert command(train, dcase, "-o", path, "--system", "wilkinghoff", "--wav2vec", weights) == 2
    assert capsys.readouterr().err == (
        "asd-train: only the system ustc listens through wav2vec 2.0\n"
    )
    assert command(train, dcase, "-o", path, "--system", "ustc", "--wav2vec", weights) == 2
    assert capsys.readouterr().err.startswith(f"asd-train: {weights}: not what torch saved")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["w.pt"]


def test_ustc_is_trained_and_scores(dcase, tmp_path, command, capsys):
    path = tmp_path / "m.asd"
    asked = (dcase, "-o", path, "--system", "ustc", "--epochs", 1, "--device", "cpu")
    assert command(train, *asked) == 0
    assert capsys.readouterr().err.endswith(f"wrote {path}: 2 sections, system ustc\n")
    assert rows_of((tmp_path / "m.run" / "log.csv").read_text())[0]["training"] == (
        "classifier 1, all"
    )
    assert command(score, path, dcase, "-q") == 0
    assert len(rows_of(capsys.readouterr().out)) == 24
