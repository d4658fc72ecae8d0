import csv
import json

import pytest

from fewshot.events import Event, write_events
from kws.commands.evaluate import main

TRUTH = "file,event_label,event_onset,event_offset\n"
ROWS = "audio\\a.wav,lamp,1.0,1.5\naudio\\a.wav,door,4.0,4.5\n.\\audio\\b.wav,lamp,2.0,2.5\n"
LIST = "file,duration\naudio/a.wav,1800\naudio/b.wav,900\naudio/c.wav,900\n"
FOUND = [
    Event("task/audio/a.wav", 1.1, 1.6, "lamp", -0.1),
    Event("task/audio/b.wav", 2.0, 2.4, "lamp", -0.3),
    Event("task/audio/b.wav", 7.0, 7.5, "lamp", -0.4),
    Event("task/audio/c.wav", 1.0, 1.5, "電灯", -0.5),
]


@pytest.fixture
def task(tmp_path, monkeypatch):
    """A task folder: the table in a folder of its own beside the audio; events come from above."""
    (tmp_path / "task" / "audio").mkdir(parents=True)
    for name in "abc":
        (tmp_path / "task" / "audio" / f"{name}.wav").touch()
    (tmp_path / "task" / "fold").mkdir()
    (tmp_path / "task" / "fold" / "truth.csv").write_text(TRUTH + ROWS)
    (tmp_path / "task" / "fold" / "list.csv").write_text(LIST)
    write_events(FOUND, tmp_path / "events.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


CALL = ["task/fold/truth.csv", "events.csv"]
LISTED = [*CALL, "--recordings", "task/fold/list.csv"]


def run(capsys, *argv):
    try:
        status = main(argv)
    except SystemExit as end:
        status = end.code
    out, err = capsys.readouterr()
    return status, out, err


def test_table(task, capsys):
    status, out, err = run(capsys, *LISTED)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("3 recordings (1.00 h), 3 events in the reference, 4 found; collar")
    table, more = lines[2:-3], lines[-3:]
    rows = {line.split()[0]: line.split()[1:] for line in table}
    assert rows["all"] == ["3", "4", "2", "2", "1", "57.1", "50.0", "66.7", "1.00", "2.0"]
    assert rows["lamp"][:5] == ["2", "3", "2", "1", "0"]
    assert rows["電灯"][-2:] == ["n/a", "1.0"]
    # A letter as wide as two takes the place of two.
    assert {len(line) + 2 * ("電灯" in line) for line in table} == {len(table[0])}
    assert more == [
        "",
        "segment-based, 1 s: F 57.1 %, P 50.0 %, R 66.7 %",
        "intersection-based, 0.5: F 57.1 %, P 50.0 %, R 66.7 %",
    ]


def test_without_a_list(task, capsys):
    status, out, err = run(capsys, *CALL)
    assert status == 0
    assert "FA/h" not in out
    assert "events of 1 recording that REFERENCE lacks are counted as false alarms" in err
    assert "needs --recordings" in err
    status, out, err = run(capsys, *CALL, "--quiet")
    assert (status, err) == (0, "")


def test_list_without_durations(task, capsys):
    (task / "names.csv").write_text("file\naudio/a.wav\naudio/b.wav\n")
    status, out, err = run(capsys, *CALL, "--recordings", "names.csv")
    assert status == 0
    assert out.startswith("2 recordings, 3 events in the reference, 3 found")
    assert "events of 1 recording that the list lacks are left out: task/audio/c.wav" in err


def test_json(task, capsys):
    status, out, _ = run(capsys, *LISTED, "--json")
    result = json.loads(out)
    assert status == 0
    assert (result["n_recordings"], result["duration_s"], result["collar_s"]) == (3, 3600.0, 0.2)
    assert result["overall"] == {
        "n_ref": 3,
        "n_sys": 4,
        "n_tp": 2,
        "n_fp": 2,
        "n_fn": 1,
        "f_score": 4 / 7,
        "precision": 0.5,
        "recall": 2 / 3,
        "error_rate": 1.0,
        "false_alarms_per_hour": 2.0,
    }
    assert list(result["keywords"]) == ["door", "lamp", "電灯"]
    assert result["keywords"]["電灯"]["error_rate"] is None
    assert result["tuned"] is None
    assert result["segment_based"]["segment_s"] == 1.0
    assert result["segment_based"]["overall"]["f_score"] == 4 / 7
    assert result["intersection_based"]["keywords"]["door"] == {
        "n_ref": 1,
        "n_sys": 0,
        "n_tp": 0,
        "n_fp": 0,
        "n_fn": 1,
        "f_score": 0.0,
        "precision": 0.0,
        "recall": 0.0,
    }
    alone = json.loads(run(capsys, *CALL, "--json")[1])
    assert alone.keys() == result.keys()
    assert alone["overall"]["false_alarms_per_hour"] is None


def test_tune(task, capsys):
    status, out, err = run(capsys, *LISTED, "--tune", "--verbose")
    assert status == 0
    assert "3 events in the reference, 2 found" in out
    assert "\nthreshold -0.35: F 80.0 %, P 100.0 %, R 66.7 %" in out
    assert "best on these recordings, -0.35: F 80.0 %" in out
    assert "kws-detect --threshold -0.35 " in out
    assert "one threshold for each keyword: F 80.0 %" in out
    assert "see how well it does on others" in err
    tuned = json.loads(run(capsys, *LISTED, "--tune", "--json")[1])["tuned"]
    assert tuned["threshold"] == pytest.approx(-0.35)
    assert (tuned["n_tp"], tuned["f_score"]) == (2, 0.8)
    assert tuned["best"] == {key: tuned[key] for key in tuned["best"]}
    assert set(tuned["per_keyword"]["thresholds"]) == {"lamp", "電灯"}


def test_threshold_is_printed_finely_enough(task, capsys):
    near = [FOUND[0], Event("task/audio/a.wav", 8, 9, "lamp", -0.1000003)]
    write_events(near, task / "events.csv", force=True)
    out = run(capsys, *CALL, "--tune")[1]
    assert "--threshold -0.1000001 " in out or "--threshold -0.1000002 " in out


def test_nothing_to_tune(task, capsys):
    write_events([Event("task/audio/a.wav", 30, 31, "lamp", -0.1)], task / "far.csv")
    status, out, err = run(capsys, CALL[0], "far.csv", "--tune")
    assert (status, "no event matches" in err) == (0, True)
    assert "\nthreshold -0.0999: F 0.0 %" in out
    write_events([Event("task/audio/a.wav", 30, 31, "lamp")], task / "bare.csv")
    status, out, err = run(capsys, CALL[0], "bare.csv", "--tune")
    assert (status, out) == (2, "")
    assert err == (
        "kws-evaluate: bare.csv: 1 of 1 events have no score; --tune needs one for each "
        "(kws-detect --candidates)\n"
    )
    assert run(capsys, CALL[0], "bare.csv")[0] == 0
    write_events([], task / "none.csv")
    status, out, err = run(capsys, CALL[0], "none.csv", "--tune")
    assert (status, out, err.count("\n")) == (2, "", 1)


def test_no_events(task, capsys):
    write_events([], task / "none.csv")
    status, out, err = run(capsys, CALL[0], "none.csv", "--recordings", LISTED[-1])
    assert (status, err) == (0, "")
    row = next(line for line in out.splitlines() if line.startswith("all"))
    assert row.split()[1:] == ["3", "0", "0", "0", "3", "0.0", "0.0", "0.0", "1.00", "0.0"]


def test_report(task, capsys):
    status, out, _ = run(capsys, *LISTED, "-o", "report.csv")
    assert status == 0 and out
    with open(task / "report.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["scope"], row["event_label"]) for row in rows] == [
        ("overall", ""),
        ("keyword", "door"),
        ("keyword", "lamp"),
        ("keyword", "電灯"),
    ]
    assert (rows[0]["n_tp"], rows[0]["recall"], rows[3]["error_rate"]) == ("2", str(2 / 3), "")
    status, out, err = run(capsys, *LISTED, "-o", "report.csv")
    assert (status, out) == (2, "")
    assert err == "kws-evaluate: report.csv: exists; use --force to replace it\n"
    assert run(capsys, *LISTED, "-o", "report.csv", "--force")[0] == 0


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_pictures(task, capsys):
    plain = run(capsys, *LISTED, "--tune")
    status, out, err = run(capsys, *LISTED, "--tune", "--plot", "pictures")
    assert (status, out, err) == plain
    every = ["confusion.png", "false-alarms.png", "precision-recall.png"]
    assert names(task / "pictures") == every
    status, out, err = run(capsys, *LISTED, "--plot", "pictures")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "pictures/precision-recall.png: exists; use --force" in err
    status, out, err = run(capsys, *LISTED, "--plot", "pictures", "--force")
    assert status == 0
    assert "the curves end at the lowest score" in err and "--candidates" in err


def test_pictures_of_what_there_is(task, capsys):
    _, _, err = run(capsys, *CALL, "--tune", "--plot", "untimed")
    assert "no false-alarms.png: it needs --recordings" in err
    assert names(task / "untimed") == ["confusion.png", "precision-recall.png"]
    write_events([Event("task/audio/a.wav", 1.0, 1.5, "lamp")], task / "bare.csv")
    write_events([], task / "none.csv")
    for events in ("bare", "none"):
        status, out, err = run(capsys, CALL[0], f"{events}.csv", "--plot", events)
        assert status == 0
        assert "confusion.png only: curves need scores; see kws-detect --candidates\n" in err
        assert names(task / events) == ["confusion.png"]
    _, out, _ = run(capsys, *CALL, "--json", "--plot", "quiet", "--quiet")
    assert json.loads(out)["overall"]["n_tp"] == 2


def test_pictures_that_cannot_be_written(task, capsys):
    (task / "file").touch()
    for folder in ("file", "nowhere/deep"):
        status, out, err = run(capsys, *LISTED, "--plot", folder)
        assert (status, out, err.count("\n")) == (2, "", 1)
    assert not (task / "nowhere").exists()


def test_errors(task, capsys):
    status, out, _ = run(capsys, *LISTED, "--errors", "errors.csv")
    assert status == 0 and "invented" not in out
    with open(task / "errors.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["error"], row["filename"], row["score"]) for row in rows] == [
        ("missed", "audio/a.wav", ""),
        ("invented", "audio/b.wav", "-0.4"),
        ("invented", "audio/c.wav", "-0.5"),
    ]
    assert (rows[0]["true_label"], rows[0]["true_onset"]) == ("door", "4.000")
    _, shown, _ = run(capsys, *LISTED, "--verbose")
    assert [line.split() for line in shown.splitlines() if "audio/" in line] == [
        ["missed", "audio/a.wav", "-", "door", "4.000", "4.500"],
        ["invented", "audio/b.wav", "lamp", "7.000", "7.500", "-", "-0.4"],
        ["invented", "audio/c.wav", "電灯", "1.000", "1.500", "-", "-0.5"],
    ]
    status, out, err = run(capsys, *LISTED, "--errors", "errors.csv")
    assert (status, out, err.count("\n")) == (2, "", 1)
    # At the best threshold the inventions are gone.
    run(capsys, *LISTED, "--tune", "--errors", "errors.csv", "--force")
    assert (task / "errors.csv").read_text().count("invented") == 0


def test_many_errors_are_cut_short_on_the_terminal(task, capsys):
    write_events([Event("task/audio/a.wav", i, i + 0.5, "x", i) for i in range(30)], task / "x.csv")
    _, out, _ = run(capsys, CALL[0], "x.csv", "-v")
    assert sum("audio/" in line for line in out.splitlines()) == 20
    assert "... and 11 more (--errors ERRORS.csv)" in out
    write_events([], task / "nothing.csv")
    (task / "empty.csv").write_text(TRUTH)
    assert "no errors" in run(capsys, "empty.csv", "nothing.csv", "-v")[1]


def test_collars(task, capsys):
    out = run(capsys, *CALL, "--collar", "0.05", "--percentage-of-length", "0", "--json")[1]
    assert json.loads(out)["overall"]["n_tp"] == 0
    for value in ("-1", "x", "nan", "1.5"):
        status, _, err = run(capsys, *CALL, "--percentage-of-length", value)
        assert (status, err.count("\n")) == (2, 1)
    assert run(capsys, *CALL, "--collar", "0")[0] == 2


def test_segments_and_overlap(task, capsys):
    result = json.loads(run(capsys, *LISTED, "--segment", "0.5", "--overlap", "0.9", "--json")[1])
    segments = result["segment_based"]["overall"]
    # The first event found, 1.1 to 1.6 s, lies in two segments, the true one in the first of them.
    assert (segments["n_ref"], segments["n_sys"], segments["n_tp"]) == (3, 5, 2)
    assert result["intersection_based"]["overall"]["n_tp"] == 0
    assert result["intersection_based"]["dtc"] == result["intersection_based"]["gtc"] == 0.9
    for option, value in (("--overlap", "0"), ("--overlap", "1.1"), ("--segment", "0")):
        status, _, err = run(capsys, *CALL, option, value)
        assert (status, err.count("\n")) == (2, 1)


def test_root(task, capsys):
    (task / "truth.csv").write_text(TRUTH + "a.wav,lamp,1,1.5\nb.wav,lamp,2,2.5\n")
    found = json.loads(run(capsys, "truth.csv", "events.csv", "--json")[1])
    rooted = run(capsys, "truth.csv", "events.csv", "--json", "--root", "task/audio")[1]
    assert json.loads(rooted)["overall"] == found["overall"]
    assert found["overall"]["n_tp"] == 2
    status, _, err = run(capsys, *CALL, "--root", "nowhere")
    assert (status, err) == (2, "kws-evaluate: nowhere: no such folder\n")


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("file,duration\n", "bad.csv: no recordings in it"),
        ("name,duration\na,1\n", "bad.csv: no column file or filename"),
        ("file,duration\naudio/a.wav,long\n", "bad.csv:2: the duration is 'long', not a number"),
        ("file,duration\naudio/a.wav,0\n", "bad.csv:2: the duration 0 s is not above 0"),
        ("file,duration\na,1\n./a,1\n", "bad.csv:3: a is there twice"),
        ("file,duration\n,1\n", "bad.csv:2: the file is empty"),
        ("file,duration\naudio/a.wav,1\n", "bad.csv: lacks audio/b.wav, which task/fold/truth.csv"),
    ],
)
def test_bad_lists(task, capsys, listed, message):
    (task / "bad.csv").write_text(listed)
    status, out, err = run(capsys, *CALL, "--recordings", "bad.csv")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ("file,event_label,event_onset\n", "truth.csv: no column event_offset or offset"),
        (TRUTH + "a.wav,x,-1,2\n", "truth.csv:2: the onset is -1 s"),
        (TRUTH + "a.wav,x,0,2\nz.wav,x,3,2\n", "truth.csv:3: the offset 2 s"),
        (TRUTH + "z.wav,x,0,2\n", "no recording of the events is in the reference"),
        (TRUTH + "x/a.wav,x,0,2\ny/a.wav,x,0,2\n", "a.wav: its name alone does not tell"),
    ],
)
def test_bad_references(task, capsys, truth, message):
    (task / "truth.csv").write_text(truth)
    status, out, err = run(capsys, "truth.csv", "events.csv")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_missing_files(task, capsys):
    status, _, err = run(capsys, "nothing.csv", "events.csv")
    assert (status, err) == (2, "kws-evaluate: nothing.csv: No such file or directory\n")
