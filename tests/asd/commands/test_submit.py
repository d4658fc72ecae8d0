import json
from itertools import product

import pytest

from asd.commands.evaluate import main as evaluate
from asd.commands.submit import main

HEADER = "filename,machine,section,score,threshold,decision"
NAMES = {
    2020: "{condition}_id_{section}_{i:08d}",
    2021: "section_{section}_{domain}_test_{condition}_{i:04d}",
    2022: "section_{section}_{domain}_test_{condition}_{i:04d}_vel_1.5",
}


def rows(year):
    """Two machines of two sections, with scores that no domain or condition separates."""
    domains = ("source", "target") if year > 2020 else ("source",)
    parts = product(("fan", "ToyCar"), ("00", "01"), range(3), domains, ("normal", "anomaly"))
    score = 0.0
    for machine, section, i, domain, condition in parts:
        score = (score * 7.3 + 0.37) % 1
        name = NAMES[min(year, 2022)].format(
            section=section, i=i, domain=domain, condition=condition
        )
        yield f"data/{name}.flac,{machine},{section},{score!r},0.4,{score > 0.4:d}"


def table(path, lines):
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def figures(command, capsys, scores, year):
    assert command(evaluate, scores, "--year", year, "--json") == 0
    (system,) = json.loads(capsys.readouterr().out)["systems"]
    return {**system, "system": None}


@pytest.mark.parametrize("year", range(2020, 2026))
def test_the_files_evaluate_to_the_figures_of_the_table(year, tmp_path, command, capsys):
    lines = list(rows(year))
    scores = table(tmp_path / "scores.csv", lines)
    wanted = figures(command, capsys, scores, year)
    parts = table(tmp_path / "a.csv", lines[::2]), table(tmp_path / "b.csv", lines[1::2])
    assert command(main, *parts, "-o", tmp_path / "out", "--year", year) == 0
    out, err = capsys.readouterr()
    files = sorted((tmp_path / "out").iterdir())
    assert out == "" and len(err.splitlines()) == len(files)
    assert err.startswith(f"wrote {files[0]}: ")
    assert figures(command, capsys, tmp_path / "out", year) == wanted


@pytest.mark.parametrize(
    "year, names",
    [
        (2020, ["anomaly_score_fan_id_00.csv", "anomaly_score_fan_id_01.csv"]),
        (
            2021,
            [
                "anomaly_score_fan_section_00_source_test.csv",
                "anomaly_score_fan_section_00_target_test.csv",
                "anomaly_score_fan_section_01_source_test.csv",
            ],
        ),
        (2022, ["anomaly_score_fan_section_00_test.csv", "anomaly_score_fan_section_01_test.csv"]),
    ],
)
def test_names_of_the_files(year, names, tmp_path, command):
    scores = table(tmp_path / "scores.csv", rows(year))
    assert command(main, scores, "-o", tmp_path / "out", "--year", year, "-q") == 0
    found = [path.name for path in sorted((tmp_path / "out").glob("*_fan_*"))]
    assert found[: len(names)] == names
    decisions = [name for name in found if name.startswith("decision_result_")]
    scored = [name for name in found if name.startswith("anomaly_score_")]
    replaced = [name.replace("anomaly_score", "decision_result") for name in scored]
    assert decisions == ([] if year == 2020 else replaced)


def test_rows_are_sorted_names_with_the_extension_of_the_challenge(tmp_path, command):
    lines = ["b.flac,fan,00,0.1,,0", "x/section_00_0000_volt_1.5.FLAC,fan,00,1e-300,,1"]
    scores = table(tmp_path / "scores.csv", lines)
    assert command(main, scores, "-o", tmp_path / "out", "-q") == 0
    own = tmp_path / "out" / "anomaly_score_fan_section_00_test.csv"
    assert own.read_text() == "b.wav,0.1\nsection_00_0000_volt_1.5.wav,1e-300\n"
    own = tmp_path / "out" / "decision_result_fan_section_00_test.csv"
    assert own.read_text() == "b.wav,0\nsection_00_0000_volt_1.5.wav,1\n"


