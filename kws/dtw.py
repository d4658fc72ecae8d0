"""Numba kernels of dynamic time warping: search, selection, halves of paths, alignment.

Search. For a template of L frames and the cost ``c[i, j]`` of its frame i at the recording's frame
j, a path that ends in (i, j) costs at least ::

    D[0, j] = c[0, j]                                                   it may start anywhere
    D[i, j] = c[i, j] + min(D[i - 1, j - 1], D[i - 1, j - 2], D[i - 2, j - 1])

Of equal predecessors the first counts, in this order. Each step visits one cell: the frame that
(1, 2) skips in the recording and the one that (2, 1) skips in the template cost nothing and are not
counted. The score of end frame j is ``-D[L - 1, j] / cells``, with the number of visited cells.

No matrix is kept and nothing is traced back. A column depends on the two before it and not on
itself, so three columns are carried from block to block, and the loop along a column is a vector
loop. With every D go the numbers of (1, 2) and (2, 1) steps of its path, ``long`` and ``short``,
in one integer: ``long * 2**16 + short``. At row i the path has visited ``i + 1 - short`` cells and
``i + 1 - short + long`` frames of the recording.

Two things are there for speed. Indices are unsigned, because Numba adds a test for negative values
to signed ones, which keeps the compiler from making vectors. And a column is computed in whole
vectors, up to seven rows past the template's end: no row depends on a later one, so what they hold
does not matter.
"""

import numpy as np
from numba import njit, prange

LONG_STEP = np.int32(1 << 16)
SHORT_STEP = np.int32(1)
LONGEST_TEMPLATE = 1 << 14
LANES = 8
ONE = np.uint64(1)


