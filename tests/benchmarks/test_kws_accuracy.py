"""What the benchmark of task folders reports of events that are found."""

import importlib
import math
from pathlib import Path

import pytest

from fewshot.events import Event


@pytest.fixture(scope="module")
def candidates(script):
    return importlib.import_module("kws_rows").Candidates


def events(*rows):
    return [Event("a.wav", onset, onset + 1.0, label, score) for label, onset, score in rows]


@pytest.fixture
def parts(script):
    truth = {
        "validation": events(("yes", 1, 0), ("no", 3, 0)),
        "test": events(("yes", 1, 0), ("no", 3, 0), ("no", 7, 0)),
    }
    return {name: script.Part(Path(), {"a.wav": 10.0}, own) for name, own in truth.items()}


# "no" scores lower than what is taken for "yes".
FOUND = {
    "validation": events(("yes", 1, -1.0), ("yes", 5, -2.0), ("no", 3, -3.0), ("no", 8, -4.0)),
    "test": events(
        ("yes", 1, -1.0), ("yes", 5, -2.0), ("no", 3, -3.0), ("no", 7, -3.2), ("no", 9, -4.0)
    ),
}


def test_thresholds_of_all_keywords_of_each_and_given(script, parts, candidates):
    found = {name: candidates(own) for name, own in FOUND.items()}
    found = script.report(parts, found, -1.5)
    assert found["validation_f"] == pytest.approx(4 / 5)
    assert found["threshold"] == -3.5
    assert (found["p"], found["r"], found["f"]) == pytest.approx((3 / 4, 1, 6 / 7))
    assert found["individual_f"] == 1
    assert (found["own_p"], found["own_r"]) == pytest.approx((1, 1 / 3))
    assert found["best_f"] == pytest.approx(6 / 7)


def test_a_keyword_that_validation_never_shows_is_not_detected(script, parts, candidates):
    shown = {"validation": events(("yes", 1, -1.0)), "test": FOUND["test"]}
    found = {name: candidates(own) for name, own in shown.items()}
    assert script.report(parts, found, None)["individual_f"] == 0.5


def test_length_of_detections_relative_to_what_they_overlap(script):
    truth = [Event("a.wav", 1.0, 2.0, "yes", 0), Event("a.wav", 5.0, 7.0, "yes", 0)]
    found = [Event("a.wav", 1.2, 1.7, "yes", 0), Event("a.wav", 4.5, 6.0, "yes", 0)]
    missed = [Event("a.wav", 1.0, 2.0, "no", 0), Event("b.wav", 1.0, 3.0, "yes", 0)]
    assert script.length_ratio(truth, found + missed) == pytest.approx((0.5 + 0.75) / 2)
    assert math.isnan(script.length_ratio(truth, missed))
