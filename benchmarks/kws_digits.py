"""Sequences of digits: word error rates of features and losses, as a paper of 2021 compares them.

K. Wilkinghoff, A. Cornaggia-Urrigshardt and F. Gökgöz, "Two-dimensional embeddings for low-resource
keyword spotting based on dynamic time warping", ITG 2021, Tables 2 and 3, on other data: the
sequences that `digits` makes of the fsdd task. Shots and speakers are those of the task; nobody who
is tested was heard before.

    python benchmarks/kws_digits.py --data ../shared/data --row hfcc-ens
    python benchmarks/kws_digits.py --data ../shared/data --fold 2 --keep networks

Rows: "hfcc-ens", cepstral features, every shot a template; "adacos" and "softmax", the network of
kws-enroll's "scratch" without reversed segments, trained by two-dimensional AdaCos, or by cross
entropy behind a flattening operation, with barycentres. With "labels", words of other sequences of
the shots' speakers, which were known by their order alone, join the shots as templates, in the
barycentres, in the network's training, or in both; they are placed as in `kws_digit_labels`, from
the first to the last frame of each sequence, and trimmed by voice activity detection. All decide by
KENS, whose window, shortest block and threshold are those with the fewest word errors on the
validation part. Not done: the paper's segments of 0.5 s and 32 dimensions, its manifold mixup and
time warping, voice activity detection in what is searched (there it moves borders, which word
errors do not see), and what it knows of the order of words.
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from digits import Word, shots_of, utterances, weakly_labelled
from ens import ENS_HOP_S, kens, keywords_in, word_errors
from kws_accuracy import PARTS
from kws_digit_labels import cepstra, labelled
from torch import nn

from fewshot.encoders.temporal import TemporalResNet
from fewshot.losses.softmax import SoftmaxLoss
from fewshot.training import train
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
from kws.segments import FRAMES
from kws.templates import templates_of

FramesOf = Callable[[np.ndarray], np.ndarray]
"""Maps samples to frames (n, dim) with rows of unit length."""


@dataclass(frozen=True)
class Row:
    """What is searched with, and what the words of the automatic labels are used for.

    Attributes
    ----------
    features : {"hfcc-ens", "adacos", "softmax"}
    in_network, in_templates : bool
        Whether the network is trained with them, and whether they are among the templates.
    """

    features: str
    in_network: bool = False
    in_templates: bool = False


ROWS = {
    "hfcc-ens": Row("hfcc-ens"),
    "hfcc-ens, labels as templates": Row("hfcc-ens", in_templates=True),
    "softmax": Row("softmax"),
    "adacos": Row("adacos"),
    "adacos, labels for barycentres": Row("adacos", in_templates=True),
    "adacos, labels for network": Row("adacos", in_network=True),
    "adacos, labels for both": Row("adacos", in_network=True, in_templates=True),
}
BATCH = 32
WINDOWS_S = (0.05, 0.1, 0.2, 0.3)
SHORTEST_S = (0.02, 0.05, 0.1)
THRESHOLDS = tuple(np.round(np.arange(0.1, 4.0, 0.1), 1).tolist())


@dataclass(frozen=True)
class Spotter:
    """Templates of keywords, and the frames to look for them in.

    Attributes
    ----------
    templates : mapping of str to list of np.ndarray, shapes (L_i, dim)
    frames_of : callable
    hop_s : float
        Seconds between frames.
    """

    templates: Mapping[str, list[np.ndarray]]
    frames_of: FramesOf
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


def network_frames(
    features: str, words: Sequence[Word], epochs: int, seed: int, checkpoint: Path
) -> SegmentFrames:
    """Frames of a network trained on words."""
    keywords = sorted({word for word, _ in words})
    data = training_set(
        [samples for _, samples in words],
        [keywords.index(word) for word, _ in words],
        background_segments([], np.random.default_rng(seed)),
        positions=False,
        reversed_classes=False,
    )
    if features == "softmax":
        return SegmentFrames(learn_by_softmax(data, epochs, seed, checkpoint))
    encoder, _ = learn_encoder(
        data, epochs=epochs, batch_size=BATCH, seed=seed, checkpoint=checkpoint
    )
    return SegmentFrames(encoder)


def learn_by_softmax(data: TrainingSet, epochs: int, seed: int, checkpoint: Path) -> TemporalResNet:
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
            checkpoint=checkpoint,
            generator=generator,
        )
    return encoder


def spotter_of(words: Sequence[Word], frames_of: FramesOf, mode: str, hop_s: float) -> Spotter:
    """What searches for words with their barycentres, or with all of them."""
    templates = {
        keyword: templates_of([frames_of(s) for word, s in words if word == keyword], mode)
        for keyword in sorted({word for word, _ in words})
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


def run_fold(
    folder: Path, fold: str, row: Row, epochs: int, seed: int, keep: Path
) -> dict[str, float]:
    """Word error rates of both parts of a fold, with the decision that is best on validation."""
    shots, more = shots_of(folder, fold), []
    if row.in_network or row.in_templates:
        more = labelled(shots, weakly_labelled(folder, fold, seed), seed)
    templates = shots + more * row.in_templates
    if row.features == "hfcc-ens":
        spotter = spotter_of(templates, cepstra, "shots", ENS_HOP_S)
    else:
        learnt_from = "labels" if row.in_network else "shots"
        source = network_frames(
            row.features,
            shots + more * row.in_network,
            epochs,
            seed,
            keep / f"{fold}-{row.features}-{learnt_from}-{epochs}-{seed}.pt",
        )
        spotter = spotter_of(templates, lambda s: embed(source, s), "barycenter", source.hop_s)
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
    parser.add_argument(
        "--keep", type=Path, help="folder for trained networks; what is in it is not trained again"
    )
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    folder = args.data / "kws" / "fsdd"
    folds = [f"fold{i}" for i in args.fold or range(1, len(list(folder.glob("fold*"))) + 1)]
    print("| row | folds | validation WER, % | test WER, % |")
    print("|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as passing:
        keep = args.keep or Path(passing)
        keep.mkdir(parents=True, exist_ok=True)
        for name in args.row or ROWS:
            row = ROWS[name]
            rates = [run_fold(folder, fold, row, args.epochs, args.seed, keep) for fold in folds]
            cells = [f"{100 * np.mean([rate[part] for rate in rates]):.1f}" for part in PARTS]
            print(f"| {name} | {len(folds)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
