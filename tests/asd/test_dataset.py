import csv

import numpy as np
import pytest
import soundfile as sf

from asd.dataset import classes_of, clip_of_file, read_dataset, table_of
from asd.inventory import EXPECTED, holdings, lacking
from fewshot.errors import InputError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def facts(clip):
    return clip.machine, clip.section, clip.domain, clip.split, clip.condition


def told(dataset):
    return {clip.path.name: facts(clip) for clip in dataset.clips}


LAYOUTS = {
    2020: {
        "fan/train/normal_id_00_00000000.wav": ("fan", "00", None, "train", "normal"),
        "fan/test/normal_id_00_00000000.wav": ("fan", "00", None, "test", "normal"),
        "fan/test/anomaly_id_00_00000000.wav": ("fan", "00", None, "test", "anomaly"),
        "eval_data/fan/test/id_01_00000000.wav": ("fan", "01", None, "test", None),
    },
    2021: {
        "ToyCar/train/section_00_target_train_normal_0000_A_1.wav": (
            *("ToyCar", "00", "target", "train", "normal"),
        ),
        "ToyCar/source_test/section_00_source_test_anomaly_0000.wav": (
            *("ToyCar", "00", "source", "test", "anomaly"),
        ),
        "ToyCar/target_test/section_03_target_test_0000.wav": (
            *("ToyCar", "03", "target", "test", None),
        ),
    },
    2022: {
        "dev_data/bearing/train/section_00_source_train_normal_0000_vel_6.wav": (
            *("bearing", "00", "source", "train", "normal"),
        ),
        "dev_data/bearing/test/section_00_target_test_anomaly_0003_vel_1.5.wav": (
            *("bearing", "00", "target", "test", "anomaly"),
        ),
        "eval_data/bearing/test/section_03_0000.wav": ("bearing", "03", None, "test", None),
    },
    2024: {
        "raw/RoboticArm/train/section_00_source_train_normal_0007_weight100BckgA.wav": (
            *("RoboticArm", "00", "source", "train", "normal"),
        ),
        "raw/RoboticArm/test/section_00_target_normal_0091_weight35_BckgE.wav": (
            *("RoboticArm", "00", "target", "test", "normal"),
        ),
        "raw/ToothBrush/train/section_00_target_train_normal_0000_noAttribute.wav": (
            *("ToothBrush", "00", "target", "train", "normal"),
        ),
    },
    2025: {
        "ToyPet/supplemental/section_00_machine_0001_.wav": (
            *("ToyPet", "00", None, "supplemental", None),
        ),
        "ToyPet/test/section_00_test_0000.wav": ("ToyPet", "00", None, "test", None),
    },
}


@pytest.mark.parametrize("year", LAYOUTS)
def test_the_layouts_of_the_challenge(tmp_path, year):
    folder = touch(tmp_path / "with_under_scores_section_99_x", *LAYOUTS[year])
    dataset = read_dataset(folder)
    assert (dataset.layout, dataset.problems) == ("challenge", [])
    found = {clip.path.relative_to(folder).as_posix(): facts(clip) for clip in dataset.clips}
    assert found == LAYOUTS[year]


def test_a_machine_or_its_training_clips_alone(tmp_path):
    folder = touch(tmp_path, "fan/train/section_00_source_train_normal_0000_m-n_W.wav") / "fan"
    for path in (folder, folder / "train"):
        (clip,) = read_dataset(path).clips
        assert (clip.machine, clip.number, clip.attributes) == ("fan", 0, (("m-n", "W"),))


def test_free_names_in_folders_for_training_and_tests(tmp_path):
    folder = touch(tmp_path, "pump/train/monday.wav", "pump/test/today.flac")
    assert told(read_dataset(folder)) == {
        "monday.wav": ("pump", "00", "source", "train", "normal"),
        "today.flac": ("pump", "00", "source", "test", None),
    }


def test_any_folder_is_a_machine(tmp_path):
    folder = touch(tmp_path / "my pump", "a.wav", "tuesday/b.wav")
    dataset = read_dataset(folder)
    assert dataset.layout == "folder"
    expected = ("my pump", "00", "source", "train", "normal")
    assert told(dataset) == {"a.wav": expected, "b.wav": expected}


