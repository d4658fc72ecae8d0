"""Synthetic recordings of 24 alarms and ten household sounds, to try the classifier on.

A class is a way to make a sound; every recording of it differs in level, place, pitch (alarms
drift by up to 2 %), room and background noise, as recordings of one device do.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

from fewshot.audio import SAMPLE_RATE
from fewshot.augment import coloured_noise

DURATION_S = 4.0
DRIFT = 0.02
LEVEL_DB, NOISE_DB, ROOM_S = (-30.0, -10.0), (15.0, 35.0), (0.1, 0.6)


@dataclass(frozen=True)
class Alarm:
    """How an alarm sounds.

    Parameters
    ----------
    kind : {"beep", "siren", "ring"}
        Tones one after the other; a tone that sweeps; a bell that is struck again and again.
    tones_hz : tuple of float
        Tones in turn; the two ends of the sweep; the partials of the bell.
    on_s, off_s : float
        Length of a tone, a sweep or the time between strokes; pause after it.
    burst : int
        Tones after which a pause of `rest_s` follows.
    rest_s : float
    harmonics : tuple of float
        Amplitudes of the tone's multiples.
    """

    kind: str
    tones_hz: tuple[float, ...]
    on_s: float
    off_s: float = 0.0
    burst: int = 0
    rest_s: float = 0.0
    harmonics: tuple[float, ...] = (1.0,)


_REED = (1.0, 0.0, 0.5, 0.0, 0.3)
_BUZZ = (1.0, 0.7, 0.6, 0.5, 0.4, 0.3)
ALARMS: Mapping[str, Alarm] = {
    "smoke_detector": Alarm("beep", (3100,), 0.5, 0.5, 3, 1.0),
    "carbon_monoxide": Alarm("beep", (3300,), 0.1, 0.1, 4, 1.5),
    "microwave": Alarm("beep", (2050,), 0.35, 0.35),
    "oven": Alarm("beep", (1000,), 0.2, 0.1, 2, 0.6, _REED),
    "dishwasher": Alarm("beep", (1200, 1500, 1800), 0.25, 0.05, 3, 0.8),
    "washing_machine": Alarm("beep", (880, 1100, 1320, 1760), 0.15, 0.02, 4, 1.0),
    "dryer": Alarm("beep", (180,), 0.9, 0.5, harmonics=_BUZZ),
    "fridge_door": Alarm("beep", (2400,), 0.06, 0.3),
    "alarm_clock": Alarm("beep", (2000,), 0.07, 0.06, 4, 0.5, _REED),
    "kitchen_timer": Alarm("beep", (4100,), 0.05, 0.05, 2, 0.25),
    "reversing_truck": Alarm("beep", (1250,), 0.5, 0.5, harmonics=_REED),
    "hospital_monitor": Alarm("beep", (960, 960, 960, 720, 720), 0.18, 0.08, 5, 0.6, (1, 0.4)),
    "medical_pump": Alarm("beep", (523, 440, 349), 0.3, 0.06, 3, 0.9, (1, 0.5, 0.25)),
    "door_chime": Alarm("ring", (660, 1325, 1990), 1.2),
    "two_tone_chime": Alarm("beep", (784, 622), 0.6, 0.05, 2, 0.9, (1, 0.3)),
    "fire_bell": Alarm("ring", (1480, 2160, 3390, 4600), 0.07),
    "telephone_bell": Alarm("ring", (1100, 1750, 2890), 0.05),
    "bicycle_bell": Alarm("ring", (2780, 4420, 6150), 0.35),
    "police_siren": Alarm("siren", (650, 1500), 2.0, harmonics=_REED),
    "yelp_siren": Alarm("siren", (700, 1600), 0.3, harmonics=_REED),
    "air_raid": Alarm("siren", (250, 480), 4.0, harmonics=_BUZZ),
    "car_alarm": Alarm("siren", (1200, 2600), 0.12, 0.05),
    "fire_engine": Alarm("beep", (435, 580), 0.7, 0.0, harmonics=_BUZZ),
    "burglar_siren": Alarm("siren", (2700, 3600), 0.22),
}
"""Alarms by name."""


def _envelope(n: int, attack_s: float, decay_s: float) -> np.ndarray:
    t = np.arange(n) / SAMPLE_RATE
    return np.minimum(1.0, t / attack_s) * np.exp(-t / decay_s)


def _tone(hz: np.ndarray, harmonics: tuple[float, ...]) -> np.ndarray:
    """A tone with faded ends whose frequency (n,) may move."""
    phase = 2 * np.pi * np.cumsum(hz) / SAMPLE_RATE
    partials = ((i, a) for i, a in enumerate(harmonics, 1) if i * hz.max() < SAMPLE_RATE / 2)
    tone = sum(a * np.sin(i * phase) for i, a in partials)
    fade = np.minimum(1.0, np.arange(len(hz)) / (0.005 * SAMPLE_RATE))
    return tone * np.minimum(fade, fade[::-1])


def _alarm(alarm: Alarm, rng: np.random.Generator) -> np.ndarray:
    n = round(DURATION_S * SAMPLE_RATE)
    out, position, count = np.zeros(n), 0, 0
    pitch, tempo = 1 + rng.uniform(-DRIFT, DRIFT), 1 + rng.uniform(-DRIFT, DRIFT)
    stroke = _struck(pitch * np.array(alarm.tones_hz), 0.6, rng)
    while position < n:
        length = round(alarm.on_s * tempo * SAMPLE_RATE)
        if alarm.kind == "siren":
            half = np.linspace(0.0, 1.0, max(length // 2, 1))
            sweep = np.concatenate([half, half[::-1]])
            low, high = alarm.tones_hz
            part = _tone(pitch * low * (high / low) ** sweep, alarm.harmonics)
        elif alarm.kind == "ring":
            part = stroke
        else:
            tone = pitch * alarm.tones_hz[count % len(alarm.tones_hz)]
            part = _tone(np.full(length, tone), alarm.harmonics)
        end = min(n, position + len(part))
        out[position:end] += part[: end - position]
        count += 1
        pause = alarm.off_s + (alarm.rest_s if alarm.burst and count % alarm.burst == 0 else 0.0)
        position += length + round(pause * tempo * SAMPLE_RATE)
    return out


def _struck(partials_hz: np.ndarray, decay_s: float, rng: np.random.Generator) -> np.ndarray:
    """Partials that begin together and die away, the higher ones sooner."""
    n = round(3 * decay_s * SAMPLE_RATE)
    t = np.arange(n) / SAMPLE_RATE
    parts = (
        np.sin(2 * np.pi * hz * t + rng.uniform(0, 6.28)) * np.exp(-t * (i + 1) / decay_s)
        for i, hz in enumerate(partials_hz)
        if hz < SAMPLE_RATE / 2
    )
    return sum(parts) * np.minimum(1.0, t / 0.001)


def _band(samples: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    return sosfilt(butter(2, (low_hz, high_hz), "band", fs=SAMPLE_RATE, output="sos"), samples)


def _burst(low_hz: float, high_hz: float, decay_s: float, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(round(5 * decay_s * SAMPLE_RATE))
    return _band(noise, low_hz, high_hz) * _envelope(len(noise), 0.002, decay_s)


def _repeated(
    make: Callable[[], np.ndarray], gap_s: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Sounds one after the other, with random gaps between their beginnings."""
    out = np.zeros(round(DURATION_S * SAMPLE_RATE))
    position = round(rng.uniform(0, gap_s[1]) * SAMPLE_RATE)
    while position < len(out):
        part = make()[: len(out) - position]
        out[position : position + len(part)] += rng.uniform(0.5, 1.0) * part
        position += round(rng.uniform(*gap_s) * SAMPLE_RATE)
    return out


