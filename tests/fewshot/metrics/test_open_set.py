from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot import metrics
from fewshot.metrics import oscr, top1_auc, top1_eer, top1_pauc, top1_roc

LABELS = ["bell", "bell", "siren", "siren", "unknown", "unknown"]
PREDICTED = ["bell", "siren", "siren", "siren", "bell", "siren"]
SCORES = [0.1, 0.2, 0.2, 0.6, 0.4, 0.9]
WORKED = (LABELS, PREDICTED, SCORES)

classes = st.sampled_from(["a", "b", "c", "unknown"])
few_scores = st.integers(-4, 4).map(lambda i: i / 4)


def columns(*elements):
    rows = st.lists(st.tuples(classes, *elements), min_size=2, max_size=30)
    both_kinds = rows.filter(lambda rows: len({row[0] == "unknown" for row in rows}) == 2)
    return both_kinds.map(lambda rows: tuple(map(list, zip(*rows, strict=True))))


test_sets = columns(classes, few_scores)


def naive_top1_curve(labels, predicted, scores):
    """Equations 28 and 29, set by set."""
    everything = set(range(len(labels)))
    unknown = {i for i in everything if labels[i] == "unknown"}
    known = everything - unknown
    points = []
    for threshold in [*sorted(set(scores), reverse=True), -np.inf]:
        found = {i for i in everything if scores[i] > threshold}
        false = len(found & known)
        for name in {labels[i] for i in known}:
            as_it = {i for i in everything if predicted[i] == name}
            false += len((everything - (found | as_it)) & {i for i in known if labels[i] == name})
        points.append((false / len(known), len(found & unknown) / len(unknown)))
    return points


def trapezia(points):
    return sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(points))


def naive_oscr(labels, predicted, scores):
    """Share of pairs in which a known clip is its own class and nearer than an unknown one."""
    rows = list(zip(labels, predicted, scores, strict=True))
    known = [(label == nearest, score) for label, nearest, score in rows if label != "unknown"]
    unknown = [score for label, _, score in rows if label == "unknown"]
    wins = [right * ((s < u) + (s == u) / 2) for right, s in known for u in unknown]
    return sum(wins) / len(wins)


def naive_oscr_curve(labels, predicted, scores):
    """Shares of accepted unknown clips, and of known ones that are accepted as their class."""
    rows = list(zip(labels, predicted, scores, strict=True))
    known = [row for row in rows if row[0] != "unknown"]
    unknown = [row for row in rows if row[0] == "unknown"]
    return [
        (
            sum(score <= threshold for *_, score in unknown) / len(unknown),
            sum(a == b and score <= threshold for a, b, score in known) / len(known),
        )
        for threshold in [-np.inf, *sorted(set(scores))]
    ]


def naive_cut(points, p):
    """Points up to p, with an interpolated one there."""
    cut = []
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 < p:
            end = min(x1, p)
            height = y1 if x0 == x1 else y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            cut += [(x0, y0), (end, height)]
    return cut


def naive_crossing(points):
    for (x0, y0), (x1, y1) in pairwise(points):
        before, after = x0 + y0 - 1, x1 + y1 - 1
        if before <= 0 <= after and before < after:
            return x0 + (x1 - x0) * -before / (after - before)
    raise AssertionError("no crossing")


@pytest.mark.parametrize(("n_train", "expected"), [(34, 0.0), (29, 0.04), (24, 0.09)])
def test_openness_of_the_alarms(n_train, expected):
    assert metrics.openness(n_train, 34) == pytest.approx(expected, abs=0.005)


def test_openness():
    assert metrics.openness(1, 7) == 0.5
    for n_train, n_test in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match=f"not {n_train} and {n_test}"):
            metrics.openness(n_train, n_test)


@given(columns(classes), st.sampled_from([0.0, 0.5, 0.8, 1.0]))
def test_weighted_accuracy_against_naive(test_set, weight):
    labels, answers = test_set
    known, unknown = [], []
    for label, answer in zip(labels, answers, strict=True):
        (unknown if label == "unknown" else known).append(label == answer)
    expected = weight * sum(known) / len(known) + (1 - weight) * sum(unknown) / len(unknown)
    assert metrics.weighted_accuracy(labels, answers, weight=weight) == pytest.approx(expected)


