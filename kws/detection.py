"""Detection in one recording or stream: samples in, events out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fewshot.events import Event
from fewshot.training import resolve_device
from kws.search import Match, Searcher
from kws.segments import FIRST_FRAME_S, HOP, SAMPLE_RATE, FrameExtractor, frame_borders_s

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
        chosen = [i for i, label in enumerate(model.template_labels) if label in self.keywords]
        labels = [model.template_labels[i] for i in chosen]
        self._labels = labels
        self._extractor = FrameExtractor(model.encoder.to(resolve_device(device)))
        self._searcher = Searcher(
            [model.templates[i] for i in chosen],
            thresholds=np.array([thresholds[label] for label in labels], np.float32),
            keyword_of=[self.keywords.index(label) for label in labels],
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
        return self._events(self._searcher.push(self._extractor.push(samples)), float("inf"))

    def finish(self) -> list[Event]:
        """Give the remaining detections, at the end of the recording."""
        matches = self._searcher.push(self._extractor.finish()) + self._searcher.finish()
        return self._events(matches, self._n_samples / SAMPLE_RATE)

    def scores(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Score curves of a finished recording (with ``keep_scores``).

        Returns
        -------
        keywords : list of str
        times_s : np.ndarray, shape (n_frames,)
            Centres of the frames.
        scores : np.ndarray, shape (n_keywords, n_frames)
            Score of the best template's path that ends there, in [-2, 0]; -inf where none does.
        """
        scores = self._searcher.scores()
        times = FIRST_FRAME_S + np.arange(scores.shape[1]) * HOP / SAMPLE_RATE
        return self.keywords, times, scores

    def _events(self, matches: Sequence[Match], duration_s: float) -> list[Event]:
        return [
            Event(
                "",
                *frame_borders_s(match.onset_frame, match.offset_frame, duration_s),
                self._labels[match.template],
                match.score,
            )
            for match in matches
        ]
