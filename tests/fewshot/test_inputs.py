import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from fewshot import audio
from fewshot.errors import InputError
from fewshot.inputs import STDIN, recordings, standard_input


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
