"""The study of F1-EV on a tree of small score files, and on small generated machines."""

import numpy as np
import pytest

from asd.evaluation import SectionScores
from asd.synthesis import write_dataset
from fewshot.metrics import bounded_f1_ev, f1_ev

FOLDER = ("2023_eval", 2023, None)
LABELS = (0, 0, 0, 0, 1, 1, 1, 1)
SCORES = {
    ("fine", "fan", "00"): (0.1, 0.2, 0.3, 0.5, 0.4, 0.6, 0.9, 1.0),
    ("fine", "pump", "00"): (0.1, 0.2, 0.3, 0.4, 0.7, 0.8, 0.9, 1.0),
    ("poor", "fan", "00"): (0.9, 0.2, 0.8, 0.5, 0.4, 0.6, 0.1, 0.3),
    ("poor", "fan", "01"): (0.4, 0.2, 0.6, 0.5, 0.3, 0.7, 0.1, 0.8),
    ("poor", "pump", "00"): (0.1, 0.2, 0.3, 0.5, 0.4, 0.6, 0.9, 1.0),
}
LIMITS = {("poor", "pump", "00"): 2.0}
"""Where decisions are made; 0.45 elsewhere. This one finds nothing."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for (system, machine, section), scores in SCORES.items():
        own = folder / "asd" / "scores" / FOLDER[0] / system
        own.mkdir(parents=True, exist_ok=True)
        names = [
            f"section_{section}_{'source' if i % 2 else 'target'}_test_"
            f"{'anomaly' if label else 'normal'}_{i:04d}.wav"
            for i, label in enumerate(LABELS)
        ]
        limit = LIMITS.get((system, machine, section), 0.45)
        decisions = [int(score > limit) for score in scores]
        for kind, values in (("anomaly_score", scores), ("decision_result", decisions)):
            rows = "".join(f"{name},{v}\n" for name, v in zip(names, values, strict=True))
            (own / f"{kind}_{machine}_section_{section}_test.csv").write_text(rows)
    return folder


def naive_f1(scores, limit):
    found = [score > limit for score in scores]
    hits = sum(label and it for label, it in zip(LABELS, found, strict=True))
    return 2 * hits / (sum(found) + sum(LABELS))


def naive_auc(scores):
    pairs = [(n, a) for n in scores[:4] for a in scores[4:]]
    return sum(n < a for n, a in pairs) / len(pairs)


def table(out, head):
    """Cells of the rows after the first line that begins so, by the row's name."""
    lines = out[out.index(head) :].split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: [float(cell.split()[0]) for cell in cells] for name, *cells in rows}


def test_correlations_are_those_of_the_definition(script, tree, monkeypatch, capsys):
    monkeypatch.setattr(script, "REPLAYS", [(*FOLDER, "no table")])
    monkeypatch.setattr("sys.argv", ["asd_f1_ev.py", "--data", str(tree)])
    script.main()
    out = capsys.readouterr().out
    for title in ("2023, evaluation", "2020 to 2025"):
        assert f"{title}: 3 points, 3 with decisions; 1 of 5 sections dropped" in out

    # The points in the order of files: fine fan, fine pump, poor fan with its two sections.
    valid = [[SCORES["fine", "fan", "00"]], [SCORES["fine", "pump", "00"]]]
    valid.append([SCORES["poor", "fan", "00"], SCORES["poor", "fan", "01"]])

    def each(measure):
        return [sum(map(measure, own)) / len(own) for own in valid]

    expected = {
        "AUC": each(naive_auc),
        "F1, submitted": each(lambda s: naive_f1(s, 0.45)),
        "F1, best": each(lambda s: max(naive_f1(s, limit) for limit in (-1, *s))),
        "F1-EV": each(lambda s: f1_ev(LABELS, s)),
        "bounded F1-EV": each(lambda s: bounded_f1_ev(LABELS, s)),
        "bounded F1-EV, left": each(lambda s: bounded_f1_ev(LABELS, s, optimum="left")),
    }
    rows = table(out, "| correlation |")
    assert list(rows) == list(expected)
    for name, cells in rows.items():
        for cell, column in zip(cells, ("AUC", "F1, submitted", "F1, best"), strict=True):
            known = np.corrcoef(expected[name], expected[column])[0, 1]
            assert cell == pytest.approx(known, abs=6e-4), (name, column)
    swept = table(out, "| bounded F1-EV, beta |")
    assert swept["0.2"] == rows["bounded F1-EV"]
    half = each(lambda s: bounded_f1_ev(LABELS, s, beta=0.5))
    assert swept["0.5"][0] == pytest.approx(np.corrcoef(half, expected["AUC"])[0, 1], abs=6e-4)


def test_without_decisions_nothing_is_said_of_them(script):
    section = SectionScores("fan", "00", np.array(LABELS, bool), None, np.arange(8.0))
    assert np.isnan(script.submitted_f1(section))
    first, second = np.array([1, 2, np.nan, 4]), np.array([1, 2, 9, 3.0])
    assert script.correlation(first, second) == pytest.approx(
        np.corrcoef([1, 2, 4], [1, 2, 3])[0, 1]
    )


def test_generated_machines_and_the_picture(script, tmp_path, monkeypatch, capsys):
    def small(folder, seed=0, **settings):
        few = {"n_source": 12, "n_target": 2, "n_test": 4, "duration_s": 0.4}
        return write_dataset(folder, seed=seed, machines=("motor", "fan"), **few)

    monkeypatch.setitem(script.generated.__globals__, "write_dataset", small)
    rows = ("mfcc-nearest", "log-mel-gaussian", "mfcc-density")
    picture = tmp_path / "picture.png"
    asked = ["--generated", "--data-seeds", 1, "--out", tmp_path / "out", "--plot", picture]
    asked += [part for row in rows for part in ("--row", row)]
    monkeypatch.setattr("sys.argv", ["asd_f1_ev.py", *map(str, asked)])
    script.main()
    out = capsys.readouterr().out
    assert "of 6 sections dropped" in out
    assert table(out, "| correlation |")["AUC"][0] == 1
    assert picture.read_bytes().startswith(b"\x89PNG")
