"""asd-train: recordings of machines that work in, a model out."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asd.config import AUTO, DEFAULT, FALSE_ALARM_RATE, SYSTEM_NAMES
from fewshot import __version__
from fewshot.console import (
    Problems,
    add_device,
    add_force,
    add_seed,
    add_threads,
    base_parser,
    check_writable,
    existing_path,
    positive_float,
    positive_int,
    progress,
    run,
    use_threads,
)
from fewshot.errors import InputError, one_line, some

if TYPE_CHECKING:
    from asd.dataset import Dataset
    from asd.systems import System

EPILOG = f"""\
examples:
  asd-train pump -o pump.asd                          any folder of clips of a healthy machine
  asd-train pump -o pump.asd --false-alarm-rate 0.05
  asd-train clips.csv --root audio -o hall.asd        several machines, or domains
  asd-train dev_data -o machines.asd                  layout of the DCASE challenge, Task 2
  asd-train dev_data -o machines.asd --system wilkinghoff --ensemble 5
  torchrun --nproc-per-node 4 --no-python asd-train dev_data -o machines.asd --system wilkinghoff
                                                      on four GPUs, each with a share of every batch

Layouts are those that asd-prepare --check reads; of a data set the training clips count. A CSV has
the columns filename,machine and, where you know them, section, domain (source or target), split,
condition and attributes.

--system is "{DEFAULT}" by default, which trains no network. A thousand clips or more of one's
own, of twenty machines, settings and domains or more, get "{AUTO}": the same and a network besides
("wilkinghoff", which tells clusters of clips apart where attributes lack).

--system without a network: "{DEFAULT}" compares the average spectrum, fine and coarse, and how
much levels change, quickly and slowly, each in two ways, by the distance to the mean of a domain
and by that to the nearest clips; "standardised" compares cepstra and log-Mel with the nearest clip
of each domain alone; others are one kind of clip statistics (mfcc, log-mel, percentiles, cepstrum,
envelope, roughness, fluctuation) with one back end, as in mfcc-nearest: nearest (training clip),
ten-nearest, standardised, density, whitened (density), gaussian, means, centres.

--system with a network, which learns from all machines together and wants many classes: machines,
sections, attributes, domains.
  two-branch             spectrum and spectrogram
  wilkinghoff            the same, with self-supervised classes
  adaproj, adaproj-ssl   AdaProj loss; with self-supervised classes, ten networks
  dcase2020              log-Mel spectrogram
  ustc                   log-Mel and a learnt spectrogram, a network for each machine if all have
                         several sections; --wav2vec FILE adds wav2vec 2.0 (state of torchaudio's
                         WAV2VEC2_BASE, saved by torch), which becomes part of the model
  gisp-1, gisp-2         contrast of clusters of clips; of what is known of them
  gisp-3                 wilkinghoff at 19.2 kHz with attention to frequencies, the words of labels,
                         and clusters of clips without attributes
  gisp-4                 gisp-1, gisp-2 and gisp-3
  pretrained             a shallow classifier on the speech embedding, or on that of --encoder
  autoencoder, autoencoder-mahalanobis, mobilenet
                         baselines of the challenge, the first two with a network for each machine
MODEL.run beside the model then holds the configuration and log.csv, the loss of each epoch; a
training that was stopped goes on with the same command.

Own recordings get a threshold for a rate of false alarms of {FALSE_ALARM_RATE:g}, files of the
challenge the 90th percentile of a gamma distribution; --threshold takes gdp, hp, sd, mad, iqr,
ocsvm, gesd, cleversd, or one with x2 behind it. Each training clip is scored by the others; for a
rate, by those that are not much like it, as a new recording is.

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
        metavar="NAME",
        help="how clips are compared, see below",
    )
    parser.add_argument(
        "--ensemble",
        type=positive_int,
        metavar="N",
        help="networks that are trained; their scores are averaged",
    )
    parser.add_argument(
        "--epochs",
        type=positive_int,
        metavar="N",
        help="passes over the clips that a network is trained for; else as published",
    )
    parser.add_argument(
        "--wav2vec",
        type=existing_path,
        metavar="FILE",
        help="weights of wav2vec 2.0 for the system ustc to listen through too",
    )
    parser.add_argument(
        "--encoder",
        metavar="NAME_OR_FILE",
        help="other pre-trained embeddings: speech, an ONNX or TorchScript file, or the weights "
        "of wav2vec 2.0 (system pretrained)",
    )
    parser.add_argument(
        "--false-alarm-rate",
        type=positive_float,
        metavar="R",
        help="share of normal clips that may be called anomalous, up to 0.5",
    )
    parser.add_argument("--threshold", metavar="METHOD", help="how the threshold is estimated")
    add_seed(parser)
    add_device(parser)
    add_threads(parser)
    add_force(parser)
    return run(_train, parser, argv)


