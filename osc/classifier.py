"""The open-set classifier."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from fewshot.errors import InputError
from osc import model_file, representations, sounds
from osc.config import AUTO, DECISIONS, DEFAULT, LENGTH_S, REJECTIONS, UNKNOWN
from osc.copies import altered_copies
from osc.decisions import Examples, class_similarities, score, training_scores
from osc.labels import checked_labels, group_names
from osc.representations.learnt import Learnt
from osc.thresholds import check_threshold, threshold_for

PROBABILITY_SCALE = 10.0
"""What similarities are multiplied with before the softmax of `predict_proba`."""
BATCH = 64
"""Clips that are in memory at a time."""


class OpenSetClassifier(ClassifierMixin, BaseEstimator):
    """Tells sounds apart that were learnt from a few clips each, and calls others "unknown".

    Parameters
    ----------
    representation : str, path, callable or Representation
        What clips are compared by: "default", "mfcc", the file of an encoder that others trained
        and so on, see `osc.representations.create`.
    decision : {"centre", "nearest", "softmax"}
        Similarity to a class: cosine to the mean of its training clips; cosine to the nearest of
        them, as in the publications; softmax over the former.
    threshold : float or str
        Clips with a lower score are unknown. "auto", "foreign" or the name of an estimator of
        `fewshot.thresholds` estimate it from the training clips alone (`osc.thresholds`); the
        publications use 0.6, 0.65 and 0.75 for low, middle and high openness.
    unknown_label : str or int
        Label of known unknowns in `y`, and answer for what is not known.
    rejection : {"similarity", "margin"}
        Score: the similarity to the nearest known class, lowered below -1 where a known unknown is
        nearer; or that similarity minus that to the nearest known unknown (`osc.decisions.score`).
    length_s : float
        Of clips that are longer, the loudest part of this length counts, in seconds.
    options : dict, optional
        Parameters of the representation.
    seed : int
        Of everything random: same seed, same result.

    Attributes
    ----------
    classes_ : np.ndarray, shape (n_classes,)
        Known classes, sorted, without the unknown label.
    threshold_ : float
        The threshold in use.
    representation_ : Representation
        What was learnt.
    examples_ : Examples
        The training clips' embeddings.

    Notes
    -----
    Clips (`X`) are given as a list of paths, of waveforms (n,) or (n, channels) at 16 kHz, or of
    (waveform, sample_rate) pairs, or as an array with a waveform at 16 kHz per row. A clip without
    sound is unknown. ``predict(X) != unknown_label`` exactly where
    ``score_samples(X) >= threshold_``.

    Dissertation, section 6.2, and key publication 5.

    Examples
    --------
    >>> t = np.arange(16000) / 16000
    >>> low, high = np.sin(2 * np.pi * 300 * t), np.sin(2 * np.pi * 2000 * t)
    >>> noise = np.random.default_rng(0).standard_normal(16000)
    >>> model = OpenSetClassifier().fit([low, high, noise], ["low", "high", "unknown"])
    >>> model.predict([0.5 * low, 0.8 * high]).tolist()
    ['low', 'high']
    """

    def __init__(
        self,
        representation: object = DEFAULT,
        decision: str = "centre",
        threshold: float | str = AUTO,
        unknown_label: str | int = UNKNOWN,
        *,
        rejection: str = "similarity",
        length_s: float = LENGTH_S,
        options: Mapping[str, object] | None = None,
        seed: int = 0,
    ) -> None:
        self.representation = representation
        self.decision = decision
        self.threshold = threshold
        self.unknown_label = unknown_label
        self.rejection = rejection
        self.length_s = length_s
        self.options = options
        self.seed = seed

    def fit(
        self,
        X: Sequence,
        y: Sequence,
        groups: Sequence | None = None,
        *,
        on_epoch: Callable[[int, float], None] | None = None,
    ) -> Self:
        """Learn classes.

        Parameters
        ----------
        X : list of clips, length n
            See the class's notes.
        y : sequence of str or int, length n
            Class of each clip; the unknown label marks known unknowns.
        groups : sequence of str, length n, optional
            Which known unknowns are of one class; what it says of others is left alone. Without it
            each is a class of its own.
        on_epoch : callable, optional
            Called behind every epoch of a network's training with its number and mean loss.

        Returns
        -------
        OpenSetClassifier
            Itself.

        Raises
        ------
        InputError
            There is no known class; a clip cannot be read, is shorter than 0.1 s or silent; the
            same clip is in two classes; or a parameter is out of range.
        """
        self.check_parameters()
        clips = sounds.as_list(X)
        names = [sounds.name_of(clip, i) for i, clip in enumerate(clips)]
        labels, known = checked_labels(y, len(clips), self.unknown_label)
        if not known.any():
            raise InputError(
                f"all {len(clips)} clips are {self.unknown_label!r}; give clips of a class to know"
            )
        self.representation_ = self._created()
        waveforms = self._training_waveforms(clips, names)
        own = group_names(labels, known, groups)
        told = [
            str(label) if k else f"{UNKNOWN}/{label}" for label, k in zip(own, known, strict=True)
        ]
        unembedded = _unembedded(waveforms, names, own, known)
        unembedded.check_different()
        trained = on_epoch is not None and isinstance(self.representation_, Learnt)
        progress = {"on_epoch": on_epoch} if trained else {}
        self.representation_.fit(waveforms, told, seed=self.seed, **progress)
        return self._settle(self._embedded(unembedded, waveforms))

    def add_class(self, name: str | int, clips: Sequence, groups: Sequence | None = None) -> Self:
        """Learn one more class, or more clips of one, without training the representation again.

        Parameters
        ----------
        name : str or int
            The class; the unknown label adds known unknowns.
        clips : list of clips
            Its examples.
        groups : sequence of str, optional
            As for `fit`; a group that the model knows gets more clips.

        Returns
        -------
        OpenSetClassifier
            Itself. A threshold that was estimated is estimated again.
        """
        check_is_fitted(self, "examples_")
        clips = sounds.as_list(clips)
        names = [sounds.name_of(clip, i) for i, clip in enumerate(clips)]
        labels, known = checked_labels([name] * len(clips), len(clips), self.unknown_label)
        if labels.dtype.kind != self.classes_.dtype.kind:
            raise InputError(
                f"class {name!r}: the model's classes are of another type, such as "
                f"{self.classes_[0]!r}"
            )
        waveforms = self._training_waveforms(clips, names)
        own = group_names(labels, known, groups, first=len(self.examples_.labels))
        new = self._embedded(_unembedded(waveforms, names, own, known), waveforms)
        joined = self.examples_.joined(new)
        joined.check_different()
        return self._settle(joined)

    def set_threshold(self, threshold: float | str) -> Self:
        """Choose the threshold anew, by value or by the name of a method; returns itself."""
        check_is_fitted(self, "examples_")
        scores = training_scores(self.examples_, self.decision, self.rejection)
        usual = getattr(self.representation_, "usual_threshold", None)
        if self.decision == "softmax" or self.rejection == "margin":
            usual = None
        self.threshold_ = threshold_for(threshold, scores, usual)
        self.threshold = threshold
        return self

    def similarities(self, X: Sequence) -> np.ndarray:
        """Similarity of clips to each class, those of known unknowns behind the known ones.

        Returns
        -------
        np.ndarray, shape (n, n_classes + classes of known unknowns)
            A silent clip has -1 for known classes, and 1 for known unknowns.
        """
        check_is_fitted(self, "examples_")
        clips = sounds.as_list(X)
        rows = []
        for start in range(0, len(clips), BATCH):
            batch = clips[start : start + BATCH]
            names = [sounds.name_of(clip, start + i) for i, clip in enumerate(batch)]
            rows.append(
                self._similarities([self._load(*pair) for pair in zip(batch, names, strict=True)])
            )
        return np.concatenate(rows)

    def decision_function(self, X: Sequence) -> np.ndarray:
        """Similarity to each known class, shape (n, n_classes), columns as `classes_`."""
        return self.similarities(X)[:, : len(self.classes_)]

    def score_samples(self, X: Sequence) -> np.ndarray:
        """How surely clips are of a known class, shape (n,): higher is surer."""
        return self.scores_of(self.similarities(X))

    def predict(self, X: Sequence) -> np.ndarray:
        """Class of each clip, or the unknown label, shape (n,)."""
        return self.answers_of(self.similarities(X))

    def predict_proba(self, X: Sequence) -> np.ndarray:
        """Rough probability of each known class, shape (n, n_classes), columns as `classes_`.

        A softmax over ten times the similarities, in which "unknown" is a class that is just as
        similar as a known one has to be. What a row lacks to 1 is the probability of "unknown";
        it is the largest of all exactly where `predict` says so. They are not calibrated.
        """
        similarities = self.similarities(X)
        n_known = len(self.classes_)
        known, others = similarities[:, :n_known], similarities[:, n_known:]
        nearest = others.max(axis=1) if others.shape[1] else np.full(len(known), -np.inf)
        if self.rejection == "margin":
            needed = self.threshold_ + np.where(np.isfinite(nearest), nearest, 0.0)
        else:
            needed = np.maximum(nearest, self.threshold_)
        logits = PROBABILITY_SCALE * np.column_stack([known, needed])
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return weights[:, :n_known] / weights.sum(axis=1, keepdims=True)

    def scores_of(self, similarities: np.ndarray) -> np.ndarray:
        """`score_samples` of what `similarities` gave."""
        return score(similarities, len(self.classes_), self.rejection)

    def answers_of(self, similarities: np.ndarray) -> np.ndarray:
        """`predict` of what `similarities` gave."""
        nearest = self.classes_[similarities[:, : len(self.classes_)].argmax(axis=1)]
        is_known = self.scores_of(similarities) >= self.threshold_
        return np.where(is_known, nearest, np.asarray(self.unknown_label))

    def similarities_of(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """`similarities` of conditioned waveforms that are no longer than `length_s`."""
        check_is_fitted(self, "examples_")
        return self._similarities(waveforms)

    @property
    def highpass(self) -> bool:
        """Whether the representation takes waveforms that are high-pass filtered."""
        return getattr(self.representation_, "highpass", True)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the model as one safetensors file, whole or not at all.

        Raises
        ------
        InputError
            The file exists and `force` is not set, it cannot be written, or the representation is
            a function or an object of a foreign class.
        """
        check_is_fitted(self, "examples_")
        model_file.write(self, path, force=force)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model.

        Raises
        ------
        InputError
            The file is missing, damaged, of another kind or of a newer release.
        """
        return model_file.read(cls, path)

    def check_parameters(self) -> None:
        """Raise InputError if a parameter is out of range, without looking at any clip."""
        for name, allowed in (("decision", DECISIONS), ("rejection", REJECTIONS)):
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"{name} is {getattr(self, name)!r}; use {', '.join(allowed[:-1])} "
                    f"or {allowed[-1]}"
                )
        shortest, longest = sounds.SHORTEST_S, sounds.LONGEST_S
        if not shortest <= self.length_s <= longest:
            raise InputError(f"length_s is {self.length_s}; give {shortest:g} to {longest:g} s")
        if not isinstance(self.seed, int | np.integer) or self.seed < 0:
            raise InputError(f"seed is {self.seed!r}; give a whole number from 0")
        check_threshold(self.threshold)
        self._created()

    def _created(self) -> representations.Representation:
        """The representation before it has learnt; where it has a length, it is the clips'."""
        options = dict(self.options or {})
        if "length_s" in representations.options_of(self.representation):
            options.setdefault("length_s", self.length_s)
        return representations.create(self.representation, options)

    def _load(self, clip: object, name: str) -> np.ndarray:
        return sounds.load(clip, name, self.length_s, highpass=self.highpass)

    def _training_waveforms(self, clips: list, names: list[str]) -> list[np.ndarray]:
        waveforms = [self._load(clip, name) for clip, name in zip(clips, names, strict=True)]
        for waveform, name in zip(waveforms, names, strict=True):
            if sounds.is_silent(waveform):
                raise InputError(f"{name}: silent; record the sound again")
        return waveforms

    def _embedded(self, examples: Examples, waveforms: list) -> Examples:
        """Examples with embeddings, and with altered copies of the clips of known classes.

        Only where each is alone in its class: of several, each stands for another recording.
        """
        embeddings = self.representation_.transform(waveforms)
        clips = np.flatnonzero(examples.known)
        alone = len(np.unique(examples.labels[clips])) == len(clips)
        firsts = clips.tolist() if alone else []
        copies, copied = np.empty((0, embeddings.shape[1]), np.float32), []
        if firsts:
            made = [altered_copies(waveforms[i], self.seed) for i in firsts]
            copies = self.representation_.transform([copy for own in made for copy in own])
            copied = [i for i, own in zip(firsts, made, strict=True) for _ in own]
        return replace(
            examples, embeddings=embeddings, copies=copies, copied=np.asarray(copied, int)
        )

    def _settle(self, examples: Examples) -> Self:
        self.examples_ = examples
        self.classes_ = examples.classes
        return self.set_threshold(self.threshold)

    def _similarities(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        embeddings = self.representation_.transform(waveforms)
        found = class_similarities(embeddings, self.examples_, self.decision)
        silent = [sounds.is_silent(samples) for samples in waveforms]
        found[silent, : len(self.classes_)] = -1
        found[silent, len(self.classes_) :] = 1
        return found


def _unembedded(
    waveforms: list, names: list[str], labels: np.ndarray, known: np.ndarray
) -> Examples:
    nothing = np.empty((len(labels), 0), np.float32)
    digests = [hashlib.sha256(samples.tobytes()).hexdigest() for samples in waveforms]
    return Examples(
        nothing,
        labels,
        known,
        nothing[:0],
        np.empty(0, int),
        np.asarray(names),
        np.asarray(digests),
    )
