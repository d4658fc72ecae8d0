"""What keywords are learnt on: frames of a pre-trained encoder, or of a network of their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from fewshot.background import Background, bundled
from fewshot.encoders.external import ExternalEncoder
from fewshot.errors import InputError
from kws.clips import EnrolledClip
from kws.config import KwsConfig
from kws.frames import FrameSource, PretrainedFrames, SegmentFrames, embed
from kws.learning import background_segments, learn_encoder, training_set

LEAST_BACKGROUND_S = 60.0


@dataclass(frozen=True)
class Front:
    """What keywords are learnt on: a source of frames, and other sound as it embeds it.

    Attributes
    ----------
    source : FrameSource
    background : np.ndarray, shape (n, dim)
        Frames of other speech, by which scores are calibrated; empty where there are none.
    noise : list of np.ndarray, shapes (n_i, dim)
        Frames of background sound.
    losses : list of float
        Mean loss of every epoch, where the source was trained.
    """

    source: FrameSource
    background: np.ndarray = field(repr=False)
    noise: list[np.ndarray] = field(default_factory=list, repr=False)
    losses: list[float] = field(default_factory=list, repr=False)


def pretrained(encoder: ExternalEncoder, more: Sequence[np.ndarray] = ()) -> Front:
    """A pre-trained encoder with the background that comes with it, and other recordings.

    Parameters
    ----------
    encoder : ExternalEncoder
    more : sequence of np.ndarray, shapes (n_frames, dim)
        Its frames of ordinary speech.

    Raises
    ------
    InputError
        If nothing comes with the encoder and there are no recordings.
    """
    known = bundled(encoder.spec.sha256)
    if known is None and not more:
        raise InputError(
            f"encoder {encoder.spec.name}: what ordinary speech looks like to it is not known; "
            "give some minutes with --background"
        )
    if known is None:
        known = Background.learn(more, encoder=encoder.spec.sha256)
    elif more:
        known = known.with_more(more)
    source = PretrainedFrames.of(encoder, known)
    seconds = sum(map(len, known.frames)) * source.hop_s
    if seconds < LEAST_BACKGROUND_S:
        raise InputError(
            f"{seconds:.0f} s of ordinary speech are too few; give a minute at least, better ten"
        )
    return Front(source, source.whiten(np.concatenate(known.frames)))


def trained(
    clips: Sequence[EnrolledClip],
    keywords: Sequence[str],
    recordings: Sequence[np.ndarray],
    config: KwsConfig,
    device: str,
    seed: int,
    on_epoch: Callable[[int, float], None] | None = None,
) -> Front:
    """A network that is trained on the clips alone.

    Parameters
    ----------
    clips : sequence of EnrolledClip
    keywords : sequence of str
        Every label of the clips once.
    recordings : sequence of np.ndarray, shapes (n_samples,)
        Normalised background sound without speech; with none, noise is generated.
    config : KwsConfig
    device : {"cpu", "cuda", "mps"}
    seed : int
    on_epoch : callable, optional
        Called behind every epoch with its number (from 0) and mean loss.
    """
    segments = background_segments(recordings, np.random.default_rng(seed))
    data = training_set(
        [clip.parts()[1] for clip in clips],
        [keywords.index(clip.label) for clip in clips],
        segments,
        positions=config.loss == "tacos",
        reversed_classes=config.reversed_classes,
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
    source = SegmentFrames(encoder)
    noise = [embed(source, samples) for samples in segments[:64].reshape(8, -1)]
    return Front(source, np.empty((0, 0), np.float32), noise, losses)