def _engine(rng: np.random.Generator) -> np.ndarray:
    n = round(DURATION_S * SAMPLE_RATE)
    hz = rng.uniform(40, 90) * (1 + 0.1 * np.sin(np.linspace(0, rng.uniform(2, 8), n)))
    hum = _tone(hz, tuple(1 / i for i in range(1, 20)))
    return hum + 0.5 * np.abs(hum) * _band(rng.standard_normal(n), 100, 2000)


def _water(rng: np.random.Generator) -> np.ndarray:
    n = round(DURATION_S * SAMPLE_RATE)
    low = rng.uniform(300, 900)
    flow = _band(rng.standard_normal(n), low, rng.uniform(4000, 7000))
    return flow * (1 + 0.3 * coloured_noise(n, 2.0, rng))


def _music(rng: np.random.Generator) -> np.ndarray:
    root, steps = rng.uniform(110, 440), np.array([0, 2, 4, 5, 7, 9, 11, 12])

    def chord() -> np.ndarray:
        notes = root * 2 ** (rng.choice(steps, 3, replace=False) / 12)
        return sum(_struck(note * np.arange(1, 6), 0.5, rng) for note in notes)

    return _repeated(chord, (0.25, 0.6), rng)


def _horn(rng: np.random.Generator) -> np.ndarray:
    notes = rng.uniform(300, 450) * np.array([1.0, rng.uniform(1.18, 1.3)])

    def hoot() -> np.ndarray:
        n = round(rng.uniform(0.3, 1.5) * SAMPLE_RATE)
        return sum(_tone(np.full(n, hz), _BUZZ) for hz in notes)

    return _repeated(hoot, (1.2, 2.5), rng)


