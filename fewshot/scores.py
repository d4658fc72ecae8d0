"""Scores of clips, as thresholds and metrics take them: the higher, the more anomalous."""

import numpy as np
from numpy.typing import ArrayLike


def checked_scores(scores: ArrayLike) -> np.ndarray:
    """Scores as floats, shape (n,); ValueError if there are none or some are not finite."""
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or not scores.size:
        raise ValueError(f"scores must have the shape (n,) with n > 0, not {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite, some are NaN or infinite")
    return scores
