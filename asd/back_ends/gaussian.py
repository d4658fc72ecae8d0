"""One normal distribution."""

from dataclasses import dataclass

import numpy as np

from asd.back_ends.base import (
    REGULARISATION,
    BackEnd,
    Fitted,
    World,
    check_regularisation,
    unit_length,
)

COVARIANCES = ("full", "diagonal", "spherical")


@dataclass(frozen=True)
class Gaussian(BackEnd):
    """Mahalanobis distance to the mean of all training clips of both domains.

    Parameters
    ----------
    covariance : str
        "full", "diagonal" (variances alone) or "spherical" (their mean).
    regularisation : float
        What is added to the diagonal of the covariance matrix, whose divisor is n; above 0.
    unit : bool
        Whether vectors are scaled to length 1 first.

    Notes
    -----
    Dissertation, section 3.4.3 (Table 6). Within a section, the distance ranks clips as the
    negative logarithm of the density does.
    """

    covariance: str = "full"
    regularisation: float = REGULARISATION
    unit: bool = False

    def __post_init__(self) -> None:
        if self.covariance not in COVARIANCES:
            raise ValueError(
                f"covariance must be one of {', '.join(COVARIANCES)}, not {self.covariance!r}"
            )
        check_regularisation(self.regularisation)

    def fit(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> dict[str, np.ndarray]:
        train = self._prepared(train)
        mean = train.mean(axis=0)
        regular = self._regular(train - mean, self.regularisation)
        return {"mean": mean, "precision": np.linalg.inv(regular) if self._full else 1 / regular}

    def score(self, fitted: Fitted, test: np.ndarray) -> np.ndarray:
        offsets = self._prepared(test) - fitted["mean"]
        if self._full:
            squares = np.einsum("ij,jk,ik->i", offsets, fitted["precision"], offsets, optimize=True)
        else:
            squares = offsets**2 @ fitted["precision"]
        return np.sqrt(np.maximum(squares, 0.0))

    def leave_one_out(
        self, train: np.ndarray, target: np.ndarray, seed: int = 0, *, world: World | None = None
    ) -> np.ndarray:
        n = len(train)
        if n < 2:
            return np.empty(0)
        train = self._prepared(train)
        if self._full:
            squares, _ = left_out_squares(train, np.ones(n), self.regularisation)
            return np.sqrt(squares)
        # As in `left_out_squares`, in each dimension.
        offsets, least = train - train.mean(axis=0), self.regularisation * (n - 1) / n
        own = offsets**2 / (n - 1)
        if self.covariance == "spherical":
            own = own.mean(axis=1, keepdims=True)
        rest = np.maximum(self._regular(offsets, least) - own, least)
        return np.sqrt(n / (n - 1) * np.sum(offsets**2 / rest, axis=1))

    @property
    def _full(self) -> bool:
        return self.covariance == "full"

    def _prepared(self, vectors: np.ndarray) -> np.ndarray:
        return unit_length(vectors) if self.unit else np.asarray(vectors, np.float64)

    def _regular(self, offsets: np.ndarray, regularisation: float) -> np.ndarray:
        """Covariance matrix, shape (d, d), or variances, shape (d,), regularised."""
        if self._full:
            covariance = offsets.T @ offsets / len(offsets)
            return covariance + regularisation * np.eye(len(covariance))
        variances = np.mean(offsets**2, axis=0)
        if self.covariance == "spherical":
            variances = np.full(len(variances), variances.mean())
        return variances + regularisation


def left_out_squares(
    vectors: np.ndarray,
    shares: np.ndarray,
    regularisation: float,
    chosen: np.ndarray | slice = slice(None),
) -> tuple[np.ndarray, np.ndarray]:
    """How far vectors are from the normal distribution of the others.

    Parameters
    ----------
    vectors : np.ndarray, shape (n, d)
    shares : np.ndarray, shape (n,)
        What part of each vector counts for the distribution, 0 to 1.
    regularisation : float
        What is added to the diagonal of the covariance matrix, above 0.
    chosen : np.ndarray of bool, shape (n,), or slice
        For which m vectors to do it; the others have shares above 0 without them.

    Returns
    -------
    squares : np.ndarray, shape (m,)
        Squared Mahalanobis distance of each to the mean of the others.
    log_determinants : np.ndarray, shape (m,)
        Logarithm of the determinant of the covariance matrix of the others, regularised.

    Notes
    -----
    Let N be the sum of the shares, C the covariance matrix of all (divisor N), o the offset of a
    vector from the mean of all, w its share, and M = N - w. Without the vector, the offset is
    N / M o and the covariance matrix N / M (C - w / M o o'), to which the regularisation r is
    added. With A = C + r M / N I and q = o' A^-1 o, the Sherman-Morrison formula gives the squared
    distance N / M q / (1 - w / M q), the matrix determinant lemma the determinant
    (N / M)^d det(A) (1 - w / M q). The eigenvectors of C are those of every A.
    """
    total = shares.sum()
    offsets = vectors - shares @ vectors / total
    variances, axes = np.linalg.eigh((shares[:, None] * offsets).T @ offsets / total)
    offsets, own = offsets[chosen], shares[chosen]
    rest = total - own
    growth, least = total / rest, regularisation * rest / total
    regular = np.maximum(variances, 0.0) + least[:, None]
    squares = np.sum((offsets @ axes) ** 2 / regular, axis=1)
    # Rounding: what the others leave of the variance is at least the regularisation.
    lengths = own / rest * np.sum(offsets**2, axis=1)
    left = np.maximum(1 - own / rest * squares, least / (least + lengths))
    log_determinants = (
        vectors.shape[1] * np.log(growth) + np.sum(np.log(regular), axis=1) + np.log(left)
    )
    return growth * squares / left, log_determinants
