"""One section of one machine: vectors of its training clips in, anomaly scores of others out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from asd.systems import System


@dataclass(frozen=True)
class ScoredSection:
    """What is kept of the training clips of a section.

    Parameters
    ----------
    centres, scales : list of np.ndarray, shape (d,)
        What vectors are standardised by, for each view.
    fitted : list of mapping of str to np.ndarray
        What the back end of each view keeps.
    moments : np.ndarray, shape (n_views, 2)
        Mean and standard deviation of each view's scores of training clips.
    left_out : np.ndarray, shape (n,)
        The score of each training clip, as it would have been had it not been there.
    target : np.ndarray of bool, shape (n,)
        Which training clips are of the target domain.
    """

    centres: list[np.ndarray]
    scales: list[np.ndarray]
    fitted: list[Mapping[str, np.ndarray]]
    moments: np.ndarray
    left_out: np.ndarray
    target: np.ndarray

    @classmethod
    def fit(
        cls, system: System, vectors: Sequence[np.ndarray], target: np.ndarray, seed: int = 0
    ) -> Self:
        """Learn from normal clips.

        Parameters
        ----------
        system : tuple of View
        vectors : sequence of np.ndarray, shape (n, d)
            Statistics of the clips, for each view; n is 2 or more.
        target : np.ndarray of bool, shape (n,)
        seed : int
        """
        target = np.asarray(target, bool)
        centres, scales, fitted, left_out = [], [], [], []
        for view, own in zip(system, vectors, strict=True):
            centre, scale = np.zeros(own.shape[1]), np.ones(own.shape[1])
            if view.scaled:
                centre, deviation = own.mean(axis=0, dtype=float), own.std(axis=0, dtype=float)
                # What differs by rounding alone says nothing.
                scale = np.where(deviation > 1e-6 * (1 + np.abs(centre)), deviation, 1.0)
            train = (own - centre) / scale
            centres.append(centre)
            scales.append(scale)
            fitted.append(view.back_end.fit(train, target, seed))
            left_out.append(view.back_end.leave_one_out(train, target, seed))
        moments = np.array([(scores.mean(), scores.std() or 1.0) for scores in left_out])
        return cls(centres, scales, fitted, moments, _mean(left_out, moments), target)

    def score(self, system: System, vectors: Sequence[np.ndarray]) -> np.ndarray:
        """Anomaly scores of clips from their vectors of each view, (m, d) -> (m,)."""
        scores = [
            view.back_end.score(fitted, (own - centre) / scale)
            for view, own, centre, scale, fitted in zip(
                system, vectors, self.centres, self.scales, self.fitted, strict=True
            )
        ]
        return _mean(scores, self.moments)


def _mean(scores: Sequence[np.ndarray], moments: np.ndarray) -> np.ndarray:
    """Scores of a single view as they are, of several their mean in standard deviations."""
    if len(scores) == 1:
        return scores[0]
    return np.mean([(own - m) / s for own, (m, s) in zip(scores, moments, strict=True)], axis=0)
