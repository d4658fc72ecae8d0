"""The sliding-window baseline: one embedding per segment, compared to the keywords' centres.

Dissertation, section 6.3.7 ("embeddings (sliding)" in Table 31): a network that pools over time
too, flattens, and projects a segment of 0.25 s onto one embedding, trained with sub-cluster AdaCos.
In a recording segments follow each other by one hop; for each keyword the similarities of their
embeddings to its centres are compared to a threshold, the outcome is smoothed by a median filter as
long as the keyword, and each box that remains is widened by half a segment at both ends.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import median_filter
from torch import nn

from fewshot import audio
from fewshot.encoders.residual import ResidualBlock
from fewshot.events import Event
from fewshot.features import log_mel
from fewshot.losses.adacos import SubClusterAdaCosLoss
from fewshot.training import train
from kws.clips import EnrolledClip
from kws.evaluation import LEAST_EVENTS, Evaluation, Tuned, TunedPerKeyword, evaluate
from kws.learning import background_segments, epoch_batches, training_set
from kws.segments import HOP, PADDING, SAMPLE_RATE, SEGMENT, frame_count

DIM = 128
CENTRES = 16
"""Of each class, as many as TACos has clusters."""
BATCH = 32
THRESHOLDS = np.round(np.arange(0.99, -0.01, -0.01), 2)
"""Similarities that are tried, from the highest down."""
LEAST = -2.0
"""Below every similarity: what the median filter sees outside of a recording."""
CHUNK = 256


class SlidingResNet(nn.Module):
    """`fewshot.encoders.temporal.TemporalResNet` with one embedding per segment.

    Parameters
    ----------
    dim : int
        Dimension of the embeddings.

    Notes
    -----
    Dissertation, Table 30 with the changes of section 6.3.7: time is halved where frequency is, 16
    to 2 frames, and these are flattened in front of the linear layer.
    """

    def __init__(self, dim: int = DIM) -> None:
        super().__init__()
        self.standardise = nn.BatchNorm2d(1, affine=False)
        widths = (1, 16, 32, 64, 128)
        blocks: list[nn.Module] = []
        for stage, (before, width) in enumerate(pairwise(widths)):
            pool = (2, 2) if stage else (1, 1)
            blocks += [
                ResidualBlock(before, width, pool=pool, dropout=0.2),
                ResidualBlock(width, width, dropout=0.2),
            ]
        self.blocks = nn.Sequential(*blocks)
        self.embed = nn.Linear(2 * widths[-1], dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map log-Mel segments (batch, 16, mels) to embeddings (batch, dim), not normalised."""
        x = x.unsqueeze(1).contiguous(memory_format=torch.channels_last)
        maps = self.blocks(self.standardise(x))
        return self.embed(maps.amax(dim=3).flatten(1))


@dataclass(frozen=True)
class Boxes:
    """What is found of each keyword at every threshold.

    Attributes
    ----------
    curves : mapping of str to np.ndarray, shapes (n_keywords, n_segments)
        Smoothed similarities in each recording. The median of a binary series is that of the
        similarities, compared to the threshold.
    keywords : list of str
        Of the rows.
    durations : mapping of str to float
        Every recording's, in seconds.
    """

    curves: Mapping[str, np.ndarray]
    keywords: list[str]
    durations: Mapping[str, float]

    def at(self, threshold: float | Mapping[str, float]) -> list[Event]:
        """Stretches of segments that reach the threshold, half a segment wider at both ends.

        Parameters
        ----------
        threshold : float or mapping of str to float
            For all keywords, or for each; those without one are never detected.
        """
        return [
            event
            for name, curves in self.curves.items()
            for keyword, curve in zip(self.keywords, curves, strict=True)
            for event in self._boxes(name, keyword, curve, _limit(threshold, keyword))
        ]

    def _boxes(
        self, name: str, keyword: str, curve: np.ndarray, threshold: float
    ) -> Iterator[Event]:
        active = np.concatenate(([0], curve >= threshold, [0]))
        borders = np.flatnonzero(np.diff(active)).reshape(-1, 2)
        for first, end in borders.tolist():
            onset_s = max(0.0, (first * HOP - SEGMENT / 2) / SAMPLE_RATE)
            offset_s = ((end - 1) * HOP + SEGMENT / 2) / SAMPLE_RATE
            offset_s = min(self.durations[name], offset_s)
            yield Event(name, onset_s, offset_s, keyword, float(curve[first:end].max()))

    def tune(self, truth: Sequence[Event]) -> Tuned:
        """The best of `THRESHOLDS` for all keywords; of equally good ones the highest."""
        results = self._results(truth)
        best = max(range(len(results)), key=lambda k: results[k].f_score)
        return _tuned(results, best)

    def tune_for_others(self, truth: Sequence[Event]) -> Tuned:
        """The one of `THRESHOLDS` that `kws.evaluation.tune_for_others` comes nearest to."""
        results = self._results(truth)
        f_scores = np.array([result.f_score for result in results])
        weights = np.exp(max(len(truth), LEAST_EVENTS) * (f_scores - f_scores.max()))
        mean = np.average(THRESHOLDS, weights=weights)
        return _tuned(results, int(np.abs(THRESHOLDS - mean).argmin()))

    def tune_per_keyword(self, truth: Sequence[Event]) -> TunedPerKeyword:
        """The best of `THRESHOLDS` for each keyword, so that F over all is best (Dinkelbach)."""
        results = self._results(truth)
        counts = np.zeros((2, len(THRESHOLDS), len(self.keywords)), int)
        for k, result in enumerate(results):
            for i, keyword in enumerate(self.keywords):
                if keyword in result.keywords:
                    of = result.keywords[keyword]
                    counts[:, k, i] = of.n_tp, of.n_sys
        n_tp, n_sys = counts
        best, chosen = 0.0, np.zeros(len(self.keywords), int)
        while True:
            step = (n_tp - best / 2 * n_sys).argmax(axis=0)
            each = np.arange(len(step))
            found = n_tp[step, each].sum(), n_sys[step, each].sum()
            f_score = 2 * found[0] / (found[1] + len(truth))
            if f_score <= best:
                break
            best, chosen = f_score, step
        each = np.arange(len(chosen))
        return TunedPerKeyword(
            len(truth),
            int(n_sys[chosen, each].sum()),
            int(n_tp[chosen, each].sum()),
            thresholds=dict(zip(self.keywords, THRESHOLDS[chosen].tolist(), strict=True)),
        )

    def _results(self, truth: Sequence[Event]) -> list[Evaluation]:
        return [evaluate(truth, self.at(t), self.durations) for t in THRESHOLDS.tolist()]


