"""Figures worked out by hand, and against scikit-learn."""

import math

import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import roc_auc_score

from asd.evaluation import (
    SectionScores,
    jackknife_intervals,
    official_figures,
    own_domain_figures,
)
from asd.evaluation.figures import harmonic_mean
from asd.evaluation.jackknife import areas_left_out
from fewshot.errors import InputError

EPSILON = np.finfo(float).eps


def section(source, target, machine="fan", name="00", decisions=None):
    """Pairs of normal and anomalous scores of each domain; decisions in the same order."""
    parts = [*source, *target]
    sizes = [len(part) for part in parts]
    flags = None if decisions is None else np.array(decisions, bool)
    return SectionScores(
        machine,
        name,
        np.repeat([False, True, False, True], sizes),
        np.repeat([False, False, True, True], sizes),
        np.concatenate(parts).astype(float),
        flags,
    )


ONE = section(([1, 2], [3, 8]), ([4, 6], [5, 9]), decisions=[0, 1, 1, 1, 0, 0, 0, 0])
"""Source normals 1, 2; source anomalies 3, 8; target normals 4, 6; target anomalies 5, 9."""


def test_2022_on_pairs_normals_of_a_domain_with_all_anomalies():
    for year in (2022, 2023, 2024, 2025):
        row = official_figures([ONE], year).sections["fan", "00"]
        assert row["AUC (source)"] == 1
        assert row["AUC (target)"] == 5 / 8
        assert row["AUC (all)"] == 13 / 16
        assert (row["pAUC (source)"], row["pAUC (target)"]) == pytest.approx(
            (1, 0.5 + 0.5 * 9 / 19)
        )


def test_2021_takes_the_clips_of_the_domain():
    figures = official_figures([ONE], 2021)
    row = figures.sections["fan", "00"]
    assert (row["AUC (source)"], row["AUC (target)"]) == (1, 3 / 4)
    assert "AUC (all)" not in row and "pAUC" not in row
    assert figures.intervals is None
    parts = [row[f"{name} ({d})"] for name in ("AUC", "pAUC") for d in ("source", "target")]
    assert figures.score == pytest.approx(4 / sum(1 / part for part in parts))


def test_2020_knows_no_domains_and_no_score():
    both = [ONE, section(([1], [2]), ([3], [4]), name="02")]
    figures = official_figures(both, 2020)
    assert figures.sections["fan", "00"] == {
        "AUC": 13 / 16,
        "pAUC": pytest.approx(roc_auc_score(ONE.anomalous, ONE.scores, max_fpr=0.1)),
    }
    assert figures.machines["fan"]["arithmetic mean"]["AUC"] == (13 / 16 + 3 / 4) / 2
    assert (figures.score, figures.intervals, figures.overall) == (None, None, {})


def test_decisions_count_where_they_were_made():
    row = official_figures([ONE], 2023).sections["fan", "00"]
    assert (row["precision (source)"], row["recall (source)"]) == (2 / 3, 1)
    assert row["F1 score (source)"] == 4 / 5
    assert row["precision (target)"] == row["recall (target)"] == row["F1 score (target)"] == 0
    overall = official_figures([ONE], 2023).overall
    assert overall["arithmetic mean"]["recall"] == 0.5
    assert overall["harmonic mean"]["recall"] == pytest.approx(2 * EPSILON, rel=1e-9)
    assert overall["target harmonic mean"]["F1 score"] == pytest.approx(EPSILON)
    without = official_figures([section(([1], [2]), ([3], [4]))], 2023)
    assert "precision" not in without.overall["harmonic mean"]


def three(machine="fan"):
    """Three sections with an AUC (source) of 1, 1/2, 1/4 and an AUC (target) of 1/2, 1, 1/8."""
    anomalies = np.arange(8) + 0.5
    better = [(8, 4), (4, 8), (2, 1)]
    return [
        section(([8.2 - source], anomalies), ([8.2 - target], []), machine, f"0{i}")
        for i, (source, target) in enumerate(better)
    ]


def test_means_over_sections_and_the_score():
    figures = official_figures(three(), 2023)
    rows = list(figures.sections.values())
    assert [row["AUC (source)"] for row in rows] == [1, 1 / 2, 1 / 4]
    assert [row["AUC (target)"] for row in rows] == [1 / 2, 1, 1 / 8]
    means = figures.machines["fan"]
    assert means["arithmetic mean"]["AUC"] == pytest.approx((1.75 + 1.625) / 6)
    assert means["harmonic mean"]["AUC"] == pytest.approx(6 / (1 + 2 + 4 + 2 + 1 + 8))
    assert means["harmonic mean"]["AUC (target)"] == pytest.approx(3 / 11)
    assert means["source harmonic mean"]["AUC"] == pytest.approx(3 / 7)
    assert means["target harmonic mean"]["AUC"] == pytest.approx(3 / 11)
    inverse = 7 + 11 + sum(1 / row["pAUC"] for row in rows)
    assert figures.score == pytest.approx(9 / inverse)
    assert not any("as printed" in name for name in means)


