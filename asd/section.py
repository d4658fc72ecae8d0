"""One section of one machine: vectors of its training clips in, anomaly scores of others out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from asd.back_ends import World
from asd.folds import folds_of_similar_clips
from asd.systems.view import System, View, kinds


@dataclass(frozen=True)
class ScoredSection:
    """What is kept of the training clips of a section.

    Parameters
    ----------
    centres, scales : list of np.ndarray, shape (d,)
        What vectors are standardised by, for each view.
    fitted : list of mapping of str to np.ndarray
        What the back end of each view keeps.
    moments : np.ndarray, shape (n_kinds, 2)
        Mean and standard deviation of the scores of training clips by each kind of view.
    left_out : np.ndarray, shape (n,)
        The score of each training clip, as it would have been had it not been there.
    held_out : np.ndarray, shape (n,) or (0,)
        The same had the clips that are much like it not been there either, if it was asked for.
    target : np.ndarray of bool, shape (n,)
        Which training clips are of the target domain.
    """

    centres: list[np.ndarray]
    scales: list[np.ndarray]
    fitted: list[Mapping[str, np.ndarray]]
    moments: np.ndarray
    left_out: np.ndarray
    held_out: np.ndarray
    target: np.ndarray

    @classmethod
    def fit(
        cls,
        system: System,
        vectors: Sequence[np.ndarray],
        target: np.ndarray,
        seed: int = 0,
        worlds: Sequence[World] | None = None,
        hold_out: bool = False,
    ) -> Self:
        """Learn from normal clips.

        Parameters
        ----------
        system : tuple of View
        vectors : sequence of np.ndarray, shape (n, d)
            Of the clips, for each view; n is 2 or more.
        target : np.ndarray of bool, shape (n,)
        seed : int
        worlds : sequence of World, optional
            Vectors of the training clips of all sections, for each view.
        hold_out : bool
            Whether to learn ten times more, for `held_out`.
        """
        target = np.asarray(target, bool)
        worlds = worlds or [None] * len(system)
        centres, scales, fitted, left_out = [], [], [], []
        for view, own, world in zip(system, vectors, worlds, strict=True):
            centre, scale = _scaling(view, own)
            train = (own - centre) / scale
            centres.append(centre)
            scales.append(scale)
            fitted.append(view.back_end.fit(train, target, seed, world=world))
            left_out.append(view.back_end.leave_one_out(train, target, seed, world=world))
        by_kind = _by_kind(system, left_out)
        moments = np.array([(scores.mean(), scores.std() or 1.0) for scores in by_kind])
        together = _mean(by_kind, moments)
        apart = np.empty(0)
        if hold_out:
            parts = folds_of_similar_clips(vectors, seed)
            held_out = [
                _held_out(view, own, target, parts, seed, world)
                for view, own, world in zip(system, vectors, worlds, strict=True)
            ]
            apart = _mean(_by_kind(system, held_out), moments)
        return cls(centres, scales, fitted, moments, together, apart, target)

    def score(self, system: System, vectors: Sequence[np.ndarray]) -> np.ndarray:
        """Anomaly scores of clips from their vectors of each view, (m, d) -> (m,)."""
        scores = [
            view.back_end.score(fitted, (own - centre) / scale)
            for view, own, centre, scale, fitted in zip(
                system, vectors, self.centres, self.scales, self.fitted, strict=True
            )
        ]
        return _mean(_by_kind(system, scores), self.moments)


def _scaling(view: View, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What vectors are standardised by, shapes (d,)."""
    if not view.scaled:
        return np.zeros(vectors.shape[1]), np.ones(vectors.shape[1])
    centre, deviation = vectors.mean(axis=0, dtype=float), vectors.std(axis=0, dtype=float)
    # What differs by rounding alone says nothing.
    return centre, np.where(deviation > 1e-6 * (1 + np.abs(centre)), deviation, 1.0)


def _held_out(
    view: View,
    vectors: np.ndarray,
    target: np.ndarray,
    parts: np.ndarray,
    seed: int,
    world: World | None,
) -> np.ndarray:
    """Scores of the clips of each part from the clips of the others, (n, d) -> (n,)."""
    scores = np.empty(len(vectors))
    for part in np.unique(parts):
        own = parts == part
        centre, scale = _scaling(view, vectors[~own])
        train = (vectors[~own] - centre) / scale
        fitted = view.back_end.fit(train, target[~own], seed, world=world)
        scores[own] = view.back_end.score(fitted, (vectors[own] - centre) / scale)
    return scores


def _by_kind(system: System, scores: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Scores by each kind of view: of members of one ensemble, which are of one scale, the mean."""
    return [np.mean([scores[i] for i in members], axis=0) for members in kinds(system)]


def _mean(scores: Sequence[np.ndarray], moments: np.ndarray) -> np.ndarray:
    """Of one kind, its scores; of several, the mean of how anomalous each finds a clip.

    Their scores are put into standard deviations above the mean first, and what lies below counts
    less and less: that one view finds a clip very normal does not make up for what another finds.
    """
    if len(scores) == 1:
        return scores[0]
    standardised = [
        (own - mean) / deviation for own, (mean, deviation) in zip(scores, moments, strict=True)
    ]
    return np.mean(np.logaddexp(0.0, standardised), axis=0)
