import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.encoders.temporal import TemporalResNet
from fewshot.features import log_mel
from kws.config import FRONT_END
from kws.frames import SegmentFrames
from kws.frames import embed as embed_with
from kws.segments import (
    HOP,
    SAMPLE_RATE,
    SEGMENT,
    FrameExtractor,
    frame_count,
    position_labels,
    segment_count,
    training_segments,
)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return TemporalResNet(channels=(4, 4), dim=8).eval()


def test_position_labels_worked_by_hand():
    half, third = 1 / 2, 1 / 3
    expected = [[half, half, 0, 0, 0], [0, third, third, third, 0], [0, 0, 0, half, half]]
    np.testing.assert_allclose(position_labels(3, 5), expected)
    np.testing.assert_array_equal(position_labels(4, 4), np.eye(4))
    np.testing.assert_allclose(position_labels(1, 3), [[third, third, third]])


@given(st.integers(1, 40), st.integers(0, 40))
def test_position_labels_against_definition_6_3(n_segments, extra):
    n_positions = n_segments + extra
    found = position_labels(n_segments, n_positions)
    for i in range(1, n_segments + 1):
        first = 1 + np.floor((i - 1) * n_positions / n_segments)
        last = np.ceil(i * n_positions / n_segments - 1e-9)
        active = np.array([first <= j <= last for j in range(1, n_positions + 1)], float)
        np.testing.assert_allclose(found[i - 1], active / active.sum(), rtol=1e-6)


@given(st.integers(0, 30000))
def test_segments_cover_the_clip(n_samples):
    samples = np.arange(1, n_samples + 1, dtype=np.float32)
    segments = training_segments(samples)
    assert segments.shape == (segment_count(n_samples), 4000)
    for i, segment in enumerate(segments):
        part = samples[800 * i : 800 * i + 4000]
        np.testing.assert_array_equal(segment[: len(part)], part)
        assert not segment[len(part) :].any()
    assert set(segments.ravel()) >= set(samples)
    assert len(segments) == 1 or 800 * (len(segments) - 2) + 4000 < n_samples


def embed(encoder, samples, before=None, after=None):
    return embed_with(SegmentFrames(encoder), samples, before, after)


def naive_embed(encoder, samples, before=(), after=()):
    """All segments of the padded recording; frames of one time averaged; those inside kept."""
    lead, tail = np.zeros(2000, np.float32), np.zeros(2000, np.float32)
    lead[2000 - len(before) :] = before
    tail[: len(after)] = after
    padded = np.concatenate([lead, samples, tail])
    frames = {}
    for k in range(1 + len(samples) // 256):
        segment = torch.tensor(padded[256 * k : 256 * k + 4000])
        with torch.no_grad():
            embedding = encoder(log_mel(segment[None]))[0].numpy()
        for t in range(16):
            frames.setdefault(k + t, []).append(embedding[t])
    inside = [n for n in frames if 0 <= 256 * n - 2000 < len(samples)]
    means = np.array([np.mean(frames[n], axis=0) for n in sorted(inside)]).reshape(-1, 8)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


@pytest.mark.parametrize("n_samples", [0, 1, 48, 49, 255, 256, 4000, 16384, 20000])
def test_frames_against_the_definition(encoder, n_samples):
    samples = np.random.default_rng(0).standard_normal(n_samples).astype(np.float32)
    found = embed(encoder, samples)
    assert len(found) == frame_count(n_samples)
    np.testing.assert_allclose(found, naive_embed(encoder, samples), atol=1e-5)


def test_sound_around_a_clip_is_seen(encoder):
    rng = np.random.default_rng(0)
    samples, before, after = (rng.standard_normal(n).astype(np.float32) for n in (5000, 700, 1900))
    found = embed(encoder, samples, before, after)
    np.testing.assert_allclose(found, naive_embed(encoder, samples, before, after), atol=1e-5)
    long = rng.standard_normal(5000).astype(np.float32)
    np.testing.assert_array_equal(
        embed(encoder, samples, long, long), embed(encoder, samples, long[-2000:], long[:2000])
    )


@settings(max_examples=10)
@given(st.lists(st.integers(0, 9000), max_size=12), st.integers(0, 40000))
def test_frames_do_not_depend_on_the_size_of_the_pushes(encoder, sizes, n_samples):
    samples = np.random.default_rng(1).standard_normal(n_samples).astype(np.float32)
    extractor, start, frames = FrameExtractor(encoder), 0, []
    for size in sizes:
        frames.append(extractor.push(samples[start : start + size]))
        start += size
    frames += [extractor.push(samples[start:]), extractor.finish()]
    np.testing.assert_array_equal(np.concatenate(frames), embed(encoder, samples))


def test_a_model_file_states_this_front_end():
    assert (FRONT_END["sample_rate"], FRONT_END["segment"], FRONT_END["hop"]) == (
        SAMPLE_RATE,
        SEGMENT,
        HOP,
    )
