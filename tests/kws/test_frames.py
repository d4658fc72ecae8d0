import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fewshot.background import Background
from fewshot.encoders.external import EncoderSpec, ExternalEncoder
from kws.frames import EARLY_S, PretrainedFrames, SegmentFrames, borders_s, embed, unit_rows


@pytest.fixture(scope="module")
def source():
    """Four samples per frame, the frame itself: their products with three random vectors."""
    weights = np.random.default_rng(0).standard_normal((4, 3))

    def network(samples):
        return np.lib.stride_tricks.sliding_window_view(samples, 4, axis=1)[:, ::2] @ weights

    encoder = ExternalEncoder(EncoderSpec(window=4, step=2, hop=1, centre=2, dim=3), network)
    frames = [encoder.embed(np.random.default_rng(1).standard_normal(500))]
    return PretrainedFrames.of(encoder, Background.learn(frames, encoder=""))


def test_frames_are_white_and_of_unit_length(source):
    samples = np.random.default_rng(2).standard_normal(2000)
    frames = embed(source, samples)
    np.testing.assert_allclose(np.linalg.norm(frames, axis=1), 1, rtol=1e-5)
    raw = (source.encoder.embed(samples) - source.mean) @ source.whitening
    np.testing.assert_allclose(frames, unit_rows(raw), atol=1e-6)


@given(st.integers(0, 500), st.integers(1, 500), st.floats(0.01, 20))
def test_borders_stay_inside_the_recording(first, length, duration_s):
    source = SegmentFrames(nn.Linear(1, 1))
    onset, offset = borders_s(source, first, first + length, duration_s)
    assert 0 <= onset <= offset <= duration_s


def test_a_frame_stands_for_one_hop(source):
    onset, offset = borders_s(SegmentFrames(nn.Linear(1, 1)), 10, 11, 100.0)
    assert offset - onset == pytest.approx(0.016)
    assert (onset + offset) / 2 == pytest.approx((18 * 256 - 2000) / 16000)


def test_words_begin_before_what_is_found_of_them(source):
    onset, offset = borders_s(source, 16000, 16001, 100.0)
    assert (onset, offset) == pytest.approx((15999.5 / 16000 - EARLY_S, 16000.5 / 16000))
    assert borders_s(source, 3, 16001, 100.0)[0] == 0.0


def test_rows_of_zeros_stay_zeros():
    rows = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(unit_rows(rows), [[0.6, 0.8], [0, 0]], rtol=1e-6)
