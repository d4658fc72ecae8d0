import re
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from fewshot.errors import InputError
from kws.clips import (
    Clip,
    EnrolledClip,
    clips_from_csv,
    clips_from_folder,
    clips_of_keyword,
    load_clips,
    trimmed,
)

HEADER = "idx,event_label,event_onset,event_offset,file,scene_label\n"


def write(path: Path, samples: np.ndarray, rate: int = 16000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, samples, rate, subtype="FLOAT")
    return path


def noise(seconds: float = 0.5, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(16000 * seconds))


def write_table(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "".join(f"{row}\n" for row in rows))
    return path


def test_a_folder_has_one_sub_folder_per_keyword(tmp_path):
    for name in ("lamp/2.wav", "lamp/1.flac", "credit card/1.WAV", "lamp/deep/3.wav"):
        write_any = tmp_path / name
        write_any.parent.mkdir(parents=True, exist_ok=True)
        write_any.touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "lamp" / "notes.txt").touch()
    (tmp_path / "other.wav").touch()
    found = [(clip.label, clip.path.name) for clip in clips_from_folder(tmp_path)]
    assert found == [
        ("credit card", "1.WAV"),
        ("lamp", "1.flac"),
        ("lamp", "2.wav"),
        ("lamp", "3.wav"),
    ]


def test_folders_without_clips(tmp_path):
    with pytest.raises(InputError, match="no sub-folders"):
        clips_from_folder(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        clips_from_folder(tmp_path / "nowhere")
    (tmp_path / "lamp").mkdir()
    with pytest.raises(InputError, match="lamp: no sound files"):
        clips_from_folder(tmp_path)


def test_clips_of_a_keyword_are_files_or_folders_of_them(tmp_path):
    (tmp_path / "1.wav").touch()
    clips = clips_of_keyword(" lamp ", [tmp_path, tmp_path / "nowhere.wav"])
    assert [(clip.label, clip.path.name) for clip in clips] == [
        ("lamp", "1.wav"),
        ("lamp", "nowhere.wav"),
    ]
    with pytest.raises(InputError, match="name is empty"):
        clips_of_keyword(" ", [tmp_path])


@pytest.mark.parametrize("at", [".", ".."])
def test_files_of_a_table_lie_beside_it_or_one_above(tmp_path, at):
    table = write_table(
        tmp_path / "fold1" / "train.csv", r"1,lamp,0.1,0.4,.\audio\x\a.wav,s1", "2,door,0,.2,b.wav,"
    )
    write(table.parent / at / "audio/x/a.wav", noise())
    first, second = clips_from_csv(table)
    assert (first.label, first.onset_s, first.offset_s) == ("lamp", 0.1, 0.4)
    assert first.path.samefile(table.parent / at / "audio/x/a.wav")
    assert (first.name, second.name) == (f"{table}:2", f"{table}:3")


def test_the_root_of_a_table_can_be_given(tmp_path):
    table = write_table(tmp_path / "train.csv", "1,lamp,0.1,0.4,a.wav,s1")
    write(tmp_path / "elsewhere" / "a.wav", noise())
    with pytest.raises(InputError, match=r"none of its 1 files is there, such as a.wav.*--root"):
        clips_from_csv(table)
    assert clips_from_csv(table, tmp_path / "elsewhere")[0].path.is_file()
    with pytest.raises(InputError, match=f"looked in {tmp_path}"):
        clips_from_csv(table, tmp_path)


def test_our_own_event_tables_list_clips_too(tmp_path):
    write(tmp_path / "a.wav", noise())
    table = write_table(
        tmp_path / "events.csv",
        "a.wav,0.1,0.4,lamp,-0.2",
        header="filename,event_onset,event_offset,event_label,score\n",
    )
    assert clips_from_csv(table)[0].label == "lamp"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "train.csv: no clips in it"),
        (["1,lamp,0.1,0.4,a.wav,s", "2,,0.1,0.4,a.wav,s"], "train.csv:3: event_label is empty"),
        (["1,lamp,0.1,0.4,,s"], "train.csv:2: file is empty"),
        (["1,lamp,early,0.4,a.wav,s"], "train.csv:2: event_onset is 'early'"),
        (["1,lamp,0.1,nan,a.wav,s"], "train.csv:2: event_offset is 'nan'"),
    ],
)
def test_bad_tables(tmp_path, rows, message):
    write(tmp_path / "a.wav", noise())
    with pytest.raises(InputError, match=message):
        clips_from_csv(write_table(tmp_path / "train.csv", *rows))


def test_a_table_without_a_column(tmp_path):
    table = write_table(tmp_path / "train.csv", header="event_label,event_onset,file\n")
    with pytest.raises(InputError, match=r"train.csv: no column event_offset"):
        clips_from_csv(table)


