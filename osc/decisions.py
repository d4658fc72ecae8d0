"""From embeddings to answers: similarity to each class, one score, known or unknown.

Known unknowns, examples of what is to be rejected, are classes like the known ones and stand behind
them in every array here.
"""

from dataclasses import dataclass

import numpy as np

from fewshot.errors import InputError
from osc.vectors import unit


@dataclass(frozen=True)
class Examples:
    """The training clips as a classifier keeps them.

    Attributes
    ----------
    embeddings : np.ndarray, shape (n, dim), float32
        Of unit length.
    labels : np.ndarray, shape (n,)
        Class of each; of known unknowns the class within them, as text.
    known : np.ndarray of bool, shape (n,)
        False for known unknowns.
    copies : np.ndarray, shape (m, dim), float32
        Embeddings of altered copies of clips that are alone in their known class.
    copied : np.ndarray of int, shape (m,)
        Which clip each is a copy of.
    names, digests : np.ndarray of str, shape (n,)
        What messages call the clips, and the SHA-256 of their samples.
    """

    embeddings: np.ndarray
    labels: np.ndarray
    known: np.ndarray
    copies: np.ndarray
    copied: np.ndarray
    names: np.ndarray
    digests: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        """Known classes, sorted."""
        return np.unique(self.labels[self.known])

    @property
    def n_classes(self) -> int:
        """Known classes, and classes of known unknowns."""
        return len(self.classes) + len(self._groups)

    @property
    def index(self) -> np.ndarray:
        """Class of each clip, shape (n,): known ones first."""
        found = np.empty(len(self.labels), int)
        found[self.known] = np.searchsorted(self.classes, self.labels[self.known])
        groups = np.searchsorted(self._groups, self.labels[~self.known].astype(str))
        found[~self.known] = len(self.classes) + groups
        return found

    @property
    def _groups(self) -> np.ndarray:
        return np.unique(self.labels[~self.known].astype(str))

    def check(self) -> None:
        """Raise ValueError if the arrays do not fit each other."""
        n = len(self.labels)
        if self.embeddings.ndim != 2 or len(self.embeddings) != n or self.known.shape != (n,):
            raise ValueError("its embeddings are not those of its labels")
        if len(self.names) != n or len(self.digests) != n:
            raise ValueError("its clips are not those of its labels")
        if self.copies.ndim != 2 or self.copied.shape != (len(self.copies),):
            raise ValueError("its copies are not those of its clips")
        if self.copies.shape[1] != self.embeddings.shape[1] or not self.known.any():
            raise ValueError("its embeddings have several sizes, or no class is known")
        if len(self.copied) and not 0 <= self.copied.min() <= self.copied.max() < n:
            raise ValueError("its copies are of clips that are not there")

    def check_different(self) -> None:
        """Raise InputError if a sound is an example of two classes, or both known and unknown."""
        first: dict[str, int] = {}
        for i, digest in enumerate(self.digests.tolist()):
            other = first.setdefault(digest, i)
            same = self.labels[other] == self.labels[i] or not self.known[i]
            if self.known[other] != self.known[i] or not same:
                raise InputError(
                    f"{self.names[i]}: the same sound as {self.names[other]}, which is of another "
                    "class; take it out of one"
                )

    def joined(self, other: "Examples") -> "Examples":
        """These and other ones."""
        return Examples(
            np.concatenate([self.embeddings, other.embeddings]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.known, other.known]),
            np.concatenate([self.copies, other.copies]),
            np.concatenate([self.copied, other.copied + len(self.labels)]),
            np.concatenate([self.names, other.names]),
            np.concatenate([self.digests, other.digests]),
        )


def class_similarities(
    queries: np.ndarray, examples: Examples, decision: str, *, leave_one_out: bool = False
) -> np.ndarray:
    """Similarity of clips to each class.

    Parameters
    ----------
    queries : np.ndarray, shape (n, dim)
        Embeddings of unit length.
    examples : Examples
    decision : {"centre", "nearest", "softmax"}
        Cosine to the mean of a class's clips; cosine to the nearest of them; softmax over the
        former, with the scale sqrt(2) log(classes - 1) of AdaCos.
    leave_one_out : bool
        The queries are the examples, and none is compared with itself.

    Returns
    -------
    np.ndarray, shape (n, n_classes)
        NaN where a class has no other clip than the query.
    """
    index, n_classes = examples.index, examples.n_classes
    if decision == "nearest":
        cosines = queries @ examples.embeddings.T
        if leave_one_out:
            np.fill_diagonal(cosines, np.nan)
        found = np.full((len(queries), n_classes), np.nan, np.float32)
        for i in range(n_classes):
            found[:, i] = np.fmax.reduce(cosines[:, index == i], axis=1)
        return np.clip(found, -1, 1)
    found = _centre_cosines(queries, examples, index, n_classes, leave_one_out)
    if decision == "centre":
        return found
    scale = np.sqrt(2) * np.log(max(n_classes - 1, 2))
    weights = np.exp(scale * found)
    # A class without another clip counts as one that is as similar as the others are: left out, it
    # would leave everything to the others, and be 1 for the only other one.
    present = np.isfinite(weights).sum(axis=1, keepdims=True)
    return weights / (
        np.nansum(weights, axis=1, keepdims=True) * n_classes / np.maximum(present, 1)
    )


