"""The keyword model: what enrolment makes, and what finds keywords in recordings."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import torch

from fewshot import audio, bundle
from fewshot.encoders.temporal import TemporalResNet
from fewshot.errors import InputError
from fewshot.events import Event
from kws.clips import EnrolledClip
from kws.config import FRONT_END, KIND, VERSION, KwsConfig
from kws.detection import Detector
from kws.segments import SAMPLE_RATE
from kws.templates import templates_of


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
