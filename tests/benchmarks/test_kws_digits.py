"""The benchmark of digit sequences on a small tree of tones."""

from types import SimpleNamespace

import numpy as np
import pytest


def test_decisions_are_chosen_by_their_word_errors(script):
    """The only keyword peaks twice: once lower, where nothing is said."""
    template = np.eye(4, dtype=np.float32)
    spotter = script.Spotter({"one": [template]}, None, 0.02)
    scores = np.full((1, 200), -1.0)
    scores[0, 50:56], scores[0, 120:126] = -0.1, -0.65
    decision = script.best_decision(spotter, [["one"]], [scores])
    assert script.error_rate(spotter, decision, [["one"]], [scores]) == 0.0
    assert script.error_rate(spotter, decision, [["one", "one"]], [scores]) == 0.5


def test_words_are_read_from_cepstra(script, digits_data, capsys):
    rows = ["hfcc-ens", "hfcc-ens, labels as templates"]
    given = [arg for row in rows for arg in ("--row", row)]
    script.main(["--data", str(digits_data), "--fold", "1", *given])
    head, _, *lines = capsys.readouterr().out.splitlines()
    assert head == "| row | folds | validation WER, % | test WER, % |"
    for row, line in zip(rows, lines, strict=True):
        name, folds, validation, test = (cell.strip() for cell in line.strip("|").split("|"))
        assert (name, folds) == (row, "1")
        assert float(validation) <= 20 and float(test) <= 30


@pytest.mark.parametrize("row", ["adacos", "softmax"])
def test_networks_are_trained_and_searched(script, digits_data, tmp_path, row):
    folder = digits_data / "kws" / "fsdd"
    rates = script.run_fold(folder, "fold1", script.ROWS[row], 3, 0, tmp_path)
    # Nothing at all is 100 %.
    assert rates["validation"] < 0.9


@pytest.mark.parametrize(
    ("row", "learnt", "searched", "name"),
    [
        ("adacos", 6, 6, "shots"),
        ("adacos, labels for barycentres", 6, 24, "shots"),
        ("adacos, labels for network", 24, 6, "labels"),
        ("adacos, labels for both", 24, 24, "labels"),
    ],
)
def test_what_labels_are_used_for(
    script, digits_data, tmp_path, monkeypatch, row, learnt, searched, name
):
    """Six shots, and eighteen words of their speaker; cepstra stand for the network's frames."""
    used = {}

    def network_frames(features, words, epochs, seed, checkpoint):
        used["learnt"], used["name"] = len(words), checkpoint.name
        return SimpleNamespace(hop_s=script.ENS_HOP_S)

    def spotter_of(words, *others):
        used["searched"] = len(words)
        return spotter(words, *others)

    spotter = script.spotter_of
    monkeypatch.setattr(script, "network_frames", network_frames)
    monkeypatch.setattr(script, "spotter_of", spotter_of)
    monkeypatch.setattr(script, "embed", lambda _, samples: script.cepstra(samples))
    folder = digits_data / "kws" / "fsdd"
    rates = script.run_fold(folder, "fold1", script.ROWS[row], 3, 0, tmp_path)
    assert rates["test"] < 0.5
    file = f"fold1-adacos-{name}-3-0.pt"
    assert used == {"learnt": learnt, "searched": searched, "name": file}


@pytest.mark.parametrize("features", ["adacos", "softmax"])
def test_networks_that_are_kept_are_not_trained_again(script, tmp_path, features):
    rng, kept = np.random.default_rng(0), tmp_path / "a.pt"
    words = [(word, rng.standard_normal(4000).astype(np.float32)) for word in ("one", "two")]
    first = script.network_frames(features, words, 1, 0, kept).tensors()
    written = kept.stat().st_mtime_ns
    again = script.network_frames(features, words, 1, 0, kept).tensors()
    assert kept.stat().st_mtime_ns == written
    for name, tensor in first.items():
        np.testing.assert_array_equal(again[name], tensor)
