"""Generated machines in the layout of DCASE Challenge Task 2, to try systems on.

Six machines of rotating parts, whose sound rings in resonances of their housings, runs at several
speeds and loads, and lies in the noise of a hall; all is recorded with one gain. The target domain
has other speeds and another hall: how far the domains are from each other differs from machine to
machine and from seed to seed. What fails: a bearing that ticks, a rotor out of balance, a leak.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, lfilter, sosfilt

from asd.names import ANOMALY, NORMAL, SOURCE, TARGET, TEST, TRAIN
from fewshot.audio import SAMPLE_RATE
from fewshot.augment import coloured_noise

FAULTS = ("bearing", "imbalance", "leak")
NO_FAULT = (None,)
CLIPS_OF_A_RECORDING, FEWEST_RECORDINGS = 5, 3
LOADS = ("low", "high")
LEVEL_DB, LOUDER_DB = -32.0, 2.0
"""Of a machine that works, with a low load, and by how much it is louder with a high one."""
JITTER_DB = 1.0
"""By how much clips of one setting differ in level at most."""
HUMS_HZ = (50, 60, 100, 120, 150)
OCTAVES_HZ = 62.5 * 2.0 ** np.arange(8)
WOBBLE = 0.004
"""How far the speed drifts during a clip, and by how much clips of one setting differ."""


@dataclass(frozen=True)
class Machine:
    """How a machine sounds that works.

    Parameters
    ----------
    speeds_hz : tuple of float
        Revolutions per second; the first of them in the source domain, the last two in the target.
    orders : tuple of float
        Multiples of the speed that sound: blades, teeth, poles.
    tilt : float
        Fall of the partials' amplitudes with their order, an exponent.
    resonances_hz : tuple of float
        Of the housing.
    flow : float
        Level of the noise of air, water or friction, beside that of the partials.
    strokes : int
        Strokes per revolution, which modulate the flow; 0: none.
    """

    speeds_hz: tuple[float, ...]
    orders: tuple[float, ...]
    tilt: float
    resonances_hz: tuple[float, ...]
    flow: float
    strokes: int = 0


@dataclass(frozen=True)
class Hall:
    """Where a machine stands: what else sounds there, and how loud.

    Parameters
    ----------
    slope : float
        Fall of the noise's power with frequency, an exponent.
    octaves_db : tuple of float
        By how much its octaves from 62.5 Hz to 8 kHz are above that.
    hum_hz : float
        Of other machines.
    snr_db : tuple of float
        Least and largest level of the machine above the noise.
    """

    slope: float = 1.0
    octaves_db: tuple[float, ...] = (0.0,) * len(OCTAVES_HZ)
    hum_hz: float = 100.0
    snr_db: tuple[float, float] = (-4.0, 6.0)

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Hall":
        """Any hall, where noise is steady or comes and goes."""
        middle_db, width_db = rng.uniform(-2.0, 5.0), rng.uniform(0.5, 4.0)
        return cls(
            slope=rng.uniform(0.5, 1.8),
            octaves_db=tuple(rng.normal(0.0, 5.0, len(OCTAVES_HZ))),
            hum_hz=float(rng.choice(HUMS_HZ)),
            snr_db=(middle_db - width_db, middle_db + width_db),
        )


MACHINES = {
    "fan": Machine((18, 21, 24, 27, 30), (1, 7, 14, 21, 28), 0.6, (310, 900, 2100), 1.0),
    "pump": Machine((22, 25, 28, 32, 35), (1, 2, 5, 10, 15), 0.8, (180, 750, 1600), 0.8, 5),
    "gearbox": Machine((12, 14, 16, 19, 21), (1, 23, 46, 69, 37, 74), 0.4, (520, 1350, 2900), 0.3),
    "motor": Machine((45, 50, 55, 62, 66), (1, 2, 4, 12, 24, 36), 0.7, (400, 1800, 3300), 0.4),
    "compressor": Machine((8, 9, 10, 12, 13), (1, 2, 3, 4, 6, 8), 0.9, (140, 480, 1150), 1.2, 1),
    "spindle": Machine((80, 90, 100, 115, 125), (1, 2, 3, 6, 9), 0.5, (950, 2400, 4100), 0.5),
}
"""Machines by name."""


def recording(
    name: str,
    speed_hz: float,
    load: str,
    hall: Hall,
    fault: str | None,
    rng: np.random.Generator,
    duration_s: float = 3.0,
) -> np.ndarray:
    """One clip of a machine.

    Parameters
    ----------
    name : str
        Of `MACHINES`.
    speed_hz : float
    load : {"low", "high"}
        A high load is louder in the partials of high order and in the flow.
    hall : Hall
        Whose noise lies over it.
    fault : str or None
        Of `FAULTS`.
    rng : np.random.Generator
    duration_s : float

    Returns
    -------
    np.ndarray, shape (duration_s * 16000,), float32

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> recording("pump", 25, "low", Hall(), "leak", rng).shape
    (48000,)
    """
    machine = MACHINES[name]
    n = round(duration_s * SAMPLE_RATE)
    drift = WOBBLE * coloured_noise(n, 2.0, rng) + rng.uniform(-WOBBLE, WOBBLE)
    angle = np.cumsum(speed_hz * (1 + drift)) / SAMPLE_RATE + rng.uniform()
    sound = _partials(machine, angle, speed_hz, load, rng)
    flow = rng.standard_normal(n) * (machine.flow * (1.6 if load == "high" else 1.0))
    if machine.strokes:
        flow *= 0.3 + np.maximum(0, np.sin(2 * np.pi * machine.strokes * angle)) ** 2
    flow = _band(flow, 60, 3500)
    normal_rms = _rms(_rung(machine, sound + flow))
    if fault == "imbalance":
        extra = rng.uniform(1.5, 3.0)
        sound = sound * (1 + 0.25 * extra * np.sin(2 * np.pi * angle))
        sound += extra * np.sin(2 * np.pi * angle) + 0.5 * extra * np.sin(4 * np.pi * angle)
    excitation = sound + flow
    if fault == "bearing":
        excitation += _ticks(angle, rng) * rng.uniform(1.5, 4.0)
    out = _rung(machine, excitation) / normal_rms
    if fault == "leak":
        out += rng.uniform(0.08, 0.25) * _unit(_band(rng.standard_normal(n), 4200, 7400))
    louder_db = LOUDER_DB * (load == "high") + rng.uniform(-JITTER_DB, JITTER_DB)
    noise_db = -rng.uniform(*hall.snr_db)
    mixed = out * _gain(louder_db) + _noise(n, hall, rng) * _gain(noise_db)
    return np.clip(mixed * _gain(LEVEL_DB), -1, 1).astype(np.float32)


def write_dataset(
    folder: str | Path,
    *,
    seed: int = 0,
    machines: tuple[str, ...] = tuple(MACHINES),
    n_source: int = 40,
    n_target: int = 4,
    n_test: int = 15,
    duration_s: float = 3.0,
) -> Path:
    """Write clips as the challenge lays them out since 2022, section 00 of each machine.

    Some five clips are cut from one recording, at least three recordings from each domain. Half of
    the normal test clips come from those that training clips come from.

    Parameters
    ----------
    folder : path
        Where the machines' folders with train and test are made.
    seed : int
        Same seed, same clips.
    machines : tuple of str
        Of `MACHINES`.
    n_source, n_target : int
        Training clips of each domain.
    n_test : int
        Test clips of each domain, normal ones and as many anomalous ones, each recording with one
        fault.
    duration_s : float

    Returns
    -------
    Path
        The folder.
    """
    folder = Path(folder)
    for name in machines:
        rng = np.random.default_rng([seed, list(MACHINES).index(name)])
        counts = Counter()
        for domain, n_train in ((SOURCE, n_source), (TARGET, n_target)):
            place = (name, domain, Hall.drawn(rng), rng, duration_s)
            n_known = n_test // 2
            known = _cut(n_train + n_known, NO_FAULT, *place)
            tests = [*known[n_train:], *_cut(n_test - n_known, NO_FAULT, *place)]
            parts = [(TRAIN, NORMAL, known[:n_train]), (TEST, NORMAL, tests)]
            for split, condition, clips in [*parts, (TEST, ANOMALY, _cut(n_test, FAULTS, *place))]:
                below = folder / name / split
                below.mkdir(parents=True, exist_ok=True)
                for samples, speed, load in clips:
                    number = counts[split, condition, domain]
                    counts[split, condition, domain] += 1
                    file = (
                        f"section_00_{domain}_{split}_{condition}_{number:04d}"
                        f"_spd_{speed}_load_{load}.wav"
                    )
                    soundfile.write(below / file, samples, SAMPLE_RATE, subtype="PCM_16")
    return folder


def _cut(
    count: int,
    faults: Sequence[str | None],
    name: str,
    domain: str,
    hall: Hall,
    rng: np.random.Generator,
    duration_s: float,
) -> list[tuple[np.ndarray, float, str]]:
    """Clips with their speed and load, cut from a few recordings, in any order."""
    speeds = MACHINES[name].speeds_hz
    speeds = speeds[:-2] if domain == SOURCE else speeds[-2:]
    n_recordings = min(count, max(FEWEST_RECORDINGS, -(-count // CLIPS_OF_A_RECORDING)))
    clips = []
    for i, some in enumerate(np.array_split(np.arange(count), n_recordings)):
        speed, load = speeds[i % len(speeds)], LOADS[int(rng.integers(2))]
        length_s = len(some) * duration_s
        samples = recording(name, speed, load, hall, faults[i % len(faults)], rng, length_s)
        clips += [(part, speed, load) for part in np.array_split(samples, len(some))]
    return [clips[i] for i in rng.permutation(count)]


def _partials(
    machine: Machine, angle: np.ndarray, speed_hz: float, load: str, rng: np.random.Generator
) -> np.ndarray:
    sound = np.zeros(len(angle))
    for i, order in enumerate(machine.orders):
        if order * speed_hz < 0.45 * SAMPLE_RATE:
            amplitude = (i + 1) ** -machine.tilt * (1 + i / 5 if load == "high" else 1)
            phase = 2 * np.pi * (order * angle + rng.uniform())
            sound += amplitude * rng.uniform(0.85, 1.15) * np.sin(phase)
    return sound


def _rung(machine: Machine, excitation: np.ndarray) -> np.ndarray:
    """What the housing makes of it."""
    return 0.3 * excitation + sum(_resonance(excitation, hz) for hz in machine.resonances_hz)


def _gain(level_db: float) -> float:
    return 10 ** (level_db / 20)


def _ticks(angle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Short strokes 3.1 to 5.4 times a revolution, each of another strength, at one high tone."""
    turns = np.floor(angle * rng.uniform(3.1, 5.4))
    at = np.flatnonzero(np.diff(turns) > 0)
    strokes = np.zeros(len(angle))
    strokes[at] = 20 * rng.uniform(0.5, 1.0, len(at))
    return _resonance(strokes, rng.uniform(2500, 5500), 0.97)


