"""Score files and ground truth, and what is wrong with them."""

import pytest

from asd.evaluation import join, read_scores, read_truth, truth_of_names
from fewshot.errors import InputError


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def names(clips):
    return [(clip.machine, clip.section, clip.name) for clip in clips]


def test_a_folder_of_the_challenge(tmp_path):
    write(
        tmp_path,
        {
            "anomaly_score_DCASE2023T2fan_section_00_test_seed1_id(0_)_Eval.csv": (
                "section_00_0000.wav,1.5\r\n\r\nsection_00_0001.wav,-2e-3"
            ),
            "decision_result_DCASE2023T2fan_section_00_test_seed1_id(0_)_Eval.csv": (
                "section_00_0001.wav,0\nsection_00_0000.wav,1\n"
            ),
            "result_DCASE2023T2fan_test_roc.csv": "section,AUC\n00,0.5\n",
        },
    )
    clips = read_scores(tmp_path)
    assert names(clips) == [("fan", "00", "section_00_0000"), ("fan", "00", "section_00_0001")]
    assert [(clip.score, clip.decision) for clip in clips] == [(1.5, True), (-0.002, False)]


def test_files_of_2020_and_of_2021(tmp_path):
    write(
        tmp_path,
        {
            "anomaly_score_ToyCar_id_01.csv": "id_01_00000000.wav,1\n",
            "anomaly_score_fan_section_00_source_test.csv": "section_00_source_test_0000.wav,1\n",
            "anomaly_score_fan_section_00_target_test.csv": "section_00_target_test_0000.wav,2\n",
        },
    )
    assert names(read_scores(tmp_path)) == [
        ("ToyCar", "01", "id_01_00000000"),
        ("fan", "00", "section_00_source_test_0000"),
        ("fan", "00", "section_00_target_test_0000"),
    ]


def test_a_table(tmp_path):
    table = tmp_path / "scores.csv"
    table.write_text(
        "filename,machine,section,score,threshold,decision\n"
        "fan/test/a.flac,fan,00,0.5,0.4,anomaly\nb.wav,fan,00,0.3,0.4,normal\n"
    )
    clips = read_scores(table)
    assert [(clip.name, clip.score, clip.decision) for clip in clips] == [
        ("a", 0.5, True),
        ("b", 0.3, False),
    ]
    assert clips[1].where == f"{table}:3"


