import numpy as np
import pytest

from fewshot import metrics
from fewshot.errors import InputError
from osc.evaluation import best_threshold, evaluate

CLASSES = ["a", "b"]


def random_case(seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice(["a", "b", "x", "unknown"], 40)
    labels[:4] = ["a", "b", "x", "unknown"]
    nearest = rng.choice(CLASSES, 40)
    scores = np.round(rng.standard_normal(40), 1)
    return labels, nearest, scores


def naive_weighted(labels, answers):
    known = [
        answer == label for label, answer in zip(labels, answers, strict=True) if label in CLASSES
    ]
    other = [
        a == "unknown" for label, a in zip(labels, answers, strict=True) if label not in CLASSES
    ]
    return (np.mean(known) + np.mean(other)) / 2


@pytest.mark.parametrize("seed", range(5))
def test_the_figures_are_those_of_the_definitions(seed):
    labels, nearest, scores = random_case(seed)
    answers = np.where(scores >= 0.2, nearest, "unknown")
    result = evaluate(labels, answers, nearest, scores, CLASSES, "unknown")
    assert result.weighted_accuracy == pytest.approx(naive_weighted(labels, answers))
    plain = np.where(np.isin(labels, CLASSES), labels, "unknown")
    assert result.weighted_accuracy == pytest.approx(metrics.weighted_accuracy(plain, answers))
    assert result.confusion.sum() == 40 == result.n_known + result.n_unknown
    for label, counts in result.classes.items():
        own = answers[plain == label]
        assert counts.n == len(own) and counts.right == (own == label).sum()
        assert counts.rejected == (own == "unknown").sum()
        wrong = (own != label) & (own != "unknown")
        assert counts.confused == wrong.sum()
    known = plain != "unknown"
    pairs = [(k > u) + 0.5 * (k == u) for k in scores[known] for u in scores[~known]]
    assert result.auroc == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("seed", range(5))
def test_the_best_threshold_is_the_best(seed):
    labels, nearest, scores = random_case(seed)
    threshold, best = best_threshold(labels, nearest, scores, CLASSES)
    tried = [
        naive_weighted(labels, np.where(scores >= limit, nearest, "unknown"))
        for limit in [*scores, np.inf]
    ]
    assert best == pytest.approx(max(tried))
    reached = naive_weighted(labels, np.where(scores >= threshold, nearest, "unknown"))
    assert reached == pytest.approx(best) and np.isfinite(threshold)


def test_figures_without_clips_to_tell_are_missing():
    only = evaluate(["a", "b"], ["a", "unknown"], ["a", "b"], [1, 0], CLASSES, "unknown")
    assert (only.known_accuracy, only.closed_set_accuracy) == (0.5, 1.0)
    assert only.unknown_accuracy is only.weighted_accuracy is only.auroc is None
    with pytest.raises(InputError, match="no clips"):
        evaluate([], [], [], [], CLASSES, "unknown")
