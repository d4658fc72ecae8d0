import math
import os
import sys
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from fewshot import audio
from fewshot.errors import InputError
from fewshot.inputs import audio_files

RATES = [8000, 11025, 16000, 22050, 44100, 48000, 96000]


def noise(n: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (n, channels))
    return samples[:, 0] if channels == 1 else samples


def sine(frequency_hz: float, rate: int, duration_s: float) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * rate)) / rate)


def condition(samples: np.ndarray, rate: int, sizes: tuple[int, ...] = ()) -> np.ndarray:
    conditioner = audio.Conditioner(rate, np.atleast_2d(samples.T).shape[0])
    pieces = np.split(samples, np.cumsum(sizes))
    return np.concatenate([*map(conditioner.push, pieces), conditioner.finish()])


def rounded_length(n: int, rate: int) -> int:
    return (2 * n * 16000 + rate) // (2 * rate)


@pytest.fixture
def write(tmp_path):
    def write(name: str, samples: np.ndarray, rate: int = 16000, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, rate, **options)
        return path

    return write


@settings(max_examples=60)
@given(
    rate=st.sampled_from([*RATES, 44056, 12345]),
    channels=st.integers(1, 3),
    sizes=st.lists(st.integers(0, 700), max_size=12),
)
def test_bit_equal_whatever_the_pushes(rate, channels, sizes):
    samples = noise(4000, channels, seed=len(sizes))
    np.testing.assert_array_equal(
        condition(samples, rate, tuple(sizes)), condition(samples, rate), strict=True
    )


def test_bit_equal_for_single_samples_and_memory_layouts():
    samples = noise(300, 9)
    whole = condition(samples, 44100)
    np.testing.assert_array_equal(condition(samples, 44100, (1,) * 299), whole)
    np.testing.assert_array_equal(condition(np.asfortranarray(samples), 44100), whole)


@settings(max_examples=100)
@given(rate=st.integers(1000, 200_000), n=st.integers(0, 3000))
def test_length_is_the_rounded_duration(rate, n):
    assert len(condition(np.zeros(n), rate)) == rounded_length(n, rate)


@pytest.mark.parametrize("rate", [2304, 11520, 32000, 57600, 96000, 192000])
def test_half_samples_round_up(rate):
    n = rate // math.gcd(rate, 32000)
    assert n * 16000 / rate % 1 == 0.5
    assert len(condition(np.zeros(n), rate)) == n * 16000 // rate + 1


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frequency_hz", [440.0, 3000.0])
def test_a_sine_stays_a_sine_without_delay(rate, frequency_hz):
    conditioned = condition(sine(frequency_hz, rate, 1.0), rate)
    high_pass = butter(4, 50, "highpass", fs=16000, output="sos")
    ideal = sosfilt(high_pass, sine(frequency_hz, 16000, 1.0))
    assert len(conditioned) == 16000
    inside = slice(1000, -1000)
    assert np.abs(conditioned - ideal)[inside].max() < 2e-5


