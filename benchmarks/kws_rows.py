"""Rows of `kws_accuracy.py` and `kws_dailytalk.py`: ways to make frames and templates.

"default" is what kws-enroll and kws-detect do, "speech" the same with the encoder of that name;
"raw" takes the pre-trained frames as they are, without whitening, other surroundings and
calibration; "mfcc" and "hfcc" search cepstra; "tacos" and "adacos" train a network on the clips
alone (minutes per fold), with "unreversed" without classes of reversed segments. All search for
barycentres; "shots", "raw shots" and so on search for every clip ("raw shots" is the nearest peer),
"default msdtw", "raw msdtw" and so on for all clips of a keyword in one multi-sample template.
"sliding adacos" has no templates: a network with one embedding per segment, whose similarities to
the keywords are compared to a threshold.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import multisample
import numpy as np
import sliding

import kws
from fewshot import audio
from fewshot.encoders.loading import BUNDLED, OWN, load_encoder
from fewshot.events import Event
from fewshot.features import hfcc, mfcc
from kws.clips import EnrolledClip, LoadedClip
from kws.config import KwsConfig
from kws.enrollment import CONTEXT_S, embed_clips
from kws.evaluation import Tuned, TunedPerKeyword, tune, tune_for_others, tune_per_keyword
from kws.frames import FrameSource, borders_s, embed
from kws.front import pretrained
from kws.search import Searcher
from kws.selection import Match
from kws.templates import Template, templates_of

ROWS = (
    *("default", "shots", "speech", "raw", "raw shots"),
    *("mfcc", "mfcc shots", "hfcc", "hfcc shots"),
    *("default msdtw", "raw msdtw", "mfcc msdtw", "hfcc msdtw"),
)
TRAINED = (
    *(
        f"{loss}{classes}{templates}"
        for loss in ("tacos", "adacos")
        for classes in ("", " unreversed")
        for templates in ("", " shots", " msdtw")
    ),
    *("sliding adacos", "sliding adacos unreversed"),
)
CEPSTRA = {"mfcc": mfcc, "hfcc": hfcc}
CEPSTRA_HOP_S = 0.01


class Found(Protocol):
    """What a system finds in some recordings, before a threshold."""

    def at(self, threshold: float | Mapping[str, float]) -> list[Event]:
        """Detections with one threshold, or one for each keyword; others are never detected."""

    def tune(self, truth: Sequence[Event]) -> Tuned:
        """The threshold with the best F-score."""

    def tune_for_others(self, truth: Sequence[Event]) -> Tuned:
        """A threshold that holds for other recordings (`kws.evaluation.tune_for_others`)."""

    def tune_per_keyword(self, truth: Sequence[Event]) -> TunedPerKeyword:
        """The thresholds, one for each keyword, that together have the best F-score."""


@dataclass(frozen=True)
class Candidates:
    """Events with scores, of which those remain that reach the threshold.

    Attributes
    ----------
    events : list of Event
    """

    events: list[Event]

    def at(self, threshold: float | Mapping[str, float]) -> list[Event]:
        """As in `Found`."""
        if isinstance(threshold, Mapping):
            return [e for e in self.events if e.score >= threshold.get(e.label, math.inf)]
        return [e for e in self.events if e.score >= threshold]

    def tune(self, truth: Sequence[Event]) -> Tuned:
        """As in `Found`."""
        return tune(truth, self.events)

    def tune_for_others(self, truth: Sequence[Event]) -> Tuned:
        """As in `Found`."""
        return tune_for_others(truth, self.events)

    def tune_per_keyword(self, truth: Sequence[Event]) -> TunedPerKeyword:
        """As in `Found`."""
        return tune_per_keyword(truth, self.events)


class System(Protocol):
    """What a row searches with.

    Attributes
    ----------
    threshold : float or None
        The one that enrolment chose by itself.
    """

    threshold: float | None

    def search(self, folder: Path, durations: Mapping[str, float]) -> Found:
        """Search recordings, named relative to a folder, whose durations are known in seconds."""


@dataclass(frozen=True)
class TemplateSystem:
    """Templates and frames to search.

    Attributes
    ----------
    keywords : list of str
        Of each template.
    matches_of : callable
        Matches in a recording, from its path.
    borders_s : callable
        On- and offset in seconds of frames, from their numbers and the recording's duration.
    threshold : float or None
        As in `System`.
    """

    keywords: list[str]
    matches_of: Callable[[Path], list[Match]]
    borders_s: Callable[[int, int, float], tuple[float, float]]
    threshold: float | None = None

    def candidates(self, path: Path, name: str, duration_s: float) -> list[Event]:
        """Every best match in a recording that overlaps with no better one."""
        return [
            Event(
                name,
                *self.borders_s(m.onset_frame, m.offset_frame, duration_s),
                self.keywords[m.template],
                m.score,
            )
            for m in self.matches_of(path)
        ]

    def search(self, folder: Path, durations: Mapping[str, float]) -> Candidates:
        """As in `System`."""
        return Candidates(
            [e for name, s in durations.items() for e in self.candidates(folder / name, name, s)]
        )


def conditioned(path: Path) -> np.ndarray:
    """A whole recording as detection sees it."""
    return audio.normalise(audio.read(path))


def context_of(row: str) -> float:
    """How much of the sound around a clip a row's frames may see, in seconds."""
    return 0.0 if row.split()[0] in CEPSTRA else CONTEXT_S


