from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.errors import InputError
from kws.alignment import (
    Candidates,
    align,
    align_recording,
    candidates,
    default_least,
    place_in_order,
)
from kws.config import LEAST
from kws.search import score_curves
from kws.templates import Template

N_FRAMES = 8

places = st.tuples(
    st.integers(0, N_FRAMES - 1), st.integers(1, N_FRAMES), st.integers(-4, 12)
).filter(lambda place: place[0] < place[1])
words_of_transcripts = st.lists(st.lists(places, max_size=4), max_size=4)


def candidates_of(listed):
    """Candidates from a list of (onset, offset, score); eighths are exact in sums."""
    onsets, offsets, scores = np.array(listed, np.int64).reshape(-1, 3).T
    return Candidates(onsets, offsets, scores / 8)


def allowed(choice):
    """Do the places of a choice keep their order, without overlap?"""
    chosen = [place for place in choice if place is not None]
    return all(left[1] <= right[0] for left, right in pairwise(chosen))


def naive_best(words, least):
    """Largest sum over all choices of one place, or none, for each word."""
    choices = product(*([None, *word] for word in words))
    return max(
        sum(place[2] / 8 - least for place in choice if place is not None)
        for choice in choices
        if allowed(choice)
    )


@settings(max_examples=300)
@given(words=words_of_transcripts, least=st.sampled_from([-1.0, 0.0, 0.5]))
def test_the_sum_is_that_of_the_best_choice(words, least):
    words = [[place for place in word if place[2] / 8 > least] for word in words]
    found = place_in_order([candidates_of(word) for word in words], least)
    choice = [p and (p.onset_frame, p.offset_frame, round(p.score * 8)) for p in found]
    assert len(choice) == len(words) and allowed(choice)
    for place, word in zip(choice, words, strict=True):
        assert place is None or place in word
    kept = sum(place[2] / 8 - least for place in choice if place is not None)
    assert kept == naive_best(words, least)


@settings(max_examples=50)
@given(words=words_of_transcripts.filter(bool))
def test_nothing_better_remains_where_a_word_is_left_out(words):
    words = [[place for place in word if place[2] > 0] for word in words]
    found = place_in_order([candidates_of(word) for word in words], 0.0)
    for k, place in enumerate(found):
        if place is None:
            before = max((p.offset_frame for p in found[:k] if p), default=0)
            behind = min((p.onset_frame for p in found[k + 1 :] if p), default=N_FRAMES)
            assert not [p for p in words[k] if before <= p[0] and p[1] <= behind]


def test_no_words_and_words_without_candidates():
    nothing = candidates_of([])
    assert place_in_order([], 0.0) == []
    assert place_in_order([nothing, nothing], 0.0) == [None, None]


def unit_rows(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture
def planted():
    """Two words, a recording in which they are said as up, down, up, and where."""
    rng = np.random.default_rng(0)
    words = {word: unit_rows(rng.standard_normal((10, 16))) for word in ("up", "down")}
    frames = unit_rows(rng.standard_normal((120, 16)))
    said = [("up", 20), ("down", 45), ("up", 55)]
    for word, onset in said:
        frames[onset : onset + 10] = words[word]
    templates = [Template(word, own, mean=-0.6, deviation=0.1) for word, own in words.items()]
    return templates, frames, said


def test_planted_words_are_found_at_their_place(planted):
    templates, frames, said = planted
    found = align(templates, frames, [word for word, _ in said], least=2.0)
    assert [(p.onset_frame, p.offset_frame) for p in found] == [(o, o + 10) for _, o in said]
    assert [p.score for p in found] == pytest.approx([6.0] * 3, abs=1e-4)


def test_the_order_decides_which_one_is_meant(planted):
    templates, frames, _ = planted
    (_, up), (alone,) = (align(templates, frames, said, 5.0) for said in (["down", "up"], ["down"]))
    assert up.onset_frame == 55 and alone.onset_frame == 45
    up, down = align(templates, frames, ["up", "down"], 5.0)
    assert (up.onset_frame, down.onset_frame) == (20, 45)


def test_what_is_not_said_is_left_out(planted):
    templates, frames, _ = planted
    up, left, down = align(templates, frames, ["up", "down", "down"], 5.0)
    assert (up.onset_frame, down) == (20, None) and left.onset_frame == 45
    assert align(templates, frames, ["up"], 6.5) == [None]


def test_candidates_are_the_calibrated_curves_above_the_least(planted):
    templates, frames, _ = planted
    own = [
        Template("up", t.frames, mean=-0.5 - k / 4, deviation=0.1) for k, t in enumerate(templates)
    ]
    found = candidates(own, frames, 1.0)
    scores, starts = score_curves([t.frames for t in own], frames)
    expected = [
        (starts[k, j], j + 1, (scores[k, j] - own[k].mean) / own[k].deviation)
        for k, j in np.ndindex(scores.shape)
        if scores[k, j] > own[k].mean + own[k].deviation
    ]
    rows = np.column_stack([found.onsets, found.offsets, found.scores])
    np.testing.assert_allclose(rows, expected)


def test_recordings_that_are_too_short_hold_nothing(planted):
    templates, frames, _ = planted
    for n in (0, 3):
        assert align(templates, frames[:n], ["up", "down"], -5.0) == [None, None]


def test_words_of_a_recording(sound):
    done = []
    keywords = [word for word, _, _ in sound["events"]]
    events = align_recording(
        sound["model"], sound["recording"], keywords, least=-2.0, progress=done.append
    )
    assert [event.label for event in events] == keywords
    for event, (_, onset_s, offset_s) in zip(events, sound["events"], strict=True):
        assert event.filename == sound["recording"].as_posix()
        assert event.onset_s == pytest.approx(onset_s, abs=0.2)
        assert event.offset_s == pytest.approx(offset_s, abs=0.25)
    assert done[-1] == 8.0


def test_an_unreadable_recording(sound, tmp_path):
    (tmp_path / "a.wav").write_text("not audio")
    with pytest.raises(InputError, match=r"a\.wav"):
        align_recording(sound["model"], tmp_path / "a.wav", ["up"])


def test_the_least_score(sound):
    model = sound["model"]
    calibrated = model.config.encoder != "scratch"
    assert default_least(model) == (LEAST if calibrated else model.threshold)
