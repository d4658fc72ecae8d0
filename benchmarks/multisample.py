"""Multi-sample dynamic time warping: all shots of a keyword in one template.

The shots are aligned to one of them, the reference. A cell of the search costs what the best of the
frames costs that are aligned to the reference's frame: a matrix of costs instead of one per shot,
which is searched as that of a single template (K. Wilkinghoff and A. Cornaggia-Urrigshardt,
"Multi-sample dynamic time warping for few-shot keyword spotting", arXiv 2404.14903). The reference
is the shot that warps to the others at the least cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial.distance import cdist

from kws import dtw
from kws.calibration import NO_MATCH, PEAK_S
from kws.selection import Match, Selection


@dataclass(frozen=True)
class AlignedShots:
    """What is searched for.

    Attributes
    ----------
    keyword : str
    frames : np.ndarray, shape (n, dim), float32
        Rows of unit length: those that are aligned to the reference's first frame, to its second
        and so on.
    firsts : np.ndarray, shape (L,), int64
        First row of those of each frame of the reference.
    mean, deviation : float
        Of the best scores in stretches of other sound.
    half_mean, half_deviation : float or None
        The same of the worse halves of those paths, by which matches are scored; None: they are
        scored by the whole path.
    """

    keyword: str
    frames: np.ndarray = field(repr=False)
    firsts: np.ndarray = field(repr=False)
    mean: float = 0.0
    deviation: float = 1.0
    half_mean: float | None = None
    half_deviation: float | None = None

    def __len__(self) -> int:
        return len(self.firsts)

    def costs(self, frames: np.ndarray) -> np.ndarray:
        """Least cost of each frame (n, dim) of a recording at those of each row: (n, L)."""
        best = np.maximum.reduceat(frames @ self.frames.T, self.firsts, axis=1)
        return np.maximum(np.float32(1.0) - best, np.float32(0.0))


def align(keyword: str, sequences: Sequence[np.ndarray]) -> AlignedShots:
    """Align shots to the one that warps to all of them at the least cost.

    Parameters
    ----------
    keyword : str
    sequences : sequence of np.ndarray, shapes (n_i, dim)
        Rows of unit length.

    Examples
    --------
    >>> slow, fast = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]], np.eye(3, dtype=np.float32)
    >>> align("yes", [fast, slow]).firsts
    array([0, 3, 5])
    """
    warped = [[dtw.warping_path(cdist(a, b, "sqeuclidean")) for b in sequences] for a in sequences]
    totals = [sum(cost for cost, _ in paths) for paths in warped]
    reference = int(np.argmin(totals))
    paths = [path for _, path in warped[reference]]
    rows = np.concatenate([path[:, 0] for path in paths])
    frames = np.concatenate([s[path[:, 1]] for s, path in zip(sequences, paths, strict=True)])
    order = np.argsort(rows, kind="stable")
    firsts = np.searchsorted(rows[order], np.arange(len(sequences[reference])))
    return AlignedShots(keyword, frames[order], firsts)


def score_curves(
    templates: Sequence[AlignedShots], frames: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Score of each template at every frame of a whole recording, as in `kws.search`.

    Parameters
    ----------
    templates : sequence of AlignedShots
    frames : np.ndarray, shape (n, dim), float32
        Rows of unit length.

    Returns
    -------
    scores : np.ndarray, shape (n_templates, n), float32
        Score of the best path of each template that ends at each frame; -inf where none does.
    starts : np.ndarray, shape (n_templates, n), int64
        Frame at which that path starts; without meaning where there is none.
    """
    scores = np.empty((len(templates), len(frames)), np.float32)
    starts = np.empty(scores.shape, np.int64)
    for k, template in enumerate(templates):
        costs = np.zeros((len(frames), len(template) + dtw.LANES), np.float32)
        costs[:, : len(template)] = template.costs(frames)
        D = np.full((1, 3, costs.shape[1]), np.inf, np.float32)
        steps, borders = np.zeros(D.shape, np.int32), np.array([0, len(template)])
        dtw.advance(costs, borders, 0, D, steps, scores[k : k + 1], starts[k : k + 1])
    return scores, starts


def half_score(template: AlignedShots, frames: np.ndarray) -> float:
    """Score of the best path that ends in the last frame, as in `kws.halves`."""
    costs = np.ascontiguousarray(template.costs(frames).T)
    return 0.0 - float(dtw.half_costs(costs, costs)[0])


def search(templates: Sequence[AlignedShots], frames: np.ndarray) -> list[Match]:
    """Every best match in a whole recording that overlaps with no better one."""
    scores, starts = score_curves(templates, frames)
    scores -= np.array([t.mean for t in templates], np.float32)[:, None]
    scores /= np.array([t.deviation for t in templates], np.float32)[:, None]

    def by_halves(number: int, onset: int, offset: int) -> float:
        template = templates[number]
        score = half_score(template, frames[onset:offset])
        return (score - template.half_mean) / template.half_deviation

    halves = all(t.half_mean is not None for t in templates)
    selection = Selection(
        np.array([len(t) for t in templates]),
        np.full(len(templates), -np.inf),
        by_halves if halves else None,
    )
    return selection.push(scores, starts, 0) + selection.finish()


def calibrated(
    templates: Sequence[AlignedShots], frames: np.ndarray, hop_s: float
) -> list[AlignedShots]:
    """Templates whose scores are deviations above those in other sound, as in `kws.calibration`.

    Parameters
    ----------
    templates : sequence of AlignedShots
    frames : np.ndarray, shape (n, dim)
        Other sound, at least some tens of seconds.
    hop_s : float
        Seconds between frames.
    """
    length = round(PEAK_S / hop_s)
    count = len(frames) // length
    out = []
    for template in templates:
        (scores,), (starts,) = score_curves([template], frames)
        ends = scores[: count * length].reshape(count, length).argmax(axis=1)
        ends = (ends + length * np.arange(count))[1:]
        found = [e for e in ends if np.isfinite(scores[e])]
        missing = [NO_MATCH] * (len(ends) - len(found))
        wholes = [float(scores[e]) for e in found] + missing
        halves = [half_score(template, frames[starts[e] : e + 1]) for e in found] + missing
        out.append(
            replace(
                template,
                mean=float(np.mean(wholes)),
                deviation=max(float(np.std(wholes)), 1e-3),
                half_mean=float(np.mean(halves)),
                half_deviation=max(float(np.std(halves)), 1e-3),
            )
        )
    return out
