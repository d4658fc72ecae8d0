import numpy as np
import pytest

from osc.decisions import Examples, class_similarities, score, training_scores
from osc.vectors import unit


def examples(labels, known, seed=0, n_copies=2):
    rng = np.random.default_rng(seed)
    n = len(labels)
    firsts = [i for i in range(n) if known[i] and labels[i] not in labels[:i]]
    copied = np.repeat(firsts, n_copies)
    return Examples(
        unit(rng.standard_normal((n, 5))),
        np.array(labels),
        np.array(known),
        unit(rng.standard_normal((len(copied), 5))),
        copied,
        np.array([f"clip {i}" for i in range(n)]),
        np.array([f"{i}" for i in range(n)]),
    )


MIXED = examples(list("bbaacucv"), [True, True, True, True, True, False, True, False])


def naive(query, own, decision, without=None):
    """Similarities of one embedding, straight from the definition."""
    names = sorted({x for x, k in zip(own.labels, own.known, strict=True) if k})
    others = sorted({x for x, k in zip(own.labels, own.known, strict=True) if not k})
    found = []
    for known, name in [(True, x) for x in names] + [(False, x) for x in others]:
        members = [
            own.embeddings[i]
            for i in range(len(own.labels))
            if own.labels[i] == name and own.known[i] == known and i != without
        ]
        if not members:
            found.append(np.nan)
        elif decision == "nearest":
            found.append(max(float(query @ member) for member in members))
        else:
            centre = np.sum(members, axis=0)
            found.append(float(query @ centre / np.linalg.norm(centre)))
    if decision != "softmax":
        return found
    scale = np.sqrt(2) * np.log(max(len(found) - 1, 2))
    weights = [np.exp(scale * value) for value in found]
    total = sum(np.nanmean(weights) if np.isnan(weight) else weight for weight in weights)
    return [weight / total for weight in weights]


@pytest.mark.parametrize("decision", ["nearest", "centre", "softmax"])
def test_similarities_are_those_of_the_definition(decision):
    queries = unit(np.random.default_rng(1).standard_normal((7, 5)))
    found = class_similarities(queries, MIXED, decision)
    np.testing.assert_allclose(found, [naive(q, MIXED, decision) for q in queries], atol=1e-6)
    left = class_similarities(MIXED.embeddings, MIXED, decision, leave_one_out=True)
    expected = [naive(q, MIXED, decision, without=i) for i, q in enumerate(MIXED.embeddings)]
    np.testing.assert_allclose(left, expected, atol=1e-6)
    assert np.isnan(left).sum() == 2, "classes of known unknowns have one clip each"


def test_scores_fall_where_a_known_unknown_is_nearer():
    similarities = np.array([[0.9, 0.1, 0.5], [0.4, 0.3, 0.6], [-0.9, -0.8, -0.8]])
    np.testing.assert_allclose(score(similarities, 2, "similarity"), [0.9, -1.2, -0.8])
    np.testing.assert_allclose(score(similarities, 2, "margin"), [0.4, -0.2, 0.0])
    for rejection in ("similarity", "margin"):
        np.testing.assert_allclose(score(similarities, 3, rejection), [0.9, 0.6, -0.8])


@pytest.mark.parametrize("rejection", ["similarity", "margin"])
def test_training_scores_are_of_clips_left_out_and_of_foreign_classes(rejection):
    found = training_scores(MIXED, "nearest", rejection)
    left = class_similarities(MIXED.embeddings, MIXED, "nearest", leave_one_out=True)
    own = [left[i, "abc".index(x)] for i, x in enumerate("bbaacucv") if x in "abc"]
    if rejection == "margin":
        own -= left[MIXED.known][:, 3:].max(axis=1)
    assert found.left_out and found.foreign.shape == (8,)
    np.testing.assert_allclose(found.own, own, atol=1e-6)
    first = left[0, [0, 2]].max()
    nearer = first - left[0, 3:].max()
    if rejection == "similarity":
        nearer = first if nearer >= 0 else nearer - 1
    assert found.foreign[0] == pytest.approx(nearer, abs=1e-6)
    assert (found.foreign[~MIXED.known] < 0).all(), "a known unknown meets its own class"


def test_training_scores_at_one_shot_are_of_copies():
    single = examples(list("abu"), [True, True, False])
    found = training_scores(single, "nearest", "similarity")
    assert not found.left_out
    expected = np.sum(single.copies * single.embeddings[single.copied], axis=1)
    np.testing.assert_allclose(found.own, expected, atol=1e-6)


@pytest.mark.parametrize(("labels", "n_foreign"), [("a", 0), ("aa", 0), ("au", 1)])
def test_a_single_class_has_no_foreign_scores_but_of_known_unknowns(labels, n_foreign):
    alone = examples(list(labels), [label == "a" for label in labels])
    found = training_scores(alone, "nearest", "similarity")
    assert len(found.foreign) == n_foreign and len(found.own)
    assert np.isfinite(found.foreign).all() and np.isfinite(found.own).all()
