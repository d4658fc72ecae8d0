import csv
import json

import pytest

from asd.commands.evaluate import main

SCORES = {
    ("source", "normal"): (1, 2),
    ("source", "anomaly"): (3, 8),
    ("target", "normal"): (4, 6),
    ("target", "anomaly"): (5, 9),
}
"""An official AUC of 1 (source) and 5/8 (target), 3/4 in the own target domain, 13/16 in all."""


def clips():
    for (domain, condition), scores in SCORES.items():
        for i, score in enumerate(scores):
            yield f"section_00_{domain}_test_{condition}_{i:04d}_vel_1.5.wav", score


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A development set and a system's scores on it."""
    for machine in ("fan", "pump"):
        test = tmp_path / "dev_data" / machine / "test"
        test.mkdir(parents=True)
        for folder in ("mine", "other"):
            (tmp_path / folder).mkdir(exist_ok=True)
            file = tmp_path / folder / f"anomaly_score_{machine}_section_00_test.csv"
            file.write_text("".join(f"{name},{score}\n" for name, score in clips()))
        for name, _ in clips():
            (test / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_system(work, command, capsys):
    assert command(main, "mine", "--truth", "dev_data", "--year", 2023) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "mine: 16 clips, 2 machines, 2 sections; figures in per cent"
    official, own = (line.split() for line in lines if line.startswith("fan 00"))
    assert official == ["fan", "00", "100.00", "62.50", "73.68"]
    assert own == ["fan", "00", "100.00", "100.00", "75.00", "73.68", "81.25", "73.68"]
    assert any(line.startswith("official score 75.81 (± ") for line in lines)
    assert any("95 % by the jackknife" in line for line in lines)


def test_decisions_are_counted(work, command, capsys):
    for machine in ("fan", "pump"):
        file = work / "mine" / f"decision_result_{machine}_section_00_test.csv"
        file.write_text("".join(f"{name},{int(score > 2.5)}\n" for name, score in clips()))
    assert command(main, "mine", "--year", 2023, "--machine", "fan") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "F1 score (source)" in lines[3]
    assert lines[4].split()[-2:] == ["100.00", "66.67"]
    assert not any(line.startswith("pump") for line in lines)


def test_several_systems_and_all_figures_in_a_table(work, command, capsys):
    arguments = ("mine", "other", "--truth", "dev_data", "--year", 2022, "-o", "f.csv")
    assert command(main, *arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("mine", "other"))] == [
        *("mine", "other", "mine", "other")
    ]
    rows = list(csv.DictReader((work / "f.csv").read_text().splitlines()))
    wanted = {
        "system": "mine",
        "definition": "official",
        "machine": "fan",
        "section": "00",
        "mean": "",
        "figure": "AUC (target)",
        "value": "0.625",
    }
    assert wanted in rows
    assert {**wanted, "definition": "own-domain", "figure": "own-domain AUC (target)"} | {
        "value": "0.75"
    } in rows
    (score,) = [r for r in rows if r["figure"] == "official score" and r["system"] == "other"]
    assert float(score["value"]) == pytest.approx(3 / (1 + 8 / 5 + 19 / 14))
    assert {r["figure"] for r in rows if r["definition"] == "jackknife"} == {
        "AUC ci95",
        "pAUC ci95",
    }
    assert command(main, *arguments) == 2, "it is not replaced"
    assert "f.csv: exists" in capsys.readouterr().err


def test_the_object_printed_and_written(work, command, capsys):
    assert command(main, "mine", "--year", 2021, "--json", "-o", "f.json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((work / "f.json").read_text())
    assert (found["year"], found["truth"]) == (2021, None)
    (system,) = found["systems"]
    assert (system["system"], system["n_clips"]) == ("mine", 16)
    assert system["official"]["sections"]["fan"]["00"]["AUC (target)"] == 0.75
    assert system["official"]["intervals"] is None
    assert system["own_domain"]["overall"]["mixed AUC"] == pytest.approx(13 / 16)


def test_what_has_no_value_is_null_and_empty(work, command, capsys):
    for machine in ("fan", "pump"):
        file = work / "mine" / f"anomaly_score_{machine}_section_00_test.csv"
        rows = [f"{name},{score}\n" for name, score in clips() if "target_test_anom" not in name]
        file.write_text("".join(rows))
    assert command(main, "mine", "--year", 2023, "--json", "-o", "f.csv") == 0
    (system,) = json.loads(capsys.readouterr().out)["systems"]
    assert system["own_domain"]["overall"]["own-domain AUC (target)"] is None
    rows = list(csv.DictReader((work / "f.csv").read_text().splitlines()))
    values = {r["value"] for r in rows if r["figure"] == "own-domain AUC (target)"}
    assert values == {""}
    assert command(main, "mine", "--year", 2023) == 0
    assert "n/a" in capsys.readouterr().out


def test_2020_has_means_per_machine_and_no_score(tmp_path, command, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        rows = "normal_id_00_0.wav,1\nnormal_id_00_1.wav,3\nanomaly_id_00_0.wav,2\n"
        (tmp_path / folder / "anomaly_score_fan_id_00.csv").write_text(rows)
    assert command(main, tmp_path / "a", "--year", 2020) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["fan", "00", "50.00", "47.37"] for line in lines)
    assert not any("official score" in line for line in lines)
    assert command(main, tmp_path / "a", tmp_path / "b", "--year", 2020) == 0
    assert "2020 had no official figure over all machines" in capsys.readouterr().out


def test_a_system_that_fails_does_not_stop_the_others(work, command, capsys):
    file = work / "other" / "anomaly_score_fan_section_00_test.csv"
    file.write_text(file.read_text().split("\n", 1)[1])
    assert command(main, "mine", "other", "--truth", "dev_data", "--year", 2023) == 1
    out, err = capsys.readouterr()
    assert out.startswith("mine: 16 clips")
    assert err.splitlines()[0] == (
        "asd-evaluate: other: no score on fan 00 section_00_source_test_normal_0000_vel_1.5"
    )
    assert err.endswith("1 of 2 inputs failed\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mine",), "the following arguments are required: --year"),
        (("mine", "--year", 2019), "invalid choice"),
        (("nowhere", "--year", 2023), "nowhere: no such file or folder"),
        (("dev_data", "--year", 2023), "dev_data: no file anomaly_score_"),
        (("mine", "--year", 2023, "-o", "f.txt"), "f.txt: the name must end in .csv or .json"),
        (
            ("mine", "--truth", "dev_data", "--year", 2023, "--machine", "valve"),
            "dev_data: no test clips of valve in it",
        ),
        (("mine", "--year", 2023, "--machine", "valve"), "mine: no scores to evaluate"),
        (("mine", "--truth", "other", "--year", 2023), "other: no sound files in this folder"),
    ],
)
def test_what_cannot_be_used_is_one_line(work, command, capsys, arguments, message):
    assert command(main, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1
