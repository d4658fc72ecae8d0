"""Detection in one recording or stream: samples in, events out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fewshot.events import Event
from fewshot.training import resolve_device
from kws.frames import borders_s
from kws.search import Match, Searcher
from kws.segments import SAMPLE_RATE

if TYPE_CHECKING:
    from kws.model import KeywordModel


class Detector:
    """Finds keywords in one recording or stream.

    Parameters
    ----------
    model : KeywordModel
    keywords : sequence of str
        Those that are looked for.
    thresholds : dict
        Threshold of each.
    keep_scores : bool
        Keep the score curves, 4 bytes per keyword and frame.
    device : str
    parallel : bool
        Search the templates in parallel; False where recordings are.
    """

    def __init__(
        self,
        model: "KeywordModel",
        keywords: Sequence[str],
        thresholds: dict[str, float],
        *,
        keep_scores: bool = False,
        device: str = "auto",
        parallel: bool = True,
    ) -> None:
        self.keywords = list(keywords)
        self._source = model.source.to(resolve_device(device))
        self._stream = self._source.stream()
        self._templates = [t for t in model.templates if t.keyword in self.keywords]
        self._searcher = Searcher.of(
            self._templates,
            thresholds=np.array([thresholds[t.keyword] for t in self._templates]),
            keyword_of=[self.keywords.index(t.keyword) for t in self._templates],
            keep_scores=keep_scores,
            parallel=parallel,
        )
        self._n_samples = 0

    def push(self, samples: np.ndarray) -> list[Event]:
        """Take samples, give the detections that no later sound can change.

        Parameters
        ----------
        samples : np.ndarray, shape (n,)
            Conditioned and normalised, at 16 kHz.

        Returns
        -------
        list of Event
        """
        self._n_samples += len(samples)
        return self._events(self._searcher.push(self._stream.push(samples)), float("inf"))

    def finish(self) -> list[Event]:
        """Give the remaining detections, at the end of the recording."""
        matches = self._searcher.push(self._stream.finish()) + self._searcher.finish()
        return self._events(matches, self._n_samples / SAMPLE_RATE)

    def scores(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Score curves of a finished recording (with ``keep_scores``).

        Returns
        -------
        keywords : list of str
        times_s : np.ndarray, shape (n_frames,)
            Centres of the frames.
        scores : np.ndarray, shape (n_keywords, n_frames)
            Score of the best template's whole path that ends there; -inf where none does. Events of
            calibrated templates are scored with its worse half (`kws.halves`) and may lie lower.
        """
        scores = self._searcher.scores()
        times = self._source.first_s + np.arange(scores.shape[1]) * self._source.hop_s
        return self.keywords, times, scores

    def _events(self, matches: Sequence[Match], duration_s: float) -> list[Event]:
        return [
            Event(
                "",
                *borders_s(self._source, match.onset_frame, match.offset_frame, duration_s),
                self._templates[match.template].keyword,
                match.score,
            )
            for match in matches
        ]
