import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.event_scores import (
    Counts,
    intersection_counts,
    micro_average,
    overlaps,
    segment_counts,
)
from fewshot.events import Event

FILES, LABELS = ("a.wav", "b.wav"), ("lamp", "door")
SHARES = st.sampled_from([0.1, 0.5, 0.7, 1.0])


def event(file, label, onset, length):
    return Event(file, onset / 10, (onset + length) / 10, label)


EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from(FILES),
        st.sampled_from(LABELS),
        st.integers(0, 30),
        st.integers(1, 20),
    ),
    max_size=8,
)


def tenths(one):
    return round(one.onset_s * 10), round(one.offset_s * 10)


def common(one, other):
    """Tenths of a second that two events share."""
    if (one.filename, one.label) != (other.filename, other.label):
        return 0
    (a, b), (c, d) = tenths(one), tenths(other)
    return len(set(range(a, b)) & set(range(c, d)))


def naive_intersection(reference, estimated, dtc, gtc):
    dtc, gtc = (Fraction(share).limit_denominator(10) for share in (dtc, gtc))

    def length(one):
        return tenths(one)[1] - tenths(one)[0]

    relevant = [e for e in estimated if sum(common(e, r) for r in reference) >= dtc * length(e)]
    found = [r for r in reference if sum(common(e, r) for e in relevant) >= gtc * length(r)]
    return len(reference), len(found) + len(estimated) - len(relevant), len(found)


@given(EVENTS, EVENTS, SHARES, SHARES)
def test_intersections_are_those_of_the_definition(reference, estimated, dtc, gtc):
    by_label = intersection_counts(reference, estimated, dtc=dtc, gtc=gtc)
    assert list(by_label) == sorted({e.label for e in reference + estimated})
    for label, counts in by_label.items():
        own = ([e for e in events if e.label == label] for events in (reference, estimated))
        assert counts == Counts(*naive_intersection(*own, dtc, gtc))
    assert micro_average(by_label) == Counts(*naive_intersection(reference, estimated, dtc, gtc))


@given(EVENTS, EVENTS, SHARES, SHARES)
def test_intersections_are_those_of_sed_scores_eval(reference, estimated, dtc, gtc):
    module = pytest.importorskip("sed_scores_eval.intersection_based.intermediate_statistics")
    expected = np.zeros(2, int)
    for file in FILES:
        for label in LABELS:
            onsets, offsets = (
                [
                    np.array(
                        [getattr(e, side) for e in events if (e.filename, e.label) == (file, label)]
                    )
                    for events in (estimated, reference)
                ]
                for side in ("onset_s", "offset_s")
            )
            counted = module.statistics_fn(
                onsets[0][None], offsets[0][None], onsets[1], offsets[1], {}, {}, dtc, gtc, None
            )
            expected += [counted["tps"].item(), counted["fps"].item()]
    counts = micro_average(intersection_counts(reference, estimated, dtc=dtc, gtc=gtc))
    assert (counts.n_tp, counts.n_fp) == tuple(expected)


@given(EVENTS, EVENTS, st.sampled_from([0.1, 0.25, 1.0]))
def test_segments_are_those_of_sed_eval(reference, estimated, segment_s):
    from sed_eval.sound_event import SegmentBasedMetrics

    metrics = SegmentBasedMetrics(list(LABELS), time_resolution=segment_s)
    for file in FILES:
        lists = [
            [
                {"event_label": e.label, "event_onset": e.onset_s, "event_offset": e.offset_s}
                for e in events
                if e.filename == file
            ]
            for events in (reference, estimated)
        ]
        metrics.evaluate(*lists, evaluated_length_seconds=10.0)
    by_label = segment_counts(reference, estimated, segment_s)
    names = ("Nref", "Nsys", "Ntp")
    for label in LABELS:
        expected = Counts(*(int(metrics.class_wise[label][name]) for name in names))
        assert by_label.get(label, Counts(0, 0, 0)) == expected
    assert micro_average(by_label) == Counts(*(int(metrics.overall[name]) for name in names))


def test_pieces_of_an_event_are_one_for_intersections():
    truth = [Event("a", 1.0, 2.0, "lamp")]
    pieces = [Event("a", 1.0, 1.3, "lamp"), Event("a", 1.4, 1.6, "lamp")]
    assert intersection_counts(truth, pieces) == {"lamp": Counts(1, 1, 1)}
    assert intersection_counts(truth, pieces[:1]) == {"lamp": Counts(1, 0, 0)}
    late = [replace(pieces[0], onset_s=1.7, offset_s=2.4)]
    assert intersection_counts(truth, late) == {"lamp": Counts(1, 1, 0)}
    assert intersection_counts(truth, late, dtc=0.4, gtc=0.3) == {"lamp": Counts(1, 1, 1)}


def test_a_half_is_enough_whatever_the_decimals():
    """0.3 s of 0.6 s, of which binary fractions make a little less."""
    truth, found = [Event("a", 0.1, 0.7, "x")], [Event("a", 0.4, 0.7, "x")]
    assert 0.7 - 0.4 < 0.5 * (0.7 - 0.1)
    assert intersection_counts(truth, found) == {"x": Counts(1, 1, 1)}


def test_other_labels_and_recordings_have_nothing_in_common():
    truth = [Event("a", 1, 2, "lamp")]
    found = [Event("a", 1, 2, "door"), Event("b", 1, 2, "lamp")]
    for count in (segment_counts, intersection_counts):
        assert count(truth, found) == {"door": Counts(0, 1, 0), "lamp": Counts(1, 1, 0)}
        assert count([], []) == {}
    assert micro_average({}) == Counts(0, 0, 0)
    assert micro_average({}).f_score == 0


@pytest.mark.parametrize("settings", [{"dtc": 0.0}, {"gtc": 1.1}, {"dtc": math.nan}])
def test_shares_that_make_no_sense(settings):
    with pytest.raises(ValueError, match=r"must be in \(0, 1\]"):
        intersection_counts([], [], **settings)
    with pytest.raises(ValueError, match="segment_s must be above 0"):
        segment_counts([], [], 0.0)


@given(EVENTS, EVENTS)
def test_overlaps_are_all_pairs_that_overlap(truths, events):
    truths, events = (
        [replace(e, filename="a", label="x") for e in own] for own in (truths, events)
    )
    events.sort(key=lambda e: e.onset_s)
    found = {(i, k): round(10 * common_s) for common_s, i, k in overlaps(truths, events)}
    pairs = {(i, k): common(t, e) for i, t in enumerate(truths) for k, e in enumerate(events)}
    assert found == {places: tenths for places, tenths in pairs.items() if tenths}