@pytest.mark.parametrize("rate", RATES)
def test_no_delay_by_cross_correlation(rate):
    def chirp(at_rate: int) -> np.ndarray:
        times_s = np.arange(at_rate // 5) / at_rate
        return np.sin(2 * np.pi * (300 * times_s + 5000 * times_s**2)) * np.hanning(len(times_s))

    correlation = np.correlate(condition(chirp(rate), rate), chirp(16000)[50:-50], "valid")
    assert len(correlation) == 101
    assert correlation.argmax() == 50


def test_what_the_lower_rate_cannot_hold_is_gone():
    assert np.abs(condition(sine(10000, 48000, 0.5), 48000))[4000:-500].max() < 1e-6


@pytest.mark.parametrize(("frequency_hz", "gain_db"), [(20, -31.84), (50, -3.01), (100, -0.017)])
def test_high_pass(frequency_hz, gain_db):
    conditioned = condition(sine(frequency_hz, 16000, 3.0), 16000)
    level = np.abs(conditioned[16000:]).max() / 0.5
    assert 20 * np.log10(level) == pytest.approx(gain_db, abs=0.02)


def test_the_offset_of_a_microphone_goes():
    assert np.abs(condition(np.full(16000, 0.3), 16000)[8000:]).max() < 1e-7


def test_channels_are_averaged():
    left, right = noise(4000, 2).T
    stereo = np.stack([left, right], axis=1)
    np.testing.assert_allclose(
        condition(stereo, 44100), condition((left + right) / 2, 44100), atol=1e-6
    )
    assert not condition(np.stack([left, -left], axis=1), 44100).any()


def test_16_khz_is_not_resampled_or_held_back():
    samples = noise(1000).astype(np.float32)
    high_pass = butter(4, 50, "highpass", fs=16000, output="sos")
    conditioner = audio.Conditioner(16000)
    expected = sosfilt(high_pass, samples.astype(float)).astype(np.float32)
    np.testing.assert_array_equal(conditioner.push(samples), expected, strict=True)
    assert len(conditioner.finish()) == 0


@pytest.mark.parametrize(("rate", "held_s"), [(8000, 0.12), (44100, 0.05), (48000, 0.05)])
def test_what_is_held_back(rate, held_s):
    conditioner = audio.Conditioner(rate)
    pushed = returned = 0
    while pushed < 2 * rate:
        returned += len(conditioner.push(np.zeros(rate // 100)))
        pushed += rate // 100
        assert 0 <= pushed / rate - returned / 16000 <= held_s


@pytest.mark.parametrize("rate", [-1, 0, 7, 999, 1_000_001, 16000.5])
def test_rates_that_make_no_sense(rate):
    with pytest.raises(InputError, match=f"^a.wav: .* {rate} Hz"):
        audio.Conditioner(rate, name="a.wav")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e11])
def test_samples_that_make_no_sense(bad):
    samples = noise(100, 2)
    samples[16, 1] = bad
    conditioner = audio.Conditioner(8000, 2)
    conditioner.push(noise(8000, 2))
    with pytest.raises(InputError, match=r"^sound: has NaN, infinite or huge .* at 1\.002 s"):
        conditioner.push(samples)


@pytest.mark.parametrize("shape", [(10, 3), (10,), (1, 10, 2), ()])
def test_wrong_shapes(shape):
    with pytest.raises(ValueError, match=r"expected shape \(n, 2\)"):
        audio.Conditioner(16000, 2).push(np.zeros(shape))


FORMATS = {
    "a.wav": ({}, 1e-4),
    "24.wav": ({"subtype": "PCM_24"}, 1e-6),
    "float.wav": ({"subtype": "FLOAT"}, 1e-6),
    "8.wav": ({"subtype": "PCM_U8"}, 2e-2),
    "extensible.wav": ({"format": "WAVEX"}, 1e-4),
    "a.flac": ({}, 1e-4),
    "24.flac": ({"subtype": "PCM_24"}, 1e-6),
    "a.aiff": ({}, 1e-4),
    "a.ogg": ({}, None),
    "a.mp3": ({}, None),
}


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("name", FORMATS)
def test_formats(write, name, rate):
    options, tolerance = FORMATS[name]
    if name.endswith("mp3") and "MP3" not in soundfile.available_formats():
        pytest.skip("this libsndfile has no MP3")
    samples = np.stack([sine(440, rate, 1.5), sine(700, rate, 1.5)], axis=1)
    path = write(name, samples, rate, **options)
    expected = condition(samples, rate)
    found = audio.read(path)
    assert audio.info(path) == audio.AudioInfo(rate, 2, 1.5)
    assert found.dtype == np.float32
    assert len(found) == len(expected) == 24000
    if tolerance is None:
        assert np.corrcoef(found, expected)[0, 1] > 0.99
    else:
        np.testing.assert_allclose(found, expected, atol=tolerance)


@pytest.mark.parametrize("rate", RATES)
def test_blocks_do_not_change_samples(write, rate):
    samples = noise(rate + 17)
    path = write("a.wav", samples, rate, subtype="FLOAT")
    whole = audio.read(path)
    assert len(whole) == rounded_length(rate + 17, rate)
    np.testing.assert_array_equal(whole, condition(samples, rate))
    for block_s in (0.001, 0.0237, 0.5):
        blocks = list(audio.read_blocks(path, block_s=block_s))
        assert all(len(block) for block in blocks)
        np.testing.assert_array_equal(np.concatenate(blocks), whole)


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_blocks_do_not_change_compressed_samples(write, name, capfd):
    if name.endswith("mp3") and "MP3" not in soundfile.available_formats():
        pytest.skip("this libsndfile has no MP3")
    path = write(name, noise(48000) * np.linspace(0, 1, 48000), 16000)
    blocks = list(audio.read_blocks(path, block_s=0.0123))
    np.testing.assert_array_equal(np.concatenate(blocks), audio.read(path))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("rate", [8000, 44100])
def test_peak_is_the_maximum_of_all_samples(write, rate):
    samples = noise(3 * rate)
    samples[2 * rate] = 0.9
    path = write("a.wav", samples, rate)
    assert audio.peak(path) == np.abs(audio.read(path)).max()
    assert audio.peak(write("silence.wav", np.zeros(1000))) == 0


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 44100, 1) as file:
        for _ in range(60):
            file.write(noise(10 * 44100))
    tracemalloc.start()
    audio.peak(path)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 12e6  # the file has 53 MB, its conditioned samples 38 MB


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "gsm.wav"])
@pytest.mark.parametrize("rate", RATES)
def test_a_clip_is_a_slice_of_the_file(write, name, rate):
    formats = soundfile.available_formats()
    if "MP3" not in formats and name == "a.mp3":
        pytest.skip("this libsndfile has no MP3")
    if name == "a.mp3" and rate == 96000:
        pytest.skip("MP3 ends at 48 kHz")
    options = {"subtype": "GSM610"} if name == "gsm.wav" else {}
    # An offset and a rumble, because a filter that has not settled would show them.
    samples = 0.2 + noise(3 * rate, seed=rate) / 4 + sine(12, rate, 3.0) / 2
    path = write(name, samples, rate, **options)
    whole = audio.read(path)
    for onset_s, offset_s, context_s in [
        (0.0, None, 0.0),
        (0.0, 0.3, 0.1),
        (1.23456, 1.5, 0.125),
        (2.0, 2.0001, 0.0),
        (2.6, None, 0.7),
        (0.4, 2.9, 9.0),
    ]:
        clip, before, after = audio.read_clip(path, onset_s, offset_s, context_s=context_s)
        onset = round(onset_s * 16000)
        offset = len(whole) if offset_s is None else round(offset_s * 16000)
        context = round(context_s * 16000)
        begin, end = max(0, onset - context), min(len(whole), offset + context)
        assert (before, after) == (onset - begin, end - offset)
        assert clip.dtype == np.float32
        np.testing.assert_allclose(clip, whole[begin:end], rtol=0, atol=1e-6)


