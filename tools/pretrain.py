"""Pre-train the speech encoder that comes with the package.

    python tools/pretrain.py collect SPEECH WORK    # one long recording, and what a teacher hears
    python tools/pretrain.py train WORK -o fewshot/data/speech.encoder
    python tools/make_background.py LIBRISPEECH fewshot/data/speech.background \\
        --encoder speech --source "LibriSpeech samples, (c) 2014 Vassil Panayotov, CC BY 4.0"

SPEECH holds recordings at 16 kHz and ``manifest.csv`` with the columns file, corpus, speaker, words
(joined by ``|``) and duration; it should lack the speakers of the evaluation tasks. The network
learns to say of noisy, coded, filtered and reverberant speech what the teacher (Google's speech
embedding, whitened) says of the same speech as it was recorded. Files with words of the evaluation
tasks are left out (``--drop-words``), and so is every fourth of the named speakers, on whom the
progress is measured. What the shipped network was taught stands in benchmarks/RESULTS.md.
"""

import argparse
import csv
import hashlib
import time
from pathlib import Path

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch.nn.functional import cosine_similarity

from fewshot import audio
from fewshot.background import bundled
from fewshot.encoders.loading import BUNDLED, load_encoder
from fewshot.encoders.speech import HOP, WINDOW, SpeechNet, save
from fewshot.errors import InputError
from kws.frames import PretrainedFrames

GAP = 8000
"""Samples of silence between files."""
MARGIN_S = 0.15
"""Kept around speech."""
BATCH, CROP = 16, 100
"""Crops of a step, and frames of a crop."""
RATE, DECAY = 2e-3, 0.01
"""Of biases and normalisations; of everything."""
MOMENTUM = 0.95
"""Of weights."""
EVERY = 250
"""Steps between reports."""
ROOM = 8000
"""Samples of an impulse response."""
EVALUATED = (
    "zero,one,two,three,four,five,six,seven,eight,nine,down,left,off,stop,alexa,computer,jarvis,"
    "snowboy,dark,suit,greasy,wash,water,year,ask,carry,oily,rag,like"
)
SOURCE = (
    "MIT; distilled from Google's speech embedding (Apache-2.0) on speechocean762 (Zhang et al., "
    "CC BY 4.0), Speech Commands (P. Warden, CC BY 4.0), DSPSpeech-20 (Zhongyu Chen, MIT), Arabic "
    "Speech Commands (Ghandoura, Hjabo, Al Dakkak, CC BY 4.0), Speech-to-Intent (Picovoice, "
    "Apache-2.0), alphanumeric (Sakshee5, MIT), Yoruba (S. Ogun, MIT), Custom Speech Commands (S. "
    "Hymel, CC BY 4.0), Precise-Community-Data (public domain), rhasspy voices (CC0)"
)
HOURS = {
    "speechocean762": 3.0,
    "kathleen": 1.2,
    "kerstin": 1.2,
    "nathalie": 0.7,
    "yoruba": 0.7,
    "speech-commands": 3.0,
    "dspspeech20": 1.5,
    "arabic-commands": 1.5,
    "speech-to-intent": 1.0,
    "alphanumeric": 0.5,
    "precise-community": 0.4,
    "custom-commands": 0.2,
}
"""Most that is taken of each corpus."""


def held_out(corpus: str, speaker: str) -> bool:
    """Whether a speaker is one of those on whom progress is measured, every fourth one."""
    return hashlib.sha256(f"{corpus}/{speaker}".encode()).digest()[0] % 4 == 0


