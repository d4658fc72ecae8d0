"""The keyword model: what enrolment makes, and what finds keywords in recordings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np

from fewshot import audio, bundle
from fewshot.encoders.external import EncoderSpec
from fewshot.encoders.loading import find_encoder
from fewshot.encoders.temporal import TemporalResNet
from fewshot.errors import InputError
from fewshot.events import Event
from kws.clips import EnrolledClip
from kws.config import FRONT_END, KIND, SCRATCH, VERSION, KwsConfig
from kws.detection import Detector
from kws.frames import FrameSource, PretrainedFrames, SegmentFrames
from kws.report import EnrolmentReport
from kws.segments import SAMPLE_RATE
from kws.templates import Template


class KeywordModel:
    """Keywords that were learnt from a few clips each.

    Made by `kws.enroll` or `KeywordModel.load`.

    Parameters
    ----------
    source : FrameSource
        Makes the frames.
    clips : sequence of EnrolledClip
    templates : sequence of Template
        Those of each keyword.
    config : KwsConfig
    seed : int
    threshold : float
        For all keywords.
    thresholds : dict, optional
        Thresholds of single keywords that go before it.
    losses : sequence of float
        Mean loss of every epoch, where something was trained.

    Attributes
    ----------
    keywords : list of str
        In alphabetical order.
    report : EnrolmentReport or None
        What enrolment found out, where this model was just made by it.
    warnings, problems : list of str
        What will hurt; clips and recordings that were left out.
    """

    def __init__(
        self,
        source: FrameSource,
        clips: Sequence[EnrolledClip],
        templates: Sequence[Template],
        *,
        config: KwsConfig,
        seed: int,
        threshold: float,
        thresholds: dict[str, float] | None = None,
        losses: Sequence[float] = (),
    ) -> None:
        self.source = source
        self.clips = list(clips)
        self.templates = list(templates)
        self.config = config
        self.seed = seed
        self.threshold = threshold
        self.thresholds = dict(thresholds or {})
        self.losses = list(losses)
        self.keywords = sorted({clip.label for clip in self.clips})
        self.report: EnrolmentReport | None = None
        self.warnings: list[str] = []
        self.problems: list[str] = []

    def detector(
        self,
        *,
        threshold: float | None = None,
        keywords: Sequence[str] | None = None,
        candidates: bool = False,
        keep_scores: bool = False,
        device: str = "auto",
        parallel: bool = True,
    ) -> Detector:
        """Start a search that takes conditioned, normalised sound piece by piece.

        Parameters
        ----------
        threshold : float, optional
            Instead of the model's own thresholds.
        keywords : sequence of str, optional
            Look for these only.
        candidates : bool
            Give every best match that overlaps with no better one, whatever its score.
        keep_scores : bool
            Keep the score curves for `Detector.scores`.
        device : {"auto", "cpu", "cuda", "mps"}
        parallel : bool
            Search the templates in parallel.

        Returns
        -------
        Detector

        Raises
        ------
        InputError
            If the model does not know a keyword.
        """
        chosen = list(dict.fromkeys(keywords)) if keywords else self.keywords
        for keyword in chosen:
            if keyword not in self.keywords:
                raise InputError(
                    f"keyword {keyword!r} is not in the model; it has {', '.join(self.keywords)}"
                )
        if candidates:
            thresholds = dict.fromkeys(chosen, -np.inf)
        elif threshold is not None:
            thresholds = dict.fromkeys(chosen, threshold)
        else:
            thresholds = {k: self.thresholds.get(k, self.threshold) for k in chosen}
        return Detector(
            self, chosen, thresholds, keep_scores=keep_scores, device=device, parallel=parallel
        )

    def detect(
        self,
        recording: str | Path | np.ndarray,
        *,
        sample_rate: int = SAMPLE_RATE,
        detector: Detector | None = None,
        progress: Callable[[float], None] | None = None,
        **options: object,
    ) -> list[Event]:
        """Find the keywords in a recording.

        Parameters
        ----------
        recording : path or np.ndarray, shape (n_samples,) or (n_samples, n_channels)
            Any file that libsndfile reads, or samples in [-1, 1].
        sample_rate : int
            Of the samples, in Hz.
        detector : Detector, optional
            A fresh one to use; otherwise it is made with ``options``.
        progress : callable, optional
            Called with the seconds that are done.
        **options
            As in `detector`.

        Returns
        -------
        list of Event
            Sorted by onset, with the path as ``filename`` (empty for samples).

        Raises
        ------
        InputError
            If the recording cannot be read, or has samples that are not finite.

        Notes
        -----
        A file is read twice, in blocks: for its maximum, and for the search. Memory does not grow
        with its length.
        """
        detector = self.detector(**options) if detector is None else detector
        if isinstance(recording, np.ndarray):
            name = ""
            conditioner = audio.Conditioner(sample_rate, np.atleast_2d(recording.T).shape[0])
            conditioned = np.concatenate([conditioner.push(recording), conditioner.finish()])
            peak, blocks = None, [conditioned]
        else:
            name = Path(recording).as_posix()
            peak, blocks = audio.peak(recording), audio.read_blocks(recording)
        events, done = [], 0
        for block in blocks:
            events += detector.push(audio.normalise(block, peak))
            done += len(block)
            if progress is not None:
                progress(done / SAMPLE_RATE)
        events += detector.finish()
        return sorted(replace(event, filename=name) for event in events)

    def scores(
        self, recording: str | Path | np.ndarray, *, sample_rate: int = SAMPLE_RATE
    ) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Score curves of a recording, as `Detector.scores` gives them."""
        detector = self.detector(candidates=True, keep_scores=True)
        self.detect(recording, sample_rate=sample_rate, detector=detector)
        return detector.scores()

    def remove(self, keyword: str) -> "KeywordModel":
        """Model without a keyword; the encoder stays.

        Raises
        ------
        InputError
            If the model does not know it, or knows nothing else.
        """
        if keyword not in self.keywords:
            raise InputError(
                f"keyword {keyword!r} is not in the model; it has {', '.join(self.keywords)}"
            )
        if self.keywords == [keyword]:
            raise InputError(f"keyword {keyword!r} is the only one; a model needs one at least")
        return KeywordModel(
            self.source,
            [clip for clip in self.clips if clip.label != keyword],
            [template for template in self.templates if template.keyword != keyword],
            config=self.config,
            seed=self.seed,
            threshold=self.threshold,
            thresholds={k: t for k, t in self.thresholds.items() if k != keyword},
            losses=self.losses,
        )

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the model as one safetensors file, whole or not at all.

        Raises
        ------
        InputError
            If the file exists and ``force`` is not set, or cannot be written.
        """
        if isinstance(self.source, PretrainedFrames):
            encoder = asdict(self.source.spec)
            tensors = {"whitening.mean": self.source.mean, "whitening": self.source.whitening}
        else:
            encoder = {"name": "TemporalResNet", "parameters": self.source.n_parameters}
            tensors = {f"encoder.{name}": t for name, t in self.source.tensors().items()}
        tensors["clips.samples"] = np.concatenate([clip.samples for clip in self.clips])
        tensors["templates"] = np.concatenate([t.frames for t in self.templates])
        if all(t.broken_off is not None for t in self.templates):
            broken_off = [t.broken_off for t in self.templates]
            tensors["templates.broken_off"] = np.concatenate(broken_off)
        header = {
            "keywords": self.keywords,
            "threshold": self.threshold,
            "thresholds": self.thresholds,
            "seed": self.seed,
            "config": asdict(self.config),
            "front_end": FRONT_END,
            "encoder": encoder,
            "losses": self.losses,
            "clips": [_record(clip, n_samples=len(clip.samples)) for clip in self.clips],
            "templates": [_record(t, n_frames=len(t.frames)) for t in self.templates],
        }
        bundle.save(path, tensors, header, kind=KIND, version=VERSION, force=force)

    @classmethod
    def load(cls, path: str | Path) -> "KeywordModel":
        """Read a model.

        Raises
        ------
        InputError
            If the file is missing, damaged, of another kind or of a newer release.
        """
        tensors, header = bundle.load(path, kind=KIND, version=VERSION)
        try:
            return cls._rebuild(tensors, header, Path(path))
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"{path}: damaged keyword model ({reason}); enrol the keywords again"
            ) from error

    @classmethod
    def _rebuild(cls, tensors: dict[str, np.ndarray], header: dict, path: Path) -> "KeywordModel":
        if header["front_end"] != FRONT_END:
            raise ValueError("its front end is not that of this release")
        if header["format_version"] == 3:
            raise ValueError("its scores are those of an earlier release")
        config = KwsConfig(**header["config"])
        if config.encoder == SCRATCH:
            state = bundle.part(tensors, "encoder.")
            source: FrameSource = SegmentFrames(TemporalResNet()).load(state)
        else:
            encoder = find_encoder(config.encoder, EncoderSpec(**header["encoder"]), path)
            source = PretrainedFrames(encoder, tensors["whitening.mean"], tensors["whitening"])
        clips = [
            EnrolledClip(**record, samples=samples)
            for record, samples in _cut(tensors["clips.samples"], header["clips"], "n_samples")
        ]
        # Models of version 4, and those of networks without a background, have none of these.
        stacked = tensors.get("templates.broken_off")
        if stacked is not None and stacked.shape != tensors["templates"].shape:
            raise ValueError("its templates do not fit each other")
        records = header["templates"]
        broken_off = [None] * len(records)
        if stacked is not None:
            broken_off = [other for _, other in _cut(stacked, records, "n_frames")]
        templates = [
            Template(**(record | {"frames": frames, "broken_off": other}))
            for (record, frames), other in zip(
                _cut(tensors["templates"], records, "n_frames"), broken_off, strict=True
            )
        ]
        if {t.keyword for t in templates} != {clip.label for clip in clips}:
            raise ValueError("its templates are not those of its clips")
        return cls(
            source,
            clips,
            templates,
            config=config,
            seed=int(header["seed"]),
            threshold=float(header["threshold"]),
            thresholds={str(k): float(t) for k, t in header["thresholds"].items()},
            losses=[float(x) for x in header["losses"]],
        )

    @staticmethod
    def header(path: str | Path) -> dict:
        """What the file says of itself, without reading the tensors."""
        return bundle.read_header(path, kind=KIND, version=VERSION)


def _record(item: EnrolledClip | Template, **length: int) -> dict:
    """What is not an array."""
    values = {f.name: getattr(item, f.name) for f in fields(item)}
    return {n: v for n, v in values.items() if not isinstance(v, np.ndarray)} | length


def _cut(
    stacked: np.ndarray, records: Sequence[dict], length: str
) -> Iterator[tuple[dict, np.ndarray]]:
    """Each record without its length, and its part of what was stacked."""
    ends = np.cumsum([record[length] for record in records])
    if not len(ends) or ends[-1] != len(stacked):
        raise ValueError("its clips or templates do not fit its tensors")
    for record, part in zip(records, np.split(stacked, ends[:-1]), strict=True):
        yield {name: value for name, value in record.items() if name != length}, part
