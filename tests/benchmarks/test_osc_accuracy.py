"""The open-set benchmark on a small tree of the data set's shape, with a cheap representation."""

import numpy as np
import pytest
import soundfile as sf
from tones import RATE, Bands, clip

CLASSES = {
    "pattern_sounds/pattern_01": ("low", "pattern_01"),
    "pattern_sounds/pattern_02": ("high", "pattern_02"),
    "unwanted_sounds/noise": ("noise", "unknown"),
    "unwanted_sounds/hiss": ("hiss", "unknown"),
}


@pytest.fixture
def tree(tmp_path):
    """Four clips a class and two folds of two shots; hisses are tested only."""
    rows = []
    for folder, (name, target) in CLASSES.items():
        (tmp_path / folder).mkdir(parents=True)
        for i in range(4):
            sf.write(tmp_path / folder / f"{i}.wav", clip(name, i), RATE)
            rows.append(f"{folder}/{i}.wav,{target},{41 if name == 'sweep' else i // 2 + 1}")
    (tmp_path / "meta").mkdir()
    for openness in ("low", "middle", "high"):
        table = tmp_path / "meta" / f"2shot_openness{openness}.csv"
        table.write_text("\n".join(["filename,target,fold", *rows]))
    return tmp_path


def run(script, monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["osc_accuracy.py", *map(str, arguments)])
    monkeypatch.setattr(script, "ProcessPoolExecutor", Serial)
    monkeypatch.setattr(script, "ROWS", {"default": {"representation": Bands(), "threshold": 0.7}})
    script.main()


class Serial:
    """Stands for a pool of one, in this process."""

    def __init__(self, workers):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    map = staticmethod(map)


def test_a_condition_beside_the_papers_and_resumed(script, tree, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    arguments = ("--naranjo", tree, "--condition", "2middle", "--out", out)
    run(script, monkeypatch, *arguments)
    text = capsys.readouterr().out
    row = "| default | middle | 2 | 2 | 100.0 ± 0.0 | 100.0 ± 0.0 | 100.0 ± 0.0 | 100.0 ± 0.0 |"
    assert row in text
    assert "| middle | 2 | 86.7 | 85.6 | 93.4 | 99.2 | 95.7 | 97.8 | 98.7 | 100.0 ± 0.0 |" in text
    assert "| high | 4 | 60.5 | 64.3 | 87.8 | 96.1 | 96.0 | 98.4 | 99.1 | - |" in text
    assert len(list(out.iterdir())) == 2
    monkeypatch.setattr(script, "run_fold", None)
    run(script, monkeypatch, *arguments)
    assert row[:60] in capsys.readouterr().out, "what is done is not done again"


def test_the_papers_means(script):
    means = {name: np.mean(values) for name, values in script.TABLE_29.items()}
    printed = {"OpenL3 [162]": 73.9, "YAMNet [162]": 77.9, "VGGish": 91.3, "OpenL3": 96.9}
    printed |= {"PANN": 95.7, "Kumar": 97.5, "directly trained": 97.9}
    assert means == pytest.approx(printed, abs=0.06)


@pytest.mark.parametrize(("openness", "known_unknowns"), [("low", 10), ("middle", 5), ("high", 0)])
def test_the_synthetic_alarms(script, openness, known_unknowns):
    condition = script.condition_of("alarms", None, f"1{openness}")
    assert condition.n_folds == script.TAKES
    train, test = condition.split(3)
    assert [clip.label for clip in train].count("unknown") == known_unknowns
    assert len(train) == 24 + known_unknowns
    assert len(train) + len(test) == 34 * script.TAKES
    assert script.waveform_of("alarms", train[0].path, 0).shape == (64000,)


def test_nothing_to_do_is_said(script, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(script, monkeypatch, "--task", "office")
    assert "nothing to do" in capsys.readouterr().err