def _tuned(results: Sequence[Evaluation], k: int) -> Tuned:
    counts = results[k]
    return Tuned(counts.n_ref, counts.n_sys, counts.n_tp, threshold=float(THRESHOLDS[k]))


@dataclass(frozen=True)
class SlidingSystem:
    """Similarities of segments to keywords, and how long these are.

    Attributes
    ----------
    keywords : list of str
    similarities : callable
        Maps log-Mel segments (batch, T, mels) to their similarities (batch, n_keywords).
    lengths : list of int
        Of the keywords' median filters, in segments; odd.
    threshold : None
        There is none before validation.
    """

    keywords: list[str]
    similarities: Callable[[torch.Tensor], torch.Tensor]
    lengths: list[int]
    threshold: None = None

    def search(self, folder: Path, durations: Mapping[str, float]) -> Boxes:
        """Similarities in recordings, named relative to a folder."""
        curves = {
            name: self.curves(audio.normalise(audio.read(folder / name))) for name in durations
        }
        return Boxes(curves, self.keywords, durations)

    @torch.inference_mode()
    def curves(self, samples: np.ndarray) -> np.ndarray:
        """Smoothed similarities (n_keywords, n_segments) of the segments centred at every hop."""
        segments = torch.from_numpy(np.pad(samples, PADDING).astype(np.float32))
        segments = segments.unfold(0, SEGMENT, HOP)
        found = [self.similarities(log_mel(chunk)) for chunk in segments.split(CHUNK)]
        raw = torch.cat(found).T.numpy()
        return np.array([smoothed(c, n) for c, n in zip(raw, self.lengths, strict=True)])


def learn(
    clips: Sequence[EnrolledClip], *, reversed_classes: bool, epochs: int, seed: int
) -> SlidingSystem:
    """Train the network on the clips alone, as `kws.learning` does that with a time axis.

    Parameters
    ----------
    clips : sequence of EnrolledClip
    reversed_classes : bool
        Whether each keyword's segments, reversed in time, are a class of their own.
    epochs : int
        Passes over the oversampled segments.
    seed : int
    """
    keywords = sorted({clip.label for clip in clips})
    samples = [clip.parts()[1] for clip in clips]
    labels = [keywords.index(clip.label) for clip in clips]
    data = training_set(
        samples,
        labels,
        background_segments([], np.random.default_rng(seed)),
        positions=False,
        reversed_classes=reversed_classes,
    )
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SlidingResNet().to(memory_format=torch.channels_last)
        loss = SubClusterAdaCosLoss(data.n_classes, DIM, CENTRES, trainable=True)
        train(
            nn.ModuleList([network, loss]),
            lambda _epoch: epoch_batches(data, BATCH, generator),
            lambda batch: loss(network(batch[0]), batch[1].sum(dim=2)),
            epochs=epochs,
            generator=generator,
        )

    def similarities(segments: torch.Tensor) -> torch.Tensor:
        """To the nearest centre of each keyword; keywords are the first classes."""
        cosines = loss.cosines(network(segments))[:, : len(keywords) * CENTRES]
        return cosines.unflatten(1, (len(keywords), CENTRES)).amax(dim=2)

    frames = [
        [frame_count(len(s)) for s, label in zip(samples, labels, strict=True) if label == k]
        for k in range(len(keywords))
    ]
    return SlidingSystem(keywords, similarities, [nearest_odd(np.mean(n)) for n in frames])


def smoothed(curve: np.ndarray, length: int) -> np.ndarray:
    """Median of odd length around each value, with nothing beyond the ends."""
    return median_filter(curve, length, mode="constant", cval=LEAST)


def nearest_odd(value: float) -> int:
    """The odd number that is nearest to one from 0 on.

    >>> [nearest_odd(x) for x in (0.5, 3.0, 3.9, 4.1)]
    [1, 3, 3, 5]
    """
    return 2 * math.floor(value / 2) + 1


def _limit(threshold: float | Mapping[str, float], keyword: str) -> float:
    return threshold.get(keyword, math.inf) if isinstance(threshold, Mapping) else threshold