def _cough(rng: np.random.Generator) -> np.ndarray:
    return _repeated(
        lambda: _burst(rng.uniform(200, 500), rng.uniform(1500, 4000), rng.uniform(0.05, 0.1), rng),
        (0.3, 1.2),
        rng,
    )


def _clapping(rng: np.random.Generator) -> np.ndarray:
    return _repeated(lambda: _burst(rng.uniform(700, 1200), 3500, 0.015, rng), (0.1, 0.35), rng)


def _door(rng: np.random.Generator) -> np.ndarray:
    def slam() -> np.ndarray:
        return _burst(40, rng.uniform(200, 500), rng.uniform(0.08, 0.2), rng)

    return _repeated(slam, (1.5, 4.0), rng)


def _keyboard(rng: np.random.Generator) -> np.ndarray:
    return _repeated(
        lambda: _burst(rng.uniform(1500, 2500), 6500, rng.uniform(0.003, 0.008), rng),
        (0.06, 0.3),
        rng,
    )


def _pots(rng: np.random.Generator) -> np.ndarray:
    def clang() -> np.ndarray:
        return _struck(rng.uniform(400, 6000, 6), rng.uniform(0.05, 0.25), rng)

    return _repeated(clang, (0.15, 0.9), rng)


def _steps(rng: np.random.Generator) -> np.ndarray:
    gap = rng.uniform(0.4, 0.65)
    return _repeated(
        lambda: _burst(60, rng.uniform(400, 1500), 0.03, rng), (0.9 * gap, 1.1 * gap), rng
    )


HOUSEHOLD: Mapping[str, Callable[[np.random.Generator], np.ndarray]] = {
    "car_horn": _horn,
    "clapping": _clapping,
    "cough": _cough,
    "door_slam": _door,
    "engine": _engine,
    "keyboard_tap": _keyboard,
    "music": _music,
    "pots_and_pans": _pots,
    "steps": _steps,
    "water": _water,
}
"""Sounds that are no alarms, by name; each takes a generator and gives four seconds."""


def recording(name: str, take: int, seed: int = 0) -> np.ndarray:
    """One recording of an alarm or a household sound.

    Parameters
    ----------
    name : str
        Of `ALARMS` or `HOUSEHOLD`.
    take : int
        Which recording of it; same take and seed, same sound.
    seed : int

    Returns
    -------
    np.ndarray, shape (64000,), float32
        Four seconds at 16 kHz, within [-1, 1]. The alarm is shifted in time (what leaves at one end
        enters at the other), rings in a room, and lies 15 to 35 dB above coloured noise.

    Examples
    --------
    >>> recording("microwave", take=1).shape
    (64000,)
    """
    rng = np.random.default_rng([seed, take, zlib.crc32(name.encode())])
    dry = _alarm(ALARMS[name], rng) if name in ALARMS else HOUSEHOLD[name](rng)
    sound = _in_room(np.roll(dry, rng.integers(len(dry))), rng)
    noise = coloured_noise(len(sound), rng.uniform(0.5, 1.5), rng)
    noise *= _rms(sound) / _rms(noise) * 10 ** (-rng.uniform(*NOISE_DB) / 20)
    mixed = sound + noise
    level = 10 ** (rng.uniform(*LEVEL_DB) / 20)
    return np.clip(mixed * level / _rms(mixed), -1, 1).astype(np.float32)


def _in_room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add a room that falls by 60 dB in 0.1 to 0.6 s, 3 to 20 dB softer than the direct sound."""
    n = round(rng.uniform(*ROOM_S) * SAMPLE_RATE)
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    reverberant = fftconvolve(samples, tail)[: len(samples)]
    share = 10 ** (rng.uniform(-20, -3) / 20)
    return samples + share * reverberant * _rms(samples) / max(_rms(reverberant), 1e-9)


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))
