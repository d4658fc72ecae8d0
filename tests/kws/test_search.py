import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws import dtw, search
from kws.search import GRID, Match, Searcher, score_curves

seeds = st.integers(0, 9999)
lengths_of_templates = st.lists(st.integers(1, 9), min_size=1, max_size=4)


def unit_rows(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def random_frames(rng, n, dim=6):
    """Frames that change slowly, as embeddings do."""
    return unit_rows(np.cumsum(rng.standard_normal((n, dim)), axis=0) / 3 + rng.random((n, dim)))


def exact_frames(rng, n, dim=3):
    """Frames whose products are exact, so that every order of adding gives the same, and ties."""
    return rng.integers(-1, 2, (n, dim)).astype(np.float32) / 2


def pushed(frames, sizes, *args, **kwargs):
    """Matches of a search in pieces of these sizes, over and over."""
    searcher = Searcher(*args, **kwargs)
    matches, first = [], 0
    while first < len(frames):
        for size in sizes:
            matches += searcher.push(frames[first : first + size])
            first += size
    return matches + searcher.finish()


@settings(max_examples=60)
@given(
    lengths=lengths_of_templates,
    n=st.integers(0, 3 * GRID // 2),
    threshold=st.sampled_from([-np.inf, -1.0, -0.75, -0.5, 0.0]),
    step=st.sampled_from([0.0, 0.125]),
    seed=seeds,
)
def test_search_is_that_of_the_definition(lengths, n, threshold, step, seed):
    rng = np.random.default_rng(seed)
    templates = [exact_frames(rng, length) for length in lengths]
    frames = exact_frames(rng, n)
    thresholds = np.full(len(lengths), threshold)
    if np.isfinite(threshold):
        thresholds += step * np.arange(len(lengths))
    scores, starts = naive.curves(templates, frames)
    found_scores, found_starts = score_curves(templates, frames)
    np.testing.assert_array_equal(found_scores, scores)
    np.testing.assert_array_equal(found_starts, starts)
    matches = search.search(templates, frames, thresholds)
    assert [astuple(match) for match in matches] == naive.select(
        scores, starts, lengths, thresholds
    )


@settings(max_examples=25)
@given(
    lengths=lengths_of_templates,
    n=st.integers(0, 4 * GRID),
    sizes=st.lists(st.integers(0, 3 * GRID), min_size=1, max_size=4).filter(any),
    threshold=st.sampled_from([-np.inf, -0.4, -0.2]),
    seed=seeds,
)
def test_pieces_do_not_change_the_result(lengths, n, sizes, threshold, seed):
    rng = np.random.default_rng(seed)
    templates = [random_frames(rng, length) for length in lengths]
    frames = random_frames(rng, n)
    whole = search.search(templates, frames, threshold)
    assert pushed(frames, sizes, templates, thresholds=threshold) == whole
    scores, starts = score_curves(templates, frames)
    thresholds = np.full(len(lengths), threshold)
    assert [astuple(match) for match in whole] == naive.select(scores, starts, lengths, thresholds)


@pytest.mark.parametrize("size", [1, 7, GRID, 1000])
def test_whole_recording_and_pieces_agree_in_every_bit(size, monkeypatch):
    rng = np.random.default_rng(3)
    templates = [random_frames(rng, length, 64) for length in (12, 17, 9)]
    frames = random_frames(rng, 5 * GRID + 13, 64)
    expected = search.search(templates, frames)
    assert len(expected) > 10
    monkeypatch.setattr(search, "PARALLEL_CELLS", 0)
    assert pushed(frames, [size], templates) == expected
    assert pushed(frames, [size], templates, parallel=False) == expected
    monkeypatch.setattr(search, "MOST_CELLS", 1)
    assert pushed(frames, [size], templates) == expected


def test_recordings_are_searched_in_threads():
    rng = np.random.default_rng(4)
    templates = [random_frames(rng, length, 32) for length in (12, 17)]
    recordings = [random_frames(rng, 3 * GRID, 32) for _ in range(6)]
    one_by_one = [search.search(templates, frames) for frames in recordings]
    with ThreadPoolExecutor(3) as pool:
        at_once = pool.map(
            lambda frames: search.search(templates, frames, parallel=False), recordings
        )
        assert list(at_once) == one_by_one


@settings(max_examples=60)
@given(lengths=lengths_of_templates, seed=seeds, quarter=st.integers(-6, 0), step=st.booleans())
def test_threshold_only_filters(lengths, seed, quarter, step):
    rng = np.random.default_rng(seed)
    templates = [exact_frames(rng, length) for length in lengths]
    frames = exact_frames(rng, 100)
    offsets = 0.125 * step * np.arange(len(lengths))
    lowest = offsets - 3 if step else -np.inf
    thresholds = offsets + quarter / 4
    everything = search.search(templates, frames, lowest)
    expected = [match for match in everything if match.score >= thresholds[match.template]]
    assert search.search(templates, frames, thresholds) == expected


def test_planted_keywords_are_found_at_their_place():
    rng = np.random.default_rng(0)
    keywords = [random_frames(rng, 40, 32) for _ in range(3)]
    frames = unit_rows(rng.standard_normal((1000, 32)))
    planted = []
    for k, (onset, length) in enumerate([(100, 40), (410, 60), (800, 30)]):
        frames[onset : onset + length] = keywords[k][np.linspace(0, 39, length).round().astype(int)]
        planted.append((k, onset, onset + length))
    matches = search.search(keywords, frames, -0.2)
    assert [match.template for match in matches] == [0, 1, 2]
    for match, (_, onset, offset) in zip(matches, planted, strict=True):
        assert abs(match.onset_frame - onset) <= 2
        assert abs(match.offset_frame - offset) <= 2
    assert matches[0] == Match(0, 100, 140, matches[0].score)


def test_a_match_comes_as_soon_as_it_is_certain():
    rng = np.random.default_rng(1)
    template = random_frames(rng, 20, 32)
    frames = unit_rows(rng.standard_normal((3 * GRID, 32)))
    frames[30:50] = template
    searcher = Searcher([template], thresholds=-0.1)
    assert searcher.push(frames[: GRID - 1]) == []
    assert [match.onset_frame for match in searcher.push(frames[GRID - 1 : GRID])] == [30]


@pytest.mark.parametrize("silence", [False, True])
def test_memory_does_not_grow_with_the_recording(silence):
    rng = np.random.default_rng(0)
    templates = [random_frames(rng, 6) for _ in range(2)]
    block = random_frames(rng, GRID)
    if silence:
        block[:] = block[0]
    searcher = Searcher(templates)
    kept = []
    tracemalloc.start()
    for n_blocks in (5, 30):
        for _ in range(n_blocks):
            searcher.push(block)
        kept.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert kept[1] - kept[0] < 4000


def test_templates_longer_than_the_recording_give_nothing():
    rng = np.random.default_rng(0)
    template = random_frames(rng, 9)
    assert search.search([template], template[:4]) == []
    assert len(search.search([template], template[::2])) == 1
    scores, starts = score_curves([template], template[:4])
    assert np.isneginf(scores).all()
    assert (starts == -1).all()


def test_rounding_does_not_lift_scores_above_0():
    frames = random_frames(np.random.default_rng(0), 9)
    assert [match.score for match in search.search([frames * np.float32(1.001)], frames)] == [0.0]


def test_empty_recording():
    template = np.ones((3, 2), np.float32)
    assert search.search([template], np.empty((0, 2), np.float32)) == []
    scores, starts = score_curves([template], np.empty((0, 2), np.float32))
    assert scores.shape == starts.shape == (1, 0)


def halved(lengths, step):
    """Options of a search by halves whose calibration is exact, and differs by template."""
    numbers = np.arange(len(lengths))
    return {
        "means": -0.5 - step * numbers / 8,
        "deviations": 0.5,
        "halves": np.stack([-0.75 - step * numbers / 4, np.full(len(lengths), 0.25)], axis=1),
    }


def naive_halves(templates, frames, means, deviations, halves):
    """Matches by whole paths, scored with the worse half of the path that each had."""
    scores, starts = naive.curves(templates, frames)
    scaled = (scores - means[:, None].astype(np.float32)) / np.float32(deviations)
    costs = [np.maximum(1 - template @ frames.T, 0) for template in templates]
    worse = -np.array([naive.half_costs(cost, cost)[0] for cost in costs])
    worse = (worse - halves[:, :1]) / halves[:, 1:]
    lengths = [len(template) for template in templates]
    matches = naive.select(scaled, starts, lengths, np.full(len(templates), -np.inf), worse)
    return [pytest.approx(match, abs=1e-6) for match in matches]


@settings(max_examples=40)
@given(lengths=lengths_of_templates, n=st.integers(0, 100), step=st.booleans(), seed=seeds)
def test_matches_are_scored_with_the_worse_half(lengths, n, step, seed):
    rng = np.random.default_rng(seed)
    templates = [exact_frames(rng, length) for length in lengths]
    frames = exact_frames(rng, n)
    options = halved(lengths, step)
    found = pushed(frames, [1000], templates, **options) if n else []
    assert [astuple(match) for match in found] == naive_halves(templates, frames, **options)


@settings(max_examples=40)
@given(
    lengths=lengths_of_templates,
    sizes=st.lists(st.integers(0, 3 * GRID), min_size=1, max_size=4).filter(any),
    threshold=st.sampled_from([-4.0, -1.0, 0.0, 1.0]),
    steps=st.tuples(st.booleans(), st.booleans()),
    seed=seeds,
)
def test_thresholds_and_pieces_only_filter_matches_by_halves(
    lengths, sizes, threshold, steps, seed
):
    rng = np.random.default_rng(seed)
    templates = [exact_frames(rng, length) for length in lengths]
    frames = exact_frames(rng, 3 * GRID)
    options = halved(lengths, steps[0])
    offsets = 0.25 * steps[1] * np.arange(len(lengths))
    lowest = offsets - 30 if steps[1] else -np.inf
    everything = pushed(frames, [1000], templates, thresholds=lowest, **options)
    thresholds = threshold + offsets
    found = pushed(frames, sizes, templates, thresholds=thresholds, **options)
    assert found == [m for m in everything if m.score >= thresholds[m.template]]


def test_kept_scores_are_the_best_of_each_keyword():
    rng = np.random.default_rng(0)
    templates = [random_frames(rng, length) for length in (4, 6, 5)]
    frames = random_frames(rng, 2 * GRID + 5)
    searcher = Searcher(templates, keyword_of=[1, 0, 1], keep_scores=True)
    assert searcher.scores().shape == (2, 0)
    searcher.push(frames)
    searcher.finish()
    scores, _ = score_curves(templates, frames)
    np.testing.assert_array_equal(searcher.scores(), [scores[1], scores[[0, 2]].max(axis=0)])
    with pytest.raises(ValueError, match="keep_scores"):
        Searcher(templates).scores()


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ([], "no templates"),
        ([np.ones((3, 2)), np.ones((3, 4))], "template 1 has shape"),
        ([np.ones(3)], "template 0 has shape"),
        ([np.ones((0, 2))], "template 0 has 0 frames"),
        ([np.ones((dtw.LONGEST_TEMPLATE + 1, 1))], "1 to 16384"),
        ([np.full((2, 2), np.nan)], "template 0 holds NaN"),
    ],
)
def test_bad_templates(templates, message):
    with pytest.raises(ValueError, match=message):
        Searcher(templates)