def test_files_that_do_not_fit_are_named_and_left_out(tmp_path):
    good = "fan/train/section_00_source_train_normal_0000.wav"
    bad = {
        "fan/train/other.wav": "not a name of the challenge",
        "fan/train/section_00_source_test_normal_0000.wav": "split test in the folder train",
        "fan/train/section_00_source_anomaly_0000.wav": "anomalous, but among the training clips",
        "fan/target_test/section_00_source_test_0000.wav": "domain source in the folder",
        "fan/section_00_normal_0000.wav": "for training or a test?",
        "copy/fan/train/section_00_source_train_normal_0000.flac": "the same clip as",
    }
    touch(tmp_path, good, *bad)
    dataset = read_dataset(tmp_path)
    assert len(dataset.clips) == 1 and len(dataset.problems) == len(bad)
    for name, message in bad.items():
        assert any(message in problem for problem in dataset.problems), name


def test_renamed_clips_stand_for_the_others(tmp_path):
    touch(tmp_path, "fan/test/section_00_0000.wav", "pump/test/section_00_0000.wav")
    touch(tmp_path, "fan/test_rename/section_00_source_test_normal_0000_m-n_W.wav")
    found = [(clip.machine, clip.condition) for clip in read_dataset(tmp_path).clips]
    assert sorted(found, key=str) == [("fan", "normal"), ("pump", None)]


def test_a_table_and_back(tmp_path):
    touch(tmp_path / "sounds", "a.wav", "b.wav", "c.wav")
    table = tmp_path / "clips.csv"
    table.write_text(
        "filename;machine;section;domain;split;condition;attributes\n"
        'sounds\\a.wav;pump;;;;;"load=high; spd=3"\n'
        "sounds/b.wav;pump;01;target;test;anomaly;spd_3\n"
        "sounds/c.wav;pump;;;test;;\n"
    )
    dataset = read_dataset(table)
    assert told(dataset) == {
        "a.wav": ("pump", "00", "source", "train", "normal"),
        "b.wav": ("pump", "01", "target", "test", "anomaly"),
        "c.wav": ("pump", "00", None, "test", None),
    }
    assert [clip.attributes for clip in dataset.clips[:2]] == [
        (("load", "high"), ("spd", "3")),
        (("spd", "3"),),
    ]
    again = tmp_path / "again.csv"
    with open(again, "w", newline="") as file:
        csv.writer(file).writerows(table_of(dataset.clips, tmp_path))
    assert told(read_dataset(again)) == told(dataset)
    assert "sounds/a.wav,pump,00,source,train,normal,load=high spd=3" in again.read_text()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.wav,,,", "csv:2: machine is empty"),
        ("a.wav,fan,middle,", "csv:2: domain is 'middle', not source or target"),
        ("a.wav,fan,,load=1 high", "csv:2: the attribute 'high' is not key=value"),
        ("b.wav,fan,,", "none of its 1 files is there, such as b.wav"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, row, message):
    touch(tmp_path, "a.wav")
    (tmp_path / "clips.csv").write_text(f"filename,machine,domain,attributes\n{row}\n")
    with pytest.raises(InputError, match=message):
        read_dataset(tmp_path / "clips.csv")


def test_an_anomalous_training_clip_in_a_table(tmp_path):
    touch(tmp_path, "a.wav")
    (tmp_path / "clips.csv").write_text("filename,machine,condition\na.wav,fan,anomaly\n")
    with pytest.raises(InputError, match="its split must be test"):
        read_dataset(tmp_path / "clips.csv")


def test_rows_of_a_table_without_a_file_or_twice(tmp_path):
    touch(tmp_path, "a.wav")
    (tmp_path / "clips.csv").write_text("filename,machine\na.wav,fan\nb.wav,fan\na.wav,fan\n")
    dataset = read_dataset(tmp_path / "clips.csv")
    assert len(dataset.clips) == 1
    assert dataset.problems[0].endswith("b.wav: no such file")
    assert "csv:4" in dataset.problems[1] and "listed twice, see" in dataset.problems[1]


