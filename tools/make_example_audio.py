"""Make the sound under examples/: clips of three words, and a talk in which they occur.

Speech is synthesised by espeak-ng's library, whose word events say where each word lies in running
speech; each word of the truth is then narrowed to the part with energy. The same version of
espeak-ng makes the same files again.

    apt-get install espeak-ng
    python tools/make_example_audio.py
    python tools/make_example_audio.py --out /tmp/example
"""

import argparse
import csv
import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE = 16000
MARGIN_S = 0.03
"""Sound left in front of and behind the word of a clip."""
NOISE_DB = -73.0
"""Level of the noise floor in dB of full scale."""
SPEECH_DB = -29.0
"""Level of the speech in dB of full scale, pauses not counted."""


@dataclass(frozen=True)
class Voice:
    """A voice of espeak-ng: accent and variant, words per minute, pitch (0 to 100), level."""

    name: str
    speed: int
    pitch: int
    level_db: float = 0.0


WORDS = ("coffee", "telephone", "umbrella")
CLIP_VOICES = (
    Voice("en-us+m3", 140, 45),
    Voice("en+f2", 150, 55, -3),
    Voice("en-gb-scotland+m7", 130, 40, 2),
    Voice("en-us+f4", 165, 60, -1),
    Voice("en-gb-x-rp+m1", 155, 50, -5),
)
SPEAKERS = {
    # The first two gave clips, though at another pitch and speed; the others did not.
    "Anna": Voice("en+f2", 165, 50, -1),
    "Martin": Voice("en-us+m3", 170, 40),
    "Ruth": Voice("en-us+f3", 160, 45, -3),
    "Owen": Voice("en-gb-x-rp+Andy", 155, 55, 1),
}
TALK = (
    ("Anna", "Good morning. The rain has not stopped since yesterday evening.", 0.7),
    ("Anna", "Please take my umbrella when you walk to the station.", 0.9),
    ("Martin", "Thank you. First I would like a cup of coffee and some bread.", 0.8),
    ("Anna", "Coffee.", 0.6),
    ("Anna", "There should be a little left in the kitchen.", 1.0),
    ("Owen", "Has anybody seen my keys? I put them on the table beside the telephone.", 0.9),
    ("Ruth", "They are under the newspaper, where you always forget them.", 0.7),
    ("Ruth", "And your umbrella is behind the door.", 1.2),
    ("Martin", "The telephone rang twice in the middle of the night.", 0.5),
    ("Martin", "Nobody answered when I picked it up.", 1.0),
    ("Owen", "Umbrella.", 0.5),
    ("Owen", "That was the word I could not remember in the French lesson.", 0.8),
    ("Ruth", "In the garden there are seven trees and a small wooden house.", 0.6),
    ("Ruth", "My brother painted it green before he moved to Scotland.", 0.9),
    (
        "Anna",
        "Could you turn off the television? I am waiting for a telephone call from London.",
        0.8,
    ),
    ("Owen", "He drinks more coffee than anyone I know, even late at night.", 0.7),
    ("Ruth", "Telephone!", 0.5),
    ("Ruth", "Somebody should go and see who it is.", 1.1),
    ("Martin", "It was the doctor. She can see you on Thursday afternoon.", 0.7),
    ("Anna", "Then I will copy the letter tomorrow and send it by post.", 0.6),
    ("Martin", "The blue umbrella belongs to our neighbour from the second floor.", 1.0),
    (
        "Owen",
        "We bought potatoes, butter, two bottles of milk and fresh coffee for Sunday.",
        0.9,
    ),
    ("Ruth", "Yesterday an old umbrella was lying on the bench, and nobody wanted it.", 0.8),
    ("Anna", "When the concert is over, we can walk along the river and look at the boats.", 0.7),
    ("Martin", "Leave your telephone in the car, they do not allow it inside.", 0.9),
    ("Ruth", "After dinner we had coffee with my sister and talked about the holidays.", 0.8),
    ("Owen", "Good night, and do not forget to close the windows.", 0.6),
)
"""Speaker, sentence, and pause behind it in seconds."""


@dataclass(frozen=True)
class Word:
    """A word that was spoken, with its limits in seconds."""

    text: str
    onset_s: float
    offset_s: float


class _Id(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)
_END_OF_LIST, _WORD, _PHONEME = 0, 1, 7
_SYNCHRONOUS, _PHONEME_EVENTS, _UTF8 = 2, 1, 1
_SPEED, _PITCH = 1, 3


