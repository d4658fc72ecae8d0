import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.errors import InputError
from fewshot.events import Event
from kws.evaluation import evaluate, join_files, tune, tune_for_others, tune_per_keyword

# Times on a coarse grid, so that many pairs lie exactly on the collar.
FILES, LABELS = ("a.wav", "b.wav"), ("lamp", "door", "None")


def events(max_size, scores):
    times = st.tuples(st.integers(0, 12), st.integers(1, 8))

    def build(file, label, time, score):
        return Event(file, time[0] / 10, (time[0] + time[1]) / 10, label, score)

    one = st.builds(build, st.sampled_from(FILES), st.sampled_from(LABELS), times, scores)
    return st.lists(one, max_size=max_size)


REFERENCES = events(8, st.none())
CANDIDATES = events(10, st.integers(-4, 0).map(lambda n: n / 8))


def largest_matching(reference, estimated, collar_s=0.2, share=0.5):
    """Naive: every way to pair the events."""

    def fits(r, e):
        late = max(collar_s, share * (r.offset_s - r.onset_s))
        return (
            (r.filename, r.label) == (e.filename, e.label)
            and math.fabs(r.onset_s - e.onset_s) <= collar_s
            and math.fabs(r.offset_s - e.offset_s) <= late
        )

    def best(left, free):
        if not left:
            return 0
        without = best(left[1:], free)
        chosen = (1 + best(left[1:], free - {i}) for i in free if fits(left[0], estimated[i]))
        return max(without, *chosen, 0)

    return best(list(reference), frozenset(range(len(estimated))))


@given(events(4, st.none()), events(4, st.none()))
def test_matches_are_the_largest_matching(reference, estimated):
    result = evaluate(reference, estimated)
    assert result.n_tp == largest_matching(reference, estimated)
    assert (result.n_ref, result.n_sys) == (len(reference), len(estimated))


def test_figures_worked_by_hand():
    truth = [
        Event("a", 1.0, 1.4, "lamp"),
        Event("a", 5.0, 7.0, "lamp"),
        Event("a", 9.0, 9.5, "door"),
        Event("b", 1.0, 1.5, "door"),
    ]
    found = [
        Event("a", 1.15, 1.59, "lamp"),  # both within 0.2 s
        Event("a", 5.1, 6.1, "lamp"),  # the offset within half of the length
        Event("a", 9.0, 9.5, "lamp"),  # the place of another keyword: a substitution
        Event("b", 1.25, 1.5, "door"),  # the onset is 0.25 s off: inserted, and one deleted
        Event("c", 0.0, 1.0, "cup"),  # inserted
    ]
    result = evaluate(truth, found, {"a": 900.0, "b": 450.0, "c": 300.0, "d": 150.0})
    assert (result.n_ref, result.n_sys, result.n_tp, result.n_fp, result.n_fn) == (4, 5, 2, 3, 2)
    assert (result.precision, result.recall) == (2 / 5, 2 / 4)
    assert result.f_score == 4 / 9
    assert result.error_rate == pytest.approx((1 + 1 + 2) / 4)
    assert result.false_alarms_per_hour == pytest.approx(6.0)
    assert (result.n_recordings, result.duration_s) == (4, 1800.0)
    assert list(result.keywords) == ["cup", "door", "lamp"]
    lamp, door, cup = (result.keywords[label] for label in ("lamp", "door", "cup"))
    assert (lamp.n_tp, lamp.n_fp, lamp.n_fn, lamp.error_rate) == (2, 1, 0, 0.5)
    assert (door.n_tp, door.n_fp, door.n_fn, door.error_rate) == (0, 1, 2, 1.5)
    assert (cup.f_score, cup.error_rate, cup.false_alarms_per_hour) == (0.0, None, 2.0)
    wider = evaluate(truth, found, collar_s=0.3, percentage_of_length=0.0)
    assert [wider.keywords[label].n_tp for label in ("door", "lamp")] == [1, 1]


def test_recordings_without_durations():
    result = evaluate([Event("a", 0, 1, "x")], [], ["a", "b", "b"])
    assert (result.n_recordings, result.duration_s, result.false_alarms_per_hour) == (2, None, None)
    with pytest.raises(InputError, match="c: has events but is not in the list"):
        evaluate([], [Event("c", 0, 1, "x")], ["a"])


@pytest.mark.parametrize(("n_ref", "n_sys"), [(0, 0), (0, 2), (2, 0)])
def test_empty_lists_score_zero(n_ref, n_sys, capfd):
    truth = [Event("a", i, i + 1, "x") for i in range(n_ref)]
    found = [Event("a", i, i + 1, "x") for i in range(n_sys)]
    result = evaluate(truth, found, {"a": 3600.0})
    assert (result.f_score, result.precision, result.recall) == (0.0, 0.0, 0.0)
    assert result.error_rate == (1.0 if n_ref else None)
    assert result.false_alarms_per_hour == n_sys
    assert capfd.readouterr() == ("", "")