def test_nothing_usable(tmp_path):
    with pytest.raises(InputError, match="no sound files in this folder"):
        read_dataset(tmp_path)
    with pytest.raises(InputError, match="no such file or folder"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no usable clip in it: .* for training or a test"):
        read_dataset(touch(tmp_path, "fan/section_00_normal_0000.wav"))
    with pytest.raises(InputError, match="--root belongs to a CSV"):
        read_dataset(tmp_path, root=tmp_path)
    with pytest.raises(InputError, match=r"a.wav: is a sound file; give the folder that it is in"):
        read_dataset(touch(tmp_path, "a.wav") / "a.wav")


def test_classes_tell_attributes_and_domains_apart(tmp_path):
    names = [
        "fan/train/section_00_source_train_normal_0000_m-n_W.wav",
        "fan/train/section_00_target_train_normal_0000_m-n_W.wav",
        "fan/train/section_00_source_train_normal_0001_m-n_X.wav",
        "fan/train/section_00_source_train_normal_0002_m-n_X.wav",
        "fan/train/section_00_target_train_normal_0003_noAttribute.wav",
    ]
    clips = read_dataset(touch(tmp_path, *names)).clips
    assert len(set(classes_of(clips))) == 4
    assert "fan 00 target" in classes_of(clips)


def test_what_is_there_and_what_lacks(tmp_path):
    touch(
        tmp_path,
        "fan/train/section_00_source_train_normal_0000_m-n_W.wav",
        "fan/train/section_00_target_train_normal_0000_m-n_X.wav",
        "fan/test/section_00_source_test_normal_0000.wav",
        "pump/train/section_00_source_train_normal_0000.wav",
        "pump/test/section_00_0000.wav",
        "slider/supplemental/section_00_machine_0000.wav",
    )
    held = holdings(read_dataset(tmp_path).clips)
    assert [(h.machine, h.train.total(), h.n_classes, h.supplemental) for h in held] == [
        ("fan", 2, 2, 0),
        ("pump", 1, 1, 0),
        ("slider", 0, 0, 1),
    ]
    assert lacking(held) == [
        "fan 00: anomalous test clips",
        "pump 00: training clips of the target domain",
        "pump 00: the conditions of 1 test clips (ground truth)",
        "slider 00: training clips",
        "slider 00: test clips",
    ]
    of_2023 = lacking(held, 2023)[5:]
    assert of_2023[0] == "ToyCar 00: in 2023's development set"
    assert len(of_2023) == 6 and of_2023[-1] == "the evaluation set of 2023: nothing of it"


def test_the_years_sections():
    counts = {
        year: tuple(sum(map(len, part.values())) for part in parts)
        for year, parts in EXPECTED.items()
    }
    assert counts == {
        2020: (23, 18),
        2021: (21, 21),
        2022: (21, 21),
        2023: (7, 7),
        2024: (7, 9),
        2025: (7, 8),
    }


def test_domains_are_not_missed_where_there_are_none(tmp_path):
    folder = tmp_path / "pump"
    folder.mkdir()
    sf.write(folder / "a.wav", np.zeros(100), 16000)
    assert lacking(holdings(read_dataset(folder).clips)) == ["pump 00: test clips"]


@pytest.mark.parametrize(
    ("file", "machine", "section", "domain", "split", "condition"),
    [
        (
            "fan/test/section_01_target_test_anomaly_03.wav",
            "fan",
            "01",
            "target",
            "test",
            "anomaly",
        ),
        ("fan/test/normal_id_02_00000001.wav", "fan", "02", None, "test", "normal"),
        ("fan/test/monday.wav", "fan", "00", "source", "test", None),
        ("fan/section_01_source_test_normal_0003.wav", "fan", "01", "source", "test", "normal"),
        ("pump/section_02_0003.wav", "pump", "02", "source", "train", "normal"),
        ("pump/monday.wav", "pump", "00", "source", "train", "normal"),
    ],
)
def test_a_single_file_is_what_its_name_and_folders_say(
    tmp_path, file, machine, section, domain, split, condition
):
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.touch()
    clip = clip_of_file(path)
    assert (clip.path, clip.machine, clip.section) == (path, machine, section)
    assert (clip.domain, clip.split, clip.condition) == (domain, split, condition)


def test_a_single_file_that_is_not_there_or_contradicts_itself(tmp_path):
    with pytest.raises(InputError, match=r"none\.wav: no such file"):
        clip_of_file(tmp_path / "none.wav")
    path = tmp_path / "fan" / "train" / "section_00_source_test_normal_0000.wav"
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(InputError, match="split test in the folder train; move it"):
        clip_of_file(path)
