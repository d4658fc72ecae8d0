"""Weak to strong labels: which keywords are said, in which order, becomes when each is said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fewshot.events import Event
from fewshot.training import resolve_device
from kws.config import LEAST, SCRATCH
from kws.frames import borders_s, embed_file
from kws.model import KeywordModel
from kws.search import score_curves
from kws.templates import Template


@dataclass(frozen=True)
class Place:
    """Where a keyword of a transcript lies.

    Attributes
    ----------
    onset_frame, offset_frame : int
        First frame and the one after the last.
    score : float
    """

    onset_frame: int
    offset_frame: int
    score: float


@dataclass(frozen=True)
class Candidates:
    """Places where a keyword may lie.

    Attributes
    ----------
    onsets, offsets : np.ndarray, shape (n,), int64
        First frame of each and the one after its last.
    scores : np.ndarray, shape (n,), float64
    """

    onsets: np.ndarray
    offsets: np.ndarray
    scores: np.ndarray


def candidates(templates: Sequence[Template], frames: np.ndarray, least: float) -> Candidates:
    """Places of a keyword that score more than the least.

    Every frame counts at which a path through one of the templates ends, not only the local maxima
    of the scores: a keyword that begins where another one ends may have to give way by a few
    frames.

    Parameters
    ----------
    templates : sequence of Template
        Those of the keyword.
    frames : np.ndarray, shape (n, dim)
        Those of the recording, rows of unit length.
    least : float
    """
    scores, starts = score_curves([template.frames for template in templates], frames)
    means, deviations = np.array([(t.mean, t.deviation) for t in templates]).T
    calibrated = (scores - means[:, None]) / deviations[:, None]
    chosen = calibrated > least
    return Candidates(starts[chosen], np.nonzero(chosen)[1] + 1, calibrated[chosen])


def place_in_order(words: Sequence[Candidates], least: float) -> list[Place | None]:
    """Choose places for words that come one after the other.

    Of all choices in which the words keep their order and do not overlap, that with the largest
    sum of what the places score above the least. Between words there may be gaps of any length,
    and a word for which the sum has no place is left out; so no place scores less than the least,
    and none that scores more remains between the neighbours of a word that is left out.

    Parameters
    ----------
    words : sequence of Candidates
        Where each word may lie, in the order in which they are said.
    least : float

    Returns
    -------
    list of (Place or None)
        One for each word.

    Notes
    -----
    The published method (K. Wilkinghoff, A. Cornaggia-Urrigshardt and F. Gökgöz, "Two-dimensional
    embeddings for low-resource keyword spotting based on dynamic time warping", 14th ITG Conference
    on Speech Communication, 2021, section 3.3) concatenates the templates in the order of the
    transcript, aligns this super-template with the sentence by dynamic time warping and cuts it at
    the templates' borders: keywords follow each other directly, as in spoken coordinates, and each
    is found. This is its counterpart for sentences with other words between the keywords.

    Dynamic programming: ``best[k, m]`` is the largest sum of the first ``k`` words in the frames
    before the ``m``-th of the offsets that occur,

        best[k, m] = max(best[k - 1, m], best[k, m - 1], best[k - 1, m(onset)] + score - least)

    over the candidates of word ``k`` with that offset, ``m(onset)`` being the last offset that does
    not lie behind the candidate's onset.

    Examples
    --------
    >>> up = Candidates(np.array([2, 8]), np.array([5, 11]), np.array([3.0, 3.5]))
    >>> down = Candidates(np.array([6]), np.array([8]), np.array([2.0]))
    >>> for place in place_in_order([up, down, down], least=1.0):
    ...     print(place)
    Place(onset_frame=2, offset_frame=5, score=3.0)
    Place(onset_frame=6, offset_frame=8, score=2.0)
    None
    """
    ends = np.unique(np.concatenate([[0], *(word.offsets for word in words)]))
    best = np.zeros((len(words) + 1, len(ends)))
    for k, word in enumerate(words):
        np.copyto(best[k + 1], best[k])
        np.maximum.at(
            best[k + 1], np.searchsorted(ends, word.offsets), _sums(best[k], ends, word, least)
        )
        np.maximum.accumulate(best[k + 1], out=best[k + 1])
    places: list[Place | None] = [None] * len(words)
    m = len(ends) - 1
    for k in range(len(words) - 1, -1, -1):
        if best[k + 1, m] > best[k, m]:
            word, reached = words[k], best[k + 1, m]
            end = ends[np.searchsorted(best[k + 1], reached)]
            sums = _sums(best[k], ends, word, least)
            c = int(np.flatnonzero((word.offsets == end) & (sums == reached))[0])
            places[k] = Place(int(word.onsets[c]), int(end), float(word.scores[c]))
            m = _before(ends, word.onsets[c])
    return places


def _before(ends: np.ndarray, onsets: np.ndarray) -> np.ndarray:
    """Number of the last of the ends that does not lie behind each onset."""
    return np.searchsorted(ends, onsets, side="right") - 1


def _sums(best: np.ndarray, ends: np.ndarray, word: Candidates, least: float) -> np.ndarray:
    """Largest sum with each candidate of a word as the last place."""
    return best[_before(ends, word.onsets)] + (word.scores - least)


def align(
    templates: Sequence[Template], frames: np.ndarray, keywords: Sequence[str], least: float
) -> list[Place | None]:
    """Find the places of keywords in a recording, from their templates.

    Parameters
    ----------
    templates : sequence of Template
        Those of the keywords; others are left alone.
    frames : np.ndarray, shape (n, dim)
        Rows of unit length.
    keywords : sequence of str
        In the order in which they are said.
    least : float
        See `place_in_order`.

    Returns
    -------
    list of (Place or None)
        One for each of the keywords.
    """
    found = {
        keyword: candidates([t for t in templates if t.keyword == keyword], frames, least)
        for keyword in set(keywords)
    }
    return place_in_order([found[keyword] for keyword in keywords], least)


def default_least(model: KeywordModel) -> float:
    """What a place must exceed: less than a detection, as it is known that the word is said.

    The scores of models that are trained on their clips alone are not calibrated; there it is the
    model's threshold.
    """
    return model.threshold if model.config.encoder == SCRATCH else LEAST


def align_recording(
    model: KeywordModel,
    path: str | Path,
    keywords: Sequence[str],
    *,
    least: float | None = None,
    device: str = "auto",
    progress: Callable[[float], None] | None = None,
) -> list[Event | None]:
    """Find when each of the keywords that are said in a recording is said.

    Parameters
    ----------
    model : KeywordModel
    path : path
        Any file that libsndfile reads.
    keywords : sequence of str
        Keywords of the model, in the order in which they are said.
    least : float, optional
        What a place must score at least; by default `default_least`.
    device : {"auto", "cpu", "cuda", "mps"}
    progress : callable, optional
        Called with the seconds that are done.

    Returns
    -------
    list of (Event or None)
        One for each of the keywords, with the path as ``filename``; None for those that are found
        nowhere.

    Raises
    ------
    InputError
        If the recording cannot be read, or has samples that are not finite.

    Notes
    -----
    The frames of the whole recording are held at once: 70 MB an hour with the built-in encoder.
    """
    source = model.source.to(resolve_device(device))
    frames, duration_s = embed_file(source, path, progress)
    least = default_least(model) if least is None else least
    places = align(model.templates, frames, keywords, least)

    def event(keyword: str, place: Place) -> Event:
        borders = borders_s(source, place.onset_frame, place.offset_frame, duration_s)
        return Event(Path(path).as_posix(), *borders, keyword, place.score)

    return [
        None if place is None else event(keyword, place)
        for keyword, place in zip(keywords, places, strict=True)
    ]
