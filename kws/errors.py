"""What went wrong with each event: missed, confused, invented or moved."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fewshot.event_scores import overlaps
from fewshot.events import Event
from fewshot.tables import csv_text
from kws.matching import Matching

RIGHT, MOVED, CONFUSED, MISSED, INVENTED = "right", "moved", "confused", "missed", "invented"
WORST_FIRST = (MISSED, CONFUSED, INVENTED, MOVED)
COLUMNS = (
    *("error", "filename", "event_onset", "event_offset", "event_label"),
    *("true_onset", "true_offset", "true_label", "score"),
)


@dataclass(frozen=True)
class Outcome:
    """A detected event and the true one that it stands for; one of both may be missing.

    Parameters
    ----------
    kind : str
        ``right``; ``moved``, same label but borders too far off; ``confused``, another label;
        ``missed``, no detected event; ``invented``, no true one.
    event, truth : Event or None
    """

    kind: str
    event: Event | None
    truth: Event | None

    @property
    def filename(self) -> str:
        """The recording."""
        return (self.event or self.truth).filename

    @property
    def off_s(self) -> float:
        """Seconds that the farther border is off; 0 where one event is missing."""
        if self.event is None or self.truth is None:
            return 0.0
        return max(
            abs(self.event.onset_s - self.truth.onset_s),
            abs(self.event.offset_s - self.truth.offset_s),
        )


def outcomes(
    reference: Iterable[Event],
    events: Iterable[Event],
    *,
    collar_s: float = 0.2,
    percentage_of_length: float = 0.5,
) -> list[Outcome]:
    """Say of every true and every detected event what became of it.

    Parameters
    ----------
    reference, events : iterable of Event
        Truth and detections; recordings have the same file names in both.
    collar_s, percentage_of_length : float
        As for `kws.evaluation.evaluate`.

    Returns
    -------
    list of Outcome
        Errors in the order of `WORST_FIRST`, then what is right. Confused and invented events begin
        with the highest score, moved ones with the farthest border.

    Notes
    -----
    Every event is in one outcome, so that the counts add up. As many as possible are right; of the
    rest, those of one label that overlap most are paired first, then those of different labels. A
    word that is found twice is right once and invented once.

    Examples
    --------
    >>> truth = [Event("a.wav", 1.0, 1.5, "lamp"), Event("a.wav", 4.0, 4.5, "door")]
    >>> found = outcomes(truth, [Event("a.wav", 1.1, 1.6, "lamp"), Event("a.wav", 4, 5, "lamp")])
    >>> [(outcome.kind, outcome.truth.label) for outcome in found]
    [('confused', 'door'), ('right', 'lamp')]
    """
    by_file = defaultdict(lambda: ([], []))
    for side, part in enumerate((reference, events)):
        for event in part:
            by_file[event.filename][side].append(event)
    found = [
        outcome
        for _, (truths, own) in sorted(by_file.items())
        for outcome in _of_recording(truths, own, collar_s, percentage_of_length)
    ]
    return sorted(found, key=_severity)


def _severity(outcome: Outcome) -> tuple:
    order = (*WORST_FIRST, RIGHT).index(outcome.kind)
    score = outcome.event.score if outcome.event is not None else None
    worse = outcome.off_s if outcome.kind == MOVED else score or 0.0
    return order, -worse if outcome.kind != RIGHT else 0.0


def _of_recording(
    truths: Sequence[Event], events: Sequence[Event], collar_s: float, percentage: float
) -> Iterator[Outcome]:
    truths, events = sorted(truths, key=_time), sorted(events, key=_time)
    pairs = dict(_right(truths, events, collar_s, percentage))
    kinds, taken = dict.fromkeys(pairs, RIGHT), set(pairs.values())
    common = sorted(overlaps(truths, events), key=lambda found: -found[0])
    for kind in (MOVED, CONFUSED):
        for _, i, k in common:
            alike = truths[i].label == events[k].label
            if alike == (kind == MOVED) and i not in pairs and k not in taken:
                pairs[i], kinds[i] = k, kind
                taken.add(k)
    for i, truth in enumerate(truths):
        yield Outcome(kinds.get(i, MISSED), events[pairs[i]] if i in pairs else None, truth)
    yield from (Outcome(INVENTED, e, None) for k, e in enumerate(events) if k not in taken)


def _time(event: Event) -> tuple:
    return event.onset_s, event.offset_s, event.label


def _right(
    truths: Sequence[Event], events: Sequence[Event], collar_s: float, percentage: float
) -> Iterator[tuple[int, int]]:
    for label in {truth.label for truth in truths}:
        i_own = [i for i, truth in enumerate(truths) if truth.label == label]
        k_own = [k for k, event in enumerate(events) if event.label == label]
        matching = Matching([truths[i] for i in i_own], collar_s, percentage)
        for k in k_own:
            matching.add(events[k])
        yield from ((i_own[i], k_own[k]) for i, k in matching.pairs())


def confusion(found: Iterable[Outcome], keywords: Sequence[str]) -> list[list[int]]:
    """Count which keyword was found where which was said.

    Parameters
    ----------
    found : iterable of Outcome
    keywords : sequence of str

    Returns
    -------
    list of list of int
        True keywords are rows, detected ones columns; the last of each is nothing. Moved events
        count as found.
    """
    places = {keyword: i for i, keyword in enumerate(keywords)}
    nothing = len(keywords)
    counts = [[0] * (nothing + 1) for _ in range(nothing + 1)]
    for outcome in found:
        true = nothing if outcome.truth is None else places[outcome.truth.label]
        detected = nothing if outcome.event is None else places[outcome.event.label]
        counts[true][detected] += 1
    return counts


def to_csv(found: Iterable[Outcome]) -> str:
    """Outcomes that are errors as CSV with the header `COLUMNS`; what is missing is empty."""
    return csv_text(
        [COLUMNS, *(error_fields(outcome) for outcome in found if outcome.kind != RIGHT)]
    )


def error_fields(outcome: Outcome) -> list[str]:
    """An outcome as the fields of `COLUMNS`."""

    def fields(event: Event | None) -> list[str]:
        return [""] * 3 if event is None else [*_times(event), event.label]

    score = None if outcome.event is None else outcome.event.score
    return [
        outcome.kind,
        outcome.filename,
        *fields(outcome.event),
        *fields(outcome.truth),
        "" if score is None else f"{score:.7g}",
    ]


def _times(event: Event) -> list[str]:
    return [f"{time_s:.3f}" for time_s in (event.onset_s, event.offset_s)]