def test_labels_that_sed_eval_would_change():
    reference = [Event("a", 0, 1, "none"), Event("a", 2, 3, " x"), Event("a", 4, 5, "x")]
    result = evaluate(reference, reference)
    assert (result.n_tp, result.error_rate) == (3, 0.0)


def f_of_accepted(reference, accepted):
    result = evaluate(reference, accepted)
    return result.f_score, result.n_sys, result.n_tp


@given(REFERENCES, CANDIDATES.filter(bool))
def test_tuned_is_the_best_of_all_thresholds(reference, candidates):
    tuned = tune(reference, candidates)
    accepted = [event for event in candidates if event.score >= tuned.threshold]
    got = tuned.f_score, tuned.n_sys, tuned.n_tp
    assert got == f_of_accepted(reference, accepted)
    every = {}
    for limit in [math.inf, *sorted({event.score for event in candidates}, reverse=True)]:
        every[limit] = f_of_accepted(reference, [e for e in candidates if e.score >= limit])
    best = max(f for f, *_ in every.values())
    assert tuned.f_score == best
    # Of equals the highest threshold, which lies away from every score.
    assert got == next(entry for entry in every.values() if entry[0] == best)
    scores = sorted({event.score for event in candidates})
    assert tuned.threshold not in scores
    lower, upper = (
        max((s for s in scores if s < tuned.threshold), default=None),
        min((s for s in scores if s > tuned.threshold), default=None),
    )
    if lower is not None and upper is not None:
        assert tuned.threshold == (lower + upper) / 2


@given(REFERENCES, CANDIDATES.filter(bool))
def test_tuned_for_others_is_the_mean_of_weighted_thresholds(reference, candidates):
    tuned = tune_for_others(reference, candidates)
    accepted = [event for event in candidates if event.score >= tuned.threshold]
    got = tuned.f_score, tuned.n_sys, tuned.n_tp
    assert got == f_of_accepted(reference, accepted)
    best = tune(reference, candidates)
    assert tuned.f_score <= best.f_score
    if not best.n_tp:
        assert not accepted
        return
    scores = sorted({event.score for event in candidates}, reverse=True)
    gaps = [a - b for a, b in itertools.pairwise(scores)] or [1e-3 * max(abs(scores[0]), 1e-3) * 2]
    edges = [scores[0] + gaps[0], *scores, scores[-1] - gaps[-1]]
    total = area = 0.0
    for upper, lower in itertools.pairwise(edges):
        kept = [event for event in candidates if event.score > (upper + lower) / 2]
        weight = math.exp(max(len(reference), 20) * f_of_accepted(reference, kept)[0])
        total += weight * (upper - lower)
        area += weight * (upper - lower) * (upper + lower) / 2
    mean = area / total
    away = min(abs(score - mean) for score in scores)
    assert away < 1e-6 or [e for e in candidates if e.score >= mean] == accepted


def test_a_narrow_peak_is_not_what_holds_for_others():
    """Twenty words, all found above 5; at 8 one false alarm is gone, and at 8.1 a word."""
    truth = [Event("a", 2 * i, 2 * i + 1, "x") for i in range(20)]
    found = [Event("a", 2 * i, 2 * i + 1, "x", 8.1 + i / 10) for i in range(20)]
    alarms = [Event("b", 0, 1, "x", 8.0), *(Event("b", i, i + 1, "x", 5.0) for i in range(9))]
    assert tune(truth, found + alarms).threshold == pytest.approx(8.05)
    steady = tune_for_others(truth, found + alarms)
    assert (steady.n_tp, steady.n_sys) == (20, 21) and 5.0 < steady.threshold < 8.0


@given(events(6, st.none()), events(6, st.integers(-3, 0).map(float)).filter(bool))
def test_tuned_per_keyword_is_the_best_of_all_combinations(reference, candidates):
    tuned = tune_per_keyword(reference, candidates)
    assert set(tuned.thresholds) == {event.label for event in candidates}
    accepted = [event for event in candidates if event.score >= tuned.thresholds[event.label]]
    assert (tuned.f_score, tuned.n_sys, tuned.n_tp) == f_of_accepted(reference, accepted)
    counts = []
    for label in tuned.thresholds:
        truth = [event for event in reference if event.label == label]
        own = [event for event in candidates if event.label == label]
        limits = {math.inf, *(event.score for event in own)}
        kept = ([event for event in own if event.score >= limit] for limit in limits)
        counts.append([(len(k), largest_matching(truth, k)) for k in kept])
    best = 0.0
    for chosen in itertools.product(*counts):
        n_sys, n_tp = map(sum, zip(*chosen, strict=True))
        best = max(best, 2 * n_tp / max(n_sys + len(reference), 1))
    assert tuned.f_score == best >= tune(reference, candidates).f_score