def collect(speech: Path, work: Path, drop: set[str], seed: int) -> None:
    """One long recording, for each of its frames what the teacher hears, and whether it is loud."""
    rng = np.random.default_rng(seed)
    with open(speech / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["corpus"] in HOURS]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    left = {corpus: 3600 * hours for corpus, hours in HOURS.items()}
    chosen = []
    for row in rows:
        if drop & set(row["words"].lower().split("|")) or left[row["corpus"]] <= 0:
            continue
        left[row["corpus"]] -= float(row["duration"])
        chosen.append(row)
    work.mkdir(parents=True, exist_ok=True)
    for part, own in (
        ("valid", [r for r in chosen if held_out(r["corpus"], r["speaker"])][:1200]),
        ("train", [r for r in chosen if not held_out(r["corpus"], r["speaker"])]),
    ):
        if not own:
            raise InputError(f"{speech}: no file for the part {part!r}; see the manifest")
        samples, loud = _joined(speech, own)
        np.save(work / f"{part}.samples.npy", (samples * 32767).astype(np.int16))
        np.save(work / f"{part}.loud.npy", loud)
        print(f"{part}: {len(own)} files, {len(samples) / 57.6e6:.2f} h", flush=True)
        np.save(work / f"{part}.targets.npy", _heard(samples))


