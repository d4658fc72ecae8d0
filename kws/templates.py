"""Templates of a keyword: every shot, or their barycentre."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.distance import cdist

from kws.dtw import warping_path
from kws.frames import unit_rows

MOST_ITERATIONS = 30
LEAST_GAIN = 1e-5
"""When averaging ends; both as in tslearn."""


@dataclass(frozen=True)
class Template:
    """What is searched for.

    Attributes
    ----------
    keyword : str
    frames : np.ndarray, shape (n_frames, dim), float32
        Rows of unit length.
    mean, deviation : float
        Of the best scores in stretches of other sound: scores are given as deviations above that
        mean.
    half_mean, half_deviation : float or None
        The same of the worse halves of those paths, by which matches are scored; None: they are
        scored by the whole path.
    broken_off : np.ndarray or None, shape (n_frames, dim), float32
        What is heard in the frames' place where the keyword's beginning is said, but not its end;
        rows of unit length.
    """

    keyword: str
    frames: np.ndarray = field(repr=False)
    mean: float = 0.0
    deviation: float = 1.0
    half_mean: float | None = None
    half_deviation: float | None = None
    broken_off: np.ndarray | None = field(default=None, repr=False)


def templates_of(sequences: Sequence[np.ndarray], mode: str = "barycenter") -> list[np.ndarray]:
    """Templates of one keyword.

    Parameters
    ----------
    sequences : sequence of np.ndarray, shapes (n_i, dim)
        Embedded clips, rows of unit length.
    mode : {"barycenter", "shots"}
        One barycentre, or every clip.

    Returns
    -------
    list of np.ndarray, shapes (L_i, dim), float32
        Rows of unit length.

    Raises
    ------
    ValueError
        There are no clips, one is empty, or there is no such mode.
    """
    if mode == "barycenter":
        return [barycentre(sequences)]
    if mode == "shots":
        return [unit_rows(sequence) for sequence in _checked(sequences)]
    raise ValueError(f"templates are 'barycenter' or 'shots', not {mode!r}")


def barycentre(sequences: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of sequences under dynamic time warping (DBA).

    From the sequences' linearly stretched mean on: align each sequence to the mean, replace each of
    its frames by the mean of all frames aligned to it; until that gains nothing. The squared
    Euclidean distance of unit rows is twice their cosine distance. The length is the median of
    the sequences' lengths, halves rounded up.

    Parameters
    ----------
    sequences : sequence of np.ndarray, shapes (n_i, dim)
        Rows of unit length.

    Returns
    -------
    np.ndarray, shape (L, dim), float32
        Rows of unit length.

    Raises
    ------
    ValueError
        There are no sequences, or one is empty.

    Notes
    -----
    F. Petitjean, A. Ketterlin and P. Gançarski, "A global averaging method for dynamic time
    warping", Pattern Recognition 44(3), 2011. The result is that of
    `tslearn.barycenters.dtw_barycenter_averaging` from the same beginning, without its imports and
    its compilation in every process, which take seconds.

    Examples
    --------
    >>> slow, fast = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2, 2]], np.eye(3)[[0, 1, 2]]
    >>> barycentre([slow, fast, slow])
    array([[1., 0., 0.],
           [1., 0., 0.],
           [0., 1., 0.],
           [0., 1., 0.],
           [0., 0., 1.],
           [0., 0., 1.]], dtype=float32)
    """
    sequences = [sequence.astype(np.float64) for sequence in _checked(sequences)]
    length = int(np.median([len(sequence) for sequence in sequences]) + 0.5)
    mean = np.mean([_stretch(sequence, length) for sequence in sequences], axis=0)
    last_total = np.inf
    for _ in range(MOST_ITERATIONS):
        mean, total = _average(sequences, mean)
        if last_total - total < LEAST_GAIN * len(sequences):
            break
        last_total = total
    return unit_rows(mean)


def in_place(
    template: np.ndarray, sequences: Sequence[np.ndarray], others: Sequence[np.ndarray]
) -> np.ndarray:
    """What other sequences hold where these match a template.

    Parameters
    ----------
    template : np.ndarray, shape (L, dim)
    sequences : sequence of np.ndarray, shapes (n_i, dim)
        They are aligned to the template as in `barycentre`.
    others : sequence of np.ndarray, shapes (n_i, dim)
        As long as the sequences, frame by frame.

    Returns
    -------
    np.ndarray, shape (L, dim), float32
        Mean of the others' frames in the place of each of the template's; rows of unit length.
    """
    return unit_rows(_average(sequences, template.astype(np.float64), others)[0])


def _average(
    sequences: Sequence[np.ndarray],
    mean: np.ndarray,
    others: Sequence[np.ndarray] | None = None,
) -> tuple[np.ndarray, float]:
    """Mean of the frames (of others) aligned to each of the old mean; sum of the paths' costs."""
    sums, counts, total = np.zeros_like(mean), np.zeros(len(mean)), 0.0
    for sequence, other in zip(sequences, others or sequences, strict=True):
        cost, path = warping_path(cdist(mean, sequence, "sqeuclidean"))
        total += cost
        np.add.at(sums, path[:, 0], other[path[:, 1]])
        counts += np.bincount(path[:, 0])
    return sums / counts[:, None], total


def _checked(sequences: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    if not len(sequences) or not all(len(sequence) for sequence in sequences):
        raise ValueError("templates need at least one clip, and clips at least one frame")
    return sequences


def _stretch(sequence: np.ndarray, length: int) -> np.ndarray:
    position = np.linspace(0, len(sequence) - 1, length)
    left = position.astype(int)
    right = np.minimum(left + 1, len(sequence) - 1)
    part = (position - left)[:, None]
    return (1 - part) * sequence[left] + part * sequence[right]