def test_only_what_is_needed_is_read(write, monkeypatch):
    path = write("a.flac", noise(40 * 44100), 44100)
    read, decoded = soundfile.SoundFile.read, []

    def counting(self, *arguments, **options):
        block = read(self, *arguments, **options)
        decoded.append(len(block))
        return block

    monkeypatch.setattr(soundfile.SoundFile, "read", counting)
    audio.read_clip(path, 30.0, 31.0, context_s=0.1)
    assert sum(decoded) < 2.5 * 44100


@pytest.mark.parametrize(
    ("onset_s", "offset_s"),
    [
        (-0.1, 0.5),
        (0.5, 0.5),
        (0.6, 0.5),
        (0.5, 0.50001),
        (0, 1.02),
        (1.0, None),
        (2, 3),
        (math.nan, 1),
        (0, math.nan),
        (0, math.inf),
        (-math.inf, 1),
    ],
)
def test_clips_that_are_not_in_the_file(write, onset_s, offset_s):
    path = write("a.wav", noise(8000), 8000)
    with pytest.raises(InputError) as error:
        audio.read_clip(path, onset_s, offset_s)
    assert str(error.value).startswith(f"{path}: onset {onset_s} s, offset ")
    assert "1.000 s" in str(error.value)


def test_a_rounded_offset_may_lie_just_past_the_end(write):
    path = write("a.wav", noise(8000), 8000)
    clip, before, after = audio.read_clip(path, 0.5, 1.009, context_s=0.1)
    assert (len(clip), before, after) == (9600, 1600, 0)


def test_context_may_not_be_negative(write):
    with pytest.raises(ValueError, match="context_s"):
        audio.read_clip(write("a.wav", noise(8000)), 0.1, 0.2, context_s=-0.1)