def _centre_cosines(
    queries: np.ndarray, examples: Examples, index: np.ndarray, n_classes: int, leave_one_out: bool
) -> np.ndarray:
    sums = np.zeros((n_classes, queries.shape[1]))
    np.add.at(sums, index, examples.embeddings)
    found = queries @ unit(sums).T
    if leave_one_out:
        own = np.arange(len(queries)), index
        found[own] = np.sum(queries * unit(sums[index] - queries), axis=1)
        alone = np.bincount(index, minlength=n_classes)[index] == 1
        found[own[0][alone], index[alone]] = np.nan
    return np.clip(found, -1, 1)


def score(similarities: np.ndarray, n_known: int, rejection: str) -> np.ndarray:
    """How surely clips are of a known class; those at or above a threshold are taken for known.

    Parameters
    ----------
    similarities : np.ndarray, shape (n, n_classes)
        As `class_similarities` gives them.
    n_known : int
        Known classes, the first columns.
    rejection : {"similarity", "margin"}
        With k the largest similarity to a known class and u that to a known unknown: "similarity"
        is k where k >= u, and k - u - 1 where a known unknown is nearer, which is below every k;
        "margin" is k - u. Both are k if there are no known unknowns.

    Returns
    -------
    np.ndarray, shape (n,)
    """
    known = similarities[:, :n_known].max(axis=1)
    if similarities.shape[1] == n_known:
        return known
    unknown = similarities[:, n_known:].max(axis=1)
    if rejection == "margin":
        return known - unknown
    return np.where(known >= unknown, known, known - unknown - 1)


@dataclass(frozen=True)
class TrainingScores:
    """What a threshold can be estimated from.

    Attributes
    ----------
    own : np.ndarray, shape (m,)
        Scores of clips of known classes for their own class: each left out in turn where a class
        has two or more clips; if none has, scores of altered copies of the clips.
    foreign : np.ndarray, shape (n,)
        Scores of all training clips if their own class were not known; empty where there is a
        single class.
    others : np.ndarray, shape (n,)
        Largest similarity of those clips to a known class that is not their own.
    left_out : bool
        Whether `own` is from clips that were left out.
    """

    own: np.ndarray
    foreign: np.ndarray
    others: np.ndarray
    left_out: bool


def training_scores(examples: Examples, decision: str, rejection: str) -> TrainingScores:
    """Scores of the training clips themselves, for `osc.thresholds`.

    A known clip's score for its own class counts known unknowns in the margin only, so that one
    confused clip does not look like a clip far away from everything.
    """
    n_known, index = len(examples.classes), examples.index
    similarities = class_similarities(examples.embeddings, examples, decision, leave_one_out=True)
    rows = np.flatnonzero(examples.known)
    own = similarities[rows, index[rows]]
    left_out = bool(np.isfinite(own).any())
    if not left_out:
        of_copies = class_similarities(examples.copies, examples, decision)
        owners = index[examples.copied]
        own = of_copies[np.arange(len(owners)), owners]
        own = own - _penalty(of_copies, n_known, rejection)
    else:
        own = own - _penalty(similarities[rows], n_known, rejection)
    foreign = similarities.copy()
    foreign[rows, index[rows]] = -np.inf
    if n_known == 1:
        foreign = foreign[~examples.known]
    others = foreign[:, :n_known].max(axis=1).astype(float)
    # A known unknown meets its own class: it was trained on, and will be when it comes again.
    seen = class_similarities(examples.embeddings, examples, decision)[:, n_known:]
    foreign[:, n_known:] = seen if n_known > 1 else seen[~examples.known]
    return TrainingScores(
        own[np.isfinite(own)],
        score(foreign, n_known, rejection).astype(float),
        others,
        left_out,
    )


def _penalty(similarities: np.ndarray, n_known: int, rejection: str) -> np.ndarray:
    if rejection == "similarity" or similarities.shape[1] == n_known:
        return np.zeros(len(similarities))
    return similarities[:, n_known:].max(axis=1)
