"""Log-Mel spectrograms for pictures, of clips and of long recordings."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from fewshot.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOP, WINDOW, N_MELS = 256, 1024, 64
RANGE_DB = 60.0
TICKS_KHZ = (0.5, 1, 2, 4)


def spectrogram(samples: np.ndarray) -> np.ndarray:
    """Log-Mel spectrogram for a picture.

    Parameters
    ----------
    samples : np.ndarray, shape (n,)
        At 16 kHz; n may be 0.

    Returns
    -------
    np.ndarray, shape (n_frames, 64), float32
        In dB of full scale, a frame every 16 ms.
    """
    import torch

    from fewshot.features import log_mel

    # Frames are reflected at the ends, which takes more than half a window of sound.
    padded = np.pad(samples, (0, max(0, WINDOW - len(samples)))).astype(np.float32)
    features = log_mel(torch.from_numpy(padded)[None], n_mels=N_MELS, n_fft=WINDOW, hop=HOP)
    return features[0].numpy() * np.float32(20 / np.log(10))


def spectrogram_overview(
    blocks: Iterable[np.ndarray], duration_s: float, n_columns: int
) -> tuple[np.ndarray, float]:
    """Log-Mel spectrogram of a long recording, its highest levels in each of so many columns.

    Parameters
    ----------
    blocks : iterable of np.ndarray, shape (n,)
        At 16 kHz; only one is held at a time.
    duration_s : float
        Of all blocks together.
    n_columns : int
        Columns at most.

    Returns
    -------
    levels_db : np.ndarray, shape (m, 64), float32
        As `spectrogram`, m <= n_columns.
    step_s : float
        Time from one column to the next.
    """
    total = round(duration_s * SAMPLE_RATE)
    count = min(n_columns, max(1, total // HOP))
    highest, done = np.full((count, N_MELS), -np.inf, np.float32), 0
    for block in blocks:
        levels_db = spectrogram(block)
        columns = (done + HOP * np.arange(len(levels_db))) * count // total
        np.maximum.at(highest, np.minimum(columns, count - 1), levels_db)
        done += len(block)
    return highest, duration_s / count


def draw_spectrogram(
    axes: "Axes",
    levels_db: np.ndarray,
    onset_s: float,
    top_db: float | None = None,
    *,
    step_s: float = HOP / SAMPLE_RATE,
) -> None:
    """Draw what `spectrogram` gives, 60 dB from white to black, over time and a Mel axis in kHz.

    Parameters
    ----------
    axes : Axes
        Its limits of time stay as they are.
    levels_db : np.ndarray, shape (n_frames, 64)
    onset_s : float
        Time of the first frame.
    top_db : float, optional
        What is black; by default the highest level.
    step_s : float
        Time from one frame to the next.
    """
    top_db = levels_db.max() if top_db is None else top_db
    step = _mel(SAMPLE_RATE / 2) / (N_MELS + 1)
    half_s, limits = step_s / 2, axes.get_xlim()
    first, last = onset_s - half_s, onset_s + (2 * len(levels_db) - 1) * half_s
    axes.imshow(
        levels_db.T,
        extent=(first, last, step / 2, step * (N_MELS + 0.5)),
        origin="lower",
        aspect="auto",
        cmap="Greys",
        vmin=top_db - RANGE_DB,
        vmax=top_db,
    )
    axes.set_xlim(limits)
    axes.set_yticks([_mel(1000 * khz) for khz in TICKS_KHZ], [f"{khz:g}" for khz in TICKS_KHZ])
    axes.set_ylabel("kHz")


def _mel(hz: float) -> float:
    return 2595.0 * np.log10(1.0 + hz / 700.0)
