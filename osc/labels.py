"""Labels of training clips: one type, and which of them are known unknowns."""

from collections.abc import Sequence

import numpy as np

from fewshot.errors import InputError


def checked_labels(
    y: Sequence, n_clips: int, unknown_label: str | int
) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and which of them are of known classes.

    Parameters
    ----------
    y : sequence of str or int, length n_clips
    n_clips : int
    unknown_label : str or int
        Label of known unknowns.

    Returns
    -------
    labels : np.ndarray of str or int, shape (n_clips,)
    known : np.ndarray of bool, shape (n_clips,)

    Raises
    ------
    InputError
        There are more or fewer than clips, one is empty, or their types are mixed or not that of
        the unknown label.
    """
    labels = np.asarray(y)
    if labels.shape != (n_clips,):
        raise InputError(f"{n_clips} clips, but labels of the shape {labels.shape}")
    if labels.dtype == object:
        kinds = {type(label) for label in labels.tolist()}
        if not kinds <= {str} and not kinds <= {int}:
            raise InputError("labels are of several types; use texts, or whole numbers")
        labels = np.asarray(labels.tolist())
    if labels.dtype.kind not in "Uiu":
        raise InputError(f"labels are of type {labels.dtype}; use texts, or whole numbers")
    if (labels.dtype.kind == "U") != isinstance(unknown_label, str):
        raise InputError(
            f"labels such as {labels.tolist()[0]!r} and the unknown label "
            f"{unknown_label!r} are of different types; set unknown_label to -1, say, or use "
            "texts"
        )
    if labels.dtype.kind == "U" and not all(label.strip() for label in labels.tolist()):
        raise InputError("a label is empty; name the class")
    return labels, labels != unknown_label


def group_names(
    labels: np.ndarray, known: np.ndarray, groups: Sequence | None, first: int = 0
) -> np.ndarray:
    """Labels in which known unknowns are told apart, by their groups or one by one.

    Parameters
    ----------
    labels, known
        As `checked_labels` gives them.
    groups : sequence of str, length n, optional
        Which known unknowns are of one class; what it says of others is left alone.
    first : int
        Number of the first clip, for the names of known unknowns without a group.

    Returns
    -------
    np.ndarray of str or int, shape (n,)
    """
    if groups is not None and len(groups) != len(labels):
        raise InputError(f"{len(labels)} clips, but {len(groups)} groups")
    own = labels.astype(object)
    for i in np.flatnonzero(~known):
        own[i] = f"{first + i}" if groups is None else f"{groups[i]}"
    if labels.dtype.kind == "U":
        return own.astype(str)
    # Classes that are numbers: so are their known unknowns.
    names = list(dict.fromkeys(own[~known].tolist()))
    return np.array(
        [label if k else first + names.index(label) for label, k in zip(own, known, strict=True)]
    )
