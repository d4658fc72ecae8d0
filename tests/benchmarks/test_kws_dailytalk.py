"""KWS-DailyTalk's benchmark on a small tree of the same shape."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from fewshot.errors import InputError
from fewshot.events import Event

RATE = 44100
CHIRPS = {"cash": (500, 2500), "credit card": (4000, 800)}
HEADER = "idx,event_label,event_onset,event_offset,file,scene_label"
SENTENCES = {
    "validation": {"0_0_d11": ["cash"], "1_1_d11": ["credit card", "cash"], "2_0_d12": []},
    "test": {"3_0_d13": ["cash", "credit card"], "4_1_d13": [], "5_0_d14": ["credit card"]},
}


def word(rng, keyword):
    """A chirp of half a second, up to a tenth longer or shorter."""
    t = np.arange(int(RATE * 0.5 * rng.uniform(0.9, 1.1))) / RATE
    start, end = CHIRPS[keyword]
    phase = 2 * np.pi * (start * t + (end - start) * t**2 / (2 * t[-1]))
    return np.sin(phase) * np.sin(np.pi * t / t[-1]) * rng.uniform(0.2, 0.5)


def write_sentence(rng, dailytalk, name, keywords):
    """Keywords one second apart in noise; rows of the table without their number."""
    sound, rows, onset = 0.01 * rng.standard_normal(3 * RATE), [], RATE // 2
    dialogue = name.split("_d")[1]
    for keyword in keywords:
        samples = word(rng, keyword)
        sound[onset : onset + len(samples)] += samples
        times = f"{onset / RATE:.2f},{(onset + len(samples)) / RATE:.2f}"
        path = rf".\dailytalk\data\{dialogue}\{name}.wav"
        rows.append(f"{keyword},{times},{path},{dialogue}")
        onset += RATE
    path = dailytalk / "data" / dialogue / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, RATE)
    return rows


def write_table(path, rows):
    lines = [HEADER, *(f"{i},{row}" for i, row in enumerate(rows, 1))]
    path.write_text("".join(f"{line}\r\n" for line in lines), newline="")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Folders of the audio and of the labels."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("data")
    dailytalk, labels = root / "DailyTalk", root / "labels"
    labels.mkdir()
    rows = []
    for i in range(10):
        rows += write_sentence(rng, dailytalk, f"{i}_0_d{i}", [["cash"], ["credit card"]][i % 2])
    write_table(labels / "train_keywords.csv", rows)
    for part, sentences in SENTENCES.items():
        rows = []
        for name, keywords in sentences.items():
            rows += write_sentence(rng, dailytalk, name, keywords)
        write_table(labels / f"{part}_keywords.csv", rows)
        lines = [
            rf".\dailytalk_kws_ref\{part}\{name}.txt,.\dailytalk_kws_res\{part}\{name}.txt"
            for name in sentences
        ]
        (labels / f"{part}_sentences.csv").write_text("\n".join(lines) + "\n")
    return dailytalk, labels


def arguments(dailytalk, labels):
    return ["--dailytalk", str(dailytalk), "--kws-dailytalk", str(labels)]


def test_names_of_windows_become_those_of_dailytalk(script):
    for name in (
        r".\dailytalk\data\1002\12_1_d1002.wav",
        "./dailytalk/data/1002/12_1_d1002.wav",
        r"C:\Audio\KWS\dailytalk_kws_ref\train\12_1_d1002.txt",
    ):
        assert script.recording_of(name, "a.csv:1") == "data/1002/12_1_d1002.wav"


def test_sentences_without_keywords_are_recordings_too(script, tree):
    clips, parts = script.load(*tree)
    assert len(clips) == 10
    assert {clip.label for clip in clips} == set(CHIRPS)
    assert all(clip.path.is_file() for clip in clips)
    assert list(parts["validation"].durations) == [
        "data/11/0_0_d11.wav",
        "data/11/1_1_d11.wav",
        "data/12/2_0_d12.wav",
    ]
    assert set(parts["test"].durations.values()) == {3.0}
    assert len(parts["test"].truth) == 3
    first = parts["test"].truth[0]
    assert (first.filename, first.onset_s, first.label) == ("data/13/3_0_d13.wav", 0.5, "cash")


def test_keywords_are_found_with_both_kinds_of_threshold(script, tree, capsys):
    rows = ["--row", "mfcc", "--row", "hfcc shots", "--row", "mfcc msdtw"]
    assert script.main(arguments(*tree) + rows) == 0
    out, err = capsys.readouterr()
    head, rule, *lines = [line.strip("| ").split(" | ") for line in out.splitlines()]
    assert head == ["row", "threshold"] + [
        f"{p} {k}" for p in ("validation", "test") for k in "FPR"
    ]
    assert len(rule[0].split("|")) == 8
    assert [line[:2] for line in lines] == [
        [row, kind]
        for row in ("mfcc", "hfcc shots", "mfcc msdtw")
        for kind in ("global", "individual")
    ]
    assert {cell for line in lines for cell in line[2:]} == {"100.00"}
    assert err == ""


def test_figures_worked_by_hand(script, tree, monkeypatch):
    """Keywords that one threshold cannot serve, and one that is never heard in validation."""
    parts = script.load(*tree)[1]
    levels = {"cash": -10.0, "credit card": 0.0}

    def found(system, part):
        right = [replace(event, score=levels[event.label] + 1) for event in part.truth]
        wrong = [
            replace(event, onset_s=2.5, offset_s=2.9, score=levels[event.label])
            for event in part.truth
        ]
        stray = Event(part.truth[0].filename, 0.1, 0.4, "visa", 50.0)
        return right + wrong + [stray] * (part is parts["test"])

    rows = importlib.import_module("kws_rows")
    monkeypatch.setattr(script, "search", lambda *given: rows.Candidates(found(*given)))
    system = rows.TemplateSystem([*levels, "visa"], None, None, threshold=0.5)
    result = script.measured(system, parts)
    assert list(result) == ["global", "individual", "own"]
    perfect = {"f": 1.0, "p": 1.0, "r": 1.0}
    assert result["individual"] == {"validation": perfect, "test": perfect}
    # All three right ones come with the louder wrong ones: one in validation, two and "visa" here.
    assert result["global"]["validation"] == pytest.approx({"f": 6 / 7, "p": 3 / 4, "r": 1.0})
    assert result["global"]["test"] == pytest.approx({"f": 6 / 9, "p": 3 / 6, "r": 1.0})
    assert result["own"]["test"] == pytest.approx({"f": 2 / 3, "p": 2 / 3, "r": 2 / 3})


@pytest.mark.parametrize("kind", ["labels", "audio", "one recording"])
def test_missing_files_are_one_line_that_says_what_to_download(
    script, tree, tmp_path, capsys, kind
):
    dailytalk, labels = tree
    if kind == "one recording":
        (tmp_path / "data").mkdir()
        for path in (dailytalk / "data").iterdir():
            if path.name != "14":
                (tmp_path / "data" / path.name).symlink_to(path)
    given = {"labels": (dailytalk, tmp_path)}.get(kind, (tmp_path, labels))
    assert script.main(arguments(*given)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith(f"kws_dailytalk: {tmp_path}")
    expected = {
        "labels": ("train_keywords.csv and 4 of 4 others: missing", script.LABELS_PAGE),
        "audio": ("0_0_d0.wav and 15 of 15 others: missing", script.AUDIO_PAGE),
        "one recording": ("5_0_d14.wav: missing", script.AUDIO_PAGE),
    }
    assert all(text in err for text in expected[kind])


def test_a_sentence_with_a_strange_name_is_named(script, tmp_path):
    path = tmp_path / "test_sentences.csv"
    path.write_text(".\\ref\\test\\0_0_d1.txt,.\\res\\test\\0_0_d1.txt\nhello.txt,hello.txt\n")
    with pytest.raises(InputError, match=r"test_sentences.csv:2: 'hello.txt' is not named like"):
        script.sentences_in(path)
