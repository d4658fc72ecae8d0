"""Weak to strong labels on sequences of digits: how much of each word is found where it is.

K. Wilkinghoff, A. Cornaggia-Urrigshardt and F. Gökgöz, "Two-dimensional embeddings for low-resource
keyword spotting based on dynamic time warping", ITG 2021, Figure 2, on other data: sequences of a
fold's keywords, said by its shots' speakers (the words that other folds list for their validation
and test parts; in fold 1 nobody says "two"). Known are the words in their order; they are placed by
an alignment of their cepstra (HFCC-ENS), with the barycentre of the shots for each.

    python benchmarks/kws_digit_labels.py --data ../shared/data

Rows: begin and end of the whole alignment, free as published or those of the recording; then, by
which higher band the voice activity detection trims what was found, if at all. Columns, in per
cent: "TP rate" and "FP rate", frames of words, and of pauses, that are taken for speech, in
sequences of the shots, by which the thresholds are chosen; "truth >= 70", words of which 70 % at
least are covered; "place >= 60", those whose place lies to 60 % at least within them; "both" of
these, which the paper reports for 90 %; and the means of what truth and place have in common.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from digits import Utterance, Word, sequences, shots_of, weakly_labelled
from ens import ENS_HOP_S, hfcc_ens
from kws_accuracy import BANDS_HZ, PARTS
from kws_align import OF_PLACE, OF_TRUTH
from weak_labels import (
    HIGH_HZ,
    Span,
    VoiceActivity,
    fitted_activity,
    overlap,
    spans_in_order,
)

from fewshot import audio
from kws.templates import barycentre

HIGHEST_HZ = (2750, 4000)
"""The higher band of voice activity detection in sound that ends at 4 kHz, not at 8 kHz."""
TITLES = (
    *("begin and end", "voice activity", "TP rate", "FP rate", "words"),
    *("truth >= 70", "place >= 60", "both", "of the truth", "of the place"),
)


def cepstra(samples: np.ndarray) -> np.ndarray:
    """Frames of the rows "hfcc-ens", by which sequences are aligned too."""
    return hfcc_ens(samples, *BANDS_HZ["fsdd"])


def aligned(
    shots: Sequence[Word], said: Sequence[Utterance], *, whole: bool = True
) -> list[list[Span]]:
    """Where the words of utterances lie, as an alignment with the shots' barycentres finds them."""
    templates = {
        keyword: barycentre([cepstra(samples) for word, samples in shots if word == keyword])
        for keyword in {word for word, _ in shots}
    }
    return [
        spans_in_order(
            [templates[word] for word in u.words], cepstra(u.samples), ENS_HOP_S, whole=whole
        )
        for u in said
    ]


def activity_of_shots(
    shots: Sequence[Word], seed: int, high_hz: tuple[float, float]
) -> tuple[VoiceActivity, float, float]:
    """What `fitted_activity` finds in sequences of the shots."""
    known = list(sequences(shots, np.random.default_rng([seed, len(PARTS) + 1])))
    return fitted_activity([u.samples for u in known], [u.spans for u in known], high_hz)


def labelled(shots: Sequence[Word], said: Sequence[Utterance], seed: int) -> list[Word]:
    """Words cut out of utterances whose words are known, but not when they are said."""
    activity, _, _ = activity_of_shots(shots, seed, HIGHEST_HZ)
    return [
        (word, audio.normalise(u.samples[slice(*activity.trimmed(span, u.samples))]))
        for u, spans in zip(said, aligned(shots, said), strict=True)
        for word, span in zip(u.words, spans, strict=True)
    ]


def overlap_rows(folder: Path, folds: Sequence[str], seed: int) -> Iterator[list[str]]:
    """Cells of the table: labels as aligned and as voice activity trims them, folds together."""
    shots = {fold: shots_of(folder, fold) for fold in folds}
    said = {fold: weakly_labelled(folder, fold, seed) for fold in folds}
    fitted = {
        high_hz: {fold: activity_of_shots(own, seed, high_hz) for fold, own in shots.items()}
        for high_hz in (HIGH_HZ, HIGHEST_HZ)
    }
    for whole, name in ((False, "free"), (True, "the recording's")):
        places = [
            (fold, u.samples, truth, place)
            for fold in folds
            for u, found in zip(
                said[fold], aligned(shots[fold], said[fold], whole=whole), strict=True
            )
            for truth, place in zip(u.spans, found, strict=True)
        ]
        yield [name, "none", "-", "-", *_shares([(truth, place) for *_, truth, place in places])]
        for (low, high), activities in fitted.items():
            trimmed = [
                (truth, activities[fold][0].trimmed(place, samples))
                for fold, samples, truth, place in places
            ]
            rates = np.mean([rates for _, *rates in activities.values()], axis=0)
            cells = [f"{100 * rate:.1f}" for rate in rates]
            yield [name, f"{low} to {high} Hz", *cells, *_shares(trimmed)]


def _shares(pairs: Sequence[tuple[Span, Span]]) -> list[str]:
    """Number of words, and what the true and the automatic spans have in common, in per cent."""
    of_truth, of_place = np.array([overlap(*pair) for pair in pairs]).T
    enough = np.stack([of_truth >= OF_TRUTH, of_place >= OF_PLACE])
    shares = [*enough.mean(axis=1), enough.all(axis=0).mean(), of_truth.mean(), of_place.mean()]
    return [str(len(pairs)), *(f"{100 * share:.1f}" for share in shares)]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kws/fsdd")
    parser.add_argument("--fold", action="append", type=int, help="default: all")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    folder = args.data / "kws" / "fsdd"
    folds = [f"fold{i}" for i in args.fold or range(1, len(list(folder.glob("fold*"))) + 1)]
    print(f"| {' | '.join(TITLES)} |")
    print("|" + "---|" * len(TITLES), flush=True)
    for cells in overlap_rows(folder, folds, args.seed):
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
