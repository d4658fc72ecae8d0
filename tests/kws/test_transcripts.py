import pytest

from fewshot.errors import InputError
from kws.transcripts import Transcript, read_transcripts


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def table(text):
        (tmp_path / "t.csv").write_text(text, encoding="utf-8")
        return "t.csv"

    return table


def test_words_are_separated_by_blanks_or_bars(table):
    text = "words;idx;file\nup  down up;1;a\\1.wav\nlamp on | door|;2;a/2.wav\n;3;ü.wav\n"
    assert read_transcripts(table(text)) == [
        Transcript("a/1.wav", ("up", "down", "up"), "t.csv:2"),
        Transcript("a/2.wav", ("lamp on", "door"), "t.csv:3"),
        Transcript("ü.wav", (), "t.csv:4"),
    ]
    (one,) = read_transcripts(table("filename,words\na.wav,up\n"))
    assert one.file == "a.wav"


BAD = {
    "no column words": "file,word\na.wav,up\n",
    "no column file or filename": "words\nup\n",
    "no recordings in it": "file,words\n",
    "empty; its first line": "",
    "t.csv:3: file is empty": "file,words\na.wav,up\n,up\n",
    "t.csv:3: a.wav is there already, in t.csv:2": "file,words\na.wav,up\na.wav,down\n",
    "t.csv:2: 3 fields": "file,words\na.wav,up,down\n",
}


@pytest.mark.parametrize("message", BAD)
def test_bad_tables_are_refused(table, message):
    with pytest.raises(InputError, match=message):
        read_transcripts(table(BAD[message]))
