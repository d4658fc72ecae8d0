import numpy as np
import pytest
import soundfile as sf
from tones import RATE, clip, write_clips

from fewshot.errors import InputError
from osc.data import (
    clips_from_csv,
    clips_from_folder,
    groups_of,
    read_clips,
    read_condition,
    unknown_clips,
    usable,
)


def named(clips):
    return [(clip.path.name, clip.label, clip.group) for clip in clips]


def test_a_folder_per_class_with_known_unknowns(tmp_path):
    write_clips(tmp_path, ("low", "noise"), range(2))
    sf.write(tmp_path / "unknown" / "hum.wav", clip("low", 9), RATE)
    (tmp_path / ".hidden").mkdir()
    expected = [("0.wav", "low", None), ("1.wav", "low", None), ("hum.wav", "unknown", None)]
    expected += [("0.wav", "unknown", "noise"), ("1.wav", "unknown", "noise")]
    assert sorted(map(str, named(clips_from_folder(tmp_path)))) == sorted(map(str, expected))
    clips = read_clips(tmp_path / "low" / "..", unknown=tmp_path / "unknown")
    assert [clip.label for clip in clips].count("unknown") == 6
    groups = groups_of(unknown_clips(tmp_path / "unknown"))
    assert sorted(groups) == sorted(["noise", "noise", str(tmp_path / "unknown" / "hum.wav")])


def test_a_table(tmp_path):
    write_clips(tmp_path / "audio", ("low", "noise"), range(1))
    table = tmp_path / "train.csv"
    table.write_text("filename;label;group\nlow/0.wav;low;x\nunknown\\noise\\0.wav;unknown;hiss\n")
    clips = clips_from_csv(table, tmp_path / "audio")
    assert named(clips) == [("0.wav", "low", None), ("0.wav", "unknown", "hiss")]
    assert clips[1].where == f"{table}:3" and clips[1].path.is_file()
    table.write_text("file,target\naudio/low/0.wav,low\n")
    assert clips_from_csv(table)[0].path.is_file()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename,label\n", "no clips in it"),
        ("filename,kind\na.wav,b\n", "no column label"),
        ("filename,label\na.wav,\n", "train.csv:2: the label is empty"),
        ("filename,label\n,a\n", "train.csv:2: the file name is empty"),
        ("filename,label\na.wav,a\n", "none of its 1 files is there"),
    ],
)
def test_unusable_tables(tmp_path, text, message):
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        clips_from_csv(tmp_path / "train.csv")


def test_unusable_folders(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        clips_from_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no sub-folders"):
        clips_from_folder(tmp_path)
    (tmp_path / "low").mkdir()
    with pytest.raises(InputError, match="no sound files"):
        clips_from_folder(tmp_path)
    with pytest.raises(InputError, match="--root belongs to a CSV"):
        read_clips(tmp_path, tmp_path)


def test_sound_is_no_table(tmp_path):
    (tmp_path / "empty.wav").touch()
    sf.write(tmp_path / "tone", clip("low", 3), RATE, format="WAV")
    for name in ("empty.wav", "tone"):
        with pytest.raises(InputError, match=f"{name}: is a sound file; give a folder with"):
            read_clips(tmp_path / name)


def test_clips_that_cannot_be_learnt_from_are_named(tmp_path):
    write_clips(tmp_path, ("low", "high"), range(2))
    sf.write(tmp_path / "low" / "silent.wav", np.zeros(RATE), RATE)
    sf.write(tmp_path / "low" / "short.wav", clip("low", 3)[:900], RATE)
    (tmp_path / "low" / "text.wav").write_text("not audio")
    sf.write(tmp_path / "low" / "z.wav", clip("low", 1), RATE)
    good, problems = usable(clips_from_folder(tmp_path))
    assert [clip.path.name for clip in good] == ["0.wav", "1.wav"] * 2
    for problem, words in zip(
        problems, ("shorter than 0.1 s", "silent", "not audio", "the same sound"), strict=True
    ):
        assert words in problem and str(tmp_path / "low") in problem
    for path in (tmp_path / "high").iterdir():
        sf.write(path, np.zeros(RATE), RATE)
    with pytest.raises(InputError, match=r"no usable clip of class 'high' is left: .*silent"):
        usable(clips_from_folder(tmp_path))


def write_condition(folder, rows):
    (folder / "meta").mkdir(exist_ok=True)
    text = "filename,target,fold\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows)
    (folder / "meta" / "1shot_opennessmiddle.csv").write_text(text)


ROWS = [
    ("pattern_sounds/pattern_01/a.wav", "pattern_01", 1),
    ("pattern_sounds/pattern_01/b.wav", "pattern_01", 2),
    ("unwanted_sounds/cough/a.wav", "unknown", 1),
    ("unwanted_sounds/cough/b.wav", "unknown", 2),
    ("unwanted_sounds/music/a.wav", "unknown", 3),
    ("unwanted_sounds/music/b.wav", "unknown", 41),
]


def test_the_layout_of_the_domestic_alarms(tmp_path):
    for name, _, _ in ROWS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    write_condition(tmp_path, ROWS)
    condition = read_condition(tmp_path, 1, "middle")
    assert condition.n_folds == 2, "higher folds are tested only"
    train, test = condition.split(2)
    assert [(clip.label, clip.group) for clip in train] == [
        ("pattern_01", None),
        ("unknown", "cough"),
    ]
    assert len(test) == 4 and [clip.group for clip in test[-2:]] == ["music", "music"]
    for fold in ("0", "1.5", "x", ""):
        write_condition(tmp_path, [(*ROWS[0][:2], fold)])
        with pytest.raises(InputError, match=r"openness.*csv:2: fold is"):
            read_condition(tmp_path, 1, "middle")
    write_condition(tmp_path, ROWS[2:])
    with pytest.raises(InputError, match="there is no class to know"):
        read_condition(tmp_path, 1, "middle")
    with pytest.raises(InputError, match="4shot_opennesslow"):
        read_condition(tmp_path, 4, "low")
