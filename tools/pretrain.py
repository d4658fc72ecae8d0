"""Pre-train the speech encoder that comes with the package.

    python prepare.py all COPIES SPEECH             # openly licensed speech, and its manifest
    python tools/pretrain.py collect SPEECH WORK    # one long recording, and what a teacher hears
    python tools/pretrain.py train WORK -o fewshot/data/speech.encoder
    python tools/make_background.py LIBRISPEECH fewshot/data/speech.background \\
        --encoder speech --source "LibriSpeech samples, (c) 2014 Vassil Panayotov, CC BY 4.0"

SPEECH holds recordings at 16 kHz and ``manifest.csv`` (``file,corpus,speaker,words,...``). The
network learns to say of noisy, coded, filtered and reverberant speech what the teacher (Google's
speech embedding, whitened) says of the same speech as it was recorded. In a second stage
(``--words``) each frame of an isolated word also has to tell which word of many speakers it is in,
and where, as in the TACos loss. Single words of the evaluation tasks are left out
(``--drop-words``), and so is every fourth speaker, on whom the progress is measured.
"""

import argparse
import csv
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch.nn.functional import cosine_similarity, cross_entropy, normalize

from fewshot import audio
from fewshot.background import bundled
from fewshot.encoders.external import BUNDLED, load_encoder
from fewshot.encoders.speech import HOP, WINDOW, SpeechNet, save
from kws.frames import PretrainedFrames

GAP = 8000
"""Samples of silence between files."""
MARGIN_S = 0.15
"""Kept around isolated words."""
ROOM = 8000
"""Samples of an impulse response."""
POSITIONS = 5
"""Parts of a word that are told apart."""
ISOLATED = ("speech-commands", "dspspeech20", "arabic-commands", "custom-commands")
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
    """One long recording, for each of its frames what the teacher hears, the word and the place."""
    rng = np.random.default_rng(seed)
    with open(speech / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["corpus"] in HOURS]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    left = {corpus: 3600 * hours for corpus, hours in HOURS.items()}
    chosen = []
    for row in rows:
        words = row["words"].lower().split()
        if drop & set(words) or left[row["corpus"]] <= 0:
            continue
        left[row["corpus"]] -= float(row["duration"])
        chosen.append(row)
    vocabulary = sorted({_word(r) for r in chosen} - {""})
    work.mkdir(parents=True, exist_ok=True)
    (work / "words.json").write_text(json.dumps(vocabulary))
    for part, own in (
        ("valid", [r for r in chosen if held_out(r["corpus"], r["speaker"])][:1200]),
        ("train", [r for r in chosen if not held_out(r["corpus"], r["speaker"])]),
    ):
        samples, words, places = _joined(speech, own, vocabulary)
        np.save(work / f"{part}.samples.npy", (samples * 32767).astype(np.int16))
        np.save(work / f"{part}.words.npy", words)
        np.save(work / f"{part}.places.npy", places)
        print(f"{part}: {len(own)} files, {len(samples) / 57.6e6:.2f} h", flush=True)
        np.save(work / f"{part}.targets.npy", _heard(samples))


def _word(row: dict[str, str]) -> str:
    """Word of an isolated recording with a named speaker."""
    words = row["words"].split()
    return words[0] if row["corpus"] in ISOLATED and len(words) == 1 else ""