@given(columns(classes, st.booleans()), st.sampled_from([0.0, 0.5, 0.8, 1.0]))
def test_weighted_task_accuracy_against_equation_27(test_set, weight):
    labels, predicted, rejected = test_set
    everything = set(range(len(labels)))
    unknown = {i for i in everything if labels[i] == "unknown"}
    names = {labels[i] for i in everything - unknown}
    total = 0.0
    for name in names:
        own = {i for i in everything if labels[i] == name}
        total += len(own & {i for i in everything if predicted[i] == name}) / len(own)
    found = {i for i in everything if rejected[i]}
    n_right = len(found & unknown) + len(everything - found - unknown)
    expected = weight * total / len(names) + (1 - weight) * n_right / len(everything)
    result = metrics.weighted_task_accuracy(labels, predicted, rejected, weight=weight)
    assert result == pytest.approx(expected)


def test_the_two_weighted_accuracies_differ():
    rejected = np.array(SCORES) > 0.3
    answers = np.where(rejected, "unknown", PREDICTED)
    assert metrics.weighted_accuracy(LABELS, answers) == 0.5 * 2 / 4 + 0.5
    expected = 0.5 * (1 / 2 + 2 / 2) / 2 + 0.5 * 5 / 6
    assert metrics.weighted_task_accuracy(LABELS, PREDICTED, rejected) == pytest.approx(expected)


def test_answering_always_unknown_is_worth_one_half():
    assert metrics.weighted_accuracy(LABELS, ["unknown"] * 6) == 0.5


@given(test_sets)
def test_known_against_unknown_ignores_the_classes(test_set):
    labels, _, scores = test_set
    anomalous = [label == "unknown" for label in labels]
    assert metrics.unknown_auc(labels, scores) == metrics.auc(anomalous, scores)
    assert metrics.unknown_pauc(labels, scores) == metrics.pauc(anomalous, scores)
    assert metrics.unknown_pauc(labels, scores, 0.5) == metrics.pauc(anomalous, scores, 0.5)
    assert metrics.unknown_eer(labels, scores) == metrics.eer(anomalous, scores)


@given(test_sets)
def test_top1_roc_against_naive(test_set):
    fpr, tpr, thresholds = top1_roc(*test_set)
    np.testing.assert_allclose(np.stack([fpr, tpr], axis=1), naive_top1_curve(*test_set))
    labels, predicted, _ = test_set
    pairs = [(a, b) for a, b in zip(labels, predicted, strict=True) if a != "unknown"]
    assert fpr[0] == pytest.approx(sum(a != b for a, b in pairs) / len(pairs))
    assert (tpr[0], fpr[-1], tpr[-1], thresholds[-1]) == (0, 1, 1, -np.inf)
    assert (np.diff(fpr) >= 0).all() and (np.diff(tpr) >= 0).all()


@given(test_sets)
def test_top1_auc_against_naive(test_set):
    curve = naive_top1_curve(*test_set)
    assert top1_auc(*test_set) == pytest.approx(trapezia(curve))
    assert top1_auc(*test_set) <= 1 - curve[0][0] + 1e-12


@given(test_sets)
def test_oscr_against_naive(test_set):
    assert oscr(*test_set) == pytest.approx(naive_oscr(*test_set))
    assert oscr(*test_set) == pytest.approx(trapezia(naive_oscr_curve(*test_set)))


@given(test_sets, st.sampled_from([0.1, 0.25, 0.5, 1.0]))
def test_top1_pauc_against_naive(test_set, p):
    below = trapezia(naive_cut(naive_top1_curve(*test_set), p))
    expected = 0.5 * (1 + (below - p * p / 2) / (p - p * p / 2))
    assert top1_pauc(*test_set, p) == pytest.approx(expected)


@given(test_sets)
def test_top1_eer_against_naive(test_set):
    expected = naive_crossing(naive_top1_curve(*test_set))
    assert top1_eer(*test_set) == pytest.approx(expected, abs=1e-12)


