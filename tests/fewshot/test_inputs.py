import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from fewshot import audio
from fewshot.errors import InputError
from fewshot.inputs import STDIN, audio_files, is_sound, recordings, standard_input


@pytest.fixture
def stdin(monkeypatch):
    def pipe(data=b"", *, keyboard=False):
        buffer = io.BufferedReader(io.BytesIO(data))
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=buffer, isatty=lambda: keyboard))

    return pipe


def test_recordings_and_their_seconds(tmp_path, stdin):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000), 16000)
    problems = []
    found = recordings([str(tmp_path), str(tmp_path / "none")], problems.append)
    assert found == {(tmp_path / "a.wav").as_posix(): 0.5}
    assert len(problems) == 1 and "none: no such file" in str(problems[0])
    stdin()
    assert recordings([STDIN], problems.append) == {STDIN: 0.0}
    with pytest.raises(InputError, match="- stands alone"):
        recordings([STDIN, "a.wav"], problems.append)
    stdin(keyboard=True)
    with pytest.raises(InputError, match="is the keyboard"):
        recordings([STDIN], problems.append)


@pytest.mark.parametrize("highpass", [True, False])
def test_a_stream_is_conditioned_like_a_file(tmp_path, stdin, highpass):
    path = tmp_path / "a.wav"
    samples = np.random.default_rng(0).integers(-9999, 9999, 4000).astype("<i2")
    soundfile.write(path, samples, 8000)
    wanted = audio.read(path, highpass=highpass)
    for data in (path.read_bytes(), samples.tobytes()):
        stdin(data)
        blocks = list(standard_input(8000, highpass=highpass))
        np.testing.assert_array_equal(np.concatenate(blocks), wanted)


def test_a_damaged_header_is_told_at_once(stdin):
    stdin(b"fLaC....")
    with pytest.raises(InputError, match="not WAV or raw"):
        standard_input(16000)


def test_sound_is_told_by_its_name_or_its_header(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(100), 16000)
    header, empty, text = tmp_path / "sound", tmp_path / "empty.FLAC", tmp_path / "a.csv"
    header.write_bytes(path.read_bytes())
    empty.touch()
    text.write_text("filename,label\n")
    assert all(is_sound(one) for one in (path, header, empty))
    assert not any(is_sound(one) for one in (text, tmp_path, tmp_path / "nowhere.wav"))


def test_audio_files(tmp_path):
    names = ["b.WAV", "a/c.flac", "a/a.ogg", "z.mp3"]
    for name in [*names, ".hidden.wav", "._z.mp3"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder.wav").mkdir()
    assert audio_files(tmp_path) == sorted(tmp_path / name for name in names)
    assert audio_files(str(tmp_path / "notes.txt")) == [tmp_path / "notes.txt"]
    with pytest.raises(InputError, match="no sound files"):
        audio_files(tmp_path / "folder.wav")
    with pytest.raises(InputError, match="no such file or folder"):
        audio_files(tmp_path / "nowhere")
