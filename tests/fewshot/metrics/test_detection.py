from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot import metrics
from fewshot.metrics import count, det_curve, eer, f1, pauc, precision, recall

WORKED = ([0, 0, 0, 0, 1, 1, 1, 1], [0.1, 0.2, 0.3, 0.5, 0.4, 0.6, 0.9, 1.0])
SCORES = [
    st.integers(-4, 4).map(lambda i: i / 4),
    st.floats(-1e6, 1e6, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-6),
]


def labelled(elements):
    clips = st.lists(st.tuples(st.booleans(), elements), min_size=2, max_size=30)
    return clips.filter(lambda rows: len({row[0] for row in rows}) == 2).map(
        lambda rows: tuple(map(list, zip(*rows, strict=True)))
    )


test_sets = st.one_of(*map(labelled, SCORES))


def naive_counts(anomalous, scores, threshold):
    decided = [
        (bool(truth), score > threshold) for truth, score in zip(anomalous, scores, strict=True)
    ]
    return tuple(decided.count(pair) for pair in ((1, 1), (0, 1), (1, 0), (0, 0)))


def naive_curve(anomalous, scores):
    """False positive and true positive rates at every threshold that decides differently."""
    points = []
    for threshold in [*sorted(set(scores), reverse=True), -np.inf]:
        tp, fp, fn, tn = naive_counts(anomalous, scores, threshold)
        points.append((fp / (fp + tn), tp / (tp + fn)))
    return points


def naive_auc(anomalous, scores):
    """Theorem 2.10, ties counting half."""
    pairs = list(zip(anomalous, scores, strict=True))
    normal = [score for truth, score in pairs if not truth]
    positive = [score for truth, score in pairs if truth]
    wins = [(a > n) + (a == n) / 2 for a in positive for n in normal]
    return sum(wins) / len(wins)


def naive_pauc(curve, p):
    """Trapezia up to p, the last one cut; raw areas between p * p / 2 and p become 0.5 to 1."""
    total = 0.0
    for (x0, y0), (x1, y1) in pairwise(curve):
        if x0 < p and x0 < x1:
            end = min(x1, p)
            height = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            total += (end - x0) * (y0 + height) / 2
    return 0.5 * (1 + (total - p * p / 2) / (p - p * p / 2))


def naive_eer(curve):
    """The point of the curve on the line from (0, 1) to (1, 0)."""
    for (x0, y0), (x1, y1) in pairwise(curve):
        before, after = x0 - (1 - y0), x1 - (1 - y1)
        if before <= 0 <= after and before < after:
            return x0 + (x1 - x0) * -before / (after - before)
    raise AssertionError("no crossing")


@given(test_sets, st.data())
def test_counts_and_rates_against_naive(test_set, data):
    anomalous, scores = test_set
    threshold = data.draw(st.one_of(st.sampled_from(scores), st.floats(-2, 2)))
    tp, fp, fn, tn = naive_counts(anomalous, scores, threshold)
    assert count(anomalous, scores, threshold) == (tp, fp, fn, tn)
    expected = tp / (tp + fp) if tp + fp else 0.0
    assert precision(anomalous, scores, threshold) == expected
    assert recall(anomalous, scores, threshold) == tp / (tp + fn)
    assert f1(anomalous, scores, threshold) == pytest.approx(2 * tp / (2 * tp + fp + fn))


@given(test_sets)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(test_set):
    for threshold in test_set[1]:
        p, r = precision(*test_set, threshold), recall(*test_set, threshold)
        expected = 2 * p * r / (p + r) if p + r else 0.0
        assert f1(*test_set, threshold) == pytest.approx(expected)


@pytest.mark.parametrize("measure", [precision, recall, f1])
def test_many_thresholds_at_once(measure):
    thresholds = np.array([[-np.inf, 0.1, 0.35], [0.4, 1.0, np.inf]])
    together = measure(*WORKED, thresholds)
    one_by_one = [[measure(*WORKED, threshold) for threshold in row] for row in thresholds]
    np.testing.assert_array_equal(together, one_by_one)
    assert type(one_by_one[0][0]) is float


