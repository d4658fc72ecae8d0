"""Enrolment: clips of keywords in, a `KeywordModel` out."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from torch import nn

from fewshot import audio
from fewshot.errors import InputError
from fewshot.training import resolve_device
from kws.calibration import EnrolmentScores, enrolment_scores, estimate_threshold
from kws.clips import (
    Clip,
    EnrolledClip,
    LoadedClip,
    clips_from_csv,
    clips_from_folder,
    clips_of_keyword,
    load_clips,
)
from kws.config import KwsConfig
from kws.learning import background_segments, learn_encoder, training_set
from kws.model import KeywordModel
from kws.segments import SAMPLE_RATE, SEGMENT, embed, training_segments
from kws.templates import templates_of

CONTEXT_S = SEGMENT / 2 / SAMPLE_RATE
"""Sound around a clip that its frames may see, where its file holds some: half a segment."""
FEWEST_CLIPS = 5


def enroll(
    clips: str | Path | Mapping[str, Sequence[str | Path]] | Sequence[Clip | LoadedClip],
    *,
    noise: str | Path | None = None,
    config: KwsConfig | None = None,
    device: str = "auto",
    seed: int = 0,
    add_to: KeywordModel | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
) -> KeywordModel:
    """Learn keywords from a few clips each.

    Parameters
    ----------
    clips : path, mapping, or sequence of Clip or LoadedClip
        A folder with one sub-folder per keyword, a CSV with the columns
        ``event_label,event_onset,event_offset,file``, or the clips of each keyword.
    noise : path, optional
        File or folder of background recordings without speech; without it, coloured noise at many
        levels is generated.
    config : KwsConfig, optional
    device : {"auto", "cpu", "cuda", "mps"}
    seed : int
        The same clips, settings, seed and machine give the same model.
    add_to : KeywordModel, optional
        Learn these keywords in addition to those of a model, from the clips that it keeps; its
        settings hold unless ``config`` is given.
    on_epoch : callable, optional
        Called behind every epoch with its number (from 0) and mean loss.

    Returns
    -------
    KeywordModel
        ``problems`` names clips that were left out, ``warnings`` what will hurt.

    Raises
    ------
    InputError
        If a keyword has no usable clip, or nothing is to be read.

    Examples
    --------
    >>> model = enroll({"door": ["1.wav", "2.wav", "3.wav"]})  # doctest: +SKIP
    >>> model.detect("evening.flac")  # doctest: +SKIP
    """
    if config is None:
        config = add_to.config if add_to else KwsConfig()
    device = resolve_device(device)
    loaded, problems = _loaded(clips)
    kept = [EnrolledClip.of(clip) for clip in loaded]
    if add_to is not None:
        kept = _merged(add_to.clips, kept)
    keywords = sorted({clip.label for clip in kept})

    rng = np.random.default_rng(seed)
    recordings, noise_problems = _background(noise)
    background = background_segments(recordings, rng)
    data = training_set(
        [clip.parts()[1] for clip in kept],
        [keywords.index(clip.label) for clip in kept],
        background,
        positions=config.loss == "tacos",
    )
    encoder, losses = learn_encoder(
        data,
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        device=device,
        seed=seed,
        on_epoch=None if on_epoch is None else lambda epoch, loss, _: on_epoch(epoch, loss),
    )
    frames = [embed_clip(encoder, clip) for clip in kept]
    shots = [[f for f, c in zip(frames, kept, strict=True) if c.label == k] for k in keywords]
    scores = enrolment_scores(
        shots,
        embed_background(encoder, background),
        partial(templates_of, mode=config.templates),
    )
    model = KeywordModel(
        encoder.cpu(),
        kept,
        frames,
        config=config,
        seed=seed,
        threshold=estimate_threshold(scores),
        losses=losses,
    )
    model.problems = problems + noise_problems
    model.warnings = [*_clipped(loaded), *_warnings(model, scores)]
    model.summary = _summary(model, scores)
    return model


def embed_clip(encoder: nn.Module, clip: EnrolledClip) -> np.ndarray:
    """Frames of a clip, with the sound around it in view, shape (n_frames, dim)."""
    before, samples, after = clip.parts()
    return embed(encoder, samples, before, after)


def embed_background(encoder: nn.Module, background: np.ndarray) -> list[np.ndarray]:
    """Frames of some background sound, shapes (n_frames, dim).

    Parameters
    ----------
    encoder : nn.Module
    background : np.ndarray, shape (n, 4000)
        Segments of background sound; 64 of them are taken, eight at a time.
    """
    return [embed(encoder, samples) for samples in background[:64].reshape(8, -1)]


def _loaded(
    clips: str | Path | Mapping[str, Sequence[str | Path]] | Sequence[Clip | LoadedClip],
) -> tuple[list[LoadedClip], list[str]]:
    """Clips with their sound, and a line for each that was left out."""
    if isinstance(clips, Mapping):
        clips = [c for name, paths in clips.items() for c in clips_of_keyword(name, paths)]
    elif isinstance(clips, str | Path):
        clips = clips_from_csv(clips) if Path(clips).is_file() else clips_from_folder(clips)
    unread = [clip for clip in clips if isinstance(clip, Clip)]
    read, problems = load_clips(unread, context_s=CONTEXT_S) if unread else ([], [])
    loaded = [clip for clip in clips if isinstance(clip, LoadedClip)] + read
    if not loaded:
        raise InputError("no clips to learn from; give some")
    return loaded, problems


def _merged(old: Sequence[EnrolledClip], new: Sequence[EnrolledClip]) -> list[EnrolledClip]:
    """Old clips, then new ones; a clip that is there already is not counted twice."""
    known = {(clip.label, clip.sha256) for clip in old}
    return [*old, *(clip for clip in new if (clip.label, clip.sha256) not in known)]


def _background(noise: str | Path | None) -> tuple[list[np.ndarray], list[str]]:
    """Conditioned background recordings, at most ten minutes of each file."""
    recordings, problems = [], []
    for path in audio.audio_files(noise) if noise is not None else []:
        try:
            recordings.append(
                audio.read_clip(path, 0.0, min(600.0, audio.info(path).duration_s))[0]
            )
        except InputError as error:
            problems.append(str(error))
    if noise is not None and not recordings:
        raise InputError(f"{noise}: no usable background recording")
    return recordings, problems


def _clipped(loaded: Sequence[LoadedClip]) -> list[str]:
    """Clips of which much lies at full scale."""
    return [
        f"{item.clip.name}: clipped; record it again at a lower level"
        for item in loaded
        if np.mean(np.abs(item.samples) > 0.95) > 0.005
    ]


def _warnings(model: KeywordModel, scores: EnrolmentScores) -> list[str]:
    """What will hurt: few, short or clipped clips, clips that do not fit, like keywords."""
    found = []
    if len(model.keywords) == 1:
        found.append(
            "only one keyword: nothing but its reversal and noise teaches what it is not; "
            "expect false alarms, or enrol other words beside it"
        )
    for keyword in model.keywords:
        count = len(model.shots(keyword))
        if count < FEWEST_CLIPS:
            found.append(
                f"{keyword}: {count} clip{'s' * (count > 1)}; five of several speakers do better"
            )
    for clip, own in zip(model.clips, scores.own[_order(model)], strict=True):
        samples = clip.parts()[1]
        if len(samples) < SEGMENT:
            found.append(
                f"{clip.file}: {len(samples) / SAMPLE_RATE:.2f} s is shorter than 0.25 s; "
                "cut the whole word, or choose a longer one"
            )
        if np.isfinite(own) and own < model.threshold:
            found.append(
                f"{clip.file}: does not sound like the other clips of {clip.label!r} "
                f"(score {own:.2f}, threshold {model.threshold:.2f}); listen to it"
            )
    for i, keyword in enumerate(model.keywords):
        medians = np.median(scores.clips[scores.labels == i], axis=0)
        for j, other in enumerate(model.keywords):
            if i != j and medians[j] > model.threshold:
                found.append(f"{keyword!r} is taken for {other!r}: they sound too much alike")
    return found


def _order(model: KeywordModel) -> np.ndarray:
    """Rows of the enrolment scores (sorted by keyword) in the order of the model's clips."""
    ranks = np.argsort([model.keywords.index(c.label) for c in model.clips], kind="stable")
    return np.argsort(ranks)


def _summary(model: KeywordModel, scores: EnrolmentScores) -> list[str]:
    segments = sum(len(training_segments(clip.parts()[1])) for clip in model.clips)
    own = scores.own[np.isfinite(scores.own)]
    lines = [
        f"learnt {len(model.keywords)} keyword{'s' * (len(model.keywords) > 1)} from "
        f"{len(model.clips)} clips ({segments} segments) in {model.config.epochs} epochs, "
        f"loss {model.losses[0]:.2f} -> {model.losses[-1]:.2f}",
        f"{len(model.templates)} templates, encoder of {model.n_parameters:,} parameters",
    ]
    if len(own):
        lines.append(
            f"clips score {np.median(own):.2f} with the others of their keyword, other sound "
            f"{np.percentile(scores.others, 99):.2f} at most; threshold {model.threshold:.2f}"
        )
    return lines
