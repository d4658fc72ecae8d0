"""How long open-set classifiers take to learn and to classify: the default, the published network.

    python benchmarks/osc_speed.py [--threads 1] [--classes 14] [--default-only]

Classification: from a waveform to answers, one 4 s clip at a time and 32 at once. Of the published
network also: step, one of training on 4 s clips of noise, from waveforms to new parameters, and
what of it goes where; fold, `osc.representations.two_branch.TwoBranch` by the published schedule
(100 epochs and a batch of 8 per shot), a few epochs of which are run and the rest is reckoned.
Times are processor time, which other programs on the machine disturb least, of classification by
the clock too; the best of several.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from fewshot.console import use_threads
from fewshot.encoders.two_branch import TwoBranchEncoder
from fewshot.features import magnitude_spectrogram, magnitude_spectrum, without_temporal_mean
from fewshot.losses.adacos import SubClusterAdaCosLoss
from osc import OpenSetClassifier
from osc.learning import SETTLING_EPOCHS
from osc.representations.two_branch import TwoBranch

N_SAMPLES = 64_000
REPEATS = 9
EPOCHS = (1, 4)


def best_s(function: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Shortest of several runs after two first ones, in seconds."""
    function(), function()
    times = []
    for _ in range(REPEATS):
        begin = clock()
        function()
        times.append(clock() - begin)
    return min(times)


def step_times_ms(batch: int, n_classes: int) -> list[float]:
    """Features, spectrum branch, spectrogram branch (with their gradients), a whole step."""
    waveforms = 0.1 * torch.randn(batch, N_SAMPLES)
    labels = torch.rand(batch, n_classes).softmax(dim=1)
    encoder = TwoBranchEncoder(N_SAMPLES)
    loss = SubClusterAdaCosLoss(n_classes, encoder.dim)
    optimiser = torch.optim.Adam(encoder.parameters(), fused=True)

    def features() -> tuple[torch.Tensor, torch.Tensor]:
        spectrograms = without_temporal_mean(magnitude_spectrogram(waveforms))
        return magnitude_spectrum(waveforms), spectrograms

    def learn(branch: nn.Module, x: torch.Tensor) -> None:
        branch(x).square().mean().backward()

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        loss(encoder(waveforms), labels).backward()
        optimiser.step()

    spectra, spectrograms = features()
    parts = [
        features,
        lambda: learn(encoder.spectrum_branch, spectra),
        lambda: learn(encoder.spectrogram_branch, spectrograms),
        step,
    ]
    return [1e3 * best_s(part) for part in parts]


def fold_s(shots: int, n_classes: int, seed: int = 0) -> float:
    """Processor time of a fold, reckoned from what some epochs take beyond fewer."""
    rng = np.random.default_rng(seed)
    n = shots * n_classes
    clips = list(0.1 * rng.standard_normal((n, N_SAMPLES), np.float32))
    labels = [str(i % n_classes) for i in range(n)]
    seconds = []
    for epochs in EPOCHS:
        begin = time.process_time()
        TwoBranch(epochs=epochs, batch_size=8 * shots, device="cpu").fit(clips, labels)
        seconds.append(time.process_time() - begin)
    # Each of these epochs was also run once without learning, which takes a third of it.
    epoch = (seconds[1] - seconds[0]) / (EPOCHS[1] - EPOCHS[0]) / (4 / 3)
    return epoch * (100 * shots + SETTLING_EPOCHS / 3)


def print_classification(name: str, classify: Callable[[list], object], clips: list) -> None:
    """Times for one clip and for all at once, each."""
    print(f"\n{f'{name}: a clip, ms':32}{'processor':>12}{'clock':>12}")
    for n in (1, len(clips)):
        times = [
            1e3 / n * best_s(lambda n=n: classify(clips[:n]), clock)
            for clock in (time.process_time, time.perf_counter)
        ]
        print(f"{f'{n} at once':32}" + "".join(f"{t:>12.1f}" for t in times))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--classes", type=int, default=14)
    parser.add_argument("--default-only", action="store_true", help="not the published network")
    args = parser.parse_args()
    use_threads(args.threads)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    clips = list(0.1 * rng.standard_normal((32, N_SAMPLES), np.float32))
    labels = [str(i % args.classes) for i in range(32)]
    model = OpenSetClassifier().fit(clips, labels)
    print_classification("default", model.predict, clips)
    if args.default_only:
        return
    learnt = TwoBranch(epochs=1, batch_size=8, device="cpu").fit(clips, labels)
    print_classification("published network", learnt.logits, clips)
    names = ("features", "spectrum branch", "spectrogram branch", "all")
    print(f"\n{'step of training, ms':22}" + "".join(f"{name:>20}" for name in names))
    for batch in (8, 32):
        times = step_times_ms(batch, args.classes)
        print(f"{f'batch of {batch}':22}" + "".join(f"{t:>20.0f}" for t in times))
    print(f"\n{'fold, s':22}")
    for shots in (1, 2, 4):
        print(f"{f'{shots} shots':22}{fold_s(shots, args.classes):20.0f}")


if __name__ == "__main__":
    main()
