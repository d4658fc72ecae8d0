"""asd-train: recordings of machines that work in, a model out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from asd.config import DEFAULT, FALSE_ALARM_RATE, SYSTEM_NAMES
from fewshot.console import (
    Problems,
    add_force,
    add_seed,
    add_threads,
    base_parser,
    check_writable,
    existing_path,
    positive_float,
    progress,
    run,
    use_threads,
)
from fewshot.errors import InputError, one_line

EPILOG = f"""\
examples:
  asd-train pump -o pump.asd                          any folder of clips of a healthy machine
  asd-train pump -o pump.asd --false-alarm-rate 0.05
  asd-train clips.csv --root audio -o hall.asd        several machines, or domains
  asd-train dev_data -o machines.asd                  layout of the DCASE challenge, Task 2

Layouts are those that asd-prepare --check reads; of a data set the training clips count. A CSV has
the columns filename,machine and, where you know them, section, domain (source or target), split,
condition and attributes.

--system: "{DEFAULT}", the default, compares cepstra by the local density of the training clips and
by a Gaussian; "standardised" compares cepstra and log-Mel by distances that are standardised within
each domain; the others are one kind of clip statistics (mfcc, log-mel, percentiles, cepstrum) with
one back end: the nearest training clip, the mean of the ten nearest, standardised, density,
gaussian, centres of clusters. No network is trained.

Own recordings get a threshold for a rate of false alarms of {FALSE_ALARM_RATE:g}, files of the
challenge the 90th percentile of a gamma distribution; --threshold takes gdp, hp, sd, mad, iqr,
ocsvm, gesd, cleversd, or one with x2 behind it. Each training clip's score comes from the others.

Sound: any format that libsndfile reads, any rate and length from 0.1 s; the channels' mean.
Exit status: 0 done, 1 some clips were left out (each is named), 2 no model, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run asd-train and return its exit status."""
    parser = base_parser("asd-train", "Learns how machines sound that work.", EPILOG)
    parser.add_argument(
        "data", type=existing_path, metavar="DATA", help="folder of clips, or a CSV that lists them"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="MODEL", required=True, help="model file to write"
    )
    parser.add_argument(
        "--root", type=existing_path, metavar="DIR", help="what the CSV's files are relative to"
    )
    parser.add_argument(
        "--system",
        choices=SYSTEM_NAMES,
        default=DEFAULT,
        metavar="NAME",
        help=f"how clips are compared: {', '.join(SYSTEM_NAMES)}",
    )
    parser.add_argument(
        "--false-alarm-rate",
        type=positive_float,
        metavar="R",
        help="share of normal clips that may be called anomalous, up to 0.5",
    )
    parser.add_argument("--threshold", metavar="METHOD", help="how the threshold is estimated")
    add_seed(parser)
    add_threads(parser)
    add_force(parser)
    return run(_train, parser, argv)


def _train(args: argparse.Namespace) -> int:
    check_writable(args.output, args.force)
    use_threads(args.threads)
    from asd.dataset import CHALLENGE, read_dataset
    from asd.decisions import decision_for
    from asd.model import train
    from asd.names import TRAIN

    dataset = read_dataset(args.data, args.root)
    # What cannot be asked for is refused before the clips are read.
    decision_for(args.threshold, args.false_alarm_rate, own_data=dataset.layout != CHALLENGE)
    problems = Problems(args.console)
    for problem in dataset.problems:
        problems.add(problem)
    total = sum(clip.split == TRAIN for clip in dataset.clips)
    with progress(total=total, desc="clip", quiet=args.quiet) as bar:
        try:
            model = train(
                dataset,
                system=args.system,
                threshold=args.threshold,
                false_alarm_rate=args.false_alarm_rate,
                seed=args.seed,
                on_clip=bar.update,
                on_problem=problems.add,
            )
        except InputError as error:
            raise InputError(f"{args.data}: {error}") from error
    for note in model.notes:
        args.console.warning(note)
    for key, section in model.sections.items():
        n, n_target = len(section.target), int(section.target.sum())
        of = f" ({n - n_target} source, {n_target} target)" if n_target else ""
        args.console.detail(
            one_line(f"{' '.join(key)}: {n} clips{of}, threshold {model.thresholds[key]:.4g}")
        )
    model.save(args.output, force=args.force)
    n = len(model.sections)
    args.console.info(
        f"wrote {one_line(str(args.output))}: {n} section{'s' * (n != 1)}, system {model.system}"
    )
    return problems.status(total - (len(problems) - len(dataset.problems)))
