"""How well clips are told apart and unknown ones told from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fewshot.errors import InputError
from fewshot.metrics import unknown_auc


@dataclass(frozen=True)
class ClassCounts:
    """What became of the clips of one class.

    Attributes
    ----------
    n : int
        Its clips; they are right, or rejected as unknown, or confused with another class.
    right, rejected, confused : int
        Of unknown clips, the rejected ones are right.
    """

    n: int
    right: int
    rejected: int
    confused: int


@dataclass(frozen=True)
class Evaluation:
    """Figures of one set of labelled clips; None where there are no clips to tell.

    Attributes
    ----------
    n_known, n_unknown : int
        Clips of known classes, and others.
    known_accuracy : float or None
        Share of the known clips that are answered with their class.
    unknown_accuracy : float or None
        Share of the other clips that are answered "unknown".
    weighted_accuracy : float or None
        The mean of both.
    closed_set_accuracy : float or None
        Share of the known clips whose nearest known class is theirs, whatever their score.
    auroc : float or None
        Of the scores, known against unknown.
    classes : mapping
        Counts of each class, those of unknown clips last, under the unknown label.
    confusion : np.ndarray of int, shape (n_classes + 1, n_classes + 1)
        True classes are rows, answers columns; unknown is the last of each.
    """

    n_known: int
    n_unknown: int
    known_accuracy: float | None
    unknown_accuracy: float | None
    weighted_accuracy: float | None
    closed_set_accuracy: float | None
    auroc: float | None
    classes: Mapping[object, ClassCounts]
    confusion: np.ndarray


def evaluate(
    labels: ArrayLike,
    answers: ArrayLike,
    nearest: ArrayLike,
    scores: ArrayLike,
    classes: Sequence,
    unknown_label: object,
) -> Evaluation:
    """Compare answers with the truth.

    Parameters
    ----------
    labels : array_like, shape (n,)
        True classes; every one that is not in `classes` counts as unknown.
    answers : array_like, shape (n,)
        A class or the unknown label.
    nearest : array_like, shape (n,)
        The nearest known class.
    scores : array_like, shape (n,)
        Higher is more surely known.
    classes : sequence
        The known ones.
    unknown_label : object

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        There are no clips.
    """
    columns = {label: i for i, label in enumerate([*classes, unknown_label])}
    last = len(columns) - 1
    truth = np.array([columns.get(label, last) for label in np.asarray(labels).tolist()])
    if not len(truth):
        raise InputError("no clips to evaluate")
    said = np.array([columns[answer] for answer in np.asarray(answers).tolist()])
    closest = np.array([columns[label] for label in np.asarray(nearest).tolist()])
    confusion = np.zeros((last + 1, last + 1), int)
    np.add.at(confusion, (truth, said), 1)
    known = truth < last
    known_accuracy = _share((said == truth)[known])
    unknown_accuracy = _share((said == truth)[~known])
    both = known_accuracy is not None and unknown_accuracy is not None
    return Evaluation(
        n_known=int(known.sum()),
        n_unknown=int((~known).sum()),
        known_accuracy=known_accuracy,
        unknown_accuracy=unknown_accuracy,
        weighted_accuracy=(known_accuracy + unknown_accuracy) / 2 if both else None,
        closed_set_accuracy=_share((closest == truth)[known]),
        auroc=unknown_auc(~known, -np.asarray(scores), unknown=True) if both else None,
        classes={label: _counts(confusion[i], i, last) for label, i in columns.items()},
        confusion=confusion,
    )


def best_threshold(
    labels: ArrayLike, nearest: ArrayLike, scores: ArrayLike, classes: Sequence
) -> tuple[float, float]:
    """The threshold with the highest weighted accuracy on these very clips, and that accuracy.

    Parameters
    ----------
    labels, nearest, scores, classes
        As for `evaluate`; there are known and other clips.

    Returns
    -------
    threshold : float
        One of the scores, or just above all of them; the highest one of equals.
    weighted_accuracy : float
        Optimistic: on other clips it is lower.
    """
    labels, nearest = np.asarray(labels), np.asarray(nearest)
    known = np.isin(labels, np.asarray(classes))
    order = np.argsort(-np.asarray(scores), kind="stable")
    right, wrong = (known & (labels == nearest))[order], ~known[order]
    gained = np.concatenate([[0], np.cumsum(right)]) / known.sum()
    kept = 1 - np.concatenate([[0], np.cumsum(wrong)]) / wrong.sum()
    ordered = np.asarray(scores, float)[order]
    limits = np.concatenate([[np.nextafter(ordered[0], np.inf)], ordered])
    # Clips with one score are taken or left together.
    whole = np.append(limits[1:] != limits[:-1], True)
    value = np.where(whole, (gained + kept) / 2, -1.0)
    best = int(value.argmax())
    return float(limits[best]), float(value[best])


def _share(flags: np.ndarray) -> float | None:
    return float(flags.mean()) if len(flags) else None


def _counts(row: np.ndarray, own: int, last: int) -> ClassCounts:
    n, right, rejected = int(row.sum()), int(row[own]), int(row[last])
    confused = n - right - (rejected if own != last else 0)
    return ClassCounts(n, right, rejected, confused)
