"""Long recordings of a machine: a window slides over them, high scores become events."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asd.config import WINDOW_S
from asd.model import MachineModel
from asd.names import ANOMALY
from fewshot import audio
from fewshot.audio import SAMPLE_RATE
from fewshot.errors import InputError
from fewshot.events import Event


class Monitor:
    """Scores a recording that is given piece by piece, window by window.

    Windows begin at multiples of the step. The last one ends with the recording, and one that is
    shorter than a window is one window. Memory does not grow with the recording, and the scores do
    not depend on the pieces.

    Parameters
    ----------
    model : MachineModel
    machine, section : str, optional
        As in `asd.model.MachineModel.key_of`.
    window_s : float
        Length of the window, at least what the system takes (0.1 s, with a network 0.2 s); best
        that of the training clips.
    hop_s : float, optional
        Step of the window, not longer than it; half of it by default.

    Raises
    ------
    InputError
        The window or the step is out of range, or as `asd.model.MachineModel.key_of`.
    """

    def __init__(
        self,
        model: MachineModel,
        machine: str | None = None,
        section: str | None = None,
        *,
        window_s: float = WINDOW_S,
        hop_s: float | None = None,
    ) -> None:
        hop_s = window_s / 2 if hop_s is None else hop_s
        shortest = model.shortest_s
        if not shortest <= window_s < np.inf:
            raise InputError(f"the window is {window_s:g} s; give {shortest} s or more")
        if not 1 / SAMPLE_RATE <= hop_s <= window_s:
            raise InputError(f"the step is {hop_s:g} s; give more than 0 and at most the window")
        self.model = model
        self.key = model.key_of(machine, section)
        self._window, self._hop = round(window_s * SAMPLE_RATE), round(hop_s * SAMPLE_RATE)
        self._held = np.empty(0, np.float32)
        self._total = 0
        self._next = 0

    @property
    def threshold(self) -> float:
        """A window is anomalous where its score is above it."""
        return self.model.thresholds[self.key]

    @property
    def duration_s(self) -> float:
        """Seconds that were pushed."""
        return self._total / SAMPLE_RATE

    def push(self, samples: np.ndarray) -> list[tuple[float, float]]:
        """Take samples (n,) at 16 kHz, as `asd.model.read_sound` reads them.

        Returns
        -------
        list of (float, float)
            Middle in seconds and score of each window that is complete now.

        Raises
        ------
        InputError
            Samples are NaN or infinite, or the model cannot score a window.
        """
        samples = np.asarray(samples, np.float32)
        finite = np.isfinite(samples)
        if not finite.all():
            at_s = (self._total + int(np.argmin(finite))) / SAMPLE_RATE
            raise InputError(f"has NaN or infinite samples at {at_s:.3f} s; record it again")
        self._held = np.concatenate([self._held, samples])
        self._total += len(samples)
        points = []
        while self._next + self._window <= self._total:
            points.append(self._scored(self._next, self._next + self._window))
            self._next += self._hop
        # A copy, since a view would keep the whole block.
        self._held = self._held[-self._window :].copy()
        return points

    def finish(self) -> list[tuple[float, float]]:
        """Give the window that ends with the recording, where there is none yet."""
        start = max(self._total - self._window, 0)
        scored_before = self._next - self._hop == start
        return [] if scored_before or not self._total else [self._scored(start, self._total)]

    def _scored(self, start: int, stop: int) -> tuple[float, float]:
        begin = self._total - len(self._held)
        try:
            # One at a time, so that no rounding depends on how many are complete at once.
            score = float(
                self.model.score([self._held[start - begin : stop - begin]], *self.key)[0]
            )
            if not np.isfinite(score):
                raise InputError(f"the score is {score}; leave this part out")
        except InputError as error:
            where = f"{start / SAMPLE_RATE:.3f} to {stop / SAMPLE_RATE:.3f} s"
            raise InputError(f"{where}: {error}") from error
        return (start + stop) / 2 / SAMPLE_RATE, score


class Excesses:
    """Makes events of neighbouring windows whose scores are above a threshold.

    A window stands for the time that is nearer to its middle than to another's: half a step to
    either side, the first one from the beginning and the last one to the end.

    >>> excesses = Excesses(0.5)
    >>> [excesses.push(time_s, score) for time_s, score in ((5, 0.1), (10, 0.9), (15, 0.7))]
    [None, None, None]
    >>> excesses.push(20, 0.2)
    Event(filename='', onset_s=7.5, offset_s=17.5, label='anomaly', score=0.9)
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._last_s: float | None = None
        self._run: tuple[float, float] | None = None

    def push(self, time_s: float, score: float) -> Event | None:
        """Take the next window, give the event that ended before it."""
        border_s = 0.0 if self._last_s is None else (self._last_s + time_s) / 2
        self._last_s = time_s
        if not score > self.threshold:
            return self.finish(border_s)
        onset_s, highest = self._run or (border_s, score)
        self._run = onset_s, max(highest, score)
        return None

    def finish(self, duration_s: float) -> Event | None:
        """Give the event that lasts until the recording's end."""
        if self._run is None:
            return None
        onset_s, highest = self._run
        self._run = None
        return Event("", onset_s, duration_s, ANOMALY, highest)


