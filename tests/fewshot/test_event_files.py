from pathlib import Path

import pytest

from fewshot.errors import InputError
from fewshot.event_files import Target, check_outputs, plan, write
from fewshot.events import Event, read_events

FOUND = {"b.wav": [Event("b.wav", 1, 2, "up")], "a.wav": [Event("a.wav", 0, 1, "down")]}
DURATIONS = {"b.wav": 4.0, "a.wav": 3.0, "failed.wav": 5.0}


def test_the_extension_or_the_option_names_the_format():
    names = list(DURATIONS)
    assert plan(None, None, names) == ("csv", [])
    assert plan(Path("e.RTTM"), None, names) == ("rttm", [Target(Path("e.RTTM"), "rttm", names)])
    assert plan(Path("e.x"), "jsonl", names) == ("jsonl", [Target(Path("e.x"), "jsonl", names)])
    with pytest.raises(InputError, match="no format has this ending"):
        plan(Path("e.x"), None, names)
    with pytest.raises(InputError, match="one file per recording"):
        plan(Path("e.txt"), None, names)


def test_a_folder_holds_a_file_per_recording_and_failed_ones_have_none(tmp_path):
    format, targets = plan(tmp_path, "all", list(DURATIONS))
    check_outputs([target.path for target in targets], tmp_path, force=False)
    write(format, targets, FOUND, DURATIONS, force=False)
    names = {path.name for path in tmp_path.iterdir()}
    single = {f"{stem}{suffix}" for stem in "ab" for suffix in (".txt", ".TextGrid")}
    assert names == {"events.csv", "events.jsonl", "events.rttm"} | single
    assert [event.filename for event in read_events(tmp_path / "events.csv")] == ["a.wav", "b.wav"]
    with pytest.raises(InputError, match="exists"):
        check_outputs([targets[0].path], tmp_path, force=False)
    check_outputs([targets[0].path], tmp_path, force=True)


def test_standard_output_is_sorted(capsys):
    write("csv", [], FOUND, DURATIONS, force=False)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "a.wav,0.000,1.000,down,",
        "b.wav,1.000,2.000,up,",
    ]
