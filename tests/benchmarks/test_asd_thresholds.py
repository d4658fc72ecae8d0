"""The study of thresholds on small trees of the data set's shape."""

from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest

from asd.dataset import read_dataset
from asd.names import ANOMALY, TARGET, TEST, TRAIN
from asd.sounds import read_sound
from asd.statistics import clip_statistics
from asd.synthesis import write_dataset
from fewshot.thresholds import ESTIMATORS

ROW = "cepstrum-gaussian"
# A gamma distribution's fit makes differences of rounding large.
EXACT = {name: own for name, own in ESTIMATORS.items() if not name.startswith("gdp")}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    few = {"n_source": 15, "n_target": 3, "n_test": 6, "duration_s": 0.4}
    write_dataset(folder / "asd" / "machines", machines=("fan", "pump"), **few)
    return folder


def run(script, monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["asd_thresholds.py", *map(str, arguments)])
    script.main()


def tables(out):
    """Cells of every table by row, each with its header under ""."""
    found = []
    for block in out.split("\n\n")[1:]:
        lines = [[cell.strip() for cell in x.strip("|").split("|")] for x in block.splitlines()]
        header, _, *rows = lines
        found.append({"": header[1:]} | {name: cells for name, *cells in rows})
    return found


def naive_f1(anomalous, found):
    hits = np.sum(anomalous & found)
    return 2 * hits / (np.sum(found) + np.sum(anomalous))


def by_hand(clips):
    """Scores of the section's training clips, each left out, and of its test clips."""
    vectors = np.stack([clip_statistics(read_sound(c.path), "cepstrum") for c in clips])
    train = np.array([clip.split == TRAIN for clip in clips])

    def distance(own, vector):
        covariance = np.cov(own.T, bias=True) + 1e-3 * np.eye(own.shape[1])
        offset = vector - own.mean(axis=0)
        return np.sqrt(offset @ np.linalg.solve(covariance, offset))

    normal = vectors[train].astype(float)
    left_out = [distance(np.delete(normal, i, 0), normal[i]) for i in range(len(normal))]
    scores = [distance(normal, vector) for vector in vectors[~train]]
    anomalous = [clip.condition == ANOMALY for clip in clips if clip.split != TRAIN]
    return np.array(left_out), np.array(scores), np.array(anomalous)


def test_f1_of_all_clips_is_that_of_the_definition(script, data, tmp_path, monkeypatch, capsys):
    asked = ("--task", "machines", "--data", data, "--row", ROW, "--trials", 1, "--out", tmp_path)
    run(script, monkeypatch, *asked)
    out = capsys.readouterr().out
    assert out.startswith("machines: 2 sections, 48 test clips, 24 anomalous\n")
    of_all, best, shares = tables(out)
    clips = read_dataset(data / "asd" / "machines").clips
    f1s, ratios, optima = [], [], []
    for machine in ("fan", "pump"):
        left_out, scores, anomalous = by_hand([c for c in clips if c.machine == machine])
        optima.append(max(naive_f1(anomalous, scores > x) for x in (-np.inf, *scores)))
        f1s.append([naive_f1(anomalous, scores > own(left_out)) for own in EXACT.values()])
        ratios.append(np.array(f1s[-1]) / optima[-1])
    for name, f1, ratio in zip(EXACT, np.mean(f1s, 0), np.mean(ratios, 0), strict=True):
        assert of_all[name] == [f"{100 * f1:.1f} ({100 * ratio:.1f})"]
        assert shares[name][0] == f"{100 * ratio:.1f}"
    assert of_all["everything anomalous"][0].startswith("66.7 (")
    assert of_all["optimum"] == [f"{100 * np.mean(optima):.1f} (100.0)"]
    assert best[""] == ["100 %", "80 %", "60 %", "40 %", "20 %"]
    assert best[ROW][0] == f"{100 * np.mean(optima):.1f}"
    for name in ESTIMATORS:
        cells = [list(map(float, cell.split(","))) for cell in shares[name]]
        assert [len(cell) for cell in cells] == [1, 2, 2, 2, 2]
        assert all(0 <= value <= 100 for cell in cells for value in cell)


def test_thresholds_from_clips_held_out(script, data, tmp_path):
    task = script.tasks_of("machines", data / "asd" / "machines")[0]
    found = script.figures(task, script.views_of(ROW), 0.6, 1, Namespace(out=tmp_path, seed=0))
    train, test = task.clips(TRAIN), task.clips(TEST)
    chosen = script.drawn(np.array([c.domain == TARGET for c in train]), 0.6, 1)
    learnt = [clip for clip, there in zip(train, chosen, strict=True) if there]
    held = [clip for clip, there in zip(train, chosen, strict=True) if not there]

    left_out, scores, anomalous = by_hand([*learnt, *test])
    _, held_out, _ = by_hand([*learnt, *(replace(clip, split=TEST) for clip in held)])
    for name, estimator in EXACT.items():
        for kind, normal in (("left out", left_out), ("held out", held_out)):
            expected = naive_f1(anomalous, scores > estimator(normal))
            assert found[f"{name}, {kind}"] == pytest.approx(expected), (name, kind)


def test_shares_are_drawn_of_each_domain_and_lie_in_each_other(script):
    target = np.array([False] * 20 + [True] * 3)
    before = drawn = script.drawn(target, 1.0, 5)
    assert drawn.all()
    for share, source, few in ((0.8, 16, 2), (0.4, 8, 1), (0.05, 1, 1)):
        drawn = script.drawn(target, share, 5)
        assert (drawn[~target].sum(), drawn[target].sum()) == (source, few)
        assert not (drawn & ~before).any()
        before = drawn
    assert (script.drawn(target, 0.4, 5) != script.drawn(target, 0.4, 6)).any()


def test_the_best_threshold_may_call_everything_anomalous(script):
    assert script.best_f1(np.array([0, 1, 1, 0], bool), np.array([3, 1.0, 2, 4])) == 2 / 3
    assert script.best_f1(np.array([0, 0, 1], bool), np.array([1.0, 2, 3])) == 1


def test_networks_are_refused(script, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(script, monkeypatch, "--row", "autoencoder")
    assert "autoencoder learns from all machines together" in capsys.readouterr().err