SCORE = "anomaly_score_fan_section_00.csv"
DECISION = "decision_result_fan_section_00.csv"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"no file anomaly_score_<machine>_section_<nn>\*\.csv in it"),
        ({SCORE: "a.wav,1\na.wav,2\n"}, r"00\.csv:2: a is there twice, see .*00\.csv:1"),
        ({SCORE: "a.wav,1\n", "anomaly_score_fan_section_00_x.csv": "a.wav,1"}, "there twice"),
        ({SCORE: "a.wav\n"}, r"00\.csv:1: 1 fields, not 2, separated by commas"),
        ({SCORE: "a.wav,nan\n"}, r"00\.csv:1: the score is 'nan', not a finite number"),
        ({SCORE: "a.wav,x\n"}, r"the score is 'x', not a number"),
        ({SCORE: "a.wav,1\n", DECISION: "a.wav,2\n"}, r"the decision is '2', not 0"),
        ({SCORE: "a.wav,1\n", DECISION: "b.wav,1\n"}, "a decision on b, which has no score"),
        ({SCORE: "a.wav,1\nb.wav,1\n", DECISION: "a.wav,1\n"}, r":2: no decision on it, but on"),
    ],
)
def test_score_files_that_cannot_be_used(tmp_path, files, message):
    with pytest.raises(InputError, match=message):
        read_scores(write(tmp_path, files))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename,machine,section,score\n", "no scores in it"),
        ("filename,machine,score\na,fan,1\n", "no column section"),
        ("filename,machine,section,score\na,,00,1\n", ":2: machine is empty"),
        ("filename,machine,section,score\na,fan,00,\n", ":2: score is '', not a number"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_scores(tmp_path / "scores.csv")


def test_one_file_of_many_is_refused(tmp_path):
    write(tmp_path, {SCORE: "a.wav,1\n"})
    with pytest.raises(InputError, match="one of several files of a system; give the folder"):
        read_scores(tmp_path / SCORE)


TRUTH = "ground_truth_fan_section_00_test.csv"


@pytest.fixture
def evaluator(tmp_path):
    return write(
        tmp_path,
        {
            f"ground_truth_data/{TRUTH}": "section_00_0000.wav,0\nsection_00_0001.wav,1\n",
            f"ground_truth_domain/{TRUTH}": "section_00_0001.wav,1\nsection_00_0000.wav,0\n",
            f"ground_truth_attributes/{TRUTH}": (
                "section_00_0000.wav,section_00_source_test_normal_0003_vel_1.5,more.wav\n"
                "section_00_0001.wav,section_00_target_test_normal_0003_vel_1.5\n"
            ),
        },
    )


def test_the_truth_of_an_evaluator(evaluator):
    clips = read_truth(evaluator, 2023)
    assert clips == read_truth(evaluator / "ground_truth_data", 2023)
    assert [(c.anomalous, c.domain) for c in clips] == [(False, "source"), (True, "target")]
    long = ["section_00_source_test_normal_0003_vel_1.5", None]
    assert [c.long_name for c in clips] == long, "a name that contradicts the label is none"


def test_the_truth_of_2021(tmp_path):
    file = "ground_truth_data/ground_truth_fan_section_03_target_test.csv"
    (clip,) = read_truth(write(tmp_path, {file: "section_03_target_test_0000.wav,1\n"}), 2021)
    assert (clip.machine, clip.section, clip.domain, clip.anomalous) == (
        "fan",
        "03",
        "target",
        True,
    )


def test_the_lists_of_2020_and_later(tmp_path):
    file = tmp_path / "eval_data_list.csv"
    file.write_text("fan\nid_01_00000000.wav,normal_id_01_00000098.wav,0\n")
    (clip,) = read_truth(tmp_path, 2020)
    assert (clip.machine, clip.section, clip.anomalous, clip.domain) == ("fan", "01", False, None)
    file.write_text("ToyPet\nsection_00_0000.wav,section_00_target_test_anomaly_0012_id_C1.wav\n")
    (clip,) = read_truth(file, 2025)
    assert (clip.machine, clip.anomalous, clip.domain) == ("ToyPet", True, "target")
    assert clip.long_name == "section_00_target_test_anomaly_0012_id_C1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fan\na.wav,b.wav\n", ":2: not a machine, nor a clip's name"),
        ("fan\nid_01_0.wav,normal_id_01_1.wav,1\n", ":2: the label is '1', the name says normal"),
        ("fan\nid_01_0.wav,id_01_1.wav\n", ":2: not a machine"),
        ("", "no clips in it"),
        ("fan\n" + 2 * "id_01_0.wav,normal_id_01_1.wav\n", "fan id_01_0 is there twice"),
        ("ToyCar\n", ":1: this list contradicts the official labels of ToyCar of 2022"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "eval_data_list_2022.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_truth(tmp_path, 2022)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (f"ground_truth_data/{TRUTH}", "a.wav,normal\n", ":1: 'normal' is not 0 or 1"),
        (f"ground_truth_data/{TRUTH}", "a.wav,1\na.wav,1\n", ":2: a.wav is there twice"),
        (f"ground_truth_data/{TRUTH}", "", "no clips in it"),
        (f"ground_truth_domain/{TRUTH}", "section_00_0000.wav,0\n", "section_00_0001 is only in"),
        (f"ground_truth_domain/{TRUTH}", None, "No such file"),
        (f"ground_truth_data/{TRUTH}", None, "no file ground_truth_<machine>"),
    ],
)
def test_truth_that_cannot_be_used(evaluator, file, text, message):
    (evaluator / file).unlink() if text is None else (evaluator / file).write_text(text)
    with pytest.raises(InputError, match=message):
        read_truth(evaluator, 2023)


