"""Sequences of digits: word error rates of features and losses, as a paper of 2021 compares them.

K. Wilkinghoff, A. Cornaggia-Urrigshardt and F. Gökgöz, "Two-dimensional embeddings for low-resource
keyword spotting based on dynamic time warping", ITG 2021, Table 2, on other data: the words that
the fsdd task lists for the validation and the test part of a fold are cut out of their recordings
and joined, speaker by speaker, to sequences of 5 to 7 words (a speaker's last one of up to 11) with
pauses of 0.1 to 0.3 s in faint noise. Shots and speakers are those of the task; nobody who is
tested was heard before.

    python benchmarks/kws_digits.py --data ../shared/data --row hfcc-ens
    python benchmarks/kws_digits.py --data ../shared/data --fold 1

Rows: "hfcc-ens", cepstral features, every shot a template; "adacos" and "softmax", the network of
kws-enroll's "scratch" without reversed segments, trained by two-dimensional AdaCos, or by cross
entropy behind a flattening operation, with barycentres. All decide by KENS, whose window, shortest
block and threshold are those with the fewest word errors on the validation part. Not done: the
paper's segments of 0.5 s and 32 dimensions, its manifold mixup and time warping, voice activity
detection (there it moves borders, which word errors do not see), what it knows of the order of
words, and Table 3.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from ens import ENS_HOP_S, hfcc_ens, kens, keywords_in, word_errors
from kws_accuracy import BANDS_HZ, PARTS
from torch import nn

from fewshot import audio
from fewshot.encoders.temporal import TemporalResNet
from fewshot.events import read_events
from fewshot.losses.softmax import SoftmaxLoss
from fewshot.training import train
from kws.clips import EnrolledClip, clips_from_csv, load_clips
from kws.config import KwsConfig
from kws.frames import SegmentFrames, embed
from kws.learning import (
    TrainingSet,
    background_segments,
    epoch_batches,
    learn_encoder,
    training_set,
)
from kws.search import score_curves
from kws.segments import FRAMES, SAMPLE_RATE
from kws.templates import templates_of

ROWS = ("hfcc-ens", "adacos", "softmax")
FEWEST, MOST = 5, 7
PAUSE_S = (0.1, 0.3)
NOISE = 1e-3
"""Standard deviation of the noise; each word has a maximum of 1."""
BATCH = 32
WINDOWS_S = (0.05, 0.1, 0.2, 0.3)
SHORTEST_S = (0.02, 0.05, 0.1)
THRESHOLDS = tuple(np.round(np.arange(0.1, 4.0, 0.1), 1).tolist())


@dataclass(frozen=True)
class Utterance:
    """Words, one after the other.

    Attributes
    ----------
    samples : np.ndarray, shape (n_samples,)
        At 16 kHz, divided by their maximum.
    words : list of str
    """

    samples: np.ndarray
    words: list[str]


@dataclass(frozen=True)
class Spotter:
    """Templates of keywords, and the frames to look for them in.

    Attributes
    ----------
    templates : mapping of str to list of np.ndarray, shapes (L_i, dim)
    frames_of : callable
        Maps samples to frames (n, dim) with rows of unit length.
    hop_s : float
        Seconds between frames.
    """

    templates: Mapping[str, list[np.ndarray]]
    frames_of: Callable[[np.ndarray], np.ndarray]
    hop_s: float

    def scores(self, samples: np.ndarray) -> np.ndarray:
        """Best score of each keyword's templates at every frame: (n_keywords, n)."""
        frames = self.frames_of(samples)
        return np.stack(
            [score_curves(own, frames)[0].max(axis=0) for own in self.templates.values()]
        )

    def lengths(self) -> np.ndarray:
        """Mean length of each keyword's templates in frames."""
        return np.array([np.mean([len(t) for t in own]) for own in self.templates.values()])


def utterances(folder: Path, fold: str, part: str, seed: int) -> list[Utterance]:
    """Sequences of the words of a part, each word once, in random order."""
    rng = np.random.default_rng([seed, PARTS.index(part)])
    recordings: dict[str, np.ndarray] = {}
    words: dict[str, list[tuple[str, np.ndarray]]] = {}
    for event in read_events(folder / fold / f"{part}_keywords.csv"):
        if event.filename not in recordings:
            recordings[event.filename] = audio.read(folder / event.filename)
        onset, offset = (round(t * SAMPLE_RATE) for t in (event.onset_s, event.offset_s))
        word = audio.normalise(recordings[event.filename][onset:offset])
        speaker = Path(event.filename).stem.split("_")[0]
        words.setdefault(speaker, []).append((event.label, word))
    return [u for own in words.values() for u in _sequences(own, rng)]


def _sequences(
    words: Sequence[tuple[str, np.ndarray]], rng: np.random.Generator
) -> Iterator[Utterance]:
    order = rng.permutation(len(words))
    while len(order):
        count = rng.integers(FEWEST, MOST + 1)
        # What would be too short for a sequence of its own is said at the end of the last one.
        count = len(order) if len(order) - count < FEWEST else count
        chosen, order = [words[i] for i in order[:count]], order[count:]
        pieces = [_pause(rng)]
        for _, samples in chosen:
            pieces += [samples, _pause(rng)]
        sound = np.concatenate(pieces)
        sound = sound + NOISE * rng.standard_normal(len(sound))
        yield Utterance(audio.normalise(sound), [word for word, _ in chosen])