def test_what_equals_the_threshold_is_normal():
    assert count(*WORKED, 0.4) == (3, 1, 1, 3)
    assert count(*WORKED, np.nextafter(0.4, 0)) == (4, 1, 0, 3)


def test_taking_everything_for_anomalous():
    assert precision(*WORKED, -np.inf) == 0.5
    assert f1(*WORKED, -np.inf) == pytest.approx(2 / 3)
    assert precision(*WORKED, 1.0) == f1(*WORKED, 1.0) == 0.0


def test_worked_areas():
    assert metrics.auc(*WORKED) == 0.9375
    assert pauc(*WORKED) == pytest.approx(0.868421, abs=5e-7)


@given(test_sets)
def test_auc_against_naive(test_set):
    assert metrics.auc(*test_set) == pytest.approx(naive_auc(*test_set))


@given(test_sets, st.sampled_from([0.01, 0.1, 0.25, 0.5, 1.0]))
def test_pauc_against_naive(test_set, p):
    assert pauc(*test_set, p) == pytest.approx(naive_pauc(naive_curve(*test_set), p))


def test_pauc_of_chance_is_one_half_for_every_p():
    scores = np.zeros(10)
    for p in (0.05, 0.1, 1.0):
        assert pauc([0, 1] * 5, scores, p) == pytest.approx(0.5)


@given(test_sets)
def test_eer_against_naive(test_set):
    assert eer(*test_set) == pytest.approx(naive_eer(naive_curve(*test_set)), abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([1, 2, 3, 4], 0.0), ([3, 4, 1, 2], 1.0), ([1, 3, 2, 4], 0.5), ([5, 5, 5, 5], 0.5)],
)
def test_worked_eers(scores, expected):
    assert eer([0, 0, 1, 1], scores) == expected


@given(test_sets)
def test_det_curve_against_naive(test_set):
    fpr, fnr, thresholds = det_curve(*test_set)
    np.testing.assert_allclose(np.stack([fpr, 1 - fnr], axis=1), naive_curve(*test_set))
    assert (fpr[0], fnr[0], fpr[-1], fnr[-1]) == (0, 1, 1, 0)
    assert (np.diff(fpr) >= 0).all() and (np.diff(fnr) <= 0).all()
    assert (np.diff(thresholds) < 0).all()
    assert thresholds[0] == max(test_set[1]) and thresholds[-1] == -np.inf


MEASURES = [
    lambda *test_set: count(*test_set, 0.5),
    lambda *test_set: precision(*test_set, 0.5),
    lambda *test_set: recall(*test_set, 0.5),
    lambda *test_set: f1(*test_set, 0.5),
    metrics.auc,
    pauc,
    eer,
    det_curve,
    metrics.f1_ev,
    metrics.bounded_f1_ev,
    metrics.optimal_threshold,
]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("anomalous", "scores", "message"),
    [
        ([], [], "n > 0"),
        ([0, 0], [0.1, 0.2], "all 2 clips are normal"),
        ([True, True], [0.1, 0.2], "all 2 clips are anomalous"),
        ([0, 1], [0.1, np.nan], "NaN"),
        ([0, 1], [0.1, np.inf], "infinite"),
        ([0, 1, 1], [0.1, 0.2], r"shape \(2,\) of the scores"),
        ([1, 2], [0.1, 0.2], "0 and 1"),
        ([0, np.nan], [0.1, 0.2], "0 and 1"),
        ([[0, 1]], [[0.1, 0.2]], "shape"),
    ],
)
def test_unusable_input_is_refused(measure, anomalous, scores, message):
    with pytest.raises(ValueError, match=message):
        measure(anomalous, scores)


def test_unusable_parameters_are_refused():
    with pytest.raises(ValueError, match="threshold must not be NaN"):
        f1(*WORKED, [0.1, np.nan])
    for p in (0.0, 1.5):
        with pytest.raises(ValueError, match=r"p must be in \(0, 1\]"):
            pauc(*WORKED, p)