@pytest.mark.parametrize("thresholds", [np.nan, [0.0, np.nan], [0.0, -np.inf], [0.0, np.inf]])
def test_bad_thresholds(thresholds):
    with pytest.raises(ValueError, match="thresholds must be"):
        Searcher([np.ones((2, 2)), np.ones((2, 2))], thresholds=thresholds)


def test_bad_frames():
    searcher = Searcher([np.ones((2, 2))])
    with pytest.raises(ValueError, match="2 columns"):
        searcher.push(np.ones((3, 4)))
    with pytest.raises(ValueError, match="NaN"):
        searcher.push(np.full((3, 2), np.nan))


@given(st.integers(0, 1000), st.floats(-2, 2), st.floats(0.1, 5))
@settings(max_examples=20)
def test_scaled_scores_give_the_matches_of_scaled_thresholds(seed, mean, deviation):
    rng = np.random.default_rng(seed)
    frames, template = (unit_rows(rng.standard_normal((n, 4))) for n in (150, 6))
    expected = search.search([template], frames, -0.5)
    searcher = Searcher(
        [template], thresholds=(-0.5 - mean) / deviation, means=mean, deviations=deviation
    )
    found = searcher.push(frames[:70]) + searcher.push(frames[70:]) + searcher.finish()
    assert len(found) == pytest.approx(len(expected), abs=1), "one may lie on the threshold"
    places = {(m.onset_frame, m.offset_frame): m.score for m in expected}
    for match in found:
        if (match.onset_frame, match.offset_frame) in places:
            score = places[match.onset_frame, match.offset_frame]
            assert match.score * deviation + mean == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("bad", [{"deviations": 0.0}, {"means": np.nan}])
def test_calibrations_that_cannot_be_used_are_refused(bad):
    with pytest.raises(ValueError, match="deviations"):
        Searcher([np.eye(3, dtype=np.float32)], **bad)
