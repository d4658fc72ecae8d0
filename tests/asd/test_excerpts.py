"""Excerpts of one length from clips of any."""

import numpy as np
import pytest
import torch

from asd.excerpts import input_length, pieces_of, random_excerpts, resampled, source_length
from asd.recordings import Recordings


def test_pieces_cover_a_clip():
    for n in range(1, 40):
        pieces = pieces_of(np.arange(n), 7)
        assert {len(piece) for piece in pieces} == {7}
        assert set(np.concatenate(pieces)) == set(range(n))


def test_pieces_follow_each_other_by_the_hop_or_less():
    for n in range(8, 60):
        starts = np.array([piece[0] for piece in pieces_of(np.arange(n), 7, 4)])
        assert starts[0] == 0 and starts[-1] == n - 7
        assert len(starts) == 1 + np.ceil((n - 7) / 4)
        assert np.diff(starts).max(initial=0) <= 4


def test_random_excerpts_are_parts_of_their_clips(tmp_path):
    recordings = Recordings(tmp_path / "waveforms")
    for n in (4, 9, 20):
        recordings.append(np.arange(1, n + 1) / 64)
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(50):
        excerpts = random_excerpts(recordings, torch.tensor([0, 2]), 6, generator)
        short, long = (excerpts * 64 - 1).numpy().round().astype(int)
        assert (np.diff(short) % 4 == 1).all() and (np.diff(long) == 1).all()
        seen.add((short[0], long[0]))
    assert {first for first, _ in seen} == set(range(4))
    assert {first for _, first in seen} == set(range(15))
    assert input_length(recordings) == 20
    assert input_length(recordings, 16 / 16000) == 16
    recordings.close()


@pytest.mark.parametrize("rate", [16_000, 19_200, 22_050, 44_100])
@pytest.mark.parametrize("n_samples", [4_000, 4_001, 4_003])
def test_tones_are_the_same_at_another_rate(rate, n_samples):
    length = source_length(n_samples, rate)
    hz, phases = 440.0, torch.tensor([[0.0], [1.0]])
    here, there = (
        torch.sin(2 * torch.pi * hz * torch.arange(n) / per_s + phases)
        for n, per_s in ((length, 16_000), (n_samples, rate))
    )
    found = resampled(here, n_samples, rate)
    assert found.shape == (2, n_samples) and found.dtype == torch.float32
    inside = slice(500, -500)
    torch.testing.assert_close(found[:, inside], there[:, inside], atol=2e-3, rtol=0)


def test_excerpts_at_another_rate_are_those_of_16_khz(tmp_path):
    recordings = Recordings(tmp_path / "waveforms")
    recordings.append(np.sin(np.arange(3000) / 3))
    indices = torch.tensor([0, 0])

    def excerpts(n_samples, *rate):
        return random_excerpts(recordings, indices, n_samples, torch.Generator(), *rate)

    expected = resampled(excerpts(2000), 2400, 19_200)
    torch.testing.assert_close(excerpts(2400, 19_200), expected)
    assert input_length(recordings, rate=19_200) == 3600
    recordings.close()
