from dataclasses import astuple

import numpy as np

from kws.selection import Selection


def select(curves, starts, lengths, thresholds=-np.inf):
    curves = np.array(curves, np.float32)
    selection = Selection(np.array(lengths), np.full(len(curves), thresholds))
    matches = selection.push(curves, np.array(starts), 0) + selection.finish()
    return [astuple(match) for match in matches]


def peaks(n, **at):
    """Score curve and starts with peaks ``f<end>=(start, score)``."""
    scores, starts = np.full(n, -2.0), np.arange(n)
    for name, (start, score) in at.items():
        scores[int(name[1:])], starts[int(name[1:])] = score, start
    return scores, starts


def test_a_worse_candidate_is_shortened_split_or_dropped():
    best = peaks(20, f11=(8, -0.25))
    split = peaks(20, f17=(2, -0.5))
    inside = peaks(20, f10=(9, -1.0))
    curves, starts = zip(best, split, inside, strict=True)
    # Of [2, 18) the pieces [2, 8) and [12, 18) remain: the first of equal ones.
    found = select(curves, starts, [4, 12, 2], -1.5)
    assert found == [(0, 8, 12, -0.25), (1, 2, 8, -0.5)]
    assert select(curves, starts, [4, 13, 2], -1.5) == [(0, 8, 12, -0.25)]


def test_a_dropped_piece_still_blocks_worse_candidates():
    chain = [peaks(20, f9=(4, -0.25)), peaks(20, f11=(6, -0.5)), peaks(20, f15=(10, -1.0))]
    curves, starts = zip(*chain, strict=True)
    # Two frames of the second are too few, and lost to the third.
    assert select(curves, starts, [6, 6, 6], -1.5) == [(0, 4, 10, -0.25), (2, 12, 16, -1.0)]


def test_ties_go_to_the_earlier_end_then_the_lower_template():
    earlier = [peaks(20, f9=(4, -0.5)), peaks(20, f7=(2, -0.5))]
    curves, starts = zip(*earlier, strict=True)
    assert select(curves, starts, [6, 6], -1.5) == [(1, 2, 8, -0.5)]
    together = [peaks(20, f9=(4, -0.5)), peaks(20, f9=(2, -0.5))]
    curves, starts = zip(*together, strict=True)
    assert select(curves, starts, [6, 6], -1.5) == [(0, 4, 10, -0.5)]


def test_individual_thresholds_rank_by_what_lies_above_them():
    both = [peaks(20, f9=(4, -0.5)), peaks(20, f9=(4, -0.75))]
    curves, starts = zip(*both, strict=True)
    assert select(curves, starts, [6, 6], [-0.6, -1.0]) == [(1, 4, 10, -0.75)]
    assert select(curves, starts, [6, 6], -1.0) == [(0, 4, 10, -0.5)]
