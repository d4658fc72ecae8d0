"""How many events match at every threshold, counted in one pass over the candidates."""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from fewshot.errors import InputError
from fewshot.event_scores import Counts
from fewshot.events import Event


class Curve:
    """Detections and matches at every threshold.

    Parameters
    ----------
    reference, candidates : iterable of Event
        The candidates with scores.
    collar_s, percentage_of_length : float
        As for `kws.evaluation.evaluate`.

    Attributes
    ----------
    n_ref : int
        Events of the reference.
    scores : list of float
        The distinct scores, from the highest down.
    n_sys, n_tp : list of int
        Candidates and matches when the first k scores are accepted, k from 0 to ``len(scores)``.

    Raises
    ------
    InputError
        If there are no candidates, or one has no score.
    """

    def __init__(
        self,
        reference: Iterable[Event],
        candidates: Iterable[Event],
        collar_s: float,
        percentage_of_length: float,
    ) -> None:
        truth = defaultdict(list)
        for event in reference:
            truth[event.filename, event.label].append(event)
        settings = collar_s, percentage_of_length
        matchings = {key: Matching(events, *settings) for key, events in truth.items()}
        candidates = list(candidates)
        if not candidates:
            raise InputError("no candidates to choose a threshold from")
        unscored = next((event for event in candidates if event.score is None), None)
        if unscored is not None:
            raise InputError(f"{unscored.filename}: an event without a score cannot be tuned with")
        self.n_ref = sum(map(len, truth.values()))
        self.scores: list[float] = []
        self.n_sys, self.n_tp = [0], [0]
        candidates.sort(key=lambda event: -event.score)
        for score, group in groupby(candidates, key=lambda event: event.score):
            n_sys, n_tp = self.n_sys[-1], self.n_tp[-1]
            for event in group:
                matching = matchings.get((event.filename, event.label))
                n_sys += 1
                n_tp += matching is not None and matching.add(event)
            self.scores.append(score)
            self.n_sys.append(n_sys)
            self.n_tp.append(n_tp)

    def counts(self, k: int) -> Counts:
        """How many events match when the first `k` distinct scores are accepted."""
        return Counts(self.n_ref, self.n_sys[k], self.n_tp[k])

    def threshold(self, k: int) -> float:
        """One that accepts the first `k` distinct scores, as far as possible from both sides."""
        scores = self.scores
        if 0 < k < len(scores):
            middle = (scores[k - 1] + scores[k]) / 2
            return middle if middle > scores[k] else scores[k - 1]
        # Beyond the end: as far as from its neighbour, so that rounded scores stay on their side.
        near = scores[0] if k == 0 else scores[-1]
        step = 1e-3 * max(abs(near), 1e-3)
        if len(scores) > 1:
            step = (scores[0] - scores[1] if k == 0 else scores[-2] - scores[-1]) / 2
        beyond = near + step if k == 0 else near - step
        return beyond if beyond != near else math.nextafter(near, math.inf if k == 0 else -math.inf)

    def width(self, k: int) -> float:
        """Of the range of thresholds that accept the first `k` distinct scores and no more.

        Beyond the end it reaches as far again as `threshold`.
        """
        scores = self.scores
        if 0 < k < len(scores):
            return scores[k - 1] - scores[k]
        return 2 * abs(self.threshold(k) - (scores[0] if k == 0 else scores[-1]))


class Matching:
    """A maximum matching of the events of one recording and label, grown candidate by candidate.

    Its conditions are sed_eval's: onsets within the collar, offsets within the larger of collar and
    share of the length.
    """

    def __init__(
        self, reference: Sequence[Event], collar_s: float, percentage_of_length: float
    ) -> None:
        self._places = sorted(range(len(reference)), key=lambda i: reference[i].onset_s)
        self._reference = [reference[i] for i in self._places]
        self._onsets = [event.onset_s for event in self._reference]
        self._collar_s, self._percentage = collar_s, percentage_of_length
        self._near: list[list[int]] = []
        self._partner: list[int | None] = []
        self._owner: list[int | None] = [None] * len(self._onsets)
        self._exhausted: set[int] = set()

    def _matches(self, event: Event) -> Iterator[int]:
        # Wider than the collar by more than rounding, since the comparison below decides.
        first = bisect_left(self._onsets, event.onset_s - self._collar_s - 1e-6)
        for i in range(first, len(self._onsets)):
            truth = self._reference[i]
            if truth.onset_s > event.onset_s + self._collar_s + 1e-6:
                return
            length = truth.offset_s - truth.onset_s
            late = max(self._collar_s, self._percentage * length)
            if (
                math.fabs(truth.onset_s - event.onset_s) <= self._collar_s
                and math.fabs(truth.offset_s - event.offset_s) <= late
            ):
                yield i

    def add(self, event: Event) -> bool:
        """Add a candidate; whether that makes the matching larger."""
        self._near.append(list(self._matches(event)))
        self._partner.append(None)
        reached: dict[int, int] = {}
        queue = [len(self._near) - 1]
        for candidate in queue:
            for i in self._near[candidate]:
                if i in reached or i in self._exhausted:
                    continue
                reached[i] = candidate
                if self._owner[i] is None:
                    self._augment(i, reached)
                    return True
                queue.append(self._owner[i])
        # No free event can be reached from these, and no later path can change that.
        self._exhausted |= reached.keys()
        return False

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Events of the reference with their candidates, counted as they were given and added."""
        owners = zip(self._places, self._owner, strict=True)
        return ((i, owner) for i, owner in owners if owner is not None)

    def _augment(self, free: int, reached: Mapping[int, int]) -> None:
        i: int | None = free
        while i is not None:
            candidate = reached[i]
            before = self._partner[candidate]
            self._owner[i], self._partner[candidate] = candidate, i
            i = before
