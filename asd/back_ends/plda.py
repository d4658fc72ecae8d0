"""Probabilistic linear discriminant analysis: does a clip sound like its own section?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from asd.back_ends.base import (
    REGULARISATION,
    BackEnd,
    Fitted,
    World,
    check_regularisation,
    unit_length,
)
from fewshot.errors import InputError


@dataclass(frozen=True)
class Plda(BackEnd):
    """Negative log-likelihood ratio of a clip being of this section and of it being of any.

    Parameters
    ----------
    n_dims : int
        Or as many as the vectors have, if these are fewer.
    regularisation : float
        What is added to the diagonals of the covariance matrices between and within sections;
        above 0.

    Notes
    -----
    Dissertation, section 3.4.3 (Table 6, two-covariance model). Vectors are scaled to length 1
    before. One of section c is y_c + e with y_c ~ N(m, B) and e ~ N(0, W); m and B are mean and
    covariance of the sections' means, W is the covariance within sections. Of n vectors x of
    section c, y_c has the posterior covariance V = (B^-1 + n W^-1)^-1 and the posterior mean
    mu_c = V (B^-1 m + W^-1 sum x), and the score of a vector t is
    -log N(t; mu_c, V + W) + log N(t; m, B + W).

    Of the directions that make W the identity and B diagonal, the `n_dims` with the greatest
    ratios of B to W are kept. With few sections most of them are no linear discriminants, but
    directions in which clips of all sections differ little, where anomalies show: there the
    regularisation stands for what the sections' means differ.

    Where a training clip is left out of its section, m, B and W still know of it.
    """

    n_dims: int = 128
    regularisation: float = REGULARISATION
    needs_world: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_regularisation(self.regularisation)

    def fit(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> dict[str, np.ndarray]:
        space = self._space(world)
        projected = unit_length(train) @ space["projection"]
        centre, spread = _posterior(space, projected.sum(axis=0), len(projected))
        return space | {"centre": centre, "spread": spread}

    def score(self, fitted: Fitted, test: np.ndarray) -> np.ndarray:
        projected = unit_length(test) @ fitted["projection"]
        return _log_ratios(fitted, projected, fitted["centre"], fitted["spread"])

    def leave_one_out(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> np.ndarray:
        space = self._space(world)
        if len(train) < 2:
            return np.empty(0)
        projected = unit_length(train) @ space["projection"]
        sums = projected.sum(axis=0) - projected
        return _log_ratios(space, projected, *_posterior(space, sums, len(projected) - 1))

    def _space(self, world: World | None) -> dict[str, np.ndarray]:
        """Directions (d, k) in which W is the identity; m and the diagonal of B in them, (k,)."""
        from scipy.linalg import eigh

        if world is None or world.n_sections < 2:
            raise InputError(
                "PLDA compares a section with others, and there is no other; "
                "train it on two sections or more, or choose another back end"
            )
        mean, between, within = world.covariances
        regular = self.regularisation * np.eye(len(mean))
        first = max(0, len(mean) - self.n_dims)
        ratios, projection = eigh(
            between + regular, within + regular, subset_by_index=[first, len(mean) - 1]
        )
        return {"projection": projection, "mean": mean @ projection, "between": ratios}


def _posterior(space: Fitted, sums: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Means (..., k) and variances (k,) of y_c, given the sums of n projected clips."""
    shrinkage = 1 + n * space["between"]
    return (space["mean"] + space["between"] * sums) / shrinkage, space["between"] / shrinkage


def _log_ratios(
    space: Fitted, projected: np.ndarray, centre: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """Scores of projected clips, (m, k) -> (m,)."""
    any_section = _log_densities(projected - space["mean"], space["between"] + 1)
    return any_section - _log_densities(projected - centre, spread + 1)


def _log_densities(offsets: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Of normal distributions in independent dimensions, without the power of 2 pi."""
    return -0.5 * np.sum(np.log(variances) + offsets**2 / variances, axis=1)
