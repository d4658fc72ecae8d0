"""Enrolment: clips of keywords in, a `KeywordModel` out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fewshot import audio
from fewshot.encoders.loading import NAMES, load_encoder
from fewshot.errors import InputError
from fewshot.inputs import audio_files
from fewshot.training import resolve_device
from kws.calibration import (
    PEAK_S,
    THRESHOLD,
    ClipFrames,
    EnrolmentScores,
    calibrated,
    enrolment_scores,
    estimate_threshold,
    held_out_peaks,
    threshold_at_rate,
)
from kws.clips import (
    Clip,
    EnrolledClip,
    LoadedClip,
    clips_from_csv,
    clips_from_folder,
    clips_of_keyword,
    load_clips,
)
from kws.config import SCRATCH, KwsConfig
from kws.frames import FrameSource, PretrainedFrames, embed, embed_file
from kws.front import Front, pretrained, trained
from kws.model import KeywordModel
from kws.report import EnrolmentReport
from kws.segments import SAMPLE_RATE, SEGMENT
from kws.surroundings import SAID, embed_as_recorded, embed_in_speech
from kws.templates import Template, in_place, templates_of

CONTEXT_S = 0.48
"""Sound around a clip that its frames may see, where its file holds some."""


def enroll(
    clips: str | Path | Mapping[str, Sequence[str | Path]] | Sequence[Clip | LoadedClip],
    *,
    background: str | Path | None = None,
    noise: str | Path | None = None,
    config: KwsConfig | None = None,
    device: str = "auto",
    seed: int = 0,
    add_to: KeywordModel | None = None,
    trim: bool = True,
    on_epoch: Callable[[int, float], None] | None = None,
    on_clip: Callable[[int], None] | None = None,
) -> KeywordModel:
    """Learn keywords from a few clips each.

    Parameters
    ----------
    clips : path, mapping, or sequence of Clip or LoadedClip
        A folder with one sub-folder per keyword, a CSV with the columns
        ``event_label,event_onset,event_offset,file``, or the clips of each keyword.
    background : path, optional
        File or folder of ordinary speech without the keywords, from where they will be looked for:
        heard in addition to the speech that a pre-trained encoder comes with.
    noise : path, optional
        For the encoder "scratch", file or folder of background recordings without speech; without
        it, coloured noise at many levels is generated.
    config : KwsConfig, optional
    device : {"auto", "cpu", "cuda", "mps"}
        Where "scratch" is trained, and "speech" and wav2vec 2.0 are computed.
    seed : int
        The same clips, settings, seed and machine give the same model.
    add_to : KeywordModel, optional
        Learn these keywords in addition to those of a model, from the clips that it keeps; its
        settings hold unless ``config`` is given.
    trim : bool
        Look for the word in clips that are whole files, and take what is around it as its
        surroundings (`kws.trimming`); False learns them with their silence.
    on_epoch : callable, optional
        Called behind every epoch of "scratch" with its number (from 0) and mean loss.
    on_clip : callable, optional
        Called behind every clip that is embedded with their number so far.

    Returns
    -------
    KeywordModel
        ``problems`` names what was left out, ``warnings`` what will hurt, ``report`` tells more.

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
    if config.encoder not in (SCRATCH, *NAMES):
        config = replace(config, encoder=str(Path(config.encoder).resolve()))
    device = resolve_device(device)
    loaded, problems = _loaded(clips, trim)
    kept = [EnrolledClip.of(clip) for clip in loaded]
    if add_to is not None:
        kept = _merged(add_to.clips, kept)
    keywords = sorted({clip.label for clip in kept})

    if config.encoder == SCRATCH:
        recordings = list(_readable(_read, noise, problems))
        front = trained(kept, keywords, recordings, config, device, seed, on_epoch)
    else:
        encoder = load_encoder(config.encoder).to(device)
        heard = _readable(lambda path: embed_file(encoder, path)[0], background, problems)
        front = pretrained(encoder, list(heard))
    frames = embed_clips(front.source, kept, seed=seed, on_clip=on_clip)
    by_keyword = [
        [f for f, c in zip(frames, kept, strict=True) if c.label == keyword] for keyword in keywords
    ]

    def make_templates(number: int, own: Sequence[ClipFrames]) -> list[Template]:
        return make(keywords[number], own, front, config.templates)

    templates = [t for number, own in enumerate(by_keyword) for t in make_templates(number, own)]
    scores = enrolment_scores(by_keyword, front.noise, make_templates)
    threshold, rate, unsure = _threshold(templates, scores, front, config)
    model = KeywordModel(
        front.source.to("cpu"),
        kept,
        templates,
        config=config,
        seed=seed,
        threshold=threshold,
        losses=front.losses,
    )
    model.report = EnrolmentReport.of(
        kept,
        scores,
        n_templates=len(templates),
        threshold=threshold,
        false_alarms_per_hour=rate,
        background_minutes=len(front.background) * front.source.hop_s / 60,
    )
    model.problems = problems
    alone = _of_scratch(model) if config.encoder == SCRATCH else []
    model.warnings = [*_clipped(loaded), *alone, *model.report.warnings(), *unsure]
    return model


