import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kws import dtw
from kws.selection import CANDIDATE

KERNELS = [dtw.advance, dtw.advance_parallel]
lengths_of_templates = st.lists(st.integers(1, 18), min_size=1, max_size=4)


def cost_matrix(lengths, n, seed, levels=None):
    """Costs as `dtw.advance` takes them; few levels make ties."""
    rng = np.random.default_rng(seed)
    shape = (n, sum(lengths) + dtw.LANES)
    if levels:
        return rng.integers(0, levels, shape).astype(np.float32) / 4
    return rng.random(shape, np.float32)


class State:
    def __init__(self, lengths):
        self.offsets = np.concatenate(([0], np.cumsum(lengths)))
        shape = (len(lengths), 3, max(lengths) + dtw.LANES)
        self.D = np.full(shape, np.inf, np.float32)
        self.steps = np.zeros(shape, np.int32)
        self.n = 0

    def advance(self, costs, kernel=dtw.advance):
        shape = (len(self.offsets) - 1, len(costs))
        scores, starts = np.empty(shape, np.float32), np.empty(shape, np.int64)
        kernel(costs, self.offsets, self.n, self.D, self.steps, scores, starts)
        self.n += len(costs)
        return scores, starts

    def earliest_start(self, thresholds):
        return dtw.earliest_start(self.offsets, self.n, self.D, self.steps, thresholds)


def naive_curves(costs, lengths):
    first = np.concatenate(([0], np.cumsum(lengths)))
    made = [naive.curve(costs[:, a : a + n].T) for a, n in zip(first, lengths, strict=False)]
    return np.array([scores for scores, _ in made]), np.array([starts for _, starts in made])


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=40)
@given(
    lengths=lengths_of_templates,
    n=st.integers(1, 24),
    cut=st.integers(0, 24),
    levels=st.sampled_from([None, 1, 2, 5]),
    seed=st.integers(0, 999),
)
def test_curves_are_those_of_the_definition(kernel, lengths, n, cut, levels, seed):
    costs = cost_matrix(lengths, n, seed, levels)
    state = State(lengths)
    parts = [state.advance(costs[:cut], kernel), state.advance(costs[cut:], kernel)]
    scores, starts = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    expected_scores, expected_starts = naive_curves(costs, lengths)
    np.testing.assert_array_equal(scores, expected_scores)
    found = expected_starts >= 0
    np.testing.assert_array_equal(starts[found], expected_starts[found])


def test_curve_worked_by_hand():
    costs = np.ones((6, 3 + dtw.LANES), np.float32)
    costs[1, 0] = costs[2, 1] = costs[4, 2] = 0.25
    scores, starts = State([3]).advance(costs)
    # Frame 4 is reached by (1, 1) and (1, 2): three cells; no frame by (2, 1) is cheaper per cell.
    assert scores[0, 4] == -0.25
    assert starts[0, 4] == 1
    # Frame 1 only by (2, 1) from frame 0: two cells.
    assert (scores[0, 0], scores[0, 1], starts[0, 1]) == (-np.inf, -1.0, 0)


def test_equal_predecessors_count_in_the_order_of_the_steps():
    scores, starts = State([3]).advance(np.zeros((5, 3 + dtw.LANES), np.float32))
    assert starts[0, 1:].tolist() == [0, 0, 1, 2]
    assert not np.signbit(scores[0, 1:]).any()


def test_a_template_of_one_frame_is_its_cost():
    costs = cost_matrix([1], 5, seed=0)
    scores, starts = State([1]).advance(costs)
    np.testing.assert_array_equal(scores[0], -costs[:, 0])
    assert starts[0].tolist() == [0, 1, 2, 3, 4]


@settings(max_examples=60)
@given(
    lengths=lengths_of_templates,
    cut=st.integers(0, 30),
    threshold=st.sampled_from([-np.inf, -0.6, -0.4, -0.25, np.inf]),
    seed=st.integers(0, 999),
)
def test_no_later_candidate_starts_before_the_earliest_start(lengths, cut, threshold, seed):
    costs = cost_matrix(lengths, 40, seed)
    thresholds = np.full(len(lengths), threshold)
    state = State(lengths)
    state.advance(costs[:cut])
    earliest = state.earliest_start(thresholds)
    scores, starts = state.advance(costs[cut:])
    later = starts[(scores > -np.inf) & (scores >= threshold)]
    assert earliest <= later.min(initial=cut)
    assert cut - 2 * max(lengths) < earliest <= cut


