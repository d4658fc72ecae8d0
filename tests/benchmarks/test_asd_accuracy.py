"""The benchmark of machines on a small tree of the data set's shape."""

import pytest

import asd
from asd.commands.score import main as score
from asd.evaluation import join, official_figures, read_scores, read_truth
from asd.synthesis import write_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    few = {"n_source": 6, "n_target": 3, "n_test": 4, "duration_s": 0.6}
    write_dataset(folder / "asd" / "machines", machines=("fan", "pump"), **few)
    return folder


def run(script, monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["asd_accuracy.py", *map(str, arguments)])
    script.main()


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_figures_are_those_of_the_commands(script, data, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    rows = ["--row", "mfcc-nearest", "--row", "mfcc-density+log-mel-gaussian"]
    asked = ("--data", data, "--task", "machines", "--out", out, *rows)
    run(script, monkeypatch, *asked)
    printed = capsys.readouterr().out
    lines = [cells(line) for line in printed.splitlines() if line.startswith("| mfcc")]
    assert [line[0] for line in lines] == ["mfcc-nearest", "mfcc-density+log-mel-gaussian"] * 2

    machines = data / "asd" / "machines"
    asd.train(machines, system="mfcc-nearest").save(tmp_path / "m.asd")
    table = tmp_path / "scores.csv"
    assert score([str(tmp_path / "m.asd"), str(machines), "-o", str(table), "-q"]) == 0
    figures = official_figures(join(read_truth(machines, 2023), read_scores(table)), 2023)
    for line, row in zip(lines[::2], figures.sections.values(), strict=True):
        expected = [row[name] for name in ("AUC (source)", "AUC (target)", "pAUC")]
        assert [float(cell) for cell in line[2:5]] == pytest.approx(
            [100 * value for value in expected], abs=0.051
        )

    def gone(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(script, "scored", gone)
    run(script, monkeypatch, *asked)
    assert capsys.readouterr().out == printed


def test_generated_machines_and_false_alarms(script, tmp_path, monkeypatch, capsys):
    def small(folder, seed=0, **settings):
        few = {"n_source": 5, "n_target": 2, "n_test": 2, "duration_s": 0.4}
        return write_dataset(folder, seed=seed, machines=("motor",), **few)

    monkeypatch.setattr(script, "write_dataset", small)
    asked = ("--task", "generated", "--data-seeds", 2, "--out", tmp_path, "--row", "mfcc-nearest")
    run(script, monkeypatch, *asked)
    out = capsys.readouterr().out
    assert "generated, 2 seeds" in out and out.count("| mfcc-nearest |") == 1
    run(script, monkeypatch, *asked, "--false-alarms")
    lines = [cells(x) for x in capsys.readouterr().out.splitlines() if x.startswith("| mfcc")]
    assert [line[1] for line in lines] == ["gdp", "hp", "sd"]
    told = [cell.replace(";", ",").split(",") for line in lines for cell in line[2:]]
    shares = [float(part) for parts in told for part in parts]
    assert len(shares) == 27 and all(0 <= share <= 100 for share in shares)


def test_attributes_of_every_second_machine_are_withheld(script, tmp_path):
    few = {"n_source": 3, "n_target": 1, "n_test": 1, "duration_s": 0.2}
    write_dataset(tmp_path, machines=("fan", "motor", "pump"), **few)
    script.withhold_attributes(tmp_path)
    clips = script.clips_of(tmp_path)
    assert {(clip.machine, bool(clip.attributes)) for clip in clips} == {
        ("fan", False),
        ("motor", True),
        ("pump", False),
    }
    assert len(clips) == 3 * (4 + 4) and all(clip.domain for clip in clips)


def test_sections_of_a_machine_are_looked_at_for_themselves(script, data, tmp_path):
    """As in the challenge until 2022, where some are learnt from and not tested."""
    folder = write_dataset(
        tmp_path, machines=("fan",), n_source=2, n_target=1, n_test=1, duration_s=0.4
    )
    for clip in sorted(folder.glob("fan/*/section_00*")):
        for section in ("01", "03") if clip.parent.name == "train" else ("01",):
            other = clip.with_name(clip.name.replace("section_00", f"section_{section}"))
            other.write_bytes(clip.read_bytes())
    tasks = script.tasks_of("own", folder)
    assert [task.machine for task in tasks] == ["fan 00", "fan 01"]
    assert {clip.section for clip in tasks[1].clips("train")} == {"01"}
    whole = script.tasks_of("machines", data / "asd" / "machines")
    assert [task.machine for task in whole] == ["fan", "pump"]


def test_rows_with_wav2vec_ask_for_its_weights(script):
    with pytest.raises(SystemExit, match="row 'ustc 4' needs --wav2vec FILE"):
        script.views_of("ustc 4")
    assert script.views_of("ustc 2")[0].representation.features == ("log-mel", "tgram")
