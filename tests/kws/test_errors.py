import csv
import io

import pytest

from fewshot.events import Event
from kws.errors import COLUMNS, Outcome, confusion, outcomes, to_csv
from kws.evaluation import evaluate

TRUTH = [
    Event("a.wav", 1.0, 1.5, "lamp"),
    Event("a.wav", 4.0, 4.5, "door"),
    Event("a.wav", 6.0, 6.5, "lamp"),
    Event("a.wav", 8.0, 8.5, "door"),
    Event("b.wav", 1.0, 1.5, "lamp"),
]
FOUND = [
    Event("a.wav", 1.1, 1.6, "lamp", 9.0),  # right
    Event("a.wav", 4.1, 4.6, "lamp", 8.0),  # where "door" is
    Event("a.wav", 6.3, 6.9, "lamp", 7.0),  # 0.4 s late at its end
    Event("a.wav", 8.4, 9.0, "door", 4.0),  # 0.5 s
    Event("a.wav", 1.5, 1.9, "lamp", 5.0),  # the first lamp once more
    Event("c.wav", 1.0, 1.5, "door", 6.0),  # where nothing is
]


def test_each_event_is_said_to_be_what_it_is():
    found = outcomes(TRUTH, FOUND)
    assert [(o.kind, o.event and o.event.score, o.truth) for o in found] == [
        ("missed", None, TRUTH[4]),
        ("confused", 8.0, TRUTH[1]),
        ("invented", 6.0, None),
        ("invented", 5.0, None),
        ("moved", 4.0, TRUTH[3]),
        ("moved", 7.0, TRUTH[2]),
        ("right", 9.0, TRUTH[0]),
    ]
    assert [round(o.off_s, 6) for o in found if o.kind == "moved"] == [0.5, 0.4]
    assert [o.filename for o in found[:3]] == ["b.wav", "a.wav", "c.wav"]


def test_collars_decide_what_is_moved():
    wide = outcomes(TRUTH, FOUND, collar_s=0.5, percentage_of_length=1.0)
    assert [o.kind for o in wide].count("moved") == 0
    narrow = outcomes(TRUTH, FOUND, collar_s=0.05, percentage_of_length=0.0)
    assert [o.kind for o in narrow].count("right") == 0


def test_the_larger_overlap_decides():
    truth = [Event("a", 1.0, 2.0, "lamp"), Event("a", 2.0, 3.0, "lamp")]
    (event,) = [Event("a", 1.8, 2.6, "lamp", 1.0)]
    (missed, moved) = outcomes(truth, [event], collar_s=0.05, percentage_of_length=0.0)
    assert (missed.kind, missed.truth) == ("missed", truth[0])
    assert (moved.kind, moved.truth) == ("moved", truth[1])
    # The same label goes before a larger overlap with another one.
    double = [Event("a", 1.0, 2.0, "door"), Event("a", 1.7, 2.2, "lamp")]
    kinds = {o.truth.label: o.kind for o in outcomes(double, [Event("a", 1.0, 2.0, "lamp", 1.0)])}
    assert kinds == {"door": "missed", "lamp": "moved"}


def test_touching_events_do_not_overlap():
    kinds = [o.kind for o in outcomes([Event("a", 1, 2, "x")], [Event("a", 2, 3, "y")])]
    assert kinds == ["missed", "invented"]


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_those_of_the_evaluation(seed):
    import numpy as np

    rng = np.random.default_rng(seed)

    def events(n):
        onsets = rng.uniform(0, 8, n)
        return [
            Event(
                f"{rng.integers(2)}.wav",
                onset,
                onset + rng.uniform(0.2, 1),
                "ab"[rng.integers(2)],
                float(rng.normal()),
            )
            for onset in onsets
        ]

    truth, detected = events(rng.integers(0, 25)), events(rng.integers(0, 25))
    found = outcomes(truth, detected)
    result = evaluate(truth, detected)
    assert sum(o.kind == "right" for o in found) == result.n_tp
    assert sum(o.truth is not None for o in found) == result.n_ref
    assert sum(o.event is not None for o in found) == result.n_sys
    assert sorted(o.truth for o in found if o.truth) == sorted(truth)
    assert sorted(o.event for o in found if o.event) == sorted(detected)
    for outcome in found:
        if outcome.kind in ("moved", "confused"):
            event, true = outcome.event, outcome.truth
            assert event.onset_s < true.offset_s and true.onset_s < event.offset_s
            assert (event.label == true.label) == (outcome.kind == "moved")


def test_confusion_counts_keywords_and_nothing():
    #      found: door lamp nothing
    expected = [[1, 1, 0], [0, 2, 1], [1, 1, 0]]
    assert confusion(outcomes(TRUTH, FOUND), ["door", "lamp"]) == expected


def test_table_of_errors():
    rows = list(csv.reader(io.StringIO(to_csv(outcomes(TRUTH, FOUND)))))
    assert rows[0] == list(COLUMNS)
    assert rows[1:3] == [
        ["missed", "b.wav", "", "", "", "1.000", "1.500", "lamp", ""],
        ["confused", "a.wav", "4.100", "4.600", "lamp", "4.000", "4.500", "door", "8"],
    ]
    assert rows[3] == ["invented", "c.wav", "1.000", "1.500", "door", "", "", "", "6"]
    assert len(rows) == 7
    assert to_csv([Outcome("right", FOUND[0], TRUTH[0])]).count("\n") == 1
    assert outcomes([], []) == []


def test_events_without_scores():
    found = outcomes([], [Event("a", 1, 2, "x"), Event("a", 3, 4, "x", 1.0)])
    assert [o.event.score for o in found] == [1.0, None]