@dataclass(frozen=True)
class Watched:
    """What was heard in a recording.

    Attributes
    ----------
    times_s, scores : np.ndarray, shape (n_windows,)
        Middle and score of each window.
    threshold : float
        A window is anomalous where its score is above it.
    events : list of Event
        Without file name; the score is the highest of the event's windows.
    duration_s : float
    """

    times_s: np.ndarray
    scores: np.ndarray
    threshold: float
    events: list[Event]
    duration_s: float


def follow(
    monitor: Monitor,
    blocks: Iterable[np.ndarray],
    *,
    on_event: Callable[[Event], object] | None = None,
    on_progress: Callable[[float], object] | None = None,
) -> Watched:
    """Score sound as it comes.

    Parameters
    ----------
    monitor : Monitor
        A fresh one.
    blocks : iterable of np.ndarray, shape (n,)
        As `Monitor.push` takes them.
    on_event : callable, optional
        Called with each event as soon as it is over.
    on_progress : callable, optional
        Called with the seconds that are done.
    """
    excesses, points, events = Excesses(monitor.threshold), [], []

    def add(event: Event | None) -> None:
        if event is not None:
            events.append(event)
            if on_event is not None:
                on_event(event)

    def take(new: list[tuple[float, float]]) -> None:
        points.extend(new)
        for time_s, score in new:
            add(excesses.push(time_s, score))
        if on_progress is not None:
            on_progress(monitor.duration_s)

    for block in blocks:
        take(monitor.push(block))
    take(monitor.finish())
    add(excesses.finish(monitor.duration_s))
    times_s, scores = np.array(points, float).reshape(-1, 2).T
    return Watched(times_s, scores, monitor.threshold, events, monitor.duration_s)


def watch(
    model: MachineModel,
    recording: str | Path,
    machine: str | None = None,
    section: str | None = None,
    *,
    window_s: float = WINDOW_S,
    hop_s: float | None = None,
    on_progress: Callable[[float], object] | None = None,
) -> Watched:
    """Score a file of any length, read in blocks.

    Parameters
    ----------
    model, machine, section, window_s, hop_s
        As for `Monitor`.
    recording : path
    on_progress : callable, optional
        Called with the seconds that are done.

    Raises
    ------
    InputError
        As `Monitor`, or the file cannot be read or scored; with the file and the time.
    """
    monitor = Monitor(model, machine, section, window_s=window_s, hop_s=hop_s)
    try:
        return follow(
            monitor, audio.read_blocks(recording, highpass=False), on_progress=on_progress
        )
    except InputError as error:
        text = str(error)
        raise InputError(text if str(recording) in text else f"{recording}: {text}") from error
