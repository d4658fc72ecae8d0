"""The official tables of systems of 2020 to 2025, where the data lies at hand."""

import os
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("FEWSHOT_DATA", ROOT.parent / "shared" / "data"))
CELLS = {
    "2020_eval result_{system}.csv": {"agree": 96},
    "2021_dev {system}/result.csv": {"agree": 580},
    "2022_eval {system}_result.csv": {"agree": 615, "as printed": 127, "interval": 2},
    "2022_dev {system}/result.csv": {"agree": 333},
    "2023_eval {system}_result.csv": {"agree": 462, "interval": 2},
    "2023_eval {system}/result_*_roc.csv": {"agree": 462},
    "2023_dev {system}/result_*_roc.csv": {"agree": 462},
    "2025_dev {system}/result_*_roc.csv": {"agree": 99},
}
SCORES = {
    ("2022_eval", "Xiao_HEU-HIT_task2_1"): 0.663946,
    ("2022_eval", "Xiao_HEU-HIT_task2_4"): 0.680373,
    ("2023_eval", "baseline_MSE"): 0.598816,
    ("2023_eval", "baseline_MAHALA"): 0.613006,
}


@pytest.fixture(scope="module")
def scores():
    folder = DATA / "asd" / "scores"
    if not folder.is_dir():
        pytest.skip("no asd/scores in FEWSHOT_DATA, nor in shared/data beside the checkout")
    return folder


def test_every_folder_is_replayed(script):
    assert [f"{folder} {tables}" for folder, _, _, tables in script.REPLAYS] == list(CELLS)
    assert sum(counts["agree"] for counts in CELLS.values()) == 3109


@pytest.mark.parametrize("number", range(len(CELLS)), ids=list(CELLS))
def test_the_official_tables(script, scores, number):
    replay = script.REPLAYS[number]
    assert script.replay(scores, *replay) == Counter(list(CELLS.values())[number])


@pytest.mark.parametrize(("folder", "system"), SCORES)
def test_the_official_scores(scores, folder, system):
    from asd.evaluation import join, official_figures, read_scores, read_truth

    year = int(folder[:4])
    truth = read_truth(scores / f"{folder}_gt", year)
    figures = official_figures(join(truth, read_scores(scores / folder / system)), year)
    assert figures.score == pytest.approx(SCORES[folder, system], abs=5e-7)


def test_the_truth_of_the_years_without_systems(scores):
    from asd.evaluation import read_truth

    for year, machines in ((2021, 7), (2024, 9), (2025, 8)):
        truth = read_truth(scores / f"{year}_eval_gt", year)
        assert len({clip.machine for clip in truth}) == machines
        per_machine = 1200 if year == 2021 else 200
        of_domain = Counter(clip.domain for clip in truth)
        if year > 2021:
            assert len(truth) == machines * per_machine
            assert of_domain == {"source": machines * 100, "target": machines * 100}


def test_a_changed_table_is_noticed(script, tmp_path):
    names = [
        f"section_00_{d}_test_{c}_{i:04d}.wav"
        for d in ("source", "target")
        for c in ("normal", "anomaly")
        for i in range(2)
    ]
    folder = tmp_path / "2025_dev" / "mine"
    folder.mkdir(parents=True)
    rows = "".join(f"{name},{score}\n" for score, name in enumerate(names))
    (folder / "anomaly_score_DCASE2025T2fan_section_00_test.csv").write_text(rows)
    table = "section,AUC (source),AUC (target)\n00,1.0,{}\narithmetic mean,1.0,0.5\n"
    file = folder / "result_DCASE2025T2fan_test_roc.csv"
    replay = ("2025_dev", 2025, None, "{system}/result_*_roc.csv")
    for value, expected in ((0.5, Counter(agree=4)), (0.6, Counter(agree=3, differ=1))):
        file.write_text(table.format(value))
        assert script.replay(tmp_path, *replay) == expected