def system_of(
    row: str, clips: Sequence[LoadedClip], band_hz: tuple[float, float], epochs: int, seed: int
) -> System:
    """What a row searches with, learnt from clips."""
    frames, mode = row.split()[0], row.split()[-1]
    mode = mode if mode in ("shots", "msdtw") else "barycenter"
    if frames in CEPSTRA:
        cepstra = partial(CEPSTRA[frames], low_hz=band_hz[0], high_hz=band_hz[1])
        return cepstral(clips, mode, cepstra)
    if frames == "raw":
        return raw(clips, mode)
    if frames == "sliding":
        return sliding.learn(
            [EnrolledClip.of(clip) for clip in clips],
            reversed_classes="unreversed" not in row,
            epochs=epochs,
            seed=seed,
        )
    config = KwsConfig(templates="barycenter" if mode == "msdtw" else mode)
    if frames == OWN:
        config = replace(config, encoder=OWN)
    if frames in ("tacos", "adacos"):
        config = replace(
            config,
            encoder="scratch",
            loss=frames,
            epochs=epochs,
            reversed_classes="unreversed" not in row,
        )
    if mode != "msdtw":
        return enrolled(kws.enroll(clips, config=config, seed=seed))
    if frames == "default":
        front = pretrained(load_encoder(BUNDLED))
        source, background = front.source, front.background
    else:
        source = kws.enroll(clips, config=config, seed=seed).source
        background = np.empty((0, 0), np.float32)
    return multisampled(clips, source, background, seed)


def enrolled(model: kws.KeywordModel) -> TemplateSystem:
    """What enrolment made."""
    return _searching(
        model.templates,
        lambda path: embed(model.source, conditioned(path)),
        lambda a, b, d: borders_s(model.source, a, b, d),
        model.threshold,
    )


def multisampled(
    clips: Sequence[LoadedClip], source: FrameSource, background: np.ndarray, seed: int
) -> TemplateSystem:
    """What enrolment would make, with multi-sample templates.

    Like barycentres, they are made in each of the surroundings, and calibrated where there are
    frames of other speech, ``background``.
    """
    kept = [EnrolledClip.of(clip) for clip in clips]
    by_keyword: dict[str, list[list[np.ndarray]]] = {}
    for clip, frames in zip(kept, embed_clips(source, kept, seed=seed), strict=True):
        by_keyword.setdefault(clip.label, []).append(frames.surroundings)
    templates = [
        multisample.align(keyword, same_surroundings)
        for keyword, own in sorted(by_keyword.items())
        for same_surroundings in zip(*own, strict=True)
    ]
    if len(background):
        templates = multisample.calibrated(templates, background, source.hop_s)
    return TemplateSystem(
        [template.keyword for template in templates],
        lambda path: multisample.search(templates, embed(source, conditioned(path))),
        lambda a, b, d: borders_s(source, a, b, d),
    )


