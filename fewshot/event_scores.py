"""Detected events against true ones by the time that both cover: segments and intersections."""

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fewshot.events import Event

DECIMALS = 6
"""Of seconds; what was written with fewer decimals is then compared as it was meant."""


@dataclass(frozen=True)
class Counts:
    """How many events there are, and how many match.

    Attributes
    ----------
    n_ref, n_sys, n_tp : int
        Events of the reference, detected events, and pairs of both that match.
    """

    n_ref: int
    n_sys: int
    n_tp: int

    @property
    def n_fp(self) -> int:
        """Detected events that match nothing."""
        return self.n_sys - self.n_tp

    @property
    def n_fn(self) -> int:
        """Events of the reference that nothing matches."""
        return self.n_ref - self.n_tp

    @property
    def precision(self) -> float:
        """Share of the detected events that match, in [0, 1]; 0 where there are none."""
        return self.n_tp / self.n_sys if self.n_sys else 0.0

    @property
    def recall(self) -> float:
        """Share of the reference that is matched, in [0, 1]; 0 where it is empty."""
        return self.n_tp / self.n_ref if self.n_ref else 0.0

    @property
    def f_score(self) -> float:
        """Harmonic mean of precision and recall, in [0, 1]; 0 where nothing matches."""
        return 2 * self.n_tp / max(self.n_sys + self.n_ref, 1)


def segment_counts(
    reference: Iterable[Event], estimated: Iterable[Event], segment_s: float = 1.0
) -> dict[str, Counts]:
    """Count segments of equal length in which a label occurs, as sed_eval's segment-based metrics.

    Parameters
    ----------
    reference, estimated : iterable of Event
        Truth and detections; recordings have the same file names in both.
    segment_s : float
        Length of a segment in seconds, above 0. Events fill the segments that they begin and end
        in.

    Returns
    -------
    dict of str to Counts
        By label, in alphabetical order: of segments instead of events.

    Notes
    -----
    A. Mesaros, T. Heittola and T. Virtanen, "Metrics for polyphonic sound event detection",
    Applied Sciences 6(6), 2016.

    Examples
    --------
    >>> truth = [Event("a.wav", 0.9, 2.5, "lamp")]
    >>> segment_counts(truth, [Event("a.wav", 1.2, 1.4, "lamp"), Event("a.wav", 7, 8, "lamp")])
    {'lamp': Counts(n_ref=3, n_sys=2, n_tp=1)}
    """
    if not segment_s > 0:
        raise ValueError(f"segment_s must be above 0, not {segment_s}")
    filled = [
        {
            (event.label, event.filename, segment)
            for event in events
            for segment in range(
                math.floor(event.onset_s / segment_s), math.ceil(event.offset_s / segment_s)
            )
        }
        for events in (reference, estimated)
    ]
    n_ref, n_sys, n_tp = (
        Counter(label for label, *_ in segments) for segments in (*filled, filled[0] & filled[1])
    )
    return {
        label: Counts(n_ref[label], n_sys[label], n_tp[label]) for label in sorted(n_ref | n_sys)
    }


def intersection_counts(
    reference: Iterable[Event], estimated: Iterable[Event], *, dtc: float = 0.5, gtc: float = 0.5
) -> dict[str, Counts]:
    """Count events that lie on each other for the most part, however they are cut into pieces.

    Parameters
    ----------
    reference, estimated : iterable of Event
        Truth and detections; recordings have the same file names in both.
    dtc : float
        Detection tolerance criterion, in (0, 1]: a detection is relevant if true events of its
        label cover this share of it at least; others are false positives.
    gtc : float
        Ground truth intersection criterion, in (0, 1]: a true event is found if relevant detections
        cover this share of it at least.

    Returns
    -------
    dict of str to Counts
        By label, in alphabetical order. ``n_tp`` counts true events that are found, ``n_sys`` these
        and the false positives: two detections of one event are one.

    Notes
    -----
    C. Bilen et al., "A framework for the robust evaluation of sound event detection", ICASSP 2020.
    Where events of one label overlap, what they cover is summed, as sed_scores_eval does.

    Examples
    --------
    >>> truth = [Event("a.wav", 1, 3, "lamp")]
    >>> halves = [Event("a.wav", 1, 1.9, "lamp"), Event("a.wav", 2, 3, "lamp")]
    >>> intersection_counts(truth, [*halves, Event("a.wav", 5, 6, "lamp")])
    {'lamp': Counts(n_ref=1, n_sys=2, n_tp=1)}
    """
    for name, value in (("dtc", dtc), ("gtc", gtc)):
        if not 0 < value <= 1:
            raise ValueError(f"{name} must be in (0, 1], not {value}")
    groups: dict[tuple[str, str], tuple[list[Event], list[Event]]] = defaultdict(lambda: ([], []))
    for side, events in enumerate((reference, estimated)):
        for event in events:
            groups[event.label, event.filename][side].append(event)
    totals: dict[str, Counter] = defaultdict(Counter)
    for (label, _), (truths, own) in sorted(groups.items()):
        found, false = _intersecting(truths, own, dtc, gtc)
        totals[label].update(n_ref=len(truths), n_sys=found + false, n_tp=found)
    return {label: Counts(**total) for label, total in totals.items()}


def _intersecting(
    truths: Sequence[Event], events: Sequence[Event], dtc: float, gtc: float
) -> tuple[int, int]:
    """True events that are found and detections that are false, of one recording and label."""
    events = sorted(events, key=lambda event: event.onset_s)
    common = list(overlaps(truths, events))
    of_event, of_truth = Counter(), Counter()
    for common_s, _, k in common:
        of_event[k] += common_s
    relevant = {k for k, event in enumerate(events) if _covers(of_event[k], event, dtc)}
    for common_s, i, k in common:
        if k in relevant:
            of_truth[i] += common_s
    found = sum(_covers(of_truth[i], truth, gtc) for i, truth in enumerate(truths))
    return found, len(events) - len(relevant)


def _covers(common_s: float, event: Event, share: float) -> bool:
    least_s = share * (event.offset_s - event.onset_s)
    return round(common_s, DECIMALS) >= round(least_s, DECIMALS)


def overlaps(truths: Sequence[Event], events: Sequence[Event]) -> Iterator[tuple[float, int, int]]:
    """Seconds that a true and a detected event have in common, above 0, with the places of both.

    Parameters
    ----------
    truths, events : sequence of Event
        Of one recording, whatever their labels; `events` sorted by onset.
    """
    onsets = [event.onset_s for event in events]
    longest_s = max((event.offset_s - event.onset_s for event in events), default=0.0)
    for i, truth in enumerate(truths):
        first = bisect_left(onsets, truth.onset_s - longest_s)
        for k in range(first, bisect_left(onsets, truth.offset_s)):
            common_s = min(events[k].offset_s, truth.offset_s) - max(onsets[k], truth.onset_s)
            if common_s > 0:
                yield common_s, i, k


def micro_average(counts: Mapping[str, Counts]) -> Counts:
    """All labels together."""
    n_ref, n_sys, n_tp = (
        sum(getattr(own, name) for own in counts.values()) for name in ("n_ref", "n_sys", "n_tp")
    )
    return Counts(n_ref, n_sys, n_tp)
