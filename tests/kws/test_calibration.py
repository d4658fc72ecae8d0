import numpy as np
import pytest

from kws.calibration import EnrolmentScores, best_score, enrolment_scores, estimate_threshold


def unit(rows):
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def words():
    rng = np.random.default_rng(0)
    return [unit(rng.standard_normal((12, 16))) for _ in range(2)]


def shots_of(words, noise):
    rng = np.random.default_rng(1)
    return [[unit(w + noise * rng.standard_normal(w.shape)) for _ in range(4)] for w in words]


def test_best_score_of_a_planted_template(words):
    rng = np.random.default_rng(2)
    sound = unit(rng.standard_normal((60, 16)))
    sound[30:42] = words[0]
    assert best_score([words[0]], sound) == pytest.approx(0.0, abs=1e-6)
    assert best_score([words[1]], sound) < -0.3
    assert best_score([words[0]], sound[:3]) == -2.0, "no path fits"


def test_scores_leave_the_clip_itself_out(words):
    shots = shots_of(words, 0.1)
    background = [unit(np.random.default_rng(3).standard_normal((50, 16)))]
    scores = enrolment_scores(shots, background, list)
    assert scores.clips.shape == (8, 2)
    assert scores.labels.tolist() == [0] * 4 + [1] * 4
    assert (scores.own < -1e-3).all() and (scores.own > -0.2).all()
    assert scores.others.shape == (8 + 2,)
    alone = enrolment_scores([s[:1] for s in shots], background, list)
    assert np.isnan(alone.own).all()


def test_threshold_lies_between_clips_and_other_sound(words):
    scores = enrolment_scores(shots_of(words, 0.1), [words[1]], list)
    threshold = estimate_threshold(scores)
    assert np.percentile(scores.others, 99) <= threshold <= np.median(scores.own)


def test_one_clip_of_one_keyword_still_gives_a_threshold():
    scores = EnrolmentScores(np.array([[np.nan]]), np.array([0]), np.array([[-0.6]]))
    assert -0.6 < estimate_threshold(scores) < 0
    assert np.isfinite(
        estimate_threshold(EnrolmentScores(scores.clips, scores.labels, np.empty((0, 1))))
    )
