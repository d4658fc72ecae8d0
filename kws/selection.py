"""Selection of matches: score curves in, at each time the best match out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kws import dtw

CANDIDATE = np.dtype(
    [("template", np.int64), ("onset", np.int64), ("offset", np.int64), ("score", np.float32)]
)


@dataclass(frozen=True)
class Match:
    """Where a template was found.

    Attributes
    ----------
    template : int
        Its number.
    onset_frame, offset_frame : int
        First frame and the one after the last.
    score : float
        Negative mean cost along the path or with its worse half, in [-2, 0]; or its deviations
        above that of other sound. Higher is better.
    """

    template: int
    onset_frame: int
    offset_frame: int
    score: float


class Selection:
    """Chooses matches from score curves that are given piece by piece.

    Candidates are the local maxima of each curve, of a plateau its first frame, with the path that
    ends there. At each time only the best candidate that covers it remains; of equal ones that
    which ended first, then that of the lower template. Of a candidate that this shortens or splits
    the longest piece remains, of equal ones the first, and pieces shorter than half of the
    template's frames are dropped; what they cover stays lost to worse candidates. So the matches
    at a threshold are those without a threshold whose scores reach it.

    Candidates rank by score; with thresholds that differ, by what they lie above their own.

    Parameters
    ----------
    lengths : np.ndarray, shape (n_templates,)
        Frames of each template.
    thresholds : np.ndarray, shape (n_templates,), float64
        Least score of a candidate.
    rescore : callable, optional
        Score of a match, from its template and the first frame of its path and that after its last;
        by default that of the candidate.

    Raises
    ------
    ValueError
        A threshold is NaN, or they differ and one is infinite.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        thresholds: np.ndarray,
        rescore: Callable[[int, int, int], float] | None = None,
    ) -> None:
        differ = (thresholds != thresholds[0]).any()
        if np.isnan(thresholds).any() or (differ and not np.isfinite(thresholds).all()):
            raise ValueError("thresholds must be numbers, and finite where they differ")
        least = thresholds.min()
        self._handicaps = thresholds - least if differ else np.zeros(len(thresholds))
        self._lengths = lengths
        self._thresholds = thresholds
        self._rescore = rescore
        self._n_frames = 0
        self._last_scores = np.full(len(lengths), -np.inf, np.float32)
        self._last_starts = np.zeros(len(lengths), np.int64)
        self._rising = np.zeros(len(lengths), bool)
        self._candidates = np.empty(0, CANDIDATE)
        self._base = 0
        self._best = np.empty(0)
        self._owner = np.empty(0, np.int32)

    @property
    def first_frame(self) -> int:
        """First frame that the paths of later matches can hold."""
        return self._base

    def push(self, scores: np.ndarray, starts: np.ndarray, horizon: int) -> list[Match]:
        """Take pieces of the score curves, give the matches that are certain.

        Parameters
        ----------
        scores : np.ndarray, shape (n_templates, n), float32
        starts : np.ndarray, shape (n_templates, n), int64
        horizon : int
            No path that ends after these frames starts before it.

        Returns
        -------
        list of Match
            In the order of their paths' ends, whatever was shortened, and of their templates.
        """
        self._find(scores, starts)
        self._n_frames += scores.shape[1]
        waiting = self._rising & (self._last_scores >= self._thresholds)
        return self._settle(int(self._last_starts[waiting].min(initial=horizon)))

    def finish(self) -> list[Match]:
        """Give the remaining matches, at the end of the recording."""
        after = np.full((len(self._lengths), 1), -np.inf, np.float32)
        self._find(after, self._last_starts[:, None])
        return self._settle(self._n_frames)

    def _find(self, scores: np.ndarray, starts: np.ndarray) -> None:
        found = np.empty(scores.shape[0] * (scores.shape[1] // 2 + 1), CANDIDATE)
        n_found = dtw.find_candidates(
            scores,
            starts,
            self._n_frames,
            self._thresholds,
            self._last_scores,
            self._last_starts,
            self._rising,
            found,
        )
        found = found[:n_found]
        self._best = np.append(self._best, np.full(scores.shape[1], -np.inf))
        self._owner = np.append(self._owner, np.full(scores.shape[1], -1, np.int32))
        dtw.paint(
            found["onset"] - self._base,
            found["offset"] - self._base,
            found["score"] - self._handicaps[found["template"]],
            len(self._candidates),
            self._best,
            self._owner,
        )
        self._candidates = np.concatenate((self._candidates, found))

    def _settle(self, horizon: int) -> list[Match]:
        count = int(np.searchsorted(self._candidates["offset"], horizon, side="right"))
        onsets, lengths = dtw.longest_pieces(self._owner, count)
        kept = np.flatnonzero(2 * lengths >= self._lengths[self._candidates["template"][:count]])
        matches = [
            Match(
                int(self._candidates["template"][c]),
                self._base + int(onsets[c]),
                self._base + int(onsets[c] + lengths[c]),
                self._score(c),
            )
            for c in kept
        ]
        self._candidates = self._candidates[count:].copy()
        past = int(self._candidates["onset"].min(initial=horizon)) - self._base
        self._best = self._best[past:].copy()
        self._owner = np.maximum(self._owner[past:] - count, -1)
        self._base += past
        return matches

    def _score(self, number: int) -> float:
        template, onset, offset, score = self._candidates[number].item()
        return score if self._rescore is None else self._rescore(template, onset, offset)