def test_loaded_clips_have_the_sound_around_them(tmp_path):
    path = write(tmp_path / "a.wav", noise(2.0))
    clips = [Clip("lamp", path, 0.1, 0.6), Clip("lamp", path, 1.0, 1.5), Clip("lamp", path)]
    loaded, problems = load_clips(clips, context_s=0.25)
    assert not problems
    assert [(item.before, item.after) for item in loaded] == [(1600, 4000), (4000, 4000), (0, 0)]
    assert [item.duration_s for item in loaded] == [0.5, 0.5, 2.0]
    assert [len(item.samples) for item in loaded] == [13600, 16000, 32000]
    assert len({item.sha256 for item in loaded}) == 3


def test_trimmed_clips_have_the_sound_around_the_word(tmp_path):
    word = noise(0.5)
    path = write(tmp_path / "a.wav", np.concatenate([np.zeros(16000), word, np.zeros(3200)]))
    exact = write(tmp_path / "b.wav", noise(0.5, seed=2))
    clips = [Clip("lamp", path), Clip("lamp", path, 0.25, 1.7), Clip("lamp", exact)]
    (whole, given, _), _ = load_clips(clips, context_s=0.1)
    (item, same, cut), problems = load_clips(clips, context_s=0.1, trim=True)
    assert not problems and item.given_s == 1.7
    assert item.clip.onset_s == pytest.approx(0.95, abs=0.02)
    # Less than 0.25 s behind the word: it stays with it, and nothing is left to surround it.
    assert (item.clip.offset_s, item.after, item.before) == (1.7, 0, 1600)
    first = round(item.clip.onset_s * 16000) - 1600
    np.testing.assert_array_equal(item.samples, whole.samples[first:])
    assert item.sha256 == whole.sha256, "the same file counts once, trimmed or not"
    enrolled = EnrolledClip.of(item)
    assert enrolled.onset_s == item.clip.onset_s and enrolled.offset_s == pytest.approx(1.7)
    for untouched, (onset_s, offset_s) in ((same, (0.25, 1.7)), (cut, (None, None))):
        assert untouched.given_s is None
        assert (untouched.clip.onset_s, untouched.clip.offset_s) == (onset_s, offset_s)
    part = trimmed(given, 0.1)
    assert part.clip.onset_s == pytest.approx(item.clip.onset_s, abs=0.01)
    assert part.duration_s == pytest.approx(item.duration_s, abs=0.01)


def bad_clips(folder: Path) -> dict[str, Clip]:
    """Clips that cannot be used, by what the message must say."""
    one = write(folder / "one.wav", noise(2.0, seed=9))
    bent = noise()
    bent[100] = np.nan
    (folder / "text.wav").write_text("not audio")
    (folder / "zero.wav").touch()
    return {
        "nowhere.wav: no such file": Clip("lamp", folder / "nowhere.wav"),
        "text.wav: not ": Clip("lamp", folder / "text.wav"),
        "zero.wav: .*empty": Clip("lamp", folder / "zero.wav"),
        "NaN": Clip("lamp", write(folder / "nan.wav", bent)),
        "silent": Clip("lamp", write(folder / "silent.wav", np.zeros(8000))),
        "point.wav: 0.000 s is shorter than 0.1 s": Clip(
            "lamp", write(folder / "point.wav", np.ones(1))
        ),
        "train.csv:7: .*one.wav: .*-1.0": Clip("lamp", one, -1.0, 0.5, "train.csv:7"),
        "one.wav: .*99.0": Clip("lamp", one, 0.0, 99.0),
        "one.wav: .*0.5 s, offset 0.5": Clip("lamp", one, 0.5, 0.5),
    }


def test_bad_clips_are_named_and_left_out(tmp_path):
    bad = bad_clips(tmp_path)
    good = Clip("lamp", write(tmp_path / "good.wav", noise(seed=1)))
    loaded, problems = load_clips([*bad.values(), good])
    assert [item.clip for item in loaded] == [good]
    assert len(problems) == len(bad)
    for message, problem in zip(bad, problems, strict=True):
        assert "\n" not in problem
        assert re.search(message, problem), problem


def test_the_same_sound_counts_once_per_keyword(tmp_path):
    first, copy = (write(tmp_path / name, noise()) for name in ("a.wav", "b.wav"))
    clips = [Clip("lamp", first), Clip("lamp", copy), Clip("lamp", first), Clip("door", copy)]
    loaded, problems = load_clips(clips)
    assert [item.clip for item in loaded] == [clips[0], clips[3]]
    assert problems == [
        f"{path}: the same sound as {first}; record another" for path in (copy, first)
    ]


def test_a_keyword_that_loses_all_clips_is_refused(tmp_path):
    good = Clip("door", write(tmp_path / "good.wav", noise(seed=1)))
    with pytest.raises(InputError, match=r"'lamp' is left: .*nowhere.wav.* \(and 8 more clips"):
        load_clips([good, *bad_clips(tmp_path).values()])
    with pytest.raises(InputError, match="no clips"):
        load_clips([])
