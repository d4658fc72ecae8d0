import io
import os
import struct
import wave

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot import audio
from fewshot.errors import InputError


def noise(n: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (n, channels))


def wav(samples: np.ndarray, rate: int = 16000, **options) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=options.pop("format", "WAV"), **options)
    return file.getvalue()


def received(data: bytes | io.RawIOBase, **options) -> tuple[int, list[np.ndarray]]:
    rate, blocks = audio.pcm_blocks(
        io.BytesIO(data) if isinstance(data, bytes) else data, **options
    )
    return rate, list(blocks)


class Dribble(io.RawIOBase):
    """Gives a few bytes at a time, and has only `read`."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data = io.BytesIO(data)
        self._sizes = sizes
        self._reads = 0

    def read(self, size: int = -1) -> bytes:
        self._reads += 1
        return self._data.read(min(size, self._sizes[self._reads % len(self._sizes)]))


# pcm_blocks


@settings(max_examples=50)
@given(n=st.integers(1, 300), odd=st.booleans(), sizes=st.lists(st.integers(1, 9), min_size=1))
def test_raw_in_pieces_of_any_size(n, odd, sizes):
    samples = np.random.default_rng(n).integers(-32768, 32767, n).astype("<i2")
    rate, blocks = received(Dribble(samples.tobytes() + b"x" * odd, sizes), rate=8000)
    assert rate == 8000
    assert all(len(block) for block in blocks)
    np.testing.assert_array_equal(
        np.concatenate(blocks), (samples / 32768).astype(np.float32), strict=True
    )


def test_raw_blocks_are_short():
    _, blocks = received(bytes(2 * 16000), rate=16000)
    assert sum(map(len, blocks)) == 16000
    assert max(map(len, blocks)) <= 1600


def test_raw_sound_is_not_kept_waiting():
    reading, writing = os.pipe()
    with open(reading, "rb") as stream, open(writing, "wb", buffering=0) as sender:
        sender.write(bytes(4))
        _, blocks = audio.pcm_blocks(stream)
        assert len(next(blocks)) == 2
        for n in (10, 400):
            sender.write(bytes(2 * n))
            assert len(next(blocks)) == n


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_wav(channels, subtype, form):
    data = wav(noise(5000, channels), 44100, subtype=subtype, format=form)
    expected = soundfile.read(io.BytesIO(data), always_2d=True)[0].mean(axis=1)
    rate, blocks = received(data)
    assert rate == 44100
    assert max(map(len, blocks)) <= 4410
    np.testing.assert_allclose(np.concatenate(blocks), expected, atol=1e-7)


def test_wav_of_the_standard_library_in_pieces():
    samples = np.arange(-500, 500, dtype="<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(samples.tobytes())
    rate, blocks = received(Dribble(file.getvalue(), [1, 7, 2]))
    assert rate == 8000
    np.testing.assert_array_equal(np.concatenate(blocks), (samples / 32768).astype(np.float32))


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_wav_of_undeclared_length(size):
    data = bytearray(wav(noise(1000)))
    data[4:8] = data[40:44] = struct.pack("<I", size)
    assert sum(map(len, received(bytes(data))[1])) == 1000


def test_chunks_around_the_samples_are_left_out():
    data = wav(noise(1000))
    data = data[:12] + b"LIST\x03\0\0\0abc\0" + b"JUNK\0\0\0\0" + data[12:] + b"LIST\x02\0\0\0ab"
    assert sum(map(len, received(data)[1])) == 1000


def test_wav_that_is_cut_off_ends_there():
    assert sum(map(len, received(wav(noise(1000))[:-101])[1])) == 949


@pytest.mark.parametrize("data", [b"", b"a", wav(noise(0)), wav(noise(10))[:44]])
def test_no_samples(data):
    _, blocks = audio.pcm_blocks(io.BytesIO(data))
    with pytest.raises(InputError, match="standard input: no samples"):
        next(blocks)


@pytest.mark.parametrize(
    "data",
    [
        wav(noise(10), subtype="FLOAT"),
        wav(noise(10), subtype="ALAW"),
        wav(noise(10), format="FLAC"),
        wav(noise(10), format="OGG"),
        wav(noise(10), format="AIFF"),
        wav(noise(10))[:40],
        wav(noise(10))[:20],
        b"RIFF",
        b"RIFF\0\0\0\0AVI " + bytes(100),
        b"RIFF\0\0\0\0WAVEdata\x04\0\0\0abcd",
    ],
)
def test_what_cannot_be_streamed(data):
    with pytest.raises(InputError, match=r"^standard input: .*; send"):
        audio.pcm_blocks(io.BytesIO(data))


def test_a_stream_gives_what_the_file_gives(tmp_path):
    data = wav(noise(30000, 2), 44100)
    (tmp_path / "a.wav").write_bytes(data)
    rate, blocks = audio.pcm_blocks(io.BytesIO(data))
    conditioner = audio.Conditioner(rate)
    conditioned = np.concatenate([*map(conditioner.push, blocks), conditioner.finish()])
    np.testing.assert_array_equal(conditioned, audio.read(tmp_path / "a.wav"))


# RunningLevel


def levelled(samples: np.ndarray, sizes: tuple[int, ...] = ()) -> np.ndarray:
    level = audio.RunningLevel()
    pieces = [level.push(piece) for piece in np.split(samples, np.cumsum(sizes))]
    return np.concatenate([*pieces, level.finish()])


@settings(max_examples=50)
@given(n=st.integers(0, 3000), sizes=st.lists(st.integers(0, 700), max_size=9))
def test_level_does_not_depend_on_the_pushes(n, sizes):
    samples = noise(n)[:, 0].astype(np.float32)
    divided = levelled(samples, tuple(sizes))
    assert len(divided) == n
    np.testing.assert_array_equal(divided, levelled(samples), strict=True)
    assert np.abs(divided).max(initial=0) <= 1


def test_level_by_its_definition():
    samples = noise(256 * 40 + 100)[:, 0].astype(np.float32) * np.repeat([1, 0.01], [5170, 5170])
    level, expected = 0.003, []
    for step in np.split(samples, range(256, len(samples), 256)):
        level = max(level * 0.5 ** (256 / 16000 / 60), np.abs(step).max(), 0.003)
        expected.append(step / level)
    np.testing.assert_allclose(levelled(samples), np.concatenate(expected), rtol=1e-5)


def test_silence_stays_silence_and_faint_noise_small():
    assert not levelled(np.zeros(1000)).any()
    assert np.abs(levelled(np.full(1000, 3e-5))).max() == pytest.approx(0.01)


def test_level_falls_by_half_in_a_minute():
    tone = np.full(16000 * 61, 0.1, dtype=np.float32)
    tone[:256] = 0.8
    assert levelled(tone)[[256, 16000 * 60]] == pytest.approx([0.125, 0.25], rel=1e-3)