@njit(cache=True, nogil=True)
def _advance_one(costs, column, length, first, D, steps, scores, starts):
    """Advance one template, whose costs begin at a column of the block, by a block."""
    rows = np.uint64((length + LANES - 2) // LANES * LANES)
    for j in range(costs.shape[0]):
        now = first + j
        current = np.uint64(now % 3)
        newer = np.uint64((now + 2) % 3)
        older = np.uint64((now + 1) % 3)
        D[current, ONE] = costs[j, column]
        steps[current, ONE] = 0
        for i in range(ONE, rows + ONE):
            cost = D[newer, i]
            path = steps[newer, i]
            long_cost = D[older, i]
            long_path = steps[older, i] + LONG_STEP
            better = long_cost < cost
            cost = long_cost if better else cost
            path = long_path if better else path
            short_cost = D[newer, i - ONE]
            short_path = steps[newer, i - ONE] + SHORT_STEP
            better = short_cost < cost
            cost = short_cost if better else cost
            path = short_path if better else path
            D[current, i + ONE] = costs[j, column + i] + cost
            steps[current, i + ONE] = path
        path = steps[current, length]
        cells = length - (path & 0xFFFF)
        scores[j] = np.float32(0.0) - D[current, length] / np.float32(cells)
        starts[j] = now + 1 - cells - (path >> 16)


@njit(cache=True, nogil=True)
def advance(costs, offsets, first, D, steps, scores, starts):
    """Carry the paths of all templates through a block of the recording.

    Parameters
    ----------
    costs : np.ndarray, shape (n, sum of L_i + LANES), float32
        Costs, at least 0, of the block's frames (rows) at all templates' frames (columns); the last
        LANES columns are read but do not matter.
    offsets : np.ndarray, shape (n_templates + 1,), int64
        Template k has the columns ``offsets[k]:offsets[k + 1]``.
    first : int
        Frames of the recording before the block.
    D : np.ndarray, shape (n_templates, 3, max L_i + LANES), float32
        Carried state, all inf in the beginning: the columns of the last frames, that of frame j at
        ``j % 3``, row i at ``1 + i``; ``D[:, :, 0]`` stays inf. Changed in place.
    steps : np.ndarray, shape (n_templates, 3, max L_i + LANES), int32
        Carried state, all 0 in the beginning: steps of the paths. Changed in place.
    scores : np.ndarray, shape (n_templates, n), float32
        Filled with the score of the best path that ends at each frame; -inf where none does.
    starts : np.ndarray, shape (n_templates, n), int64
        Filled with the frame at which that path starts; without meaning where none does.
    """
    for k in range(len(offsets) - 1):
        column = np.uint64(offsets[k])
        length = offsets[k + 1] - offsets[k]
        _advance_one(costs, column, length, first, D[k], steps[k], scores[k], starts[k])


@njit(cache=True, nogil=True, parallel=True)
def advance_parallel(costs, offsets, first, D, steps, scores, starts):
    """Do what `advance` does, with the templates shared among the processor's cores."""
    for k in prange(len(offsets) - 1):
        column = np.uint64(offsets[k])
        length = offsets[k + 1] - offsets[k]
        _advance_one(costs, column, length, first, D[k], steps[k], scores[k], starts[k])


@njit(cache=True, nogil=True)
def earliest_start(offsets, now, D, steps, thresholds):
    """First frame of the carried paths that can still become a candidate.

    Costs are not negative, and with L - i - 1 template frames to go, a path in row i can visit at
    most L - ``short`` cells: its score can only fall below that of its cost spread over so many.

    Parameters
    ----------
    offsets, D, steps
        As `advance` leaves them.
    now : int
        Frames of the recording so far.
    thresholds : np.ndarray, shape (n_templates,), float64
        Least score of a candidate.

    Returns
    -------
    int
        At most `now`, where a new path would start.
    """
    earliest = now
    for k in range(len(offsets) - 1):
        length = offsets[k + 1] - offsets[k]
        for frame in range(max(0, now - 2), now):
            column = frame % 3
            for i in range(length - 1):
                path = steps[k, column, i + 1]
                short = path & 0xFFFF
                bound = np.float32(0.0) - D[k, column, i + 1] / np.float32(length - short)
                if bound > -np.inf and bound >= thresholds[k]:
                    earliest = min(earliest, frame - i + short - (path >> 16))
    return earliest


@njit(cache=True, nogil=True)
def find_candidates(scores, starts, first, thresholds, last_scores, last_starts, rising, found):
    """Find local maxima of score curves.

    A frame is one if its score is higher than that of the frame before and not lower than that of
    the frame after: the first frame of a plateau. Its neighbours outside of the recording count as
    -inf.

    Parameters
    ----------
    scores : np.ndarray, shape (n_templates, n), float32
    starts : np.ndarray, shape (n_templates, n), int64
    first : int
        Frames of the recording before these.
    thresholds : np.ndarray, shape (n_templates,), float64
        Least score of a candidate.
    last_scores : np.ndarray, shape (n_templates,), float32
        Carried state, -inf in the beginning. Changed in place.
    last_starts : np.ndarray, shape (n_templates,), int64
        Carried state. Changed in place.
    rising : np.ndarray, shape (n_templates,), bool
        Carried state, False in the beginning: is the last frame higher than the one before it?
        Changed in place.
    found : np.ndarray, shape (at least n_templates * (n // 2 + 1),)
        Filled with records of the fields template, onset, offset (frames, exclusive) and score, by
        offset and template.

    Returns
    -------
    int
        Number of candidates found.
    """
    n_found = 0
    for j in range(scores.shape[1]):
        for k in range(scores.shape[0]):
            score = scores[k, j]
            rises = score > last_scores[k]
            if rising[k] and not rises and last_scores[k] >= thresholds[k]:
                found[n_found]["template"] = k
                found[n_found]["onset"] = last_starts[k]
                found[n_found]["offset"] = first + j
                found[n_found]["score"] = last_scores[k]
                n_found += 1
            rising[k] = rises
            last_scores[k] = score
            last_starts[k] = starts[k, j]
    return n_found


@njit(cache=True, nogil=True)
def paint(onsets, offsets, ranks, number, best, owner):
    """Give each frame to the best candidate that covers it; to the first of equal ones.

    Parameters
    ----------
    onsets, offsets : np.ndarray, shape (n,), int64
        First frames of the candidates and those after their last ones.
    ranks : np.ndarray, shape (n,), float64
        Higher is better.
    number : int
        Number of the first candidate; the others follow.
    best : np.ndarray, shape (n_frames,), float64
        Rank of each frame's owner, -inf where it has none. Changed in place.
    owner : np.ndarray, shape (n_frames,), int32
        Number of the candidate that owns each frame. Changed in place.
    """
    for c in range(len(ranks)):
        for t in range(onsets[c], offsets[c]):
            if ranks[c] > best[t]:
                best[t] = ranks[c]
                owner[t] = number + c


@njit(cache=True, nogil=True)
def longest_pieces(owner, count):
    """Longest run of frames of each of the first candidates; the first of equal ones.

    Parameters
    ----------
    owner : np.ndarray, shape (n_frames,), int32
        As `paint` leaves it.
    count : int
        Number of candidates.

    Returns
    -------
    onsets, lengths : np.ndarray, shape (count,), int64
        Length 0 for one that owns no frame.
    """
    onsets = np.zeros(count, np.int64)
    lengths = np.zeros(count, np.int64)
    onset = 0
    for t in range(len(owner)):
        if t == 0 or owner[t] != owner[t - 1]:
            onset = t
        number = owner[t]
        if 0 <= number < count and t + 1 - onset > lengths[number]:
            onsets[number] = onset
            lengths[number] = t + 1 - onset
    return onsets, lengths


@njit(cache=True, nogil=True)
def half_costs(costs, others):
    """Costs of the best path that ends in the last frame, and of the same path through others.

    The path is that of `advance`; its first half is in the first ``L // 2`` frames of the template.

    Parameters
    ----------
    costs : np.ndarray, shape (L, n), float32
        Costs of a template's frames at a recording's frames.
    others : np.ndarray, shape (L, n), float32
        Costs of other frames in the template's place.

    Returns
    -------
    weighted : float
        Mean of two mean costs: of the path, and of its worse half. Each is a sum of costs of
        visited cells, divided by their number; inf where no path ends in the last frame.
    gap : float
        How much the path's second half costs more, in the mean over its cells, through the others;
        0 where there is no path.
    """
    m, n = costs.shape
    D = np.full((m + 1, n + 2), np.inf, np.float32)
    D[1, 2:] = costs[0]
    for i in range(1, m):
        for j in range(n):
            D[i + 1, j + 2] = costs[i, j] + min(D[i, j + 1], D[i, j], D[i - 1, j + 1])
    if D[m, n + 1] == np.inf:
        return np.inf, 0.0
    sums, cells, gap = np.zeros(2), np.zeros(2, np.int64), 0.0
    i, j = m, n + 1
    while i > 0:
        half = int(i > m // 2)
        sums[half] += costs[i - 1, j - 2]
        cells[half] += 1
        gap += half * (others[i - 1, j - 2] - costs[i - 1, j - 2])
        direct, long, short = D[i - 1, j - 1], D[i - 1, j - 2], np.float32(np.inf)
        if i > 1:
            short = D[i - 2, j - 1]
        if direct <= long and direct <= short:
            i, j = i - 1, j - 1
        elif long <= short:
            i, j = i - 1, j - 2
        else:
            i, j = i - 2, j - 1
    worse = np.max(sums / np.maximum(cells, 1))
    return (np.sum(sums) / np.sum(cells) + worse) / 2, gap / cells[1]


@njit(cache=True, nogil=True)
def warping_path(costs):
    """Cheapest path through a matrix of costs, from corner to corner.

    Steps are (1, 1), (1, 0) and (0, 1); of equal predecessors the first counts, in this order.

    Parameters
    ----------
    costs : np.ndarray, shape (m, n), float64

    Returns
    -------
    total : float
        Sum of the costs of all cells of the path.
    path : np.ndarray, shape (length, 2), int64
        Rows and columns, from the last to the first.
    """
    m, n = costs.shape
    D = np.full((m + 1, n + 1), np.inf)
    D[0, 0] = 0.0
    for i in range(m):
        for j in range(n):
            D[i + 1, j + 1] = costs[i, j] + min(D[i, j], D[i, j + 1], D[i + 1, j])
    path = np.empty((m + n - 1, 2), np.int64)
    length = 0
    i, j = m, n
    while i > 0 and j > 0:
        path[length, 0] = i - 1
        path[length, 1] = j - 1
        length += 1
        diagonal, above, left = D[i - 1, j - 1], D[i - 1, j], D[i, j - 1]
        if diagonal <= above and diagonal <= left:
            i -= 1
            j -= 1
        elif above <= left:
            i -= 1
        else:
            j -= 1
    return D[m, n], path[:length]
