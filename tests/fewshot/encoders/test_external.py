from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fewshot.encoders.external import EncoderSpec, ExternalEncoder, TorchNetwork
from fewshot.encoders.loading import load_encoder
from fewshot.errors import InputError

SPEC = EncoderSpec(window=40, step=20, hop=5, centre=16, dim=1)


def window_sums(samples):
    """Stands for a network: sum and last sample of every window."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, SPEC.window, axis=1)
    return windows[:, :: SPEC.step].sum(axis=2, keepdims=True)


@pytest.fixture(scope="module")
def encoder():
    return ExternalEncoder(SPEC, window_sums)


@pytest.fixture(scope="module")
def speech():
    return load_encoder("speech-embedding")


def naive(samples, before=(), after=()):
    """Every frame by itself."""
    lead, tail = np.zeros(SPEC.centre), np.zeros(SPEC.window)
    if len(before):
        lead[-len(before[-SPEC.centre :]) :] = before[-SPEC.centre :]
    tail[: len(after)] = after[: len(tail)]
    padded = np.concatenate([lead, samples, tail]).astype(np.float32)
    starts = range(0, len(samples), SPEC.hop)
    return np.array([[padded[start : start + SPEC.window].sum()] for start in starts])


@pytest.mark.parametrize("n", [1, 5, 6, 319, 320, 2000])
def test_frames_are_those_of_windows_around_them(encoder, n):
    rng = np.random.default_rng(n)
    samples, before, after = (rng.standard_normal(k) for k in (n, 7, 24))
    np.testing.assert_allclose(encoder.embed(samples), naive(samples), atol=1e-4)
    found = encoder.embed(samples, before, after)
    np.testing.assert_allclose(found, naive(samples, before, after), atol=1e-4)


def test_an_empty_recording_has_no_frames(encoder):
    assert encoder.embed(np.zeros(0)).shape == (0, 1)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 900), max_size=8), st.integers(0, 4000))
def test_frames_do_not_depend_on_the_pieces(encoder, sizes, n):
    samples = np.random.default_rng(0).standard_normal(n)
    stream, start, frames = encoder.stream(), 0, []
    for size in sizes:
        frames.append(stream.push(samples[start : start + size]))
        start += size
    frames += [stream.push(samples[start:]), stream.finish()]
    np.testing.assert_array_equal(np.concatenate(frames), encoder.embed(samples))


def test_the_bundled_encoder_makes_a_frame_every_20_ms(speech):
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(20000)).astype(np.float32)
    frames = speech.embed(samples)
    assert frames.shape == (63, 96) and speech.hop_s == 0.02
    padded = np.concatenate([np.zeros(7680, np.float32), samples, np.zeros(20000, np.float32)])
    for frame in (0, 13, 62):
        alone = speech.run(padded[None, frame * 320 : frame * 320 + 12400])
        np.testing.assert_allclose(frames[frame], alone[0, 0], atol=2e-4)


@pytest.mark.parametrize("n", [10, 40, 59, 60, 1333, 3000])
def test_steps_see_a_clip_alone(encoder, n):
    samples = np.random.default_rng(0).standard_normal(n)
    repeated = np.resize(samples, max(n, 40))
    expected = [repeated[i : i + 40].sum() for i in range(0, len(repeated) - 39, 20)]
    found = encoder.steps(samples)
    np.testing.assert_allclose(found, np.array(expected)[:, None], atol=1e-4)


def test_a_network_that_does_not_do_what_its_description_says():
    with pytest.raises(InputError, match="mend the JSON file"):
        ExternalEncoder(replace(SPEC, dim=3), window_sums).embed(np.zeros(500, np.float32))


@pytest.mark.parametrize("movable", [True, False])
def test_only_what_is_movable_leaves_the_cpu(movable):
    module = nn.Linear(3, 2)
    encoder = ExternalEncoder(SPEC, TorchNetwork(module, movable=movable))
    assert encoder.to("meta") is encoder
    assert module.weight.device.type == ("meta" if movable else "cpu")


def test_an_encoder_without_a_module_stays_where_it_is(encoder):
    before = encoder.embed(np.ones(100))
    np.testing.assert_array_equal(encoder.to("cuda").embed(np.ones(100)), before)