@pytest.mark.parametrize(
    "lines, message",
    [
        (["a.wav,fan,00,1,0.5,1", "b/a.flac,fan,00,2,0.5,1"], ":3: a is there twice, see "),
        (["a.wav,fan,00,,0.5,1"], ":2: score is '', not a number"),
        (["a.wav,fan,00,nan,0.5,1"], ":2: score is 'nan', not a finite number"),
        (["a.wav,fan,00,1,0.5,2"], ":2: the decision is '2', not 0 (normal) or 1 (anomaly)"),
        (["a.wav,fan,00,1,0.5,"], ":2: no decision, which 2025 asks for"),
        (["a.wav,fan,00,1,0.5,1", "b.wav,fan,00,1,0.5,"], ":3: no decision on it, but on other"),
        (["a.wav,../fan,00,1,0.5,1"], ":2: machine '../fan', section '00' make no file name"),
        (["a.wav,fan,north,1,0.5,1"], ":2: machine 'fan', section 'north' make no file name"),
        (["a.wav,,00,1,0.5,1"], ":2: machine is empty"),
        ([], ": no scores in it"),
    ],
)
def test_bad_tables(lines, message, tmp_path, command, capsys):
    scores = table(tmp_path / "scores.csv", lines)
    assert command(main, scores, "-o", tmp_path / "out") == 2
    err = capsys.readouterr().err
    assert err.startswith(f"asd-submit: {scores}{message}") and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "empty; its first line must name the columns"),
        ("filename,machine,score\na.wav,fan,1\n", "no column section; the first line has: "),
        ("a.wav,fan,00,1\n", "no column filename; the first line has: a.wav, fan, 00, 1"),
    ],
)
def test_no_tables(text, message, tmp_path, command, capsys):
    scores = tmp_path / "scores.csv"
    scores.write_text(text)
    assert command(main, scores, "-o", tmp_path / "out") == 2
    assert capsys.readouterr().err.startswith(f"asd-submit: {scores}: {message}")


def test_a_year_that_was_not(tmp_path, command, capsys):
    scores = table(tmp_path / "scores.csv", rows(2023))
    assert command(main, scores, "-o", tmp_path / "out", "--year", 2019) == 2
    assert "invalid choice: 2019" in capsys.readouterr().err


def test_names_without_domain_cannot_be_divided_by_it(tmp_path, command, capsys):
    scores = table(tmp_path / "scores.csv", ["section_00_0000.wav,fan,00,1,0.5,1"])
    assert command(main, scores, "-o", tmp_path / "out", "--year", 2021) == 2
    err = capsys.readouterr().err
    assert f"{scores}:2: section_00_0000 does not tell source or target" in err


def test_nothing_is_overwritten_or_mixed(tmp_path, command, capsys):
    scores = table(tmp_path / "scores.csv", rows(2022))
    out = tmp_path / "out"
    assert command(main, scores, "-o", out, "-q") == 0
    before = {path: path.read_text() for path in out.iterdir()}
    assert command(main, scores, "-o", out) == 2
    assert "exists; use --force" in capsys.readouterr().err
    assert command(main, scores, "-o", out, "--force", "-q") == 0
    assert {path: path.read_text() for path in out.iterdir()} == before
    assert command(main, scores, "-o", out, "--force", "--year", 2021) == 2
    err = capsys.readouterr().err
    assert "anomaly_score_ToyCar_section_00_test.csv: is of another submission" in err
    assert command(main, scores, "-o", scores) == 2
    assert f"{scores}: is a file; name a folder" in capsys.readouterr().err
    assert command(main, scores, "-o", tmp_path / "no" / "out") == 2
    assert "no such folder" in capsys.readouterr().err