def _joined(speech: Path, rows: list[dict[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    """Files one behind the other with pauses: samples, and for each frame whether it is loud."""
    samples, loud = [np.zeros(GAP, np.float32)], [np.zeros(GAP // HOP, bool)]
    margin = round(MARGIN_S * 16000 / HOP)
    for row in rows:
        try:
            sound = audio.normalise(audio.read(speech / row["file"]))
        except InputError as error:
            print(f"left out: {error}", flush=True)
            continue
        sound = np.pad(sound, (0, -len(sound) % HOP))
        own = _loud(sound)
        if not own.any():
            continue
        first, last = np.flatnonzero(own)[[0, -1]]
        begin, end = max(0, first - margin), min(len(own), last + 1 + margin)
        samples += [sound[begin * HOP : end * HOP], np.zeros(GAP, np.float32)]
        loud += [own[begin:end], np.zeros(GAP // HOP, bool)]
    return np.concatenate(samples), np.concatenate(loud)


def _loud(sound: np.ndarray) -> np.ndarray:
    """Frames within 35 dB of the loudest, none of them in silence."""
    power = np.mean(sound.astype(np.float64).reshape(-1, HOP) ** 2, axis=1)
    level = 10 * np.log10(power + 1e-12)
    return (level > level.max(initial=-120.0) - 35) & (level > -80)


def _heard(samples: np.ndarray) -> np.ndarray:
    """Whitened frames of the teacher, shape (n_frames, 96), float16."""
    encoder = load_encoder(BUNDLED)
    source = PretrainedFrames.of(encoder, bundled(encoder.spec.sha256))
    stream, frames, started = source.stream(), [], time.perf_counter()
    for first in range(0, len(samples), 16000 * 300):
        frames.append(stream.push(samples[first : first + 16000 * 300]).astype(np.float16))
        done = min(1.0, (first + 16000 * 300) / len(samples))
        print(f"  {done:.0%} after {time.perf_counter() - started:.0f} s", flush=True)
    return np.concatenate([*frames, stream.finish().astype(np.float16)])


class Crops:
    """Random crops of the long recording, distorted, with what is wanted of their frames."""

    def __init__(self, work: Path, part: str) -> None:
        self.samples = np.load(work / f"{part}.samples.npy", mmap_mode="r")
        self.targets = np.load(work / f"{part}.targets.npy", mmap_mode="r")
        self.loud = np.load(work / f"{part}.loud.npy")

    def draw(self, starts: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Samples (n, length), targets (n, CROP, 96), whether loud (n, CROP)."""
        frames = starts[:, None] + np.arange(CROP)
        length = (CROP - 1) * HOP + WINDOW
        samples = np.stack([self.samples[a : a + length] for a in starts * HOP - WINDOW // 2])
        return (
            torch.from_numpy(samples.astype(np.float32) / 32767),
            torch.from_numpy(self.targets[frames].astype(np.float32)),
            torch.from_numpy(self.loud[frames]),
        )

    def starts(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """First frames of random crops that lie within the recording."""
        margin = WINDOW // HOP + 1
        last = len(self.loud) - CROP - margin
        if last <= margin:
            raise InputError(f"{len(self.loud) * HOP / 16000:.0f} s of speech are too few")
        return rng.integers(margin, last, n)


def distorted(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Speech through rooms, filters, channels and noise, each with some probability.

    Parameters
    ----------
    x : torch.Tensor, shape (n, length)
    generator : torch.Generator

    Returns
    -------
    torch.Tensor, shape (n, length)
    """
    n, length = x.shape

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, 1, generator=generator)

    def some(probability: float) -> torch.Tensor:
        return torch.rand(n, 1, generator=generator) < probability

    size = next_fast_len(length + ROOM, real=True)
    hz = torch.fft.rfftfreq(size, 1 / 16000)[None]
    spectrum = torch.fft.rfft(x, size)
    room = torch.randn(n, ROOM, generator=generator)
    room *= 10 ** (-3 * torch.arange(ROOM) / (16000 * uniform(0.1, 0.6)))
    room *= uniform(0.1, 1.0) / room.square().sum(1, keepdim=True).sqrt()
    room[:, 0] = 1.0
    spectrum = torch.where(some(0.3), spectrum * torch.fft.rfft(room, size), spectrum)
    # A slope of so many decibels an octave around 1 kHz, and a bump somewhere.
    octaves = torch.log2(hz.clamp(min=50.0) / 1000)
    bump = uniform(-12, 12) * torch.exp(-((octaves - uniform(-3, 3)) ** 2))
    spectrum = spectrum * torch.where(some(0.6), 10 ** ((uniform(-4, 4) * octaves + bump) / 20), 1)
    babble = torch.fft.rfft(x.flip(1), size)[torch.randperm(n, generator=generator)]
    colour = torch.exp(-uniform(0, 2) * torch.log(hz.clamp(min=50.0)) / 2)
    noise = torch.fft.rfft(torch.randn(n, length, generator=generator), size) * colour
    noise = torch.where(some(0.3), babble, noise)
    level = 10 ** (-uniform(0, 30) / 20) * _rms(spectrum) / _rms(noise)
    spectrum = spectrum + torch.where(some(0.7), level, 0.0) * noise
    low = torch.where(some(0.3), uniform(100, 400), 0.0)
    high = torch.where(some(0.4), uniform(2800, 4500), 8000.0)
    band = torch.sigmoid((hz - low) / 30) * torch.sigmoid((high - hz) / 60)
    y = torch.fft.irfft(spectrum * torch.where((low > 0) | (high < 8000), band, 1.0), size)
    y = y[:, :length]
    y = y / y.abs().amax(1, keepdim=True).clamp(min=1e-4)
    # Eight bits, logarithmic, as telephones have it.
    coded = torch.sign(y) * torch.log1p(255 * y.abs()) / np.log(256)
    coded = torch.round(coded * 127) / 127
    coded = torch.sign(coded) * (256 ** coded.abs() - 1) / 255
    return torch.where(some(0.15), coded, y) * 10 ** (-uniform(0, 12) / 20)


def _rms(spectrum: torch.Tensor) -> torch.Tensor:
    return spectrum.abs().square().mean(1, keepdim=True).sqrt().clamp(min=1e-6)


def warped(spectra: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Spectra (n, n_frames, n_mels) of voices with longer or shorter vocal tracts, factors (n,)."""
    bins = torch.arange(spectra.shape[2])
    position = (bins * factors[:, None]).clamp(max=spectra.shape[2] - 1.001)
    lower = position.floor().long()[:, None].expand(-1, spectra.shape[1], -1)
    share = (position - position.floor())[:, None]
    return (1 - share) * spectra.gather(2, lower) + share * spectra.gather(2, lower + 1)


def distance(
    net: SpeechNet, batch: tuple[torch.Tensor, ...], factors: torch.Tensor
) -> torch.Tensor:
    """Mean of one minus the cosine to the teacher's frames; frames that are not loud count less."""
    x, targets, loud = batch
    frames = net.frames(warped(net.spectra(x), factors))
    weight = torch.where(loud, 1.0, 0.1)
    return (weight * (1 - cosine_similarity(frames, targets, dim=2))).sum() / weight.sum()


class Muon:
    """Momentum of which every weight matrix is made orthogonal before it is taken as a step.

    Parameters
    ----------
    weights : list of torch.Tensor
        Of two axes or more; all but the first count as one.

    Notes
    -----
    K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024. In single
    precision: `torch.optim.Muon` computes in bfloat16, which most processors do slowly, and takes
    matrices only.
    """

    def __init__(self, weights: list[torch.Tensor]) -> None:
        self.weights = weights
        self.means = [torch.zeros_like(weight) for weight in weights]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move all weights against their gradients."""
        for weight, mean in zip(self.weights, self.means, strict=True):
            mean.mul_(MOMENTUM).add_(weight.grad)
            step = _orthogonal((weight.grad + MOMENTUM * mean).flatten(1))
            scale = max(1, step.shape[0] / step.shape[1]) ** 0.5
            weight.mul_(1 - rate * DECAY).sub_(rate * scale * step.view_as(weight))


def _orthogonal(x: torch.Tensor) -> torch.Tensor:
    """A matrix with the singular vectors of another, and singular values near 1."""
    if x.shape[0] > x.shape[1]:
        return _orthogonal(x.T).T
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x


def train(args: argparse.Namespace) -> None:
    """Train for so many steps, and write the mean of the last networks."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    net = SpeechNet()
    crops, valid = (Crops(args.work, part) for part in ("train", "valid"))
    muon = Muon([p for p in net.parameters() if p.ndim > 1])
    adam = torch.optim.AdamW([p for p in net.parameters() if p.ndim == 1], weight_decay=DECAY)
    average = {name: value.clone() for name, value in net.state_dict().items()}
    clean = valid.draw(valid.starts(128, np.random.default_rng(0)))
    noisy = (distorted(clean[0], torch.Generator().manual_seed(0)), *clean[1:])
    started, recent = time.perf_counter(), []
    for step in range(1, args.steps + 1):
        schedule = min(1, step / 200, 1.02 - step / args.steps)
        adam.param_groups[0]["lr"] = RATE * schedule
        x, *wanted = crops.draw(crops.starts(BATCH, rng))
        factors = 0.9 + 0.2 * torch.rand(BATCH, generator=generator)
        net.train()
        loss = distance(net, (distorted(x, generator), *wanted), factors)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} in step {step}")
        net.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        muon.step(args.rate * schedule)
        recent.append(loss.item())
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                average[name].lerp_(value, max(0.003, 1 / step))
        if step % EVERY == 0 or step == args.steps:
            mean = SpeechNet()
            mean.load_state_dict(average)
            mean.eval()
            with torch.inference_mode():
                far = [distance(mean, batch, torch.ones(128)).item() for batch in (clean, noisy)]
            print(
                f"{time.perf_counter() - started:.0f} s, step {step}: {np.mean(recent):.4f}; "
                f"held out {far[0]:.4f}, distorted {far[1]:.4f}",
                flush=True,
            )
            recent.clear()
            save(mean, args.output, SOURCE)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    steps = parser.add_subparsers(required=True)
    gather = steps.add_parser("collect", help="join recordings, ask the teacher")
    gather.add_argument("speech", type=Path)
    gather.add_argument("work", type=Path)
    gather.add_argument("--drop-words", default=EVALUATED, help="comma between them")
    gather.set_defaults(
        run=lambda a: collect(a.speech, a.work, set(a.drop_words.split(",")), a.seed)
    )
    learn = steps.add_parser("train", help="train the network")
    learn.add_argument("work", type=Path)
    learn.add_argument("-o", "--output", type=Path, required=True)
    learn.add_argument("--steps", type=int, default=8000)
    learn.add_argument("--rate", type=float, default=0.04, help="of the weights")
    learn.add_argument("--threads", type=int, default=2)
    learn.set_defaults(run=train)
    args = parser.parse_args()
    try:
        args.run(args)
    except (InputError, FileNotFoundError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
