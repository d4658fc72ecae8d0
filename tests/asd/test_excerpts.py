"""Excerpts of one length from clips of any."""

import numpy as np
import torch

from asd.excerpts import input_length, pieces_of, random_excerpts
from asd.recordings import Recordings


def test_pieces_cover_a_clip():
    for n in range(1, 40):
        pieces = pieces_of(np.arange(n), 7)
        assert {len(piece) for piece in pieces} == {7}
        assert set(np.concatenate(pieces)) == set(range(n))


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
    recordings.close()