def _train(args: argparse.Namespace) -> int:
    check_writable(args.output, args.force)
    use_threads(args.threads)
    from fewshot.parallel import joined, rank

    with joined(args.device):
        return _learn(args, writes=rank() == 0)


def _learn(args: argparse.Namespace, *, writes: bool) -> int:
    """Train, and write the model; of several processes the first does."""
    from asd.dataset import CHALLENGE, read_dataset
    from asd.decisions import decision_for
    from asd.names import TRAIN
    from asd.systems import configured, default_system, system_of
    from asd.training import train
    from asd.training_run import TrainingRun
    from fewshot.parallel import wait

    dataset = read_dataset(args.data, args.root)
    # What cannot be asked for is refused before the clips are read.
    decision_for(args.threshold, args.false_alarm_rate, own_data=dataset.layout != CHALLENGE)
    problems = Problems(args.console)
    for problem in dataset.problems:
        problems.add(problem)
    clips = [clip for clip in dataset.clips if clip.split == TRAIN]
    total = len(clips)
    folder, training = None, None
    own_data = dataset.layout != CHALLENGE
    system = args.system or default_system(clips, own_data=own_data)
    views = system_of(system)
    learns = any(view.representation.learns for view in views)
    for option in ("ensemble", "epochs"):
        if getattr(args, option) is not None and not learns:
            raise InputError(f"--{option}: the system {system} trains no network; see --system")
    views = configured(
        views,
        members=args.ensemble,
        epochs=args.epochs,
        wav2vec=args.wav2vec,
        encoder=args.encoder,
    )
    if learns:
        folder = args.output.with_suffix(".run")
    if learns and writes:
        training = TrainingRun(folder, _config(args, views, dataset), force=args.force)
        if training.resumes:
            args.console.info(f"goes on with what {one_line(str(training.folder))} holds")
    wait()  # Until the folder is there.
    with (
        progress(total=total, desc="clip", quiet=args.quiet) as bar,
        progress(total=0, desc="epoch", quiet=args.quiet) as epochs,
    ):

        def on_epoch(title: str, epoch: int, n_epochs: int, loss: float) -> None:
            if training is not None:
                training.on_epoch(title, epoch, n_epochs, loss)
            epochs.total, epochs.n = n_epochs, epoch
            epochs.set_description(title, refresh=False)
            epochs.set_postfix(loss=f"{loss:.3g}")

        try:
            model = train(
                dataset,
                system=views,
                name=system,
                threshold=args.threshold,
                false_alarm_rate=args.false_alarm_rate,
                seed=args.seed,
                device=args.device,
                folder=folder,
                on_clip=bar.update,
                on_epoch=on_epoch,
                on_problem=problems.add,
            )
        except InputError as error:
            if training is not None:
                training.give_up()
            raise InputError(f"{args.data}: {error}") from error
    if not writes:
        return 0
    for note in model.notes:
        args.console.warning(note)
    for key, section in model.sections.items():
        n, n_target = len(section.target), int(section.target.sum())
        of = f" ({n - n_target} source, {n_target} target)" if n_target else ""
        args.console.detail(
            one_line(f"{' '.join(key)}: {n} clips{of}, threshold {model.thresholds[key]:.4g}")
        )
    model.save(args.output, force=args.force)
    if training is not None:
        training.finish()
    n = len(model.sections)
    args.console.info(
        f"wrote {one_line(str(args.output))}: {some(n, 'section')}, system {model.system}"
    )
    return problems.status(total - (len(problems) - len(dataset.problems)))


def _config(args: argparse.Namespace, views: "System", dataset: "Dataset") -> dict:
    """What a training with networks depends on."""
    import hashlib

    from asd.inventory import holdings
    from asd.names import TRAIN

    clips = [clip for clip in dataset.clips if clip.split == TRAIN]
    return {
        "version": __version__,
        "views": [view.described() for view in views],
        "seed": args.seed,
        "sections": {
            f"{held.machine} {held.section}": {str(k): n for k, n in held.train.items()}
            for held in holdings(clips)
        },
        "clips": hashlib.sha256("\n".join(map(str, clips)).encode()).hexdigest(),
    }
