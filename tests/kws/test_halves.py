import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws.halves import half_score, whole_thresholds
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
    worse = half_score(template, frames)
    assert (worse == -np.inf) == (starts[0, -1] < 0)
    assert worse <= scores[0, -1] + 1e-6
    if starts[0, -1] >= 0:
        path = half_score(template, frames[starts[0, -1] :])
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
