from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.metrics import bounded_f1_ev, f1, f1_ev, optimal_threshold

OVERLAPPING = ([0, 0, 0, 0, 1, 1, 1, 1], [0.1, 0.2, 0.3, 0.5, 0.4, 0.6, 0.9, 1.0])
SEPARATE = ([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
INVERTED = ([1, 1, 0, 0], [0.1, 0.2, 0.7, 0.9])

clips = st.lists(
    st.tuples(st.booleans(), st.integers(-8, 8).map(lambda i: i / 8)), min_size=2, max_size=30
)
test_sets = clips.filter(lambda rows: len({row[0] for row in rows}) == 2).map(
    lambda rows: tuple(map(list, zip(*rows, strict=True)))
)


def naive_f1(anomalous, scores, threshold):
    decided = [(truth, score > threshold) for truth, score in zip(anomalous, scores, strict=True)]
    tp = sum(truth and found for truth, found in decided)
    wrong = sum(bool(truth) != found for truth, found in decided)
    return 2 * tp / (2 * tp + wrong)


def naive_mean(anomalous, scores, thresholds):
    """Equations 49 and 52."""
    extent = thresholds[-1] - thresholds[0]
    return sum(
        naive_f1(anomalous, scores, lower) * (upper - lower) / extent
        for lower, upper in pairwise(thresholds)
    )


def naive_optimum(anomalous, scores, choice):
    every = sorted(set(scores))
    if len(every) == 1:
        return every[0]
    intervals = {
        (lower, upper): naive_f1(anomalous, scores, lower) for lower, upper in pairwise(every)
    }
    best = [ends for ends, value in intervals.items() if value == max(intervals.values())]
    return best[0][0] if choice == "left" else (best[0][0] + best[-1][1]) / 2


def naive_bounds(anomalous, scores, beta, choice):
    # In order, as their mean must be rounded alike.
    normal = sorted(score for truth, score in zip(anomalous, scores, strict=True) if not truth)
    optimum = naive_optimum(anomalous, scores, choice)
    return np.mean(normal) - beta * np.std(normal), optimum + beta * np.std(normal)


def naive_bounded(anomalous, scores, beta, choice):
    lowest, highest = naive_bounds(anomalous, scores, beta, choice)
    if highest <= lowest:
        return naive_f1(anomalous, scores, lowest)
    inside = [score for score in sorted(set(scores)) if lowest < score < highest]
    return naive_mean(anomalous, scores, [lowest, *inside, highest])


@pytest.mark.parametrize(
    ("test_set", "plain", "bounded", "left"),
    [(OVERLAPPING, 0.713700, 0.852726, 0.831242), (SEPARATE, 0.863393, 0.944784, 0.861539)],
)
def test_worked_examples(test_set, plain, bounded, left):
    assert f1_ev(*test_set) == pytest.approx(plain, abs=5e-7)
    assert bounded_f1_ev(*test_set) == pytest.approx(bounded, abs=5e-7)
    assert bounded_f1_ev(*test_set, optimum="left") == pytest.approx(left, abs=5e-7)


def test_worked_optimum():
    assert optimal_threshold(*OVERLAPPING) == pytest.approx(0.35)
    assert optimal_threshold(*OVERLAPPING, "left") == 0.3


@given(test_sets)
def test_f1_ev_against_naive(test_set):
    every = sorted(set(test_set[1]))
    expected = naive_mean(*test_set, every) if len(every) > 1 else 0.0
    assert f1_ev(*test_set) == pytest.approx(expected)


@pytest.mark.parametrize("choice", ["centre", "left"])
@given(test_sets)
def test_optimal_threshold_against_naive(choice, test_set):
    threshold = optimal_threshold(*test_set, choice)
    assert threshold == naive_optimum(*test_set, choice)
    if choice == "left":
        assert f1(*test_set, threshold) == max(f1(*test_set, np.array(test_set[1])))


@pytest.mark.parametrize("optimum", ["centre", "left"])
@given(test_sets, st.sampled_from([0.0, 0.2, 1.0, 3.0]))
def test_bounded_f1_ev_against_naive(optimum, test_set, beta):
    expected = naive_bounded(*test_set, beta, optimum)
    assert bounded_f1_ev(*test_set, beta=beta, optimum=optimum) == pytest.approx(expected)


@given(test_sets)
def test_left_sums_are_exact_integrals(test_set):
    """A fine grid finds nothing that the scores alone miss."""
    _, scores = test_set
    if len(set(scores)) > 1:
        lowest, extent = min(scores), max(scores) - min(scores)
        middles = lowest + extent * (np.arange(4096) + 0.5) / 4096
        assert f1_ev(*test_set) == pytest.approx(np.mean(f1(*test_set, middles)), abs=0.01)


@pytest.mark.parametrize("measure", [f1_ev, bounded_f1_ev])
@given(test_sets)
def test_scale_and_shift_change_nothing(measure, test_set):
    anomalous, scores = test_set
    moved = 4 * np.array(scores) - 16
    assert measure(anomalous, moved) == pytest.approx(measure(anomalous, scores))


def test_logarithms_change_it():
    anomalous, scores = OVERLAPPING
    assert abs(f1_ev(anomalous, np.log(scores)) - f1_ev(anomalous, scores)) > 0.01


def test_inverted_scores_are_worth_the_f1_at_the_lower_bound():
    assert optimal_threshold(*INVERTED) == pytest.approx(0.15)
    assert bounded_f1_ev(*INVERTED) == f1(*INVERTED, 0.78) == 0.0


@pytest.mark.parametrize("measure", [f1_ev, bounded_f1_ev])
def test_equal_scores_are_worth_nothing(measure):
    """The mean of three times 0.1 is rounded to more than 0.1."""
    assert measure([0, 0, 0, 1], [0.1] * 4) == 0.0
    assert optimal_threshold([0, 0, 0, 1], [0.1] * 4) == 0.1


def test_equal_normal_scores():
    anomalous, scores = [0, 0, 0, 1, 1], [0.1, 0.1, 0.1, 0.1, -0.9]
    assert optimal_threshold(anomalous, scores) == pytest.approx(-0.4)
    assert bounded_f1_ev(anomalous, scores) == f1(anomalous, scores, 0.1) == 0.0


def test_unusable_parameters_are_refused():
    for beta in (-0.1, np.nan, np.inf):
        with pytest.raises(ValueError, match="beta must be"):
            bounded_f1_ev(*SEPARATE, beta=beta)
    with pytest.raises(ValueError, match="not 'right'"):
        optimal_threshold(*SEPARATE, "right")
    with pytest.raises(ValueError, match="not 'right'"):
        bounded_f1_ev(*SEPARATE, optimum="right")