def embed_clips(
    source: FrameSource,
    clips: Sequence[EnrolledClip],
    *,
    seed: int = 0,
    on_clip: Callable[[int], None] | None = None,
) -> list[ClipFrames]:
    """Frames of clips: of a pre-trained encoder, in the surroundings of `kws.surroundings`.

    Parameters
    ----------
    source : FrameSource
    clips : sequence of EnrolledClip
    seed : int
        Of the surroundings.
    on_clip : callable, optional
        Called behind every clip with their number so far.

    Returns
    -------
    list of ClipFrames
        Of networks that are trained on the clips alone, only as they were recorded.
    """
    rng = np.random.default_rng(seed)
    parts = [clip.parts() for clip in clips]
    pool = [samples for _, samples, _ in parts]
    out = []
    for number, (before, samples, after) in enumerate(parts):
        if isinstance(source, PretrainedFrames):
            recorded = embed_as_recorded(source, parts[number], rng)
            in_speech = embed_in_speech(source, samples, pool, rng)
            broken_off = embed_in_speech(source, samples, pool, rng, said=SAID)
            out.append(ClipFrames([recorded, in_speech], broken_off))
        else:
            out.append(ClipFrames([embed(source, samples, before, after)]))
        if on_clip is not None:
            on_clip(number + 1)
    return out


def make(
    keyword: str, clips: Sequence[ClipFrames], front: Front, mode: str = "barycenter"
) -> list[Template]:
    """Templates of a keyword, in each of the surroundings, calibrated where that is possible.

    Parameters
    ----------
    keyword : str
    clips : sequence of ClipFrames
        As `embed_clips` gives them.
    front : Front
    mode : {"barycenter", "shots"}
    """
    broken_off = [clip.broken_off for clip in clips]
    templates = []
    for same_surroundings in zip(*(clip.surroundings for clip in clips), strict=True):
        made, others = templates_of(same_surroundings, mode), broken_off
        if mode == "barycenter":
            known = broken_off[0] is not None
            others = [in_place(made[0], same_surroundings, broken_off) if known else None]
        templates += [
            Template(keyword, frames, broken_off=other)
            for frames, other in zip(made, others, strict=True)
        ]
    if not len(front.background):
        return templates
    return calibrated(templates, front.background, front.source.hop_s)


def _threshold(
    templates: Sequence[Template], scores: EnrolmentScores, front: Front, config: KwsConfig
) -> tuple[float, float | None, list[str]]:
    """The threshold, its false alarms per hour of ordinary speech, a warning if that is unsure."""
    if not len(front.background):
        return estimate_threshold(scores), None, []
    best = held_out_peaks(templates, front.background, front.source.hop_s)
    wanted = config.false_alarms_per_hour
    if wanted is None:
        return THRESHOLD, 3600 * float(np.mean(best >= THRESHOLD)) / PEAK_S, []
    threshold, supported = threshold_at_rate(best, wanted)
    if wanted >= supported:
        return threshold, wanted, []
    unsure = (
        f"{len(best) * PEAK_S / 60:.0f} minutes of ordinary speech can tell rates down to "
        f"{supported:.1f} false alarms an hour; the threshold for {wanted:g} is extrapolated: "
        f"give {3 / wanted:.1f} hours with --background"
    )
    return threshold, wanted, [unsure]


def _loaded(
    clips: str | Path | Mapping[str, Sequence[str | Path]] | Sequence[Clip | LoadedClip],
    trim: bool,
) -> tuple[list[LoadedClip], list[str]]:
    """Clips with their sound, and a line for each that was left out."""
    if isinstance(clips, Mapping):
        clips = [c for name, paths in clips.items() for c in clips_of_keyword(name, paths)]
    elif isinstance(clips, str | Path):
        clips = clips_from_csv(clips) if Path(clips).is_file() else clips_from_folder(clips)
    unread = [clip for clip in clips if isinstance(clip, Clip)]
    read, problems = load_clips(unread, context_s=CONTEXT_S, trim=trim) if unread else ([], [])
    loaded = [clip for clip in clips if isinstance(clip, LoadedClip)] + read
    if not loaded:
        raise InputError("no clips to learn from; give some")
    return loaded, problems


def _merged(old: Sequence[EnrolledClip], new: Sequence[EnrolledClip]) -> list[EnrolledClip]:
    """Old clips, then new ones; a clip that is there already is not counted twice."""
    known = {(clip.label, clip.sha256) for clip in old}
    return [*old, *(clip for clip in new if (clip.label, clip.sha256) not in known)]


def _readable(
    read: Callable[[Path], np.ndarray], path: str | Path | None, problems: list[str]
) -> Iterator[np.ndarray]:
    """What is read of each recording of a file or folder; those that fail are named."""
    if path is None:
        return
    refused = []
    files = audio_files(path)
    for file in files:
        try:
            yield read(file)
        except InputError as error:
            refused.append(str(error))
    if len(refused) == len(files):
        raise InputError(f"{path}: no usable background recording ({refused[0]})")
    problems += refused


def _read(path: Path) -> np.ndarray:
    """A normalised recording, shape (n_samples,); of a long one its first ten minutes."""
    duration_s = min(600.0, audio.info(path).duration_s)
    return audio.normalise(audio.read_clip(path, 0.0, duration_s)[0])


def _clipped(loaded: Sequence[LoadedClip]) -> list[str]:
    """Clips of which much lies at full scale."""
    return [
        f"{item.clip.name}: clipped; record it again at a lower level"
        for item in loaded
        if np.mean(np.abs(item.samples) > 0.95) > 0.005
    ]


def _of_scratch(model: KeywordModel) -> list[str]:
    """What hurts a network that learns from the clips alone."""
    found = []
    if len(model.keywords) == 1:
        found.append(
            "only one keyword: nothing but its reversal and noise teaches what it is not; "
            "expect false alarms, or enrol other words beside it"
        )
    for clip in model.clips:
        samples = clip.parts()[1]
        if len(samples) < SEGMENT:
            found.append(
                f"{clip.file}: {len(samples) / SAMPLE_RATE:.2f} s is shorter than 0.25 s; "
                "cut the whole word, or choose a longer one"
            )
    return found