def raw(clips: Sequence[LoadedClip], mode: str) -> TemplateSystem:
    """The pre-trained encoder's frames as they are."""
    encoder = load_encoder(BUNDLED)
    shots: dict[str, list[np.ndarray]] = {}
    for clip in map(EnrolledClip.of, clips):
        before, samples, after = clip.parts()
        shots.setdefault(clip.label, []).append(_unit(encoder.embed(samples, before, after)))

    def borders(onset_frame: int, offset_frame: int, duration_s: float) -> tuple[float, float]:
        onset, offset = ((i - 0.5) * encoder.hop_s for i in (onset_frame, offset_frame))
        return max(0.0, onset), min(offset, duration_s)

    return _of_shots(shots, mode, lambda path: _unit(encoder.embed(conditioned(path))), borders)


def cepstral(
    clips: Sequence[LoadedClip], mode: str, cepstra: Callable[[np.ndarray], np.ndarray]
) -> TemplateSystem:
    """Cepstra with their deltas, mean and variance normalised."""
    found = [cepstra(clip.samples) for clip in clips]
    mean, deviation = _statistics(np.concatenate(found))
    shots: dict[str, list[np.ndarray]] = {}
    for clip, frames in zip(clips, found, strict=True):
        if len(frames) >= 8:
            shots.setdefault(clip.clip.label, []).append(_unit((frames - mean) / deviation))

    def frames_of(path: Path) -> np.ndarray:
        frames = cepstra(audio.read(path))
        mean, deviation = _statistics(frames)
        return _unit((frames - mean) / deviation)

    return _of_shots(shots, mode, frames_of, _cepstral_borders)


def _of_shots(
    shots: Mapping[str, Sequence[np.ndarray]],
    mode: str,
    frames_of: Callable[[Path], np.ndarray],
    borders: Callable[[int, int, float], tuple[float, float]],
) -> TemplateSystem:
    """Templates of each keyword's shots, without calibration."""
    if mode == "msdtw":
        aligned = [multisample.align(keyword, own) for keyword, own in shots.items()]
        return TemplateSystem(
            list(shots), lambda path: multisample.search(aligned, frames_of(path)), borders
        )
    templates = [
        Template(keyword, frames)
        for keyword, own in shots.items()
        for frames in templates_of(own, mode)
    ]
    return _searching(templates, frames_of, borders)


def _searching(
    templates: Sequence[Template],
    frames_of: Callable[[Path], np.ndarray],
    borders: Callable[[int, int, float], tuple[float, float]],
    threshold: float | None = None,
) -> TemplateSystem:
    """Templates that are searched for as detection does."""

    def matches_of(path: Path) -> list[Match]:
        searcher = Searcher.of(templates)
        return searcher.push(frames_of(path)) + searcher.finish()

    return TemplateSystem([t.keyword for t in templates], matches_of, borders, threshold)


def _cepstral_borders(onset: int, offset: int, duration_s: float) -> tuple[float, float]:
    return max(0.0, (onset - 0.5) * CEPSTRA_HOP_S), min(duration_s, (offset - 0.5) * CEPSTRA_HOP_S)


def _statistics(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return frames.mean(axis=0), np.maximum(frames.std(axis=0), 1e-6)


def _unit(frames: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(frames, axis=1, keepdims=True)
    return (frames / np.maximum(norms, 1e-9)).astype(np.float32)
