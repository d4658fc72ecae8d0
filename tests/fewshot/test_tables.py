import pytest

from fewshot.errors import InputError
from fewshot.tables import nearest_root, number, read_table


def test_rows_are_counted_as_in_the_file(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text('file;duration\n\n"a\nb.wav";1,5\nc.wav\n;\n')
    assert read_table(path) == [
        (3, {"file": "a\nb.wav", "duration": "1,5"}),
        (5, {"file": "c.wav", "duration": ""}),
    ]


def test_required_columns(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("filename,duration\n")
    assert read_table(path, [("file", "filename"), "duration"]) == []
    with pytest.raises(InputError, match="no column label; the first line has: filename, duration"):
        read_table(path, ["label"])


def test_numbers():
    assert number("here", "it", " 1e-3 ") == 0.001
    for bad in ("", "1,5", None, True, "nan", float("inf"), [1]):
        with pytest.raises(InputError, match="here: it is"):
            number("here", "it", bad)


def test_nearest_root(tmp_path):
    table = tmp_path / "task" / "fold1" / "list.csv"
    (table.parent / "audio").mkdir(parents=True)
    files = ["audio/a.wav", "audio/b.wav"]
    assert nearest_root(table, files) is None
    (tmp_path / "task" / "audio").mkdir()
    (tmp_path / "task" / "audio" / "a.wav").touch()
    assert nearest_root(table, files) == tmp_path / "task"
    (table.parent / "audio" / "b.wav").touch()
    assert nearest_root(table, files) == table.parent
    (tmp_path / "task" / "audio" / "b.wav").touch()
    assert nearest_root(table, files) == tmp_path / "task"
