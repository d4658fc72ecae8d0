"""A detection threshold from the enrolment clips and noise alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kws.search import score_curves

NO_MATCH = -2.0
"""Score where a clip is too short for any path through a template (cosine costs end at 2)."""


@dataclass(frozen=True)
class EnrolmentScores:
    """Best scores of every keyword's templates in every clip and in background sound.

    Attributes
    ----------
    clips : np.ndarray, shape (n_clips, n_keywords)
        For a clip's own keyword the templates are made from the other clips (leave one out); nan
        where there is no other.
    labels : np.ndarray, shape (n_clips,)
        Keyword of each clip.
    background : np.ndarray, shape (n_background, n_keywords)
        Best scores in stretches of background sound.
    """

    clips: np.ndarray
    labels: np.ndarray
    background: np.ndarray

    @property
    def own(self) -> np.ndarray:
        """Scores that clips reach with their own keyword, shape (n_clips,)."""
        return self.clips[np.arange(len(self.labels)), self.labels]

    @property
    def foreign(self) -> np.ndarray:
        """Scores that clips reach with other keywords, shape (n_clips * (n_keywords - 1),)."""
        return self.clips[np.arange(self.clips.shape[1]) != self.labels[:, None]]

    @property
    def others(self) -> np.ndarray:
        """Scores of all keywords in what they are not."""
        return np.concatenate([self.foreign, self.background.ravel()])


def best_score(templates: Sequence[np.ndarray], frames: np.ndarray) -> float:
    """Best score of any of the templates anywhere in a recording.

    Parameters
    ----------
    templates : sequence of np.ndarray, shapes (L_i, dim)
    frames : np.ndarray, shape (n, dim)

    Returns
    -------
    float
        In [-2, 0].
    """
    scores, _ = score_curves(templates, frames)
    return max(float(scores.max(initial=NO_MATCH)), NO_MATCH)


def enrolment_scores(
    shots: Sequence[Sequence[np.ndarray]],
    background: Sequence[np.ndarray],
    make_templates: Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]],
) -> EnrolmentScores:
    """Search every clip and the background for every keyword.

    Parameters
    ----------
    shots : sequence of sequences of np.ndarray, shapes (n_frames, dim)
        Embedded clips of each keyword.
    background : sequence of np.ndarray, shapes (n_frames, dim)
        Embedded sound without keywords.
    make_templates : callable
        Templates of one keyword from some of its clips.

    Returns
    -------
    EnrolmentScores
    """
    full = [make_templates(clips) for clips in shots]
    rows, labels = [], []
    for keyword, clips in enumerate(shots):
        for i, clip in enumerate(clips):
            row = [best_score(templates, clip) for templates in full]
            rest = [*clips[:i], *clips[i + 1 :]]
            row[keyword] = best_score(make_templates(rest), clip) if rest else np.nan
            rows.append(row)
            labels.append(keyword)
    quiet = [[best_score(templates, sound) for templates in full] for sound in background]
    return EnrolmentScores(
        np.array(rows), np.array(labels), np.array(quiet).reshape(-1, len(shots))
    )


def estimate_threshold(scores: EnrolmentScores, *, share: float = 0.5) -> float:
    """Threshold between what clips score with their own keyword and with anything else.

    Parameters
    ----------
    scores : EnrolmentScores
    share : float
        Where between both it lies: 0 at the other sound, 1 at the clips.

    Returns
    -------
    float
        In [-2, 0].

    Notes
    -----
    The clips' side is their median, the other sound's side its 99th percentile. The encoder has
    learnt these clips by heart, so that a word of somebody else scores much less than they do.
    """
    own = scores.own[np.isfinite(scores.own)]
    clips = float(np.median(own)) if len(own) else -0.1
    other = float(np.percentile(scores.others, 99)) if scores.others.size else NO_MATCH
    return other + share * (clips - other) if other < clips else clips