@pytest.fixture
def bad_file(tmp_path, write):
    def bad_file(kind: str):
        path = tmp_path / "bad.wav"
        match kind:
            case "missing":
                pass
            case "folder":
                path.mkdir()
            case "pipe":
                os.mkfifo(path)
            case "empty":
                path.touch()
            case "text":
                path.write_text("not audio\n" * 100)
            case "random":
                path.write_bytes(np.random.default_rng(0).bytes(5000))
            case "raw":
                path = tmp_path / "bad.raw"
                path.write_bytes(bytes(5000))
            case "zero samples":
                write("bad.wav", np.zeros(0))
            case "too short":
                write("bad.wav", np.ones(1), 48000)
            case "low rate":
                write("bad.wav", np.ones(100), 7)
            case "nan" | "inf":
                samples = noise(20000)
                samples[15000] = float(kind)
                write("bad.wav", samples, subtype="FLOAT")
            case "unknown length":
                write("bad.wav", noise(20000), format="FLAC")
                data = bytearray(path.read_bytes())
                data[21] &= 0xF0
                data[22:26] = bytes(4)
                path.write_bytes(data)
            case "half wav" | "half flac" | "half aiff" | "half au":
                write("bad.wav", noise(20000), format=kind[5:].upper())
                path.write_bytes(path.read_bytes()[:20000])
        return path

    return bad_file


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such file"),
        ("folder", "is a folder"),
        ("pipe", "not a regular file"),
        ("empty", "empty file"),
        ("text", "not audio or damaged"),
        ("random", "not audio or damaged"),
        ("raw", "raw samples have no header"),
        ("zero samples", "no sound, 0 samples"),
        ("too short", "no sound, 1 samples"),
        ("low rate", "cannot use a sampling rate of 7 Hz"),
        ("nan", "has NaN, infinite or huge samples"),
        ("inf", "has NaN, infinite or huge samples"),
        ("unknown length", "does not say how long it is"),
        ("half wav", "truncated, has 19956 of 40000 bytes"),
        ("half aiff", "truncated"),
        ("half au", "truncated"),
        ("half flac", "not audio or damaged"),
    ],
)
@pytest.mark.parametrize("function", [audio.read, audio.peak, audio.read_clip])
def test_bad_files(bad_file, kind, message, function):
    path = bad_file(kind)
    with pytest.raises(InputError) as error:
        function(path)
    assert str(error.value).startswith(f"{path}: ")
    assert str(error.value).count(str(path)) == 1
    assert "; " in str(error.value)
    assert message in str(error.value)


def test_half_an_mp3(write):
    if "MP3" not in soundfile.available_formats():
        pytest.skip("this libsndfile has no MP3")
    path = write("a.mp3", noise(80000))
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(InputError, match=r"truncated, ends at \d\.\d+ of 5.000 s"):
        audio.read(path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(write):
    path = write("a.wav", noise(100))
    path.chmod(0)
    with pytest.raises(InputError, match="permission"):
        audio.read(path)


def test_one_sample_is_enough(write):
    assert len(audio.read(write("a.wav", np.ones(1)))) == 1
    assert len(audio.read_clip(write("b.wav", np.ones(1), 8000))[0]) == 2


def test_a_wav_of_undeclared_length_is_not_truncated(write):
    path = write("a.wav", noise(1000))
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert len(audio.read(path)) == 1000


def test_info_of_a_bad_file(bad_file):
    with pytest.raises(InputError, match="not audio or damaged"):
        audio.info(bad_file("text"))


def test_normalise():
    samples = noise(100).astype(np.float32)
    normalised = audio.normalise(samples)
    assert normalised.dtype == np.float32
    assert np.abs(normalised).max() == 1
    np.testing.assert_array_equal(audio.normalise(samples, 0.25), samples * 4)
    np.testing.assert_array_equal(audio.normalise(np.zeros(5)), np.zeros(5))
    np.testing.assert_array_equal(audio.normalise(samples, 0.0), samples)
    assert audio.normalise([]).shape == (0,)
    assert np.isfinite(audio.normalise(np.full(3, 1e-44, dtype=np.float32))).all()


def test_without_the_high_pass_low_sound_stays(tmp_path):
    low = np.sin(2 * np.pi * 20 * np.arange(16000) / 16000).astype(np.float32)
    bare = audio.Conditioner(16000, highpass=False)
    np.testing.assert_array_equal(np.concatenate([bare.push(low), bare.finish()]), low)
    soundfile.write(tmp_path / "low.wav", 0.5 * low, 16000, subtype="FLOAT")
    (kept,) = audio.read_blocks(tmp_path / "low.wav", highpass=False)
    np.testing.assert_array_equal(kept, 0.5 * low)
    assert np.abs(audio.read(tmp_path / "low.wav")[8000:]).max() < 0.02


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text there")
def test_a_name_need_not_be_utf_8(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.wav")
    with open(path, "wb") as file:
        soundfile.write(file, noise(1600), 16000, format="WAV")
    assert audio_files(tmp_path) == [path] and audio.info(path).duration_s == 0.1
    assert len(audio.read(path)) == 1600