class Synthesiser:
    """espeak-ng's library, through which words come with their places."""

    def __init__(self, library: str = "libespeak-ng.so.1") -> None:
        self._library = ctypes.CDLL(library)
        self._rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS)
        if self._rate <= 0:
            raise RuntimeError("espeak-ng does not start; are its voices installed?")
        self._sound: list[np.ndarray] = []
        self._events: list[tuple[int, int, int, float, bytes]] = []
        # Kept, since the library holds no reference of its own.
        self._callback = _CALLBACK(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, samples, count, events) -> int:
        if samples and count > 0:
            self._sound.append(np.ctypeslib.as_array(samples, (count,)) / 32768.0)
        i = 0
        while events[i].type != _END_OF_LIST:
            event = events[i]
            if event.type in (_WORD, _PHONEME):
                phoneme = bytes(event.id.string) if event.type == _PHONEME else b""
                time_s = event.audio_position_ms / 1000
                where = event.text_position, event.length
                self._events.append((event.type, *where, time_s, phoneme))
            i += 1
        return 0

    def say(self, text: str, voice: Voice) -> tuple[np.ndarray, list[Word]]:
        """Speak.

        Returns
        -------
        samples : np.ndarray, shape (n,), float64
            At 16 kHz, at the voice's level.
        words : list of Word
        """
        self._sound.clear()
        self._events.clear()
        if self._library.espeak_SetVoiceByName(voice.name.encode()):
            raise RuntimeError(f"espeak-ng has no voice {voice.name!r}")
        self._library.espeak_SetParameter(_SPEED, voice.speed, 0)
        self._library.espeak_SetParameter(_PITCH, voice.pitch, 0)
        data = text.encode()
        if self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None):
            raise RuntimeError(f"espeak-ng does not speak {text!r}")
        self._library.espeak_Synchronize()
        samples = soxr.resample(np.concatenate(self._sound), self._rate, RATE)
        active = samples[np.abs(samples) > 0.02 * np.abs(samples).max()]
        level = 10 ** ((SPEECH_DB + voice.level_db) / 20)
        samples *= level / np.sqrt(np.mean(active**2))
        return samples, list(self._words(text, samples))

    def _words(self, text: str, samples: np.ndarray) -> Iterator[Word]:
        end_s = len(samples) / RATE
        for i, (kind, position, length, onset_s, _) in enumerate(self._events):
            if kind != _WORD or not length:  # those of no length belong to pauses
                continue
            # A word lasts to the next one or to a pause, whose phonemes begin with "_".
            later = (
                time_s
                for kind, _, _, time_s, phoneme in self._events[i + 1 :]
                if kind == _WORD or phoneme.startswith(b"_")
            )
            span = onset_s, next(later, end_s)
            spoken = text[position - 1 : position - 1 + length].lower()
            yield Word(spoken, *narrowed(samples, *span))


def narrowed(samples: np.ndarray, onset_s: float, offset_s: float) -> tuple[float, float]:
    """Part of a stretch of speech that has energy: from the first to the last 5 ms above -35 dB.

    The reference is the loudest 5 ms of the stretch. Pauses go, and closures at the borders.
    """
    step = RATE // 200
    first = round(onset_s * RATE)
    part = samples[first : round(offset_s * RATE)]
    blocks = part[: len(part) // step * step].reshape(-1, step)
    energy = np.mean(blocks**2, axis=1)
    above = np.flatnonzero(energy > 10**-3.5 * energy.max())
    return (first + above[0] * step) / RATE, (first + (above[-1] + 1) * step) / RATE


def noise_floor(n: int, rng: np.random.Generator) -> np.ndarray:
    """Noise whose spectrum falls by 3 dB per octave above 60 Hz, at the level of the floor."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(n, 1 / RATE), 60.0))
    noise = np.fft.irfft(spectrum, n)
    return noise * 10 ** (NOISE_DB / 20) / np.sqrt(np.mean(noise**2))


def clip(word: str, voice: Voice, synthesiser: Synthesiser) -> np.ndarray:
    """A word alone, with a small margin of sound at both ends."""
    samples, words = synthesiser.say(f"{word.capitalize()}.", voice)
    margin = round(MARGIN_S * RATE)
    padded = np.pad(samples, margin)
    return padded[round(words[0].onset_s * RATE) : round(words[-1].offset_s * RATE) + 2 * margin]


def talk(synthesiser: Synthesiser) -> tuple[np.ndarray, list[Word]]:
    """The recording without its noise, and all words in it."""
    parts, words = [np.zeros(RATE // 2)], []
    for speaker, sentence, pause_s in TALK:
        begins_s = sum(map(len, parts)) / RATE
        samples, spoken = synthesiser.say(sentence, SPEAKERS[speaker])
        words += [Word(w.text, begins_s + w.onset_s, begins_s + w.offset_s) for w in spoken]
        last = round(spoken[-1].offset_s * RATE)
        parts += [samples[:last], np.zeros(round(pause_s * RATE))]
    return np.concatenate(parts), words


def write_flac(path: Path, samples: np.ndarray, rng: np.random.Generator) -> None:
    """Add the noise floor and write 16 bits, mono."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noisy = samples + noise_floor(len(samples), rng)
    if np.abs(noisy).max() >= 1:
        raise RuntimeError(f"{path}: would clip; lower SPEECH_DB")
    soundfile.write(path, noisy, RATE, subtype="PCM_16", format="FLAC")


def write_table(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a CSV with line feeds."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def main() -> None:
    """Write clips, recording, truth and list of recordings."""
    parser = argparse.ArgumentParser(description="Makes the sound under examples/.")
    here = Path(__file__).resolve().parents[1]
    parser.add_argument("--out", type=Path, default=here / "examples", help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    synthesiser = Synthesiser()
    for word in WORDS:
        for number, voice in enumerate(CLIP_VOICES, 1):
            path = args.out / "words" / word / f"{number}.flac"
            write_flac(path, clip(word, voice, synthesiser), rng)
    samples, words = talk(synthesiser)
    write_flac(args.out / "recording.flac", samples, rng)
    truth = [
        (w.text, f"{w.onset_s:.3f}", f"{w.offset_s:.3f}", "recording.flac")
        for w in words
        if w.text in WORDS
    ]
    header = "event_label", "event_onset", "event_offset", "file"
    write_table(args.out / "recording.csv", header, truth)
    duration = f"{len(samples) / RATE:.3f}"
    write_table(args.out / "recordings.csv", ("file", "duration"), [("recording.flac", duration)])
    files = [path for path in args.out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"{duration} s with {len(truth)} events; {len(files)} files, {size:.2f} MB")


if __name__ == "__main__":
    main()