def test_a_threshold_brings_the_earliest_start_nearer():
    costs = np.ones((20, 12 + dtw.LANES), np.float32)
    state = State([12])
    state.advance(costs)
    assert state.earliest_start(np.array([-np.inf])) < 16
    assert state.earliest_start(np.array([-0.05])) == 20


def candidates(scores, threshold=-np.inf, cuts=()):
    scores = np.array([[*scores, -np.inf]], np.float32)
    starts = np.arange(100, 100 + scores.shape[1])[None]
    state = np.full(1, -np.inf, np.float32), np.zeros(1, np.int64), np.zeros(1, bool)
    records = []
    for a, b in zip((0, *cuts), (*cuts, scores.shape[1]), strict=True):
        found = np.empty((b - a) // 2 + 1, CANDIDATE)
        n = dtw.find_candidates(
            scores[:, a:b].copy(), starts[:, a:b].copy(), a, np.array([threshold]), *state, found
        )
        records += found[:n].tolist()
    return records


@pytest.mark.parametrize(
    ("scores", "ends"),
    [
        ([-1.0], [1]),
        ([-3, -2, -3], [2]),
        ([-1, -2, -1], [1, 3]),
        ([-3, -2, -2, -2, -3], [2]),
        ([-2, -2, -2], [1]),
        ([-np.inf, -np.inf], []),
        ([-np.inf, -2, -np.inf], [2]),
        ([-3, -2, -1, -2, -3, -2, -4, -1], [3, 6, 8]),
        ([], []),
    ],
)
def test_candidates_are_local_maxima(scores, ends):
    for cuts in ((), range(1, len(scores) + 1)):
        found = candidates(scores, cuts=tuple(cuts))
        assert [offset for _, _, offset, _ in found] == ends
        assert [onset for _, onset, _, _ in found] == [99 + end for end in ends]


def test_candidates_reach_the_threshold():
    scores = [-4, -1, -4, -0.5, -4, -0.25, -4]
    assert [record[3] for record in candidates(scores, -0.5)] == [-0.5, -0.25]


def painted(onsets, offsets, ranks, n):
    best, owner = np.full(n, -np.inf), np.full(n, -1, np.int32)
    dtw.paint(np.array(onsets), np.array(offsets), np.array(ranks), 0, best, owner)
    return owner


def test_the_best_candidate_owns_a_frame_and_of_equal_ones_the_first():
    owner = painted([0, 2, 4, 1], [3, 6, 8, 9], [-2.0, -1.0, -1.0, -3.0], 10)
    assert owner.tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 3, -1]


def test_longest_pieces():
    owner = np.array([-1, 0, 0, 1, 0, 0, 2, 0, -1, 1, 1, 4, 4], np.int32)
    onsets, lengths = dtw.longest_pieces(owner, 4)
    assert onsets.tolist() == [1, 9, 6, 0]
    assert lengths.tolist() == [2, 2, 1, 0]


@settings(max_examples=100)
@given(
    length=st.integers(1, 12),
    n=st.integers(1, 20),
    levels=st.sampled_from([None, 1, 2, 5]),
    seed=st.integers(0, 999),
)
def test_costs_of_halves_are_those_of_the_definition(length, n, levels, seed):
    costs = cost_matrix([length], n, seed, levels)[:, :length].T.copy()
    others = np.random.default_rng(seed).uniform(0, 2, costs.shape).astype(np.float32)
    expected = [found[-1] for found in naive.half_costs(costs, others)]
    assert dtw.half_costs(costs, others) == pytest.approx(expected, abs=1e-6)


def test_costs_of_halves_worked_by_hand():
    costs = np.ones((4, 6), np.float32)
    costs[0, 1] = costs[1, 2] = costs[2, 4] = costs[3, 5] = 0.0
    costs[2, 4] = 0.5
    # The path visits these four cells: nothing in the first half, a quarter in the second.
    others = np.ones_like(costs)
    others[0] = 9.0
    assert dtw.half_costs(costs, others) == ((0.125 + 0.25) / 2, (0.5 + 1.0) / 2)
    costs = costs[:, :2].copy()
    assert dtw.half_costs(costs, costs) == (np.inf, 0.0), "two frames reach row 2 at most"


@settings(max_examples=150)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.integers(0, 2).map(float),
    )
)
def test_warping_path_is_that_of_the_definition(costs):
    total, path = dtw.warping_path(costs)
    expected_total, expected_path = naive.align(costs)
    assert total == expected_total
    assert [tuple(cell) for cell in path[::-1].tolist()] == expected_path
