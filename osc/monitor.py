"""Long recordings: a window slides over them, and equal answers become events."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from fewshot import audio
from fewshot.audio import SAMPLE_RATE
from fewshot.errors import InputError
from fewshot.events import Event
from osc.classifier import BATCH, OpenSetClassifier
from osc.config import WINDOW_STEPS
from osc.sounds import SHORTEST_S


class Monitor:
    """Finds the known classes in a recording that is given piece by piece.

    Time is cut into steps. Each gets the answer to the window around its middle (the first or last
    full window at the ends of the recording); neighbouring steps with the same class become one
    event, whose score is the highest of theirs. Memory does not grow with the recording.

    Parameters
    ----------
    model : OpenSetClassifier
        Fitted.
    window_s : float, optional
        Length of the window; by default the model's `length_s`. Longer than that is no use.
    hop_s : float, optional
        Length of a step; an eighth of the window by default.

    Raises
    ------
    InputError
        The window is longer than the model's clips or shorter than 0.1 s, or the step is longer
        than the window.
    """

    def __init__(
        self,
        model: OpenSetClassifier,
        *,
        window_s: float | None = None,
        hop_s: float | None = None,
    ) -> None:
        window_s = model.length_s if window_s is None else window_s
        hop_s = window_s / WINDOW_STEPS if hop_s is None else hop_s
        if not SHORTEST_S <= window_s <= model.length_s:
            raise InputError(
                f"the window is {window_s} s; give {SHORTEST_S} to {model.length_s:g} s, the "
                "length of the model's clips"
            )
        if not 1 / SAMPLE_RATE <= hop_s <= window_s:
            raise InputError(f"the step is {hop_s} s; give more than 0 and at most the window")
        self.model = model
        self._window, self._hop = round(window_s * SAMPLE_RATE), round(hop_s * SAMPLE_RATE)
        self._held = np.empty(0, np.float32)
        self._total = 0
        self._step = 0
        self._answers: dict[int, tuple[object, float]] = {}
        self._run: tuple[object, int, float] | None = None

    def push(self, samples: np.ndarray) -> list[Event]:
        """Take conditioned samples (n,), give the events that are over."""
        self._held = np.concatenate([self._held, np.asarray(samples, np.float32)])
        self._total += len(samples)
        last = self._total - self._window
        steps, start = [], self._start(self._step)
        while start <= last:
            steps.append(start)
            start = self._start(self._step + len(steps))
        return self._take(steps)

    def finish(self) -> list[Event]:
        """Give the remaining events."""
        last = max(self._total - self._window, 0)
        n_steps = -(-self._total // self._hop)
        if 0 < self._total < SHORTEST_S * SAMPLE_RATE:
            raise InputError(f"{self.duration_s:.3f} s is shorter than {SHORTEST_S} s; record more")
        steps = [min(self._start(step), last) for step in range(self._step, n_steps)]
        return self._take(steps) + self._ended(None, n_steps)

    @property
    def duration_s(self) -> float:
        """Seconds that it was given so far."""
        return self._total / SAMPLE_RATE

    def _start(self, step: int) -> int:
        return max(step * self._hop + self._hop // 2 - self._window // 2, 0)

    def _take(self, starts: list[int]) -> list[Event]:
        """Answer the next steps, whose windows start there."""
        events = []
        for first in range(0, len(starts), BATCH):
            batch = starts[first : first + BATCH]
            self._answer(batch)
            for start in batch:
                answer, score = self._answers[start]
                events += self._ended(answer, self._step)
                if answer is not None:
                    _, since, best = self._run or (answer, self._step, score)
                    self._run = (answer, since, max(best, score))
                self._step += 1
        kept = min(self._start(self._step), max(self._total - self._window, 0))
        self._held = self._held[len(self._held) - (self._total - kept) :].copy()
        self._answers = {start: known for start, known in self._answers.items() if start >= kept}
        return events

    def _answer(self, starts: list[int]) -> None:
        new = [start for start in dict.fromkeys(starts) if start not in self._answers]
        if not new:
            return
        begin = self._total - len(self._held)
        windows = [self._held[s - begin : s - begin + self._window] for s in new]
        similarities = self.model.similarities_of(windows)
        answers = self.model.answers_of(similarities).tolist()
        scores = self.model.scores_of(similarities).tolist()
        for start, answer, score in zip(new, answers, scores, strict=True):
            known = None if answer == self.model.unknown_label else answer
            self._answers[start] = (known, score)

    def _ended(self, answer: object, step: int) -> list[Event]:
        """The event that ends before a step because the answer is another one."""
        if self._run is None or self._run[0] == answer:
            return []
        label, since, score = self._run
        self._run = None
        offset = min(step * self._hop, self._total)
        onset_s, offset_s = since * self._hop / SAMPLE_RATE, offset / SAMPLE_RATE
        return [Event("", onset_s, offset_s, str(label), score)]


def watch(
    model: OpenSetClassifier,
    recording: str | Path,
    *,
    window_s: float | None = None,
    hop_s: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Event]:
    """Find the known classes in a file of any length, read in blocks.

    Parameters
    ----------
    model, window_s, hop_s
        As for `Monitor`.
    recording : path
    progress : callable, optional
        Called with the seconds that are done.

    Returns
    -------
    list of Event
        Sorted by onset, with the path as ``filename``.

    Raises
    ------
    InputError
        As `Monitor`, or the file cannot be read.
    """
    monitor = Monitor(model, window_s=window_s, hop_s=hop_s)
    blocks = audio.read_blocks(recording, highpass=model.highpass)
    return list(follow(monitor, blocks, Path(recording).as_posix(), progress=progress))


def follow(
    monitor: Monitor,
    blocks: Iterable[np.ndarray],
    name: str,
    *,
    progress: Callable[[float], None] | None = None,
) -> Iterator[Event]:
    """Events of sound that comes block by block, each as soon as it is over.

    Parameters
    ----------
    monitor : Monitor
        A new one.
    blocks : iterable of np.ndarray, shapes (n,)
        Conditioned samples.
    name : str
        Of the recording; the events' ``filename``.
    progress : callable, optional
        Called with the seconds that are done.

    Raises
    ------
    InputError
        The recording is too short.
    """

    def named(events: Iterable[Event]) -> Iterator[Event]:
        return (replace(event, filename=name) for event in events)

    for block in blocks:
        yield from named(monitor.push(block))
        if progress is not None:
            progress(monitor.duration_s)
    try:
        yield from named(monitor.finish())
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
