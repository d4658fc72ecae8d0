"""The bundled example: its sound, its tables, and what the demonstration prints."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fewshot.events import Event, read_events
from fewshot.tables import read_table
from kws.clips import clips_from_folder

EXAMPLES = Path(__file__).parents[1] / "examples"
SOUND = sorted(EXAMPLES.rglob("*.flac"))
TRUTH = read_events(EXAMPLES / "recording.csv")


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("demo", EXAMPLES / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_everything_together_is_under_two_megabytes():
    files = [path for path in EXAMPLES.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) < 2_000_000


@pytest.mark.parametrize("path", SOUND, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_sound_is_flac_of_16_khz_mono_16_bit_that_does_not_clip(path):
    info = soundfile.info(path)
    assert (info.format, info.subtype) == ("FLAC", "PCM_16")
    assert (info.samplerate, info.channels) == (16000, 1)
    samples, _ = soundfile.read(path)
    assert 0.02 < np.abs(samples).max() < 0.99


def test_there_are_three_keywords_of_five_different_clips():
    clips = clips_from_folder(EXAMPLES / "words")
    keywords = {clip.label for clip in clips}
    assert len(keywords) >= 3
    for keyword in keywords:
        own = [clip.path for clip in clips if clip.label == keyword]
        assert len(own) == 5 == len({path.read_bytes() for path in own})
        assert all(0.25 < soundfile.info(path).duration < 1.5 for path in own)


def test_the_list_of_recordings_holds_their_durations():
    rows = [cells for _, cells in read_table(EXAMPLES / "recordings.csv", ("file", "duration"))]
    assert [cells["file"] for cells in rows] == ["recording.flac"]
    duration_s = soundfile.info(EXAMPLES / "recording.flac").duration
    assert float(rows[0]["duration"]) == pytest.approx(duration_s, abs=1e-3)
    assert duration_s >= 60


def test_each_keyword_occurs_in_the_recording_four_times_or_more():
    labels = [event.label for event in TRUTH]
    assert set(labels) == {path.name for path in (EXAMPLES / "words").iterdir()}
    assert min(map(labels.count, labels)) >= 4


def test_events_lie_in_the_recording_one_after_the_other():
    header, *rows = (EXAMPLES / "recording.csv").read_text().splitlines()
    assert header == "event_label,event_onset,event_offset,file"
    assert len(rows) == len(TRUTH)
    assert {event.filename for event in TRUTH} == {"recording.flac"}
    limits = [time for event in TRUTH for time in (event.onset_s, event.offset_s)]
    assert limits == sorted(limits)
    assert 0 <= limits[0] and limits[-1] <= soundfile.info(EXAMPLES / "recording.flac").duration


def test_events_are_louder_than_the_noise_floor():
    samples, rate = soundfile.read(EXAMPLES / "recording.flac")
    floor = np.std(samples[: rate // 3])
    for event in TRUTH:
        part = samples[round(event.onset_s * rate) : round(event.offset_s * rate)]
        assert np.std(part) > 10 * floor


def test_the_demonstration_marks_hits_misses_and_false_alarms(demo):
    truth = [Event("a", 1.0, 1.5, "tea"), Event("a", 4.0, 4.4, "tea"), Event("a", 9.0, 9.5, "cup")]
    found = [
        Event("b", 1.15, 1.4, "tea", -0.3),
        Event("b", 1.05, 1.5, "tea", -0.1),
        Event("b", 4.0, 4.4, "cup", -0.2),
        Event("b", 9.21, 9.5, "cup", -0.2),
    ]
    rows = demo.compare(truth, found)
    marks = ["hit", "FALSE ALARM", "MISS", "FALSE ALARM", "MISS", "FALSE ALARM"]
    assert [mark for _, _, mark in rows] == marks
    assert rows[0][:2] == (truth[0], found[1])
    assert rows[1][:2] == (None, found[0])
    lines = demo.table(rows).splitlines()
    assert " ".join(lines[2].split()) == "tea 1.00 - 1.50 1.05 - 1.50 -0.100 hit"
    assert [line.split()[0] for line in lines[2:]] == ["tea", "tea", "tea", "cup", "cup", "cup"]


def test_the_demonstration_stops_at_a_command_that_fails(demo, tmp_path, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(demo, "RESULTS", tmp_path)
    monkeypatch.setattr(demo, "run", lambda line: ran.append(line) or 2)
    assert demo.main() == 2
    assert len(ran) == 1 and ran[0].startswith("kws-enroll examples/words ")
    assert "failed with status 2" in capsys.readouterr().err


def test_the_demonstration_names_a_command_that_is_not_installed(
    demo, tmp_path, monkeypatch, capfd
):
    monkeypatch.setattr(demo.sysconfig, "get_path", lambda name: str(tmp_path))
    assert demo.run("kws-enroll examples/words") == 2
    out, err = capfd.readouterr()
    assert out == "\n$ kws-enroll examples/words\n"
    assert err == "demo: kws-enroll is not installed; run make demo\n"


def test_the_alarms_are_learnt_told_apart_and_drawn(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("osc_alarms", EXAMPLES / "osc_alarms.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    few = dict(list(example.ALARMS.items())[:4]) | {example.LATER: example.ALARMS[example.LATER]}
    monkeypatch.setattr(example, "ALARMS", few)
    monkeypatch.setattr(example, "TAKES", range(1, 2))
    monkeypatch.chdir(tmp_path)
    example.main()
    out = capsys.readouterr().out
    assert "learnt 4 alarms" in out and out.count("weighted accuracy: ") == 2
    assert (tmp_path / "build" / "osc" / "alarms.osc").stat().st_size > 1000
    assert (tmp_path / "build" / "osc" / "alarms.png").stat().st_size > 10_000


def test_the_machines_are_learnt_and_their_faults_scored(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("quickstart", EXAMPLES / "asd_quickstart.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    few = {"n_source": 8, "n_target": 3, "n_test": 3, "duration_s": 0.8}
    monkeypatch.setattr(example, "CLIPS", few)
    monkeypatch.chdir(tmp_path)
    example.main()
    out = capsys.readouterr().out
    assert out.startswith("synthesised 46 clips of fan and spindle")
    assert out.count("above the threshold of") == 2 and out.count("AUC (target)") == 2
    assert (tmp_path / "build" / "asd" / "machines.asd").stat().st_size > 1000