def _resonance(samples: np.ndarray, hz: float, radius: float = 0.985) -> np.ndarray:
    angle = 2 * np.pi * hz / SAMPLE_RATE
    return lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], samples)


def _noise(n: int, hall: Hall, rng: np.random.Generator) -> np.ndarray:
    """Noise of a hall: air, other machines' hum, now and then a blow on metal; rms 1."""
    time = np.arange(n) / SAMPLE_RATE
    air = np.fft.rfft(coloured_noise(n, hall.slope + rng.uniform(-0.2, 0.2), rng))
    hz = np.maximum(np.fft.rfftfreq(n, 1 / SAMPLE_RATE), 1.0)
    gains_db = np.interp(np.log(hz), np.log(OCTAVES_HZ), hall.octaves_db)
    noise = _unit(np.fft.irfft(air * 10 ** (gains_db / 20), n))
    for i in range(1, 6):
        phase = 2 * np.pi * (i * hall.hum_hz * time + rng.uniform())
        noise += rng.uniform(0.05, 0.25) / i * np.sin(phase)
    for _ in range(rng.poisson(0.5 * n / SAMPLE_RATE)):
        blow = np.exp(-time / rng.uniform(0.02, 0.1)) * np.sin(
            2 * np.pi * rng.uniform(600, 3000) * time
        )
        start = int(rng.integers(n))
        noise[start:] += rng.uniform(0.5, 2.0) * blow[: n - start]
    return _unit(noise)


def _band(samples: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    return sosfilt(butter(2, (low_hz, high_hz), "band", fs=SAMPLE_RATE, output="sos"), samples)


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def _unit(samples: np.ndarray) -> np.ndarray:
    return samples / _rms(samples)