def test_no_truth_there(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        read_truth(tmp_path / "nowhere", 2023)
    with pytest.raises(InputError, match="no sound files"):
        read_truth(tmp_path, 2023)
    write(tmp_path, {"fan/test/section_00_0000.wav": ""})
    with pytest.raises(InputError, match=r"neither ground_truth_data nor eval_data_list\*.csv nor"):
        read_truth(tmp_path, 2023)
    write(tmp_path, {"eval_data_list_a.csv": "fan\n", "eval_data_list_b.csv": "fan\n"})
    with pytest.raises(InputError, match="several lists in it, give one: eval_data_list_a"):
        read_truth(tmp_path, 2023)


def test_the_truth_of_a_development_set_and_of_a_table(tmp_path):
    write(
        tmp_path,
        {
            "fan/train/section_00_source_train_normal_0000.wav": "",
            "fan/test/section_00_target_test_anomaly_0001_m-n_1.5.wav": "",
            "pump/test/section_00_0000.wav": "",
            "clips.csv": (
                "filename,machine,section,domain,split,condition\n"
                "pump/test/section_00_0000.wav,pump,00,source,test,normal\n"
            ),
        },
    )
    (clip,) = read_truth(tmp_path, 2023)
    assert (clip.machine, clip.name) == ("fan", "section_00_target_test_anomaly_0001_m-n_1.5")
    assert clip.anomalous and clip.domain == "target"
    (clip,) = read_truth(tmp_path / "clips.csv", 2023)
    assert (clip.machine, clip.anomalous, clip.domain) == ("pump", False, "source")


def scored(tmp_path, *rows):
    text = "filename,machine,section,score\n" + "".join(f"{row}\n" for row in rows)
    (tmp_path / "scores.csv").write_text(text)
    return read_scores(tmp_path / "scores.csv")


def test_scores_are_joined_by_either_name(evaluator):
    clips = scored(
        evaluator,
        "section_00_0001.flac,fan,00,7",
        "section_00_source_test_normal_0003_vel_1.5.wav,fan,00,3",
    )
    (section,) = join(read_truth(evaluator, 2023), clips)
    assert section.scores.tolist() == [3, 7]
    assert section.anomalous.tolist() == section.target.tolist() == [False, True]
    assert section.decisions is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["section_00_0000,fan,00,1"], "no score on fan 00 section_00_0001$"),
        (["section_00_0000,fan,00,1", "x,fan,00,1"], "csv:3: x is no test clip of fan 00"),
        (["section_00_0000,fan,01,1"], "csv:2: section_00_0000 is no test clip of fan 01"),
        (
            ["section_00_0000,fan,00,1", "section_00_source_test_normal_0003_vel_1.5,fan,00,1"],
            "csv:3: section_00_source_.* has a score in .*csv:2 as well",
        ),
    ],
)
def test_gaps_doubles_and_foreign_names(evaluator, rows, message):
    clips = scored(evaluator, *rows)
    with pytest.raises(InputError, match=message):
        join(read_truth(evaluator, 2023), clips)


def test_the_number_of_gaps_is_told(evaluator):
    with pytest.raises(InputError, match=r"no score on fan 00 section_00_0000, nor on 1 others"):
        join(read_truth(evaluator, 2023), [])


def test_the_truth_of_the_names(tmp_path):
    clips = scored(tmp_path, "section_00_target_test_anomaly_0000_vel_1.wav,fan,00,1")
    (clip,) = truth_of_names(clips)
    assert clip.anomalous and clip.domain == "target"
    with pytest.raises(InputError, match="csv:2: section_00_0000 does not tell whether"):
        truth_of_names(scored(tmp_path, "section_00_0000.wav,fan,00,1"))


def test_a_domain_that_some_clips_lack(tmp_path):
    clips = scored(
        tmp_path, "section_00_source_test_normal_0000,fan,00,1", "section_00_normal_0001,fan,00,1"
    )
    with pytest.raises(InputError, match="fan 00: section_00_normal_0001 has no domain"):
        join(truth_of_names(clips), clips)
