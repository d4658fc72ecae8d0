"""What enrolment has to tell about keywords and their clips."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from fewshot.errors import some
from kws.calibration import EnrolmentScores
from kws.clips import EnrolledClip

FEWEST_CLIPS = 5


@dataclass(frozen=True)
class ClipReport:
    """One clip among the others.

    Attributes
    ----------
    keyword, file : str
    onset_s, offset_s : float
        Where it lies in its file.
    score : float or None
        With the other clips of its keyword; None where there is no other.
    nearest, nearest_score : str or None, float or None
        The other keyword that it resembles most.
    """

    keyword: str
    file: str
    onset_s: float
    offset_s: float
    score: float | None
    nearest: str | None
    nearest_score: float | None


@dataclass(frozen=True)
class EnrolmentReport:
    """What enrolment found out; all scores are on the scale of the threshold.

    Attributes
    ----------
    keywords : list of str
    clips : list of ClipReport
    confusable : list of tuple of str, str
        Keywords whose clips mostly pass for another one.
    n_templates : int
    threshold : float
    other_score : float or None
        99th percentile over all that is not the keyword.
    missed : float or None
        Share of the clips that do not reach the threshold with the others.
    false_alarms_per_hour : float or None
        Of all keywords in ordinary speech; extrapolated where `background_minutes` are too few.
    background_minutes : float
        Of ordinary speech that was heard.
    """

    keywords: list[str]
    clips: list[ClipReport] = field(repr=False)
    confusable: list[tuple[str, str]]
    n_templates: int
    threshold: float
    other_score: float | None
    missed: float | None
    false_alarms_per_hour: float | None
    background_minutes: float

    @classmethod
    def of(
        cls,
        clips: Sequence[EnrolledClip],
        scores: EnrolmentScores,
        *,
        n_templates: int,
        threshold: float,
        false_alarms_per_hour: float | None,
        background_minutes: float,
    ) -> "EnrolmentReport":
        """Put the scores of clips, given in the order of their keywords, into words."""
        keywords = sorted({clip.label for clip in clips})
        ordered = sorted(clips, key=lambda clip: keywords.index(clip.label))
        reports = []
        for clip, row, label in zip(ordered, scores.clips, scores.labels, strict=True):
            others = np.delete(row, label)
            nearest = int(others.argmax()) if others.size else None
            names = [k for k in keywords if k != clip.label]
            reports.append(
                ClipReport(
                    clip.label,
                    clip.file,
                    clip.onset_s,
                    clip.offset_s,
                    _number(row[label]),
                    None if nearest is None else names[nearest],
                    None if nearest is None else _number(others[nearest]),
                )
            )
        own = [r.score for r in reports if r.score is not None]
        medians = [
            np.median(scores.clips[scores.labels == i], axis=0) for i in range(len(keywords))
        ]
        return cls(
            keywords,
            reports,
            [
                (keyword, other)
                for i, keyword in enumerate(keywords)
                for j, other in enumerate(keywords)
                if i != j and medians[i][j] >= threshold
            ],
            n_templates,
            threshold,
            float(np.percentile(scores.others, 99)) if scores.others.size else None,
            float(np.mean(np.array(own) < threshold)) if own else None,
            false_alarms_per_hour,
            background_minutes,
        )

    def warnings(self) -> Iterator[str]:
        """What will hurt: few clips, clips that do not fit, keywords that are alike."""
        for keyword in self.keywords:
            count = sum(clip.keyword == keyword for clip in self.clips)
            if count < FEWEST_CLIPS:
                clips = some(count, "clip")
                yield f"{keyword}: {clips}; five of several speakers do better"
        for clip in self.clips:
            if clip.score is not None and clip.score < self.threshold:
                yield (
                    f"{clip.file}: does not sound like the other clips of {clip.keyword!r} "
                    f"(score {clip.score:.2f}, threshold {self.threshold:.2f}); listen to it"
                )
        for keyword, other in self.confusable:
            yield f"{keyword!r} is taken for {other!r}: they sound too much alike"

    def summary(self) -> Iterator[str]:
        """What was learnt."""
        yield (
            f"learnt {some(len(self.keywords), 'keyword')} from "
            f"{len(self.clips)} clips: {self.n_templates} templates"
        )
        own = [clip.score for clip in self.clips if clip.score is not None]
        if own:
            line = f"clips score {np.median(own):.2f} with the others of their keyword"
            if self.other_score is not None:
                line += f", other sound {self.other_score:.2f} at most"
            yield f"{line}; threshold {self.threshold:.2f}"
        if self.false_alarms_per_hour is not None:
            rate = self.false_alarms_per_hour
            yield (
                f"expect about {rate:.{0 if rate >= 10 else 1}f} false alarms in an hour of "
                f"ordinary speech ({self.background_minutes:.0f} minutes were heard; "
                "--false-alarms-per-hour chooses another rate)"
            )

    def to_dict(self) -> dict:
        """Everything, as JSON can hold it."""
        return asdict(self)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