def test_2022_in_both_readings():
    means = official_figures(three(), 2022).machines["fan"]
    assert means["source harmonic mean"]["AUC"] == pytest.approx(3 / 7)
    assert means["source harmonic mean as printed in 2022"]["AUC"] == 1
    printed = means["target harmonic mean as printed in 2022"]["AUC"]
    assert printed == pytest.approx(5 / (2 + 4 + 2 + 1 + 8))


def test_own_domain_figures_stand_apart():
    figures = own_domain_figures([ONE], 2023)
    row = figures.sections["fan", "00"]
    assert row["own-domain AUC (source)"] == 1
    assert row["own-domain AUC (target)"] == 3 / 4
    assert row["mixed AUC"] == 13 / 16
    assert set(row) & set(official_figures([ONE], 2023).sections["fan", "00"]) == set()
    two = own_domain_figures([ONE, section(([1], [2]), ([3], [2]), "pump")], 2023)
    assert two.mean == "harmonic mean"
    assert two.overall["own-domain AUC (target)"] == pytest.approx(2 * EPSILON, rel=1e-9)
    assert two.machines["fan"]["mixed AUC"] == pytest.approx(13 / 16)
    of_2020 = own_domain_figures([ONE], 2020)
    assert (of_2020.mean, set(of_2020.overall)) == ("arithmetic mean", {"mixed AUC", "mixed pAUC"})


def test_what_has_no_value_is_nan_and_not_zero():
    lacking = section(([1, 2], [3]), ([4, 5], []))
    assert math.isnan(official_figures([lacking], 2023).sections["fan", "00"]["pAUC (target)"])
    assert math.isnan(own_domain_figures([lacking], 2023).overall["own-domain AUC (target)"])


@pytest.mark.parametrize(
    ("sections", "year", "message"),
    [
        ([], 2023, "no scores to evaluate"),
        ([ONE, ONE], 2023, "a section is there twice"),
        ([ONE], 2019, "year 2019 is none of 2020 to 2025"),
        (
            [section(([], [3]), ([4, 5], [6]))],
            2023,
            r"fan 00: .* lack for the AUC \(source\) of 2023",
        ),
        ([section(([1], [3]), ([4], []))], 2021, r"lack for the AUC \(target\) of 2021"),
        (
            [SectionScores("fan", "00", np.eye(2, dtype=bool)[0], None, np.arange(2.0))],
            2023,
            "no domains",
        ),
    ],
)
def test_what_cannot_be_evaluated(sections, year, message):
    with pytest.raises(InputError, match=message):
        official_figures(sections, year)


def test_harmonic_mean_of_zeros_counts_the_machine_epsilon():
    assert harmonic_mean([0, 0]) == pytest.approx(EPSILON)


@pytest.mark.parametrize("levels", [3, 50])
def test_areas_left_out_are_those_of_scikit_learn(levels):
    rng = np.random.default_rng(levels)
    anomalous = np.arange(40) % 3 == 0
    scores = rng.integers(levels, size=40) + 0.5 * anomalous
    found = areas_left_out(anomalous, scores)
    for i in range(40):
        rest = np.arange(40) != i
        expected = [roc_auc_score(anomalous[rest], scores[rest], max_fpr=p) for p in (None, 0.1)]
        assert found[:, i] == pytest.approx(expected, abs=1e-12)


def test_intervals_by_their_definition():
    rng = np.random.default_rng(0)
    both = [section(rng.normal(size=(2, 9)), rng.normal(size=(2, 7)), m) for m in ("fan", "pump")]
    anomalous = np.concatenate([s.anomalous for s in both])
    scores = np.concatenate([s.scores for s in both])
    n = len(scores)
    widths, narrow = [], []
    for p in (None, 0.1):
        areas = [
            roc_auc_score(np.delete(anomalous, i), np.delete(scores, i), max_fpr=p)
            for i in range(n)
        ]
        quantile, squares = t.ppf(0.975, n - 1), np.sum((areas - np.mean(areas)) ** 2)
        widths.append(quantile * np.sqrt((n - 1) / n * squares))
        narrow.append(quantile * np.sqrt(squares / (n * (n - 1))))
    found = jackknife_intervals(both)
    assert (found.auc, found.pauc) == pytest.approx(widths)
    assert found.official == pytest.approx(np.mean(narrow))


def test_intervals_need_two_of_each():
    assert jackknife_intervals([section(([1], [2]), ([3], []))]) is None
