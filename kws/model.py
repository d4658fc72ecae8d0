"""The keyword model: what enrolment makes, and what finds keywords in recordings."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import torch

from fewshot import audio, bundle
from fewshot.encoders.temporal import TemporalResNet
from fewshot.errors import InputError
from fewshot.events import Event
from kws.config import FRONT_END, KIND, VERSION, KwsConfig
from kws.search import Match, Searcher
from kws.segments import (
    FIRST_FRAME_S,
    HOP,
    SAMPLE_RATE,
    FrameExtractor,
    embed,
    frame_borders_s,
)
from kws.templates import templates_of


@dataclass(frozen=True)
class EnrolledClip:
    """A clip as the model keeps it, with the sound around it, so that it can learn again.

    Attributes
    ----------
    label, file : str
    onset_s, offset_s : float
        Where it lay in its file.
    sha256 : str
        Of the conditioned samples.
    samples : np.ndarray, shape (before + n + after,), int16
        Conditioned sound at 16 kHz; scaled to its maximum.
    before, after : int
        Samples of the surrounding sound in front and behind.
    """

    label: str
    file: str
    onset_s: float
    offset_s: float
    sha256: str
    samples: np.ndarray = field(repr=False)
    before: int = 0
    after: int = 0

    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sound in front, the clip, sound behind; divided by the maximum of the clip."""
        end = len(self.samples) - self.after
        samples = self.samples.astype(np.float32)
        samples /= max(1.0, float(np.abs(samples[self.before : end]).max(initial=0.0)))
        return samples[: self.before], samples[self.before : end], samples[end:]

    def embed(self, encoder: torch.nn.Module) -> np.ndarray:
        """Frames of the clip, shape (n_frames, dim)."""
        before, samples, after = self.parts()
        return embed(encoder, samples, before, after)


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


class KeywordModel:
    """Keywords that were learnt from a few clips each.

    Made by `kws.enroll` or `KeywordModel.load`.

    Parameters
    ----------
    encoder : TemporalResNet
    clips : sequence of EnrolledClip
    frames : sequence of np.ndarray, shapes (n_frames, dim)
        Each clip, embedded.
    config : KwsConfig
    seed : int
    threshold : float
        For all keywords, in [-2, 0].
    thresholds : dict, optional
        Thresholds of single keywords that go before it.
    losses : sequence of float
        Mean loss of every epoch.

    Attributes
    ----------
    keywords : list of str
        In alphabetical order.
    templates : list of np.ndarray, shapes (L_i, dim)
    template_labels : list of str
        Keyword of each template.
    summary, warnings, problems : list of str
        What enrolment has to say: what was learnt, what will hurt, clips that were left out.
    """

    def __init__(
        self,
        encoder: TemporalResNet,
        clips: Sequence[EnrolledClip],
        frames: Sequence[np.ndarray],
        *,
        config: KwsConfig,
        seed: int,
        threshold: float,
        thresholds: dict[str, float] | None = None,
        losses: Sequence[float] = (),
    ) -> None:
        self.encoder = encoder.eval()
        self.clips = list(clips)
        self.frames = list(frames)
        self.config = config
        self.seed = seed
        self.threshold = threshold
        self.thresholds = dict(thresholds or {})
        self.losses = list(losses)
        self.keywords = sorted({clip.label for clip in self.clips})
        self.templates: list[np.ndarray] = []
        self.template_labels: list[str] = []
        for keyword in self.keywords:
            made = templates_of(self.shots(keyword), config.templates)
            self.templates += made
            self.template_labels += [keyword] * len(made)
        self.summary: list[str] = []
        self.warnings: list[str] = []
        self.problems: list[str] = []

    def shots(self, keyword: str) -> list[np.ndarray]:
        """Embedded clips of a keyword, shapes (n_frames, dim)."""
        return [f for f, clip in zip(self.frames, self.clips, strict=True) if clip.label == keyword]

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
        kept = [i for i, clip in enumerate(self.clips) if clip.label != keyword]
        return KeywordModel(
            self.encoder,
            [self.clips[i] for i in kept],
            [self.frames[i] for i in kept],
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
        state = self.encoder.state_dict()
        tensors = {f"encoder.{name}": t.cpu().contiguous().numpy() for name, t in state.items()}
        tensors["clips.samples"] = np.concatenate([clip.samples for clip in self.clips])
        tensors["clips.frames"] = np.concatenate(self.frames)
        records = []
        for clip, frames in zip(self.clips, self.frames, strict=True):
            record = {f.name: getattr(clip, f.name) for f in fields(clip) if f.name != "samples"}
            records.append(record | {"n_samples": len(clip.samples), "n_frames": len(frames)})
        header = {
            "keywords": self.keywords,
            "threshold": self.threshold,
            "thresholds": self.thresholds,
            "seed": self.seed,
            "config": asdict(self.config),
            "front_end": FRONT_END,
            "encoder": {"name": "TemporalResNet", "parameters": self.n_parameters},
            "losses": self.losses,
            "clips": records,
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
            return cls._rebuild(tensors, header)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"{path}: damaged keyword model ({reason}); enrol the keywords again"
            ) from error

    @classmethod
    def _rebuild(cls, tensors: dict[str, np.ndarray], header: dict) -> "KeywordModel":
        if header["front_end"] != FRONT_END:
            raise ValueError("its front end is not that of this release")
        encoder = TemporalResNet()
        state = {
            name.removeprefix("encoder."): torch.from_numpy(tensor)
            for name, tensor in tensors.items()
            if name.startswith("encoder.")
        }
        encoder.load_state_dict(state)
        clips, frames = [], []
        i = j = 0
        samples, embedded = tensors["clips.samples"], tensors["clips.frames"]
        for record in header["clips"]:
            record = dict(record)
            n, m = record.pop("n_samples"), record.pop("n_frames")
            clips.append(EnrolledClip(**record, samples=samples[i : i + n]))
            frames.append(embedded[j : j + m])
            i, j = i + n, j + m
        if not clips or i != len(samples) or j != len(embedded):
            raise ValueError("its clips do not fit its tensors")
        return cls(
            encoder.to(memory_format=torch.channels_last),
            clips,
            frames,
            config=KwsConfig(**header["config"]),
            seed=int(header["seed"]),
            threshold=float(header["threshold"]),
            thresholds={str(k): float(t) for k, t in header["thresholds"].items()},
            losses=[float(x) for x in header["losses"]],
        )

    @property
    def n_parameters(self) -> int:
        """Trainable parameters of the encoder."""
        return sum(p.numel() for p in self.encoder.parameters())

    @staticmethod
    def header(path: str | Path) -> dict:
        """What the file says of itself, without reading the tensors."""
        return bundle.read_header(path, kind=KIND, version=VERSION)


def resolve_device(device: str) -> str:
    """Device that "auto" stands for: CUDA or MPS where there is one, else the CPU.

    Raises
    ------
    InputError
        If the device is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next((name for name, available in there.items() if available), "cpu")
    if not there.get(device.split(":")[0], device == "cpu"):
        raise InputError(f"device {device!r} is not there; use --device cpu")
    return device
