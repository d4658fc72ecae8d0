import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.errors import InputError
from fewshot.events import (
    COLUMNS,
    CSV_HEADER,
    FORMATS,
    Event,
    csv_line,
    file_stems,
    format_of,
    jsonl_line,
    read_events,
    sort_events,
    to_audacity,
    to_csv,
    to_rttm,
    write_events,
)

LAMP = Event("calls/a.wav", 1.25, 1.7101, "lamp", -0.25)
DOOR = Event("calls/a.wav", 0.5, 0.75, "door", -0.125)

# Letters, separators of every format, quotes, line separators that str.splitlines knows, emoji.
TEXTS = st.text(st.sampled_from("aZ9 é,;\"'<>[]!#{}|_\u2028\u00e4\u96fb\U0001f514"), max_size=8)
LABELS = TEXTS.map(str.strip).filter(bool)


@st.composite
def event_lists(draw):
    def event():
        onset, length = draw(st.integers(0, 10**10)), draw(st.integers(1, 10**7))
        score = draw(st.none() | st.integers(-(10**6), 10**6).map(lambda n: n / 10**6))
        name = draw(st.sampled_from(["a.wav", "x/a.wav", "x/ö b.flac"]))
        return Event(name, onset / 1e6, round((onset + length) / 1e6, 6), draw(LABELS), score)

    return [event() for _ in range(draw(st.integers(0, 6)))]


def kept(event, form):
    """What a format can keep of an event."""
    label, filename, score = event.label, event.filename, event.score
    if form == "rttm":
        label, filename = ("_".join(text.split()) or "<NA>" for text in (label, filename))
    if form == "audacity":
        label = " ".join(label.split())
    if FORMATS[form].one_recording:
        filename = "file"
    if form not in ("csv", "jsonl"):
        score = None
    return Event(filename, event.onset_s, event.offset_s, label, score)


@pytest.mark.parametrize("form", FORMATS)
@given(events=event_lists())
def test_every_format_gives_back_what_it_was_given(form, events, tmp_path_factory):
    if FORMATS[form].one_recording:
        events = [event for event in events if event.filename == "a.wav"]
    path = tmp_path_factory.mktemp("events") / f"file{FORMATS[form].suffix}"
    assert write_events(events, path) == [path]
    assert "\r" not in path.read_bytes().decode()
    read = sort_events(read_events(path))
    expected = sort_events(kept(event, form) for event in events)
    assert sorted(map(repr, read)) == sorted(map(repr, expected))


@pytest.mark.parametrize("form", FORMATS)
def test_format_is_told_by_extension(form):
    suffix = FORMATS[form].suffix
    assert format_of(f"x/out{suffix}") == format_of(f"x/out{suffix.upper()}") == form


def test_events_sort_by_file_onset_offset_label():
    events = [LAMP, DOOR, Event("b.wav", 0, 1, "x"), Event("calls/a.wav", 0.5, 0.75, "cup")]
    assert [e.label for e in sort_events(events)] == ["x", "cup", "door", "lamp"]
    assert sort_events(events) == sorted(events)
    same = [Event("a", 0, 1, "x", 0.5), Event("a", 0, 1, "x")]
    assert sort_events(same) == same


def test_csv_text():
    expected = f"{CSV_HEADER}\ncalls/a.wav,0.500,0.750,door,-0.125\n"
    assert to_csv([LAMP, DOOR]) == expected + "calls/a.wav,1.250,1.7101,lamp,-0.25\n"
    assert csv_line(Event('a"b.wav', 0, 1 / 3, "x")) == '"a""b.wav",0.000,0.333333,x,'


def test_jsonl_text():
    item = json.loads(jsonl_line(LAMP, threshold=-0.5, time="now"))
    assert list(item) == [*COLUMNS, "threshold", "time"]
    assert item["event_onset"] == 1.25 and item["score"] == -0.25


