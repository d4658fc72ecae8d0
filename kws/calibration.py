"""What scores mean: against other sound, and from the enrolment clips alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from kws.halves import half_score
from kws.search import score_curves
from kws.templates import Template

NO_MATCH = -2.0
"""Score where a clip is too short for any path through a template (cosine costs end at 2)."""
PEAK_S = 1.0
"""Length of the stretches of other sound whose best scores are the measure."""
THRESHOLD = 5.0
"""Deviations above the background from which on a match counts.

Chosen on the validation parts of `benchmarks/kws_accuracy.py`, as one number for all of them.
"""


@dataclass(frozen=True)
class ClipFrames:
    """Frames of a clip.

    Attributes
    ----------
    surroundings : list of np.ndarray, shapes (n_frames, dim)
        In one or several surroundings; first as it was recorded.
    broken_off : np.ndarray or None, shape (n_frames, dim)
        What is heard in their place where only the clip's beginning is said.
    """

    surroundings: list[np.ndarray] = field(repr=False)
    broken_off: np.ndarray | None = field(default=None, repr=False)


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


def best_score(templates: Sequence[Template], frames: np.ndarray) -> float:
    """Score of the best match of any of the templates anywhere in a recording.

    Parameters
    ----------
    templates : sequence of Template
    frames : np.ndarray, shape (n, dim)

    Returns
    -------
    float
        `NO_MATCH`, as a score of the first template, where none fits.
    """
    return float(_best(templates, frames, max(1, len(frames))).scores(templates).max())


def peaks(templates: Sequence[Template], frames: np.ndarray, hop_s: float) -> np.ndarray:
    """Score of the best match of each template in every second of other sound.

    Parameters
    ----------
    templates : sequence of Template
    frames : np.ndarray, shape (n, dim)
        At least two seconds.
    hop_s : float
        Seconds between frames.

    Returns
    -------
    np.ndarray, shape (n_templates, n_stretches)
        The first second, in which long templates do not end, is left out.
    """
    return _peaks(templates, frames, hop_s).scores(templates)


def calibrated(templates: Sequence[Template], frames: np.ndarray, hop_s: float) -> list[Template]:
    """Templates whose scores are deviations above what they reach in other sound.

    Parameters
    ----------
    templates : sequence of Template
    frames : np.ndarray, shape (n, dim)
        Other sound, at least some tens of seconds.
    hop_s : float
        Seconds between frames.

    Notes
    -----
    Mean and standard deviation of the best scores in one second of sound each, by the whole path
    and with its worse half (`kws.halves`), before anything is lost for how the match ends. One
    threshold then means the same for short and long, frequent and rare sounds.
    """
    return [
        replace(
            template,
            mean=float(whole.mean()),
            deviation=max(float(whole.std()), 1e-3),
            half_mean=float(half.mean()),
            half_deviation=max(float(half.std()), 1e-3),
        )
        for template, whole, half, _ in zip(
            templates, *_peaks(templates, frames, hop_s), strict=True
        )
    ]


def held_out_peaks(templates: Sequence[Template], frames: np.ndarray, hop_s: float) -> np.ndarray:
    """Best calibrated score of any template in every second of other sound.

    Each half of the sound is scored with the calibration on the other half.

    Parameters
    ----------
    templates : sequence of Template
    frames : np.ndarray, shape (n, dim)
        At least four seconds.
    hop_s : float
        Seconds between frames.

    Returns
    -------
    np.ndarray, shape (n_stretches,)
    """
    halves = np.array_split(frames, 2)
    return np.concatenate(
        [
            peaks(calibrated(templates, halves[1 - i], hop_s), halves[i], hop_s).max(axis=0)
            for i in (0, 1)
        ]
    )


class _Matches(NamedTuple):
    """Best match of each template in each stretch of sound, all of shape (n_templates, n).

    ``wholes`` and ``halves`` are raw scores of the whole path and with its worse half, `NO_MATCH`
    where there is no path; ``penalties`` are what the match loses for how it ends.
    """

    wholes: np.ndarray
    halves: np.ndarray
    penalties: np.ndarray

    def scores(self, templates: Sequence[Template]) -> np.ndarray:
        """Scores as the templates are calibrated, shape (n_templates, n)."""
        return np.array(
            [
                (whole - t.mean) / t.deviation
                if t.half_mean is None
                else (half - t.half_mean) / t.half_deviation - penalty
                for t, whole, half, penalty in zip(templates, *self, strict=True)
            ]
        )


def _peaks(templates: Sequence[Template], frames: np.ndarray, hop_s: float) -> _Matches:
    """Of `_best` in every second but the first."""
    length = round(PEAK_S / hop_s)
    return _Matches(*(found[:, 1:] for found in _best(templates, frames, length)))


def _best(templates: Sequence[Template], frames: np.ndarray, length: int) -> _Matches:
    """Best whole path of each template that ends in each stretch of so many frames."""
    scores, starts = score_curves([t.frames for t in templates], frames)
    count = scores.shape[1] // length
    ends = scores[:, : count * length].reshape(len(templates), count, length).argmax(axis=2)
    ends += length * np.arange(count)
    wholes, halves = np.full((2, *ends.shape), NO_MATCH)
    penalties = np.zeros(ends.shape)
    for k, s in np.ndindex(ends.shape):
        end = ends[k, s]
        start = starts[k, end]
        if start >= 0:
            path, template = frames[start : end + 1], templates[k]
            wholes[k, s] = scores[k, end]
            halves[k, s], penalties[k, s] = half_score(template.frames, path, template.broken_off)
    return _Matches(wholes, halves, penalties)


def threshold_at_rate(best: np.ndarray, per_hour: float) -> tuple[float, float]:
    """Threshold with at most so many false alarms per hour of other sound.

    Parameters
    ----------
    best : np.ndarray, shape (n_stretches,)
        Best scores in one second each, as `held_out_peaks` gives them.
    per_hour : float
        Above 0.

    Returns
    -------
    threshold : float
    supported : float
        Lowest rate that so much sound can tell: three alarms in all of it. Below that rate the
        threshold is extrapolated.

    Notes
    -----
    Scores above a high quantile fall off exponentially, about: below the supported rate the
    threshold grows with the logarithm of the interval, by the mean excess of the highest hundredth
    of the scores (ten of them at least).
    """
    hours = len(best) * PEAK_S / 3600
    supported = 3 / hours
    ordered = np.sort(best)[::-1]
    allowed = int(max(per_hour, supported) * hours)
    threshold = float(np.nextafter(ordered[min(allowed, len(ordered) - 1)], np.inf))
    if per_hour < supported:
        tail = ordered[: max(10, len(ordered) // 100)]
        threshold += float(np.mean(tail - tail[-1])) * float(np.log(supported / per_hour))
    return threshold, supported


def enrolment_scores(
    clips: Sequence[Sequence[ClipFrames]],
    background: Sequence[np.ndarray],
    make_templates: Callable[[int, Sequence[ClipFrames]], Sequence[Template]],
) -> EnrolmentScores:
    """Search every clip and the background for every keyword.

    Parameters
    ----------
    clips : sequence of sequences of ClipFrames
        Those of each keyword; they are searched in their first surroundings.
    background : sequence of np.ndarray, shapes (n_frames, dim)
        Embedded sound without keywords.
    make_templates : callable
        Templates of a keyword, given by its number, from some of its clips.

    Returns
    -------
    EnrolmentScores
    """
    full = [make_templates(keyword, own) for keyword, own in enumerate(clips)]
    rows, labels = [], []
    for keyword, own in enumerate(clips):
        for i, clip in enumerate(own):
            recorded = clip.surroundings[0]
            row = [best_score(templates, recorded) for templates in full]
            rest = [*own[:i], *own[i + 1 :]]
            row[keyword] = np.nan
            if rest:
                row[keyword] = best_score(make_templates(keyword, rest), recorded)
            rows.append(row)
            labels.append(keyword)
    quiet = [[best_score(templates, sound) for templates in full] for sound in background]
    return EnrolmentScores(
        np.array(rows), np.array(labels), np.array(quiet).reshape(-1, len(clips))
    )


def estimate_threshold(scores: EnrolmentScores, *, share: float = 0.5) -> float:
    """Threshold for scores without calibration, between the clips' own ones and all others.

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
    The clips' side is their median, the other sound's side its 99th percentile. An encoder that was
    trained on these clips knows them by heart, so that a word of somebody else scores much less
    than they do.
    """
    own = scores.own[np.isfinite(scores.own)]
    clips = float(np.median(own)) if len(own) else -0.1
    other = float(np.percentile(scores.others, 99)) if scores.others.size else NO_MATCH
    return other + share * (clips - other) if other < clips else clips
