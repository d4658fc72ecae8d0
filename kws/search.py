"""Search recordings for templates: frames in, score curves, matches out.

Everything is carried from block to block, so that a recording or a stream of any length takes the
same memory, and how it is cut into blocks changes nothing in the result.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kws import dtw
from kws.halves import ROUNDING, half_score, whole_thresholds
from kws.selection import Match, Selection

if TYPE_CHECKING:
    from kws.templates import Template

GRID = 64
"""Frames whose costs are computed at a time, counted from the beginning of the recording."""
TILE = 32
"""Template frames whose costs are computed at a time.

Matrix products of another shape differ in the last bits; this one is small enough that BLAS does
not share it among threads, whose meeting takes longer than the work when the cores are busy.
"""
MOST_FRAMES = 1 << 12
MOST_CELLS = 1 << 21
PARALLEL_CELLS = 1 << 20
"""Costs below which the cores are not worth waking."""


class ScoreCurves:
    """Score of each template at every frame of a recording that is given piece by piece.

    Parameters
    ----------
    templates : sequence of np.ndarray, shapes (L_i, dim)
        Rows of unit length.
    means, deviations : float or array of shape (n_templates,)
        Scores are given as deviations above these means.
    parallel : bool
        Share long work among the processor's cores. Pass False where several recordings are
        searched in threads.

    Attributes
    ----------
    lengths : np.ndarray, shape (n_templates,)
        Frames of each template.
    n_frames : int
        Frames of the recording so far.
    most_frames : int
        How many `advance` takes at once, a multiple of `GRID`.

    Raises
    ------
    ValueError
        There are no templates; one is empty, too long, not finite or of another dimension; a
        deviation is not above 0.
    """

    def __init__(
        self,
        templates: Sequence[np.ndarray],
        *,
        means: ArrayLike = 0.0,
        deviations: ArrayLike = 1.0,
        parallel: bool = True,
    ) -> None:
        if not len(templates):
            raise ValueError("there are no templates to search for")
        self.lengths = np.array([len(template) for template in templates])
        for k, template in enumerate(templates):
            if template.ndim != 2 or template.shape[1] != templates[0].shape[1]:
                raise ValueError(f"template {k} has shape {template.shape}, others another width")
            if not 1 <= len(template) <= dtw.LONGEST_TEMPLATE:
                raise ValueError(f"template {k} has {len(template)} frames; 1 to 16384 will do")
            if not np.isfinite(template).all():
                raise ValueError(f"template {k} holds NaN or Inf")
        self._means, self._deviations = np.empty((2, len(templates)), np.float32)
        self._means[:], self._deviations[:] = means, deviations
        if not (np.isfinite(self._means).all() and (self._deviations > 0).all()):
            raise ValueError("means must be finite and deviations above 0")
        self.n_frames = 0
        self._parallel = parallel
        self._offsets = np.concatenate(([0], np.cumsum(self.lengths)))
        dim = templates[0].shape[1]
        n_tiles = -(-(self._offsets[-1] + dtw.LANES) // TILE)
        stacked = np.zeros((n_tiles * TILE, dim), np.float32)
        stacked[: self._offsets[-1]] = np.concatenate(templates)
        self._tiles = stacked.reshape(n_tiles, TILE, dim).transpose(0, 2, 1).copy()
        self._block = np.zeros((GRID, dim), np.float32)
        n_blocks = min(MOST_FRAMES, MOST_CELLS // len(stacked)) // GRID
        self.most_frames = max(1, n_blocks) * GRID
        state = (len(templates), 3, self.lengths.max() + dtw.LANES)
        self._D = np.full(state, np.inf, np.float32)
        self._steps = np.zeros(state, np.int32)

    def advance(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Go on by some frames.

        Parameters
        ----------
        frames : np.ndarray, shape (n, dim), float32
            At most `most_frames` with rows of unit length. Whole blocks of `GRID`, except for the
            last ones of the recording.

        Returns
        -------
        scores : np.ndarray, shape (n_templates, n), float32
            Score of the best path of each template that ends at each frame; -inf where none does.
        starts : np.ndarray, shape (n_templates, n), int64
            Frame at which that path starts.
        """
        costs = self._costs(frames)
        shape = (len(self.lengths), len(frames))
        scores, starts = np.empty(shape, np.float32), np.empty(shape, np.int64)
        shared = self._parallel and shape[0] > 1 and costs.size >= PARALLEL_CELLS
        kernel = dtw.advance_parallel if shared else dtw.advance
        kernel(costs, self._offsets, self.n_frames, self._D, self._steps, scores, starts)
        self.n_frames += len(frames)
        scores -= self._means[:, None]
        scores /= self._deviations[:, None]
        return scores, starts

    def earliest_start(self, thresholds: np.ndarray) -> int:
        """First frame that paths which end later can hold, with scores at least the thresholds."""
        least = thresholds * self._deviations + self._means - ROUNDING
        return dtw.earliest_start(self._offsets, self.n_frames, self._D, self._steps, least)

    def _costs(self, frames: np.ndarray) -> np.ndarray:
        n_rows = -(-len(frames) // GRID) * GRID
        costs = np.empty((n_rows, len(self._tiles) * TILE), np.float32)
        for first in range(0, n_rows, GRID):
            block = frames[first : first + GRID]
            self._block[: len(block)] = block
            tiles = costs[first : first + GRID].reshape(GRID, -1, TILE).transpose(1, 0, 2)
            np.matmul(self._block, self._tiles, out=tiles)
        np.subtract(1.0, costs, out=costs)
        np.maximum(costs, 0.0, out=costs)
        return costs[: len(frames)]


class Searcher:
    """Searches a recording that is given piece by piece for templates.

    The result does not depend on the size of the pieces, and memory does not grow with the
    recording, but for the scores that `keep_scores` asks for.

    Parameters
    ----------
    templates : sequence of np.ndarray, shapes (L_i, dim)
        Rows of unit length.
    thresholds : float or array of shape (n_templates,)
        Least score of a match; all may be -inf.
    means, deviations : float or array of shape (n_templates,)
        Scores are given as deviations above these means; as they are, they lie in [-2, 0].
    halves : array of shape (n_templates, 2), optional
        Matches are scored with the worse half of their path, as deviations (second column) above
        these means (first column). Whole paths still say which is the best match at each time.
    broken_off : sequence of (np.ndarray or None), optional
        With ``halves``, what is heard in the place of each template's frames where the keyword is
        broken off: matches that end like it lose in score (`kws.halves`).
    keyword_of : sequence of int, optional
        Keyword of each template, for `scores`; by default each has its own.
    keep_scores : bool
        Keep the score curves, always of whole paths, 4 bytes per keyword and frame.
    parallel : bool
        Share long work among the processor's cores. Pass False where several recordings are
        searched in threads.

    Raises
    ------
    ValueError
        Templates or thresholds cannot be used.

    Notes
    -----
    The back end of the dissertation, section 6.3.6: sub-sequence dynamic time warping with the
    steps (1, 1), (1, 2) and (2, 1), cost ``1 - cosine`` and division by the number of visited
    cells, as `kws.dtw` defines it; then `Selection`. As skipped frames cost nothing, least cost
    favours paths that skip frames of the template: matches tend to be shorter than what was said.
    The worse half and keywords that are broken off are not in the dissertation.
    """

    def __init__(
        self,
        templates: Sequence[np.ndarray],
        *,
        thresholds: ArrayLike = -np.inf,
        means: ArrayLike = 0.0,
        deviations: ArrayLike = 1.0,
        halves: ArrayLike | None = None,
        broken_off: Sequence[np.ndarray | None] | None = None,
        keyword_of: Sequence[int] | None = None,
        keep_scores: bool = False,
        parallel: bool = True,
    ) -> None:
        self._curves = ScoreCurves(templates, means=means, deviations=deviations, parallel=parallel)
        self._thresholds = np.empty(len(templates))
        self._thresholds[:] = thresholds
        self._whole_thresholds = self._thresholds
        self._halves = None if halves is None else np.array(halves)
        if self._halves is not None:
            self._whole_thresholds = whole_thresholds(
                self._thresholds, np.array(means), np.array(deviations), self._halves
            )
        rescore = None if halves is None else self._half_score
        self._selection = Selection(self._curves.lengths, self._whole_thresholds, rescore)
        self._templates = templates
        self._broken_off = [None] * len(templates) if broken_off is None else broken_off
        self._recent = np.empty((0, templates[0].shape[1]), np.float32)
        self._keyword_of = np.arange(len(templates)) if keyword_of is None else np.array(keyword_of)
        self._kept: list[np.ndarray] | None = [] if keep_scores else None
        self._waiting = np.empty((0, templates[0].shape[1]), np.float32)

    @classmethod
    def of(cls, templates: Sequence["Template"], **options: Any) -> "Searcher":
        """Searcher for templates with their calibration; the options are the other parameters."""
        halves = [(t.half_mean, t.half_deviation) for t in templates]
        return cls(
            [t.frames for t in templates],
            means=[t.mean for t in templates],
            deviations=[t.deviation for t in templates],
            halves=None if any(None in half for half in halves) else halves,
            broken_off=[t.broken_off for t in templates],
            **options,
        )

    def push(self, frames: np.ndarray) -> list[Match]:
        """Take frames, give the matches that no later frame can change.

        Parameters
        ----------
        frames : np.ndarray, shape (n, dim)
            Rows of unit length.

        Returns
        -------
        list of Match
            In the order of their paths' ends, whatever was shortened, and of their templates.

        Raises
        ------
        ValueError
            The frames are of another dimension or not finite.
        """
        matches = []
        for piece in _pieces(frames, self._waiting.shape[1], self._curves.most_frames):
            frames = np.concatenate((self._waiting, piece))
            n_whole = len(frames) // GRID * GRID
            self._waiting = frames[n_whole:].copy()
            if n_whole:
                matches += self._advance(frames[:n_whole])
        return matches

    def finish(self) -> list[Match]:
        """Give the remaining matches, at the end of the recording."""
        matches = self._advance(self._waiting) if len(self._waiting) else []
        self._waiting = self._waiting[:0]
        return matches + self._reaching(self._selection.finish())

    def scores(self) -> np.ndarray:
        """Best score over the templates of each keyword at every frame, with `keep_scores`.

        Returns
        -------
        np.ndarray, shape (n_keywords, n_frames), float32
            All frames after `finish`; those of whole blocks before.

        Raises
        ------
        ValueError
            They were not kept.
        """
        if self._kept is None:
            raise ValueError("scores were not kept; pass keep_scores=True")
        none = np.empty((self._keyword_of.max() + 1, 0), np.float32)
        return np.concatenate([none, *self._kept], axis=1)

    def _advance(self, frames: np.ndarray) -> list[Match]:
        scores, starts = self._curves.advance(frames)
        if self._kept is not None:
            best = np.full((self._keyword_of.max() + 1, len(frames)), -np.inf, np.float32)
            np.maximum.at(best, self._keyword_of, scores)
            self._kept.append(best)
        horizon = self._curves.earliest_start(self._whole_thresholds)
        if self._halves is None:
            return self._selection.push(scores, starts, horizon)
        self._recent = np.concatenate((self._recent, frames))
        matches = self._selection.push(scores, starts, horizon)
        waiting = self._curves.n_frames - self._selection.first_frame
        self._recent = self._recent[len(self._recent) - waiting :].copy()
        return self._reaching(matches)

    def _half_score(self, template: int, onset: int, offset: int) -> float:
        first = self._curves.n_frames - len(self._recent)
        path = self._recent[onset - first : offset - first]
        mean, deviation = self._halves[template]
        score, penalty = half_score(self._templates[template], path, self._broken_off[template])
        return float((score - mean) / deviation) - penalty

    def _reaching(self, matches: Sequence[Match]) -> list[Match]:
        return [m for m in matches if m.score >= self._thresholds[m.template]]


def search(
    templates: Sequence[np.ndarray],
    frames: np.ndarray,
    thresholds: ArrayLike = -np.inf,
    *,
    parallel: bool = True,
) -> list[Match]:
    """Search a whole recording for templates; see `Searcher`.

    Examples
    --------
    >>> frames = np.eye(8, dtype=np.float32)
    >>> search([frames[2:6]], frames, -0.1)
    [Match(template=0, onset_frame=2, offset_frame=6, score=0.0)]
    """
    searcher = Searcher(templates, thresholds=thresholds, parallel=parallel)
    return searcher.push(frames) + searcher.finish()


def score_curves(
    templates: Sequence[np.ndarray], frames: np.ndarray, *, parallel: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Score of each template at every frame of a whole recording.

    Parameters
    ----------
    templates : sequence of np.ndarray, shapes (L_i, dim)
        Rows of unit length.
    frames : np.ndarray, shape (n, dim)
        Rows of unit length.
    parallel : bool
        Share long work among the processor's cores.

    Returns
    -------
    scores : np.ndarray, shape (n_templates, n), float32
        Score of the best path of each template that ends at each frame; -inf where none does.
    starts : np.ndarray, shape (n_templates, n), int64
        Frame at which that path starts; -1 where there is none.
    """
    curves = ScoreCurves(templates, parallel=parallel)
    shape = (len(templates), len(frames))
    scores, starts = np.empty(shape, np.float32), np.empty(shape, np.int64)
    first = 0
    for piece in _pieces(frames, templates[0].shape[1], curves.most_frames):
        part = np.s_[:, first : first + len(piece)]
        scores[part], starts[part] = curves.advance(piece)
        first += len(piece)
    starts[np.isneginf(scores)] = -1
    return scores, starts


def _pieces(frames: np.ndarray, dim: int, size: int) -> list[np.ndarray]:
    if frames.ndim != 2 or frames.shape[1] != dim:
        raise ValueError(f"frames have shape {frames.shape}; templates have {dim} columns")
    if not np.isfinite(frames).all():
        raise ValueError("frames hold NaN or Inf")
    return [frames[first : first + size] for first in range(0, len(frames), size)]
