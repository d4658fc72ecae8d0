import json

import numpy as np
import pytest

from kws.calibration import EnrolmentScores
from kws.clips import EnrolledClip
from kws.report import EnrolmentReport


def clip(keyword, file):
    return EnrolledClip(keyword, file, 0.0, 0.5, "", np.zeros(8000, np.int16))


@pytest.fixture
def report():
    """Two keywords; the second "door" sounds more like "lamp", and every "lamp" like both."""
    scores = EnrolmentScores(
        np.array([[9.0, 1.0], [3.0, 6.0], [5.0, 8.0], [6.0, 7.0]]),
        np.array([0, 0, 1, 1]),
        np.empty((0, 2)),
    )
    # In another order than that of the scores, which are sorted by keyword.
    clips = [clip("lamp", "l1"), clip("door", "d1"), clip("door", "d2"), clip("lamp", "l2")]
    return EnrolmentReport.of(
        clips,
        scores,
        n_templates=4,
        threshold=4.5,
        false_alarms_per_hour=2.5,
        background_minutes=30.0,
    )


def test_every_clip_has_its_own_score_and_the_nearest_other_keyword(report):
    assert [(c.file, c.score, c.nearest, c.nearest_score) for c in report.clips] == [
        ("d1", 9.0, "lamp", 1.0),
        ("d2", 3.0, "lamp", 6.0),
        ("l1", 8.0, "door", 5.0),
        ("l2", 7.0, "door", 6.0),
    ]
    assert report.missed == 0.25
    assert report.confusable == [("lamp", "door")]


def test_what_will_hurt(report):
    text = list(report.warnings())
    assert [line.split(":")[0] for line in text] == [
        "door",
        "lamp",
        "d2",
        "'lamp' is taken for 'door'",
    ]
    assert "score 3.00, threshold 4.50" in text[2]


def test_the_summary_and_json(report):
    learnt, clips, alarms = report.summary()
    assert "2 keywords from 4 clips: 4 templates" in learnt
    assert "7.50 with the others" in clips and "threshold 4.50" in clips
    assert "about 2.5 false alarms" in alarms and "30 minutes" in alarms
    assert json.loads(json.dumps(report.to_dict()))["clips"][1]["score"] == 3.0


def test_one_clip_alone_has_no_scores():
    scores = EnrolmentScores(np.array([[np.nan]]), np.array([0]), np.empty((0, 1)))
    report = EnrolmentReport.of(
        [clip("door", "d")],
        scores,
        n_templates=1,
        threshold=4.5,
        false_alarms_per_hour=None,
        background_minutes=0.0,
    )
    assert (report.missed, report.other_score, report.clips[0].nearest) == (None, None, None)
    assert len(list(report.summary())) == 1
