import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws.halves import LEAST_GAP, PENALTY, half_score, whole_thresholds
from kws.search import Searcher, score_curves


def unit_rows(rng, n, dim=8):
    rows = rng.standard_normal((n, dim), np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@settings(max_examples=40)
@given(length=st.integers(1, 12), n=st.integers(1, 30), seed=st.integers(0, 999))
def test_a_whole_path_scores_at_least_what_it_does_with_its_worse_half(length, n, seed):
    rng = np.random.default_rng(seed)
    template, frames = unit_rows(rng, length), unit_rows(rng, n)
    scores, starts = score_curves([template], frames)
    worse, penalty = half_score(template, frames)
    assert penalty == 0.0
    assert (worse == -np.inf) == (starts[0, -1] < 0)
    assert worse <= scores[0, -1] + 1e-6
    if starts[0, -1] >= 0:
        path, _ = half_score(template, frames[starts[0, -1] :])
        assert worse == pytest.approx(path, abs=1e-6), "only the path matters"


def test_half_a_word_scores_much_less_than_the_word():
    rng = np.random.default_rng(0)
    word = unit_rows(rng, 20)
    speech = unit_rows(rng, 200)
    speech[30:50] = word
    speech[100:112] = word[:12]
    scores = {}
    for name, halves in (("whole", None), ("half", [[0.0, 1.0]])):
        searcher = Searcher([word], halves=halves)
        found = searcher.push(speech) + searcher.finish()
        scores[name] = [
            max(m.score for m in found if m.onset_frame < last and m.offset_frame > first)
            for first, last in ((30, 50), (100, 112))
        ]
    assert min(scores["whole"][0], scores["half"][0]) > -1e-5
    assert scores["half"][1] < 1.4 * scores["whole"][1] < 0


@settings(max_examples=40)
@given(length=st.integers(1, 12), n=st.integers(1, 30), seed=st.integers(0, 999))
def test_a_match_loses_what_its_end_lacks_against_a_word_that_is_broken_off(length, n, seed):
    rng = np.random.default_rng(seed)
    template, broken_off, frames = (unit_rows(rng, k) for k in (length, length, n))
    score, penalty = half_score(template, frames, broken_off)
    assert score == half_score(template, frames)[0]
    if score > -np.inf:
        costs, others = (np.maximum(1 - t @ frames.T, 0) for t in (template, broken_off))
        gap = naive.half_costs(costs, others)[1][-1]
        assert penalty == pytest.approx(PENALTY * max(0, LEAST_GAP - gap), abs=1e-5)


def test_a_word_that_is_broken_off_is_told_from_the_word_where_frames_see_ahead():
    """The frames of the second half hold as much of the first as of themselves."""
    rng = np.random.default_rng(1)
    start, end, other = (np.repeat(unit_rows(rng, 1), 10, axis=0) for _ in range(3))

    def mixed(said):
        late = start + said
        return np.concatenate([start, late / np.linalg.norm(late, axis=1, keepdims=True)])

    word, broken_off = mixed(end), mixed(other)
    assert half_score(word, broken_off)[0] > -0.5, "which is much for half a word"
    assert half_score(word, word, broken_off)[1] == 0.0
    assert half_score(word, broken_off, broken_off)[1] > PENALTY * LEAST_GAP
    options = {"halves": [[0.0, 1.0]], "broken_off": [broken_off]}
    for frames, lost in ((word, False), (broken_off, True)):
        plain, asked = (Searcher([word], **o) for o in ({"halves": [[0.0, 1.0]]}, options))
        (a,), (b,) = (s.push(frames) + s.finish() for s in (plain, asked))
        assert (a.onset_frame, a.offset_frame) == (b.onset_frame, b.offset_frame)
        assert (a.score - b.score > PENALTY * LEAST_GAP) == lost


def test_thresholds_of_whole_paths_are_lowered_by_the_same():
    thresholds, deviations = np.array([4.0, 5.0]), np.array([0.1, 0.2])
    means = np.array([-0.5, -0.5])
    halves = np.array([[-0.6, 0.1], [-0.6, 0.2]])
    lowered = whole_thresholds(thresholds, means, deviations, halves)
    np.testing.assert_allclose(lowered, [3.0, 4.0], atol=1e-3)
    least = thresholds * halves[:, 1] + halves[:, 0]
    assert (lowered * deviations + means <= least).all()
    everything = np.full(2, -np.inf)
    assert whole_thresholds(everything, means, deviations, halves) is everything