def test_long_chain_of_overlapping_events():
    """Each new candidate takes the place of all before it; no recursion is deep enough."""
    n = 3000
    truth = [Event("a", i / 8, i / 8 + 0.25, "x") for i in range(n)]
    found = [Event("a", (i + 1) / 8, (i + 1) / 8 + 0.25, "x", -float(i)) for i in range(n - 1)]
    last = Event("a", (n - 1) / 8, (n - 1) / 8 + 0.25, "x", -float(n))
    tuned = tune(truth, [*found, last], collar_s=0.125, percentage_of_length=0.0)
    assert (tuned.n_tp, tuned.f_score, tuned.threshold) == (n, 1.0, -n - 1.0)


def test_thresholds_at_the_ends():
    truth = [Event("a", 0, 1, "x")]
    assert tune(truth, [Event("a", 0, 1, "x", -0.5)]).threshold == pytest.approx(-0.5005)
    none = tune(truth, [Event("a", 5, 6, "x", -0.5), Event("a", 7, 8, "x", -0.7)])
    assert (none.threshold, none.n_sys, none.f_score) == (pytest.approx(-0.4), 0, 0.0)
    close = [Event("a", 0, 1, "x", 1.0), Event("a", 7, 8, "x", math.nextafter(1.0, 0.0))]
    assert tune(truth, close).threshold == 1.0


@pytest.mark.parametrize("function", [tune, tune_for_others, tune_per_keyword])
def test_tuning_needs_scores(function):
    truth = [Event("a", 0, 1, "x")]
    with pytest.raises(InputError, match="no candidates"):
        function(truth, [])
    with pytest.raises(InputError, match="a: an event without a score"):
        function(truth, truth)


def place(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_join_by_path(tmp_path, monkeypatch):
    place(tmp_path, "task/x/1.wav", "task/y/1.wav", "task/z/1.wav")
    (tmp_path / "link").symlink_to(tmp_path / "task")
    monkeypatch.chdir(tmp_path)
    absolute = str(tmp_path / "task/y/1.wav")
    files = ["task/x/1.wav", "./task/x/../x/1.wav", absolute, "link/y/1.wav", "task/z/1.wav"]
    assert join_files(["x/1.wav", "./y/1.wav"], files, "task") == {
        files[0]: "x/1.wav",
        files[1]: "x/1.wav",
        files[2]: "./y/1.wav",
        files[3]: "./y/1.wav",
        files[4]: None,
    }


def test_files_join_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert join_files(["x/1.wav"], ["./x/1.wav"]) == {"./x/1.wav": "x/1.wav"}
    assert join_files(["x/1.wav", "y/2.wav"], ["/else/2.wav", "3.wav"]) == {
        "/else/2.wav": "y/2.wav",
        "3.wav": None,
    }
    assert join_files(["x/1.b.wav"], ["1.b"]) == {"1.b": "x/1.b.wav"}
    assert join_files(["1"], ["x/1.wav"]) == {"x/1.wav": "1"}
    assert join_files([], ["a"]) == {"a": None}
    assert join_files(["a"], []) == {}


def test_another_file_of_the_same_name_is_another_recording(tmp_path, monkeypatch):
    place(tmp_path, "task/x/1.wav", "task/x/2.wav", "task/y/2.wav")
    monkeypatch.chdir(tmp_path)
    files = ["task/x/1.wav", "task/y/2.wav"]
    joined = join_files(["x/1.wav", "x/2.wav"], files, "task")
    assert joined == {files[0]: "x/1.wav", files[1]: None}
    # Nothing joins by path: the names are all there is.
    assert join_files(["x/1.wav", "x/2.wav"], ["task/y/2.wav"], "task") == {files[1]: "x/2.wav"}


@pytest.mark.parametrize(
    ("references", "files"),
    [(["x/1.wav", "y/1.wav"], ["1.wav"]), (["x/1.wav"], ["a/1.wav", "1.wav"])],
)
def test_names_that_leave_a_choice(references, files):
    with pytest.raises(InputError, match=r"1\.wav: its name alone does not tell.*give --root"):
        join_files(references, files)


def test_no_file_joins(tmp_path, monkeypatch):
    place(tmp_path, "task/1.wav", "task/2.wav")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"there 1\.wav, here 3\.wav\); give --root"):
        join_files(["1.wav"], ["3.wav"], "task")
    with pytest.raises(InputError, match="give --root"):
        join_files(["1.wav"], ["task/2.wav"])
    # Both are there: events were found in other recordings only.
    assert join_files(["1.wav"], ["task/2.wav"], "task") == {"task/2.wav": None}
