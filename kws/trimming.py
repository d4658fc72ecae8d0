"""Where the word is in a clip that was recorded with silence, breath or room noise around it."""

import numpy as np
from scipy.fft import rfft
from scipy.ndimage import binary_propagation
from scipy.signal.windows import hann

from fewshot.audio import SAMPLE_RATE

MARGIN_S = 0.025
"""What is kept on either side of the sound that was found, since words fade in and out."""
PAUSE_S = 0.25
"""Stillness that is no part of a word: plosives are silent, and words end softly, for less."""

WINDOW, HOP, N_FFT = 400, 160, 512
BANDS_HZ = ((100, 1000), (1000, 4000), (4000, 8000))
STILL_SHARE = 0.1
ABOVE_FLOOR_DB, FADING_DB, BELOW_PEAK_DB = 8.0, 4.0, 40.0
SHORTEST_BURST_S, FAINTEST_BURST_DB = 0.08, 25.0


def speech_span(samples: np.ndarray) -> tuple[int, int]:
    """Find the word or phrase in a clip, generously.

    Parameters
    ----------
    samples : np.ndarray, shape (n,)
        Conditioned sound at 16 kHz, of any level.

    Returns
    -------
    onset, offset : int
        The samples [onset, offset) hold it, and 0.025 s before and behind it. All are kept where
        nothing stands out, and on a side where less than 0.25 s would be taken off.

    Notes
    -----
    After the voice-activity detection of the two-dimensional embeddings paper (K. Wilkinghoff et
    al., 2021, section 2.3): energy in bands, so that hissing consonants count beside louder vowels.
    The paper's thresholds were fixed on its data. Here they go by the clip: a frame (25 ms, every
    10 ms) sounds if one of its bands is 8 dB above the level that a tenth of the clip stays below,
    4 dB beside a frame that sounds, and not 40 dB below the loudest. Sound with pauses shorter than
    0.25 s is one burst. Those of less than 0.08 s, such as clicks, and those 25 dB below the
    loudest, such as breath, do not count; from the first to the last of the others everything is
    kept.

    Examples
    --------
    >>> tone = np.sin(np.arange(8000) / 5)
    >>> speech_span(tone)
    (0, 8000)
    >>> onset, offset = speech_span(np.concatenate([np.zeros(16000), tone, np.zeros(16000)]))
    >>> 15000 < onset < 16000, 24000 < offset < 25000
    (True, True)
    """
    end = len(samples)
    if end < WINDOW:
        return 0, end
    levels = _levels(samples)
    floor, lowest = np.quantile(levels, STILL_SHARE, axis=0), levels.max() - BELOW_PEAK_DB
    rising, fading = (
        (levels > np.maximum(floor + above, lowest)).any(axis=1)
        for above in (ABOVE_FLOOR_DB, FADING_DB)
    )
    sounds = binary_propagation(rising, mask=fading)
    bursts = [
        burst
        for burst in _bursts(sounds)
        if sounds[burst].sum() * HOP >= SHORTEST_BURST_S * SAMPLE_RATE
    ]
    if not bursts:
        return 0, end
    loudness = np.array([levels[burst].max() for burst in bursts])
    kept = np.flatnonzero(loudness >= loudness.max() - FAINTEST_BURST_DB)
    # A frame tells what is in its middle.
    shift, margin = WINDOW // 2, round(MARGIN_S * SAMPLE_RATE)
    onset = bursts[kept[0]].start * HOP + shift - margin
    offset = (bursts[kept[-1]].stop - 1) * HOP + shift + margin
    least = PAUSE_S * SAMPLE_RATE
    return onset if onset >= least else 0, offset if end - offset >= least else end


def _levels(samples: np.ndarray) -> np.ndarray:
    """Energy of every frame in each band, shape (frames, bands), in dB."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    energy = np.square(np.abs(rfft(frames * hann(WINDOW), N_FFT)))
    hz = np.arange(energy.shape[1]) * SAMPLE_RATE / N_FFT
    bands = [energy[:, (low <= hz) & (hz < high)].sum(axis=1) for low, high in BANDS_HZ]
    return 10 * np.log10(np.stack(bands, axis=1) + np.finfo(np.float32).tiny)


def _bursts(sounds: np.ndarray) -> list[slice]:
    """Runs of frames that sound, shorter pauses included."""
    places = np.flatnonzero(sounds)
    pauses = np.flatnonzero(np.diff(places) * HOP > PAUSE_S * SAMPLE_RATE) + 1
    runs = np.split(places, pauses) if len(places) else []
    return [slice(int(run[0]), int(run[-1]) + 1) for run in runs]
