"""The definitions that kws.dtw and kws.search compute fast, in a few lines of NumPy."""

import numpy as np

STEPS = ((1, 1), (1, 2), (2, 1))
ALIGNMENT_STEPS = ((1, 1), (1, 0), (0, 1))


def accumulate(costs, steps, is_start):
    """Accumulated costs of all cells, and the cells of the path that ends in each."""
    D = np.full(costs.shape, np.inf, costs.dtype)
    paths = np.empty(costs.shape, object)
    for i, j in np.ndindex(costs.shape):
        before = [(i - a, j - b) for a, b in steps if i >= a and j >= b]
        if is_start(i, j):
            D[i, j], paths[i, j] = costs[i, j], [(i, j)]
        elif before:
            best = min(before, key=lambda cell: D[cell])
            if D[best] < np.inf:
                D[i, j], paths[i, j] = costs[i, j] + D[best], [*paths[best], (i, j)]
    return D, paths


def curve(costs):
    """Score curve of a template from its (L, n) costs; -inf and -1 where no path ends."""
    D, paths = accumulate(costs, STEPS, lambda i, j: i == 0)
    scores = np.full(costs.shape[1], -np.inf, np.float32)
    starts = np.full(costs.shape[1], -1)
    for j, path in enumerate(paths[-1]):
        if path:
            scores[j] = 0.0 - D[-1, j] / np.float32(len(path))
            starts[j] = path[0][1]
    return scores, starts


def half_costs(costs, others):
    """Mean of the path's mean cost and its worse half's, for each frame; inf where none ends.

    And how much more its second half costs through others; 0 where none ends.
    """
    found, gaps = np.full(costs.shape[1], np.inf), np.zeros(costs.shape[1])
    for j, path in enumerate(accumulate(costs, STEPS, lambda i, j: i == 0)[1][-1]):
        if path:
            late = np.array([i >= len(costs) // 2 for i, _ in path])
            cells = np.array([costs[cell] for cell in path], np.float64)
            worse = max(cells[half].mean() for half in (late, ~late) if half.any())
            found[j] = (cells.mean() + worse) / 2
            gaps[j] = np.array([others[cell] for cell in path])[late].mean() - cells[late].mean()
    return found, gaps


def curves(templates, frames):
    """Score curves of all templates."""
    made = [curve(np.maximum(1 - template @ frames.T, 0)) for template in templates]
    return np.array([scores for scores, _ in made]), np.array([starts for _, starts in made])


def select(scores, starts, lengths, thresholds, given=None):
    """Matches (template, onset, offset, score) of score curves, by paths' ends and templates.

    Their scores are those that are given, by default those by which they rank.
    """
    given = scores if given is None else given
    bordered = np.pad(scores, ((0, 0), (1, 1)), constant_values=-np.inf)
    handicaps = np.where(np.isfinite(thresholds), thresholds, 0)
    candidates = [
        (handicaps[k] - scores[k, j], j, k)
        for k, j in np.ndindex(scores.shape)
        if bordered[k, j] < scores[k, j] >= bordered[k, j + 2] and scores[k, j] >= thresholds[k]
    ]
    owner = np.full(scores.shape[1], -1)
    matches = []
    for number, (_, j, k) in enumerate(sorted(candidates)):
        covered = owner[starts[k, j] : j + 1]
        covered[covered < 0] = number
        borders = np.flatnonzero(np.diff(np.pad(owner == number, 1)))
        pieces = list(zip(borders[::2], borders[1::2], strict=True))
        onset, offset = max(pieces, key=np.ptp, default=(0, 0))
        if 2 * (offset - onset) >= lengths[k]:
            matches.append((j, (k, int(onset), int(offset), float(given[k, j]))))
    return [match for _, match in sorted(matches)]


def align(costs):
    """Cost and cells of the cheapest path from corner to corner."""
    D, paths = accumulate(costs, ALIGNMENT_STEPS, lambda i, j: i == j == 0)
    return D[-1, -1], paths[-1, -1]
