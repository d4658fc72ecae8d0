import json

import pytest

from asd.commands.evaluate import main as evaluate
from asd.commands.report import main
from asd.commands.score import main as score
from asd.commands.train import main as train
from asd.synthesis import write_dataset
from fewshot import plot


@pytest.fixture(scope="module")
def dcase(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dcase") / "data"
    return write_dataset(
        folder, machines=("fan", "pump"), n_source=4, n_target=2, n_test=2, duration_s=0.3
    )


@pytest.fixture(scope="module")
def scores(dcase, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    model, table = folder / "m.asd", folder / "scores.csv"
    system = ("--system", "mfcc-nearest", "-q")
    assert train([str(dcase), "-o", str(model), *system]) == 0
    assert score([str(model), str(dcase), "-o", str(table), "-q"]) == 0
    return table


def test_the_page_says_what_asd_evaluate_says(dcase, scores, tmp_path, command, capsys):
    report = tmp_path / "report.html"
    arguments = (scores, "--truth", dcase, "--year", 2023)
    assert command(main, *arguments, "-o", report) == 0
    assert capsys.readouterr() == ("", f"wrote {report}: 2 sections\n")
    text = report.read_text()
    assert command(evaluate, *arguments, "--json") == 0
    (system,) = json.loads(capsys.readouterr().out)["systems"]
    assert f"official score {100 * system['official']['score']:.2f}" in text
    for machine in ("fan", "pump"):
        figures = system["official"]["sections"][machine]["00"]
        cells = (f"<td>{100 * figures[name]:.2f}</td>" for name in ("AUC (source)", "AUC (target)"))
        assert f"{machine} 00</a></td>{''.join(cells)}" in text
    assert command(main, *arguments, "-o", report) == 2
    assert "exists; use --force" in capsys.readouterr().err
    assert command(main, *arguments, "-o", report, "--force", "-q") == 0
    assert report.read_text() == text


def test_only_a_machine_without_truth_and_with_pictures(dcase, scores, tmp_path, command, capsys):
    pictures = tmp_path / "maps"
    pictures.mkdir()
    for name in ("fan_section_00.png", "unknown.png"):
        (pictures / name).write_bytes(plot.png(plot.new_figure(1, 1)))
    report = tmp_path / "report.html"
    arguments = (scores, "--machine", "fan", "--pictures", pictures, "-o", report)
    assert command(main, *arguments) == 0
    err = capsys.readouterr().err
    assert f"warning: {pictures / 'unknown.png'}: named like no clip" in err
    text = report.read_text()
    assert 'alt="fan_section_00"' in text and "pump" not in text and "<table>" not in text


def test_the_year_follows_the_truth(tmp_path, command):
    truth, table, report = (tmp_path / name for name in ("truth.csv", "scores.csv", "r.html"))
    names = [f"{i}.wav" for i in range(4)]
    rows = [f"{name},pump,test,{('normal', 'anomaly')[i % 2]}" for i, name in enumerate(names)]
    truth.write_text("\n".join(["filename,machine,split,condition", *rows]))
    rows = [f"{name},pump,00,{i}" for i, name in enumerate(names)]
    table.write_text("\n".join(["filename,machine,section,score", *rows]))
    for name in names:
        (tmp_path / name).touch()
    assert command(main, table, "--truth", truth, "-o", report, "-q") == 0
    assert "Official figures of 2020" in report.read_text()


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "s.csv: empty; its first line must name the columns"),
        ("filename,machine,section,score\n", "s.csv: no scores in it"),
        ("a,b\n1,2\n", "s.csv: no column filename; the first line has: a, b"),
        ("filename,machine,section,score\na.wav,fan,00,nan\n", "s.csv:2: score is 'nan', not a"),
        (
            "filename,machine,section,score,threshold\na.wav,fan,00,1,high\n",
            "s.csv:2: threshold is 'high', not a number",
        ),
    ],
)
def test_bad_tables(text, message, tmp_path, monkeypatch, command, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.csv").write_text(text)
    assert command(main, "s.csv", "-o", "r.html") == 2
    err = capsys.readouterr().err
    assert err.startswith(f"asd-report: {message}") and err.count("\n") == 1
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    "options, message",
    [
        (("-o", "r.pdf"), "r.pdf: the name must end in .html or .htm"),
        (("-o", "no/r.html"), "no/r.html: no such folder: "),
        (("-o", "dir.html"), "dir.html: is a folder; name a file"),
        (("-o", "r.html", "--year", "2023"), "--year belongs to --truth"),
        (("-o", "r.html", "--machine", "saw"), "scores.csv: no scores of saw in it"),
        (("-o", "r.html", "--truth", "none"), "argument --truth: none: no such file or folder"),
        (("-o", "r.html", "--truth", "dir.html"), "dir.html: no "),
    ],
)
def test_wrong_options(scores, tmp_path, monkeypatch, command, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dir.html").mkdir()
    (tmp_path / "scores.csv").write_text(scores.read_text())
    assert command(main, "scores.csv", *options) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"asd-report: {message}") and err.count("\n") == 1
    assert [path.name for path in tmp_path.glob("*.html")] == ["dir.html"]
