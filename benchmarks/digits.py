"""Sequences of digits made of the fsdd task, for the experiments of a paper of 2021.

The words that the task lists are cut out of their recordings and joined, speaker by speaker, to
sequences of 5 to 7 words (a speaker's last one of up to 11) with pauses of 0.1 to 0.3 s in faint
noise.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from kws_accuracy import PARTS
from weak_labels import Span

from fewshot import audio
from fewshot.events import Event, read_events, sort_events
from kws.clips import EnrolledClip, clips_from_csv, load_clips
from kws.segments import SAMPLE_RATE

FEWEST, MOST = 5, 7
PAUSE_S = (0.1, 0.3)
NOISE = 1e-3
"""Standard deviation of the noise; each word has a maximum of 1."""

Word = tuple[str, np.ndarray]
"""A keyword, and samples in which it is said."""


@dataclass(frozen=True)
class Utterance:
    """Words, one after the other.

    Attributes
    ----------
    samples : np.ndarray, shape (n_samples,)
        At 16 kHz, divided by their maximum.
    words : list of str
    spans : list of Span
        Where the words lie.
    """

    samples: np.ndarray
    words: list[str]
    spans: list[Span]


def shots_of(folder: Path, fold: str) -> list[Word]:
    """The examples of a fold."""
    loaded, _ = load_clips(clips_from_csv(folder / fold / "train_keywords.csv", root=folder))
    return [(clip.label, clip.parts()[1]) for clip in map(EnrolledClip.of, loaded)]


def utterances(folder: Path, fold: str, part: str, seed: int) -> list[Utterance]:
    """Sequences of the words of a part, each word once, in random order."""
    rng = np.random.default_rng([seed, PARTS.index(part)])
    return _said(folder, _events(folder, fold, part), rng)


def weakly_labelled(folder: Path, fold: str, seed: int) -> list[Utterance]:
    """Sequences of keywords of a fold, said by nobody who is in its validation or test part."""
    tested = {_speaker(e) for part in PARTS for e in _events(folder, fold, part)}
    keywords = {e.label for e in _events(folder, fold, "train")}
    others = sorted(other.name for other in folder.glob("fold*"))
    # Folds share recordings: a word is listed in each whose keyword it is.
    listed = {e for other in others for part in PARTS for e in _events(folder, other, part)}
    chosen = [e for e in sort_events(listed) if e.label in keywords and _speaker(e) not in tested]
    return _said(folder, chosen, np.random.default_rng([seed, len(PARTS)]))


def _events(folder: Path, fold: str, part: str) -> list[Event]:
    return read_events(folder / fold / f"{part}_keywords.csv")


def _speaker(event: Event) -> str:
    return Path(event.filename).stem.split("_")[0]


def _said(folder: Path, events: Iterable[Event], rng: np.random.Generator) -> list[Utterance]:
    recordings: dict[str, np.ndarray] = {}
    words: dict[str, list[Word]] = {}
    for event in events:
        if event.filename not in recordings:
            recordings[event.filename] = audio.read(folder / event.filename)
        onset, offset = (round(t * SAMPLE_RATE) for t in (event.onset_s, event.offset_s))
        word = audio.normalise(recordings[event.filename][onset:offset])
        words.setdefault(_speaker(event), []).append((event.label, word))
    return [u for own in words.values() for u in sequences(own, rng)]


def sequences(words: Sequence[Word], rng: np.random.Generator) -> Iterator[Utterance]:
    """Join words to utterances, each word once, in random order."""
    order = rng.permutation(len(words))
    while len(order):
        count = rng.integers(FEWEST, MOST + 1)
        # What would be too short for a sequence of its own is said at the end of the last one.
        count = len(order) if len(order) - count < FEWEST else count
        chosen, order = [words[i] for i in order[:count]], order[count:]
        pieces = [_pause(rng)]
        for _, samples in chosen:
            pieces += [samples, _pause(rng)]
        borders = np.cumsum([len(piece) for piece in pieces]).tolist()
        sound = np.concatenate(pieces)
        sound = sound + NOISE * rng.standard_normal(len(sound))
        yield Utterance(
            audio.normalise(sound),
            [word for word, _ in chosen],
            list(zip(borders[0:-1:2], borders[1::2], strict=True)),
        )


def _pause(rng: np.random.Generator) -> np.ndarray:
    return np.zeros(round(rng.uniform(*PAUSE_S) * SAMPLE_RATE), np.float32)