@given(columns(few_scores))
def test_without_confusion_top1_is_known_against_unknown(test_set):
    labels, scores = test_set
    expected = {
        top1_auc: metrics.unknown_auc,
        top1_pauc: metrics.unknown_pauc,
        top1_eer: metrics.unknown_eer,
    }
    for measure, plain in expected.items():
        assert measure(labels, labels, scores) == pytest.approx(plain(labels, scores))


def test_worked_example():
    assert top1_auc(*WORKED) == oscr(*WORKED) == 0.625
    assert top1_eer(*WORKED) == 0.5
    assert metrics.unknown_auc(LABELS, SCORES) == 0.875
    assert metrics.unknown_eer(LABELS, SCORES) == 0.25
    assert top1_pauc(*WORKED) == pytest.approx(0.5 * (1 - 0.005 / 0.095))


def test_nothing_right():
    predicted = ["unknown"] * 6
    assert top1_auc(LABELS, predicted, SCORES) == 0.0
    assert top1_eer(LABELS, predicted, SCORES) == 1.0


def test_another_word_for_unknown():
    numbers = {"bell": 4, "siren": 5, "unknown": -1}
    labels, predicted = ([numbers[label] for label in column] for column in (LABELS, PREDICTED))
    assert oscr(labels, predicted, SCORES, unknown=-1) == 0.625
    assert metrics.weighted_accuracy(labels, [4, 5, 5, 5, -1, 5], unknown=-1) == 0.625


def test_numbers_as_classes_beside_a_word():
    numbers = {"bell": 4, "siren": 5, "unknown": "unknown"}
    labels, predicted = ([numbers[label] for label in column] for column in (LABELS, PREDICTED))
    assert oscr(labels, np.array(predicted), SCORES) == 0.625
    rejected = [False] * 6
    assert metrics.weighted_task_accuracy(
        labels, predicted, rejected
    ) == metrics.weighted_task_accuracy(LABELS, PREDICTED, rejected)
    assert metrics.weighted_accuracy(labels, [4, 5, 5, 5, "unknown", 5]) == 0.625


MEASURES = [
    lambda labels, predicted, scores: metrics.weighted_accuracy(labels, predicted),
    lambda labels, predicted, scores: metrics.weighted_task_accuracy(
        labels, predicted, np.zeros(len(labels))
    ),
    top1_roc,
    top1_auc,
    top1_pauc,
    top1_eer,
    oscr,
    lambda labels, predicted, scores: metrics.unknown_auc(labels, scores),
    lambda labels, predicted, scores: metrics.unknown_pauc(labels, scores),
    lambda labels, predicted, scores: metrics.unknown_eer(labels, scores),
]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "n > 0"),
        (["a", "b"], "none of the 2 labels are 'unknown'"),
        (["unknown", "unknown"], "all of the 2 labels are 'unknown'"),
        ([["a", "unknown"]], "shape"),
    ],
)
def test_unusable_labels_are_refused(measure, labels, message):
    with pytest.raises(ValueError, match=message):
        measure(labels, labels, [0.1, 0.2][: len(labels)])


@pytest.mark.parametrize("measure", MEASURES[2:])
@pytest.mark.parametrize("scores", [[0.1, np.nan], [0.1, np.inf], [0.1], [0.1, 0.2, 0.3]])
def test_unusable_scores_are_refused(measure, scores):
    with pytest.raises(ValueError, match=r"finite|shape|2 labels but [13] scores"):
        measure(["a", "unknown"], ["a", "a"], scores)


def test_other_unusable_input_is_refused():
    with pytest.raises(ValueError, match="6 labels but predictions of the shape"):
        oscr(LABELS, ["bell"], SCORES)
    with pytest.raises(ValueError, match="rejected must hold 0 and 1"):
        metrics.weighted_task_accuracy(LABELS, PREDICTED, SCORES)
    with pytest.raises(ValueError, match=r"weight must be in \[0, 1\]"):
        metrics.weighted_accuracy(LABELS, LABELS, weight=1.5)
    with pytest.raises(ValueError, match=r"p must be in \(0, 1\]"):
        top1_pauc(*WORKED, 0.0)
