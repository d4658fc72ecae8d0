"""The benchmark of digit sequences on a small tree of tones."""

import numpy as np
import pytest
import soundfile

RATE = 16000
PITCHES = {"one": (400, 900), "two": (3000, 1500), "six": (700, 3500)}
HEADER = "idx,event_label,event_onset,event_offset,file,scene_label"


def chirp(rng, word):
    t = np.arange(int(RATE * rng.uniform(0.35, 0.45))) / RATE
    start, end = PITCHES[word]
    phase = 2 * np.pi * (start * t + (end - start) * t**2 / (2 * t[-1]))
    return 0.3 * np.sin(phase) * np.sin(np.pi * t / t[-1])


def write(folder, name, words, rng):
    """A recording of words, one per second; rows of its table."""
    sound, rows = 1e-4 * rng.standard_normal(RATE * len(words)), []
    for i, word in enumerate(words):
        samples = chirp(rng, word)
        first = i * RATE + 3000
        sound[first : first + len(samples)] += samples
        times = f"{first / RATE},{(first + len(samples)) / RATE}"
        rows.append(f"{word},{times},audio/{name}.flac,{name}")
    soundfile.write(folder / "audio" / f"{name}.flac", sound, RATE)
    return rows


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    folder, rng = root / "kws" / "fsdd", np.random.default_rng(0)
    (folder / "fold1").mkdir(parents=True)
    (folder / "audio").mkdir()
    said = {"train": ["ada_0"], "validation": ["bob_0"], "test": ["bob_1", "cy_1"]}
    for part, names in said.items():
        words = list(PITCHES) * (2 if part == "train" else 3)
        rows = [row for name in names for row in write(folder, name, words, rng)]
        table = "".join(f"{line}\n" for line in [HEADER, *(f"{i},{r}" for i, r in enumerate(rows))])
        (folder / "fold1" / f"{part}_keywords.csv").write_text(table)
    return root


def test_each_word_is_said_once_by_its_speaker(script, data):
    folder = data / "kws" / "fsdd"
    heard = script.utterances(folder, "fold1", "test", 0)
    # Nine words of each of two speakers: too few for two sequences.
    assert [len(u.words) for u in heard] == [9, 9]
    assert all(sorted(u.words) == sorted(list(PITCHES) * 3) for u in heard)
    for u in heard:
        seconds = len(u.samples) / RATE
        assert 9 * 0.35 + 10 * 0.1 < seconds < 9 * 0.45 + 10 * 0.3
        assert np.abs(u.samples).max() == 1.0
    again = script.utterances(folder, "fold1", "test", 0)
    np.testing.assert_array_equal(heard[0].samples, again[0].samples)
    others = script.utterances(folder, "fold1", "test", 1)
    assert [u.words for u in others] != [u.words for u in heard]


@pytest.mark.parametrize("count", [5, 8, 9, 10, 23])
def test_sequences_are_of_five_words_at_least(script, count):
    words = [(str(i), np.ones(100, np.float32)) for i in range(count)]
    found = list(script._sequences(words, np.random.default_rng(count)))
    assert sorted((w for u in found for w in u.words), key=int) == [str(i) for i in range(count)]
    assert all(5 <= len(u.words) <= 11 for u in found)


def test_decisions_are_chosen_by_their_word_errors(script):
    """The only keyword peaks twice: once lower, where nothing is said."""
    template = np.eye(4, dtype=np.float32)
    spotter = script.Spotter({"one": [template]}, None, 0.02)
    scores = np.full((1, 200), -1.0)
    scores[0, 50:56], scores[0, 120:126] = -0.1, -0.65
    decision = script.best_decision(spotter, [["one"]], [scores])
    assert script.error_rate(spotter, decision, [["one"]], [scores]) == 0.0
    assert script.error_rate(spotter, decision, [["one", "one"]], [scores]) == 0.5


def test_words_are_read_from_cepstra(script, data, capsys):
    script.main(["--data", str(data), "--row", "hfcc-ens"])
    head, _, line = capsys.readouterr().out.splitlines()
    assert head == "| row | folds | validation WER, % | test WER, % |"
    row, folds, validation, test = (cell.strip() for cell in line.strip("|").split("|"))
    assert (row, folds) == ("hfcc-ens", "1")
    assert float(validation) <= 20 and float(test) <= 30


@pytest.mark.parametrize("row", ["adacos", "softmax"])
def test_networks_are_trained_and_searched(script, data, row):
    folder = data / "kws" / "fsdd"
    rates = script.run_fold(folder, "fold1", row, epochs=3, seed=0)
    # Nothing at all is 100 %.
    assert rates["validation"] < 0.9
