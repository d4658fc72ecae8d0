"""Known classes and unknown sound: classification and rejection together (dissertation, 2.10.2).

Clips of unknown classes are labelled with one word. A predicted class is the nearest one, before
anything is rejected; where it is that word (a known unknown is nearest), a known clip is confused.
"""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import auc as area

from fewshot.metrics import detection
from fewshot.metrics.detection import (
    check_p,
    checked_flags,
    crossing,
    descending_thresholds,
)
from fewshot.scores import checked_scores

UNKNOWN = "unknown"


def openness(n_train: int, n_test: int) -> float:
    """How open a task is (63): 0 if every class is known, towards 1 the more are not.

    Parameters
    ----------
    n_train : int
        Classes with training clips, known unknowns among them.
    n_test : int
        Classes in the test set: those and the unknown ones.

    Returns
    -------
    float

    Examples
    --------
    >>> [round(openness(n, 34), 2) for n in (34, 29, 24)]
    [0.0, 0.04, 0.09]
    """
    if not 1 <= n_train <= n_test:
        message = f"1 or more classes are trained, and the test set holds them all: not {n_train}"
        raise ValueError(f"{message} and {n_test}")
    return float(1 - np.sqrt(2 * n_train / (n_train + n_test)))


def _checked_labels(
    labels: ArrayLike, predicted: ArrayLike, unknown: object
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, predictions, and which of the labels are unknown."""
    # As objects, since an array of numbers and a word would become one of words.
    labels, predicted = np.asarray(labels, dtype=object), np.asarray(predicted, dtype=object)
    if labels.ndim != 1 or not labels.size:
        raise ValueError(f"labels must have the shape (n,) with n > 0, not {labels.shape}")
    if predicted.shape != labels.shape:
        raise ValueError(f"{len(labels)} labels but predictions of the shape {predicted.shape}")
    is_unknown = labels == unknown
    if is_unknown.all() or not is_unknown.any():
        which = "all" if is_unknown.all() else "none"
        message = f"{which} of the {len(labels)} labels are {unknown!r}"
        raise ValueError(f"{message}, known and unknown clips are needed")
    return labels, predicted, is_unknown


def _check_weight(weight: float) -> None:
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must be in [0, 1], not {weight}")


def weighted_accuracy(
    labels: ArrayLike, answers: ArrayLike, *, weight: float = 0.5, unknown: object = UNKNOWN
) -> float:
    """Accuracy over known clips and over unknown ones, half of each.

    This is what is reported for few-shot open-set classification.

    Parameters
    ----------
    labels : array_like, shape (n,)
        True classes; `unknown` for clips of unknown classes.
    answers : array_like, shape (n,)
        What the classifier says: a class, or `unknown`.
    weight : float
        Of the known clips, in [0, 1].
    unknown : object
        Label and answer that stand for no known class.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        No clips, or only known or unknown ones. So does every function below.

    Examples
    --------
    >>> labels = ["bell", "bell", "siren", "siren", "unknown", "unknown"]
    >>> answers = ["bell", "siren", "unknown", "siren", "unknown", "bell"]
    >>> weighted_accuracy(labels, answers)
    0.5
    """
    _check_weight(weight)
    labels, answers, is_unknown = _checked_labels(labels, answers, unknown)
    right = labels == answers
    return float(weight * right[~is_unknown].mean() + (1 - weight) * right[is_unknown].mean())


def weighted_task_accuracy(
    labels: ArrayLike,
    predicted: ArrayLike,
    rejected: ArrayLike,
    *,
    weight: float = 0.5,
    unknown: object = UNKNOWN,
) -> float:
    """Accuracy of telling the known classes apart and of telling known from unknown (27).

    Parameters
    ----------
    labels : array_like, shape (n,)
        True classes; `unknown` for clips of unknown classes.
    predicted : array_like, shape (n,)
        The nearest class, whether or not the clip is rejected.
    rejected : array_like of bool, shape (n,)
        Which clips are taken for unknown.
    weight : float
        Of the first, in [0, 1].
    unknown : object

    Returns
    -------
    float
        In [0, 1].

    Notes
    -----
    The sum over classes that the equation prints is taken as a mean over those with test clips,
    without which it leaves [0, 1]. The second accuracy is that over all clips.
    """
    _check_weight(weight)
    labels, predicted, is_unknown = _checked_labels(labels, predicted, unknown)
    rejected = checked_flags("rejected", rejected, len(labels))
    right = labels == predicted
    known = dict.fromkeys(labels[~is_unknown])
    classes = [right[labels == label].mean() for label in known]
    return float(weight * np.mean(classes) + (1 - weight) * np.mean(rejected == is_unknown))


def _is_unknown(labels: ArrayLike, unknown: object) -> np.ndarray:
    return _checked_labels(labels, labels, unknown)[2]


def unknown_auc(labels: ArrayLike, scores: ArrayLike, *, unknown: object = UNKNOWN) -> float:
    """AUROC of known against unknown clips.

    Parameters
    ----------
    labels : array_like, shape (n,)
        `unknown` for clips of unknown classes.
    scores : array_like, shape (n,)
        The higher, the more surely unknown: one minus the similarity to the nearest class.
    unknown : object

    Returns
    -------
    float
    """
    return detection.auc(_is_unknown(labels, unknown), scores)


def unknown_pauc(
    labels: ArrayLike, scores: ArrayLike, p: float = 0.1, *, unknown: object = UNKNOWN
) -> float:
    """Partial AUROC of known against unknown clips, as `fewshot.metrics.pauc`."""
    return detection.pauc(_is_unknown(labels, unknown), scores, p)


def unknown_eer(labels: ArrayLike, scores: ArrayLike, *, unknown: object = UNKNOWN) -> float:
    """Equal error rate of known against unknown clips, which is the top-N one of N classes."""
    return detection.eer(_is_unknown(labels, unknown), scores)


def top1_roc(
    labels: ArrayLike, predicted: ArrayLike, scores: ArrayLike, *, unknown: object = UNKNOWN
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Receiver operating characteristic in which confused known clips are false positives.

    Parameters
    ----------
    labels : array_like, shape (n,)
        True classes; `unknown` for clips of unknown classes.
    predicted : array_like, shape (n,)
        The nearest class.
    scores : array_like, shape (n,)
        The higher, the more surely unknown.
    unknown : object

    Returns
    -------
    fpr : np.ndarray, shape (m,)
        Known clips that are rejected, or accepted as a wrong class, by all known ones (28, 29);
        rises from the confusion rate, which no threshold lowers, to 1.
    tpr : np.ndarray, shape (m,)
        Unknown clips that are rejected, by all unknown ones; rises from 0 to 1.
    thresholds : np.ndarray, shape (m,)
        The different scores, falling, and -inf.

    Examples
    --------
    >>> labels = ["bell", "bell", "siren", "siren", "unknown", "unknown"]
    >>> predicted = ["bell", "siren", "siren", "siren", "bell", "siren"]
    >>> fpr, tpr, _ = top1_roc(labels, predicted, [0.1, 0.2, 0.2, 0.6, 0.4, 0.9])
    >>> fpr
    array([0.25, 0.25, 0.5 , 0.5 , 0.75, 1.  ])
    >>> tpr
    array([0. , 0.5, 0.5, 1. , 1. , 1. ])
    """
    labels, predicted, is_unknown = _checked_labels(labels, predicted, unknown)
    scores = checked_scores(scores)
    if len(scores) != len(labels):
        raise ValueError(f"{len(labels)} labels but {len(scores)} scores")
    thresholds = descending_thresholds(scores)
    right = np.sort(scores[~is_unknown & (labels == predicted)])
    n_known = np.count_nonzero(~is_unknown)
    counts = detection.count_at(right, np.sort(scores[is_unknown]), thresholds)
    return 1 - counts.tn / n_known, counts.tp / np.count_nonzero(is_unknown), thresholds


def top1_auc(
    labels: ArrayLike, predicted: ArrayLike, scores: ArrayLike, *, unknown: object = UNKNOWN
) -> float:
    """Area under the `top1_roc`, at most 1 minus the confusion rate."""
    fpr, tpr, _ = top1_roc(labels, predicted, scores, unknown=unknown)
    return float(area(fpr, tpr))


def top1_pauc(
    labels: ArrayLike,
    predicted: ArrayLike,
    scores: ArrayLike,
    p: float = 0.1,
    *,
    unknown: object = UNKNOWN,
) -> float:
    """Area under the `top1_roc` up to a false positive rate, standardised as `pauc`.

    Where the confusion rate is `p` or more, nothing lies under it: what is left of 0.5 by the
    standardisation then is 0.4737 for p = 0.1.
    """
    check_p(p)
    fpr, tpr, _ = top1_roc(labels, predicted, scores, unknown=unknown)
    below = 0.0
    if fpr[0] < p:
        inside = fpr <= p
        below = area([*fpr[inside], p], [*tpr[inside], np.interp(p, fpr, tpr)])
    chance, most = p**2 / 2, p
    return float(0.5 * (1 + (below - chance) / (most - chance)))


def top1_eer(
    labels: ArrayLike, predicted: ArrayLike, scores: ArrayLike, *, unknown: object = UNKNOWN
) -> float:
    """Where the false positive rate of the `top1_roc` is the false negative rate."""
    fpr, tpr, _ = top1_roc(labels, predicted, scores, unknown=unknown)
    return crossing(fpr, 1 - tpr)


def oscr(
    labels: ArrayLike, predicted: ArrayLike, scores: ArrayLike, *, unknown: object = UNKNOWN
) -> float:
    """Open-set classification rate: the area under correct over false acceptance.

    Parameters
    ----------
    labels : array_like, shape (n,)
        True classes; `unknown` for clips of unknown classes.
    predicted : array_like, shape (n,)
        The nearest class.
    scores : array_like, shape (n,)
        The higher, the more surely unknown.
    unknown : object

    Returns
    -------
    float
        Share of known clips that are accepted as their class, in the mean over all shares of
        unknown clips that are accepted. The `top1_auc`, whose curve is this one's mirror image.
    """
    return top1_auc(labels, predicted, scores, unknown=unknown)