def _pause(rng: np.random.Generator) -> np.ndarray:
    return np.zeros(round(rng.uniform(*PAUSE_S) * SAMPLE_RATE), np.float32)


def spotter_of(row: str, clips: Sequence[EnrolledClip], epochs: int, seed: int) -> Spotter:
    """What a row searches with, learnt from clips."""
    keywords = sorted({clip.label for clip in clips})
    if row == "hfcc-ens":
        low_hz, high_hz = BANDS_HZ["fsdd"]
        return _with_templates(
            clips, keywords, lambda samples: hfcc_ens(samples, low_hz, high_hz), "shots", ENS_HOP_S
        )
    data = training_set(
        [clip.parts()[1] for clip in clips],
        [keywords.index(clip.label) for clip in clips],
        background_segments([], np.random.default_rng(seed)),
        positions=False,
        reversed_classes=False,
    )
    if row == "adacos":
        encoder, _ = learn_encoder(data, epochs=epochs, batch_size=BATCH, seed=seed)
    else:
        encoder = learn_by_softmax(data, epochs, seed)
    source = SegmentFrames(encoder)
    return _with_templates(
        clips, keywords, lambda samples: embed(source, samples), "barycenter", source.hop_s
    )


def learn_by_softmax(data: TrainingSet, epochs: int, seed: int) -> TemporalResNet:
    """The encoder, trained by cross entropy of a linear layer on all its frames together."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = TemporalResNet().to(memory_format=torch.channels_last)
        loss = SoftmaxLoss(data.n_classes, FRAMES * encoder.embed.out_features)
        train(
            nn.ModuleList([encoder, loss]),
            lambda _epoch: epoch_batches(data, BATCH, generator),
            lambda batch: loss(encoder(batch[0]).flatten(1), batch[1].sum(dim=2)),
            epochs=epochs,
            generator=generator,
        )
    return encoder


def _with_templates(
    clips: Sequence[EnrolledClip],
    keywords: Sequence[str],
    frames_of: Callable[[np.ndarray], np.ndarray],
    mode: str,
    hop_s: float,
) -> Spotter:
    templates = {
        keyword: templates_of(
            [frames_of(clip.parts()[1]) for clip in clips if clip.label == keyword], mode
        )
        for keyword in keywords
    }
    return Spotter(templates, frames_of, hop_s)


@dataclass(frozen=True)
class Decision:
    """How sequences are read from scores: `ens.kens` and `ens.keywords_in`, in seconds.

    Attributes
    ----------
    window_s, shortest_s : float
        Of the smoothing window, and of the shortest block.
    threshold : float
    """

    window_s: float
    shortest_s: float
    threshold: float

    def read(self, spotter: Spotter, scores: np.ndarray) -> list[str]:
        """Words of an utterance, from its scores."""
        keywords, hop_s = list(spotter.templates), spotter.hop_s
        statistics = kens(scores, max(1, round(self.window_s / hop_s)))
        shortest = round(self.shortest_s / hop_s)
        found = keywords_in(statistics, self.threshold, shortest, spotter.lengths())
        return [keywords[k] for k in found]


def best_decision(
    spotter: Spotter, said: Sequence[Sequence[str]], scores: Sequence[np.ndarray]
) -> Decision:
    """The one with the fewest word errors; of equally good ones the first."""
    decisions = [Decision(*given) for given in product(WINDOWS_S, SHORTEST_S, THRESHOLDS)]
    return min(decisions, key=lambda d: error_rate(spotter, d, said, scores))


def error_rate(
    spotter: Spotter,
    decision: Decision,
    said: Sequence[Sequence[str]],
    scores: Sequence[np.ndarray],
) -> float:
    """Word errors of all utterances by the number of their words."""
    wrong = sum(
        word_errors(words, decision.read(spotter, own))
        for words, own in zip(said, scores, strict=True)
    )
    return wrong / sum(map(len, said))


def run_fold(folder: Path, fold: str, row: str, epochs: int, seed: int) -> dict[str, float]:
    """Word error rates of both parts of a fold, with the decision that is best on validation."""
    loaded, _ = load_clips(clips_from_csv(folder / fold / "train_keywords.csv", root=folder))
    spotter = spotter_of(row, [EnrolledClip.of(clip) for clip in loaded], epochs, seed)
    heard = {part: utterances(folder, fold, part, seed) for part in PARTS}
    said = {part: [u.words for u in own] for part, own in heard.items()}
    scores = {part: [spotter.scores(u.samples) for u in own] for part, own in heard.items()}
    decision = best_decision(spotter, said["validation"], scores["validation"])
    return {part: error_rate(spotter, decision, said[part], scores[part]) for part in PARTS}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kws/fsdd")
    parser.add_argument("--fold", action="append", type=int, help="default: all")
    parser.add_argument("--row", action="append", choices=ROWS, help="default: all")
    parser.add_argument("--epochs", type=int, default=KwsConfig().epochs, help="of trained rows")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    folder = args.data / "kws" / "fsdd"
    folds = [f"fold{i}" for i in args.fold or range(1, len(list(folder.glob("fold*"))) + 1)]
    print("| row | folds | validation WER, % | test WER, % |")
    print("|---|---|---|---|", flush=True)
    for row in args.row or ROWS:
        rates = [run_fold(folder, fold, row, args.epochs, args.seed) for fold in folds]
        cells = [f"{100 * np.mean([rate[part] for rate in rates]):.1f}" for part in PARTS]
        print(f"| {row} | {len(folds)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