def _joined(
    speech: Path, rows: list[dict[str, str]], vocabulary: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples, and for each frame the word's number (-1: none, -2: silence) and place (0 to 1)."""
    number = {word: i for i, word in enumerate(vocabulary)}
    samples, words, places = [np.zeros(GAP, np.float32)], [], []
    for row in rows:
        sound = audio.normalise(audio.read(speech / row["file"]))
        loud = _loud(sound)
        if not loud.any():
            continue
        first, last = np.flatnonzero(loud)[[0, -1]]
        margin = round(MARGIN_S * 16000 / HOP)
        begin, end = max(0, first - margin), min(len(loud), last + 1 + margin)
        sound, loud = sound[begin * HOP : end * HOP], loud[begin:end]
        frames = np.full(len(loud), -1)
        frames[~loud] = -2
        place = np.zeros(len(loud), np.float32)
        if _word(row):
            inside = slice(first - begin, last + 1 - begin)
            frames[inside] = number[_word(row)]
            place[inside] = (np.arange(last + 1 - first) + 0.5) / (last + 1 - first)
        padded = np.zeros(len(loud) * HOP + GAP, np.float32)
        padded[: len(sound)] = sound
        samples.append(padded)
        words += [frames, np.full(GAP // HOP, -2)]
        places += [place, np.zeros(GAP // HOP, np.float32)]
    words.insert(0, np.full(GAP // HOP, -2))
    places.insert(0, np.zeros(GAP // HOP, np.float32))
    return (
        np.concatenate(samples),
        np.concatenate(words).astype(np.int16),
        np.concatenate(places).astype(np.float16),
    )


def _loud(sound: np.ndarray) -> np.ndarray:
    """Frames within 35 dB of the loudest."""
    frames = np.resize(sound, -(-len(sound) // HOP) * HOP).reshape(-1, HOP)
    level = 10 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-12)
    return level > level.max() - 35


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

    def __init__(self, work: Path, part: str, n_frames: int) -> None:
        self.samples = np.load(work / f"{part}.samples.npy", mmap_mode="r")
        self.targets = np.load(work / f"{part}.targets.npy", mmap_mode="r")
        self.words = np.load(work / f"{part}.words.npy")
        self.places = np.load(work / f"{part}.places.npy")
        self.n_frames = n_frames
        self.length = (n_frames - 1) * HOP + WINDOW

    def draw(self, starts: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Samples (n, length), targets (n, n_frames, 96), words and places (n, n_frames)."""
        frames = starts[:, None] + np.arange(self.n_frames)
        first = starts * HOP - WINDOW // 2
        samples = np.stack([self.samples[a : a + self.length] for a in first])
        return (
            torch.from_numpy(samples.astype(np.float32) / 32767),
            torch.from_numpy(self.targets[frames].astype(np.float32)),
            torch.from_numpy(self.words[frames].astype(np.int64)),
            torch.from_numpy(self.places[frames].astype(np.float32)),
        )

    def starts(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """First frames of random crops that lie within the recording."""
        margin = WINDOW // HOP + 1
        return rng.integers(margin, len(self.words) - self.n_frames - margin, n)


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
    babble = spectrum[torch.randperm(n, generator=generator)].conj()
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


class WordHead(torch.nn.Module):
    """Cosines of frames to a centre for each part of each word, scaled."""

    def __init__(self, dim: int, n_words: int, scale: float = 16.0) -> None:
        super().__init__()
        self.centres = torch.nn.Parameter(torch.randn(n_words * POSITIONS, dim))
        self.scale = scale

    def forward(
        self, frames: torch.Tensor, words: torch.Tensor, places: torch.Tensor
    ) -> torch.Tensor:
        """Mean loss of frames (n, dim) with the place in their word shared by two parts."""
        logits = self.scale * normalize(frames, dim=1) @ normalize(self.centres, dim=1).T
        place = (places * POSITIONS - 0.5).clamp(0, POSITIONS - 1)
        lower = place.floor().long().clamp(max=POSITIONS - 2)
        share = (place - lower)[:, None]
        targets = torch.zeros_like(logits)
        targets.scatter_(1, (words * POSITIONS + lower)[:, None], 1 - share)
        targets.scatter_add_(1, (words * POSITIONS + lower + 1)[:, None], share)
        return cross_entropy(logits, targets)


def losses(
    net: SpeechNet, head: WordHead | None, batch: tuple[torch.Tensor, ...], warp: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Distance to the teacher, and the loss of words (0 without a head)."""
    x, targets, words, places = batch
    frames = net.frames(warped(net.spectra(x), warp))
    weight = torch.where(words == -2, 0.1, 1.0)
    distance = 1 - cosine_similarity(frames, targets, dim=2)
    heard = (weight * distance).sum() / weight.sum()
    if head is None:
        return heard, torch.zeros(())
    known = words >= 0
    return heard, head(frames[known], words[known], places[known])


def train(args: argparse.Namespace) -> None:
    """Train for so many minutes, and write the network."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    net = SpeechNet()
    crops, valid = (Crops(args.work, part, args.frames) for part in ("train", "valid"))
    vocabulary = json.loads((args.work / "words.json").read_text())
    head = WordHead(net.dim, len(vocabulary)) if args.words else None
    if args.start:
        net.load_state_dict(torch.load(args.start, weights_only=True))
    parameters = [*net.parameters(), *(head.parameters() if head else ())]
    optimiser = torch.optim.AdamW(parameters, lr=args.rate, weight_decay=0.01)
    started, step, means = time.perf_counter(), 0, np.zeros(2)
    average = {name: value.clone() for name, value in net.state_dict().items()}
    batch_v = valid.draw(valid.starts(128, np.random.default_rng(0)))
    noisy_v = distorted(batch_v[0], torch.Generator().manual_seed(0))
    still = torch.ones(128)
    while (done := (time.perf_counter() - started) / 60 / args.minutes) < 1:
        for group in optimiser.param_groups:
            group["lr"] = args.rate * min(1, (step + 1) / 200, 1.02 - done)
        batch = crops.draw(crops.starts(args.batch, rng))
        batch = (distorted(batch[0], generator), *batch[1:])
        warp = 0.9 + 0.2 * torch.rand(args.batch, generator=generator)
        net.train()
        heard, told = losses(net, head, batch, warp)
        optimiser.zero_grad(set_to_none=True)
        (heard + args.words * told).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        means += [heard.item(), told.item()]
        step += 1
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                average[name].lerp_(value, max(0.003, 1 / step))
        if step % 250 == 0:
            other = SpeechNet()
            other.load_state_dict(average)
            with torch.inference_mode():
                other.eval()
                clean = losses(other, None, batch_v, still)[0]
                noisy = losses(other, None, (noisy_v, *batch_v[1:]), still)[0]
            print(
                f"{60 * args.minutes * done:.0f} s, step {step}: heard {means[0] / 250:.4f}, words "
                f"{means[1] / 250:.3f}; held out {clean:.4f}, noisy {noisy:.4f}",
                flush=True,
            )
            means[:] = 0
            torch.save(average, args.output.with_suffix(".pt"))
    torch.save(average, args.output.with_suffix(".pt"))
    net.load_state_dict(average)
    save(net, args.output, SOURCE, force=True)


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
    learn.add_argument("--minutes", type=float, default=60.0)
    learn.add_argument("--batch", type=int, default=16)
    learn.add_argument("--frames", type=int, default=100, help="of a crop")
    learn.add_argument("--rate", type=float, default=2e-3)
    learn.add_argument("--words", type=float, default=0.0, help="weight of the loss of words")
    learn.add_argument("--start", type=Path, help=".pt file of an earlier training")
    learn.add_argument("--threads", type=int, default=2)
    learn.set_defaults(run=train)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