def test_audacity_and_rttm_text():
    assert to_audacity([Event("a", 0.5, 1, "lamp\t on")]) == "0.500000\t1.000000\tlamp on\n"
    line = to_rttm([Event("my call.wav", 0.5, 1.75, "lamp on")])
    assert line == "SPEAKER my_call.wav 1 0.500 1.250 <NA> <NA> lamp_on <NA> <NA>\n"
    assert len(line.split()) == 10


def read(tmp_path, content, name="events.csv"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_events(path)


DAILYTALK = (
    "idx,event_label,event_onset,event_offset,file,scene_label\n1,cash,2.52,2.71,.\\d\\1.wav,8\n"
)


@pytest.mark.parametrize(
    "content",
    [
        DAILYTALK,
        DAILYTALK.replace("\n", "\r\n"),
        "\ufeff" + DAILYTALK,
        DAILYTALK.replace(",", ";"),
        DAILYTALK.replace(",", "\t"),
        DAILYTALK.encode("utf-16"),
        "\n" + DAILYTALK.replace(",", ", ") + "\n,,,,,\n",
        "filename\tonset\toffset\tevent_label\n./d/1.wav\t2.52\t2.71\tcash\n./d/2.wav\t\t\t\n",
        "filename,onset,offset,label\n./d/1.wav,2.52,2.71,cash",
        "SPEAKER ./d/1.wav 1 2.52 0.19 <NA> <NA> cash <NA> <NA>\n;; x\nSPKR-INFO x 1 <NA>\n",
    ],
)
def test_tables_of_others(tmp_path, content):
    assert read(tmp_path, content) == [Event("./d/1.wav", 2.52, 2.71, "cash")]


def test_scores(tmp_path):
    text = "score,file,onset,offset,label\n-0.5,a,0,1,x\n,a,1,2,y\n"
    assert [event.score for event in read(tmp_path, text)] == [-0.5, None]
    assert read(tmp_path, "SPEAKER a 1 0 1 <NA> <NA> x 0.25 <NA>\n", "a.rttm")[0].score == 0.25


def test_formats_are_told_by_content(tmp_path):
    assert read(tmp_path, jsonl_line(LAMP), "a.log") == [LAMP]
    assert read(tmp_path, "1\t2\tlamp\n\\\t100\t200\n", "a.b.lab") == [Event("a.b", 1, 2, "lamp")]
    assert read(tmp_path, to_csv([LAMP]), "table.txt") == [LAMP]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.rttm"])
def test_no_events_without_a_header(tmp_path, name):
    assert read(tmp_path, "", name) == []


HEADER = "filename,event_onset,event_offset,event_label,score\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "events.csv: empty"),
        ("\n\n", "events.csv: empty"),
        ("file,event_onset,event_offset\n", "no column event_label or label"),
        (HEADER.replace("score", "filename"), "'filename' is there twice"),
        (HEADER + "a,0,1,x,1\na,x,1,y,1\n", "events.csv:3: the onset is 'x', not a number"),
        (HEADER.replace(",", ";") + "a;0,5;1;x;1\n", "csv:2: .* not a number; use a decimal point"),
        (HEADER + "a,nan,1,x,1\n", "csv:2: the onset is 'nan', not a finite number"),
        (HEADER + "a,0,inf,x,1\n", "csv:2: the offset is 'inf'"),
        (HEADER + "\na,-0.5,1,x,1\n", "csv:3: the onset is -0.5 s, before"),
        (HEADER + "a,2,2,x,1\n", "csv:2: the offset 2 s is not after the onset 2 s"),
        (HEADER + "a,0,1,,1\n", "csv:2: the label is empty"),
        (HEADER + "a,,1,x,1\n", "csv:2: the onset is ''"),
        (HEADER + "a,0,1,x,high\n", "csv:2: the score is 'high'"),
        (HEADER + "a,0,1,x,1,2\n", "csv:2: 6 fields, the header has 5"),
        (HEADER + 'a,0,1,"x\ny",1\nb,0,0,z,\n', "csv:4: the offset"),
        (HEADER + 'a,0,1,"x,1\n' * 2, "csv:2: not a row"),
        (HEADER + "a,0,1,x,1\n" + "x" * 140_000 + "\n", "csv:3: not a row of a table"),
        (HEADER.encode() + b"a,0,1,caf\xe9,1\n", "csv:2: not text in UTF-8"),
        (b"RIFF\xff\xff", "not text in UTF-8"),
        (HEADER.encode("utf-16")[:-1], "not text in UTF-8"),
        ('{"filename": "a"}\n', "csv:1: no 'event_onset'"),
        ('{"a": 1}\n[]'.replace('{"a": 1}', jsonl_line(LAMP)), "csv:2: not a JSON object"),
        ("{\n", "csv:1: not JSON"),
        ('{"a":' * 100_000, "csv:1: not JSON"),
        (jsonl_line(LAMP).replace("1.25", "true"), "csv:1: the onset is True, not a number"),
        (jsonl_line(LAMP).replace('"lamp"', "7"), "csv:1: the file and the label must be texts"),
        (jsonl_line(LAMP).replace("1.7101", "1" + "0" * 400), "csv:1: the offset is 10+, not a"),
        ("SPEAKER a 1 0 1\n", "csv:1: 5 fields where RTTM has ten"),
        ("SPEAKER a 1 0 -1 <NA> <NA> x <NA> <NA>\n", "csv:1: the offset"),
        ("1\t2\tx\n3\t3\tpoint\n", "csv:2: the offset 3 s is not after"),
        ("1,5\t2\tx\n", "csv:1: .*decimal point"),
        ("1\t2\n", "csv:1: the label is empty"),
    ],
)
def test_bad_files(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_unreadable_files(tmp_path):
    with pytest.raises(InputError, match=r"missing\.csv: No such file"):
        read_events(tmp_path / "missing.csv")
    with pytest.raises(InputError, match=r"Is a directory"):
        read_events(tmp_path)


def test_nothing_is_overwritten_without_force(tmp_path):
    path = tmp_path / "out.csv"
    write_events([LAMP], path)
    with pytest.raises(InputError, match="exists"):
        write_events([DOOR], path)
    assert read_events(path) == [LAMP]
    write_events([DOOR], path, force=True)
    assert read_events(path) == [DOOR]
    with pytest.raises(InputError, match="no format has this extension"):
        write_events([], tmp_path / "out.xls")
    assert sorted(tmp_path.iterdir()) == [path]


def test_one_file_per_recording(tmp_path):
    other = Event("mail/a.wav", 0, 1, "x")
    with pytest.raises(InputError, match="a textgrid file holds one recording, these are 2"):
        write_events([LAMP, other], tmp_path / "out.TextGrid")
    durations = {"calls/a.wav": 60.0, "mail/a.wav": 61.0, "b.wav": 62.0}
    written = write_events([LAMP, other], tmp_path, "textgrid", durations=durations)
    names = ["b.TextGrid", "calls_a.TextGrid", "mail_a.TextGrid"]
    assert sorted(path.name for path in written) == names
    assert read_events(tmp_path / "mail_a.TextGrid") == [Event("mail_a", 0, 1, "x")]
    assert "xmax = 62" in (tmp_path / "b.TextGrid").read_text()


def test_file_stems_that_cannot_differ():
    assert file_stems([]) == []
    with pytest.raises(InputError, match=r"x/a\.flac: would share"):
        file_stems(["x/a.flac", "x/a.wav"])


def test_names_that_are_not_unicode_do_not_stop_the_others(tmp_path):
    write_events([Event("caf\udce9.wav", 0, 1, "x"), LAMP], tmp_path / "out.csv")
    assert LAMP in read_events(tmp_path / "out.csv")
