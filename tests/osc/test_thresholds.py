import numpy as np
import pytest

from fewshot.errors import InputError
from fewshot.thresholds import estimate
from osc.decisions import TrainingScores
from osc.thresholds import automatic, from_foreign, leaning, threshold_for

OWN, FOREIGN = np.linspace(0.6, 0.9, 13), np.linspace(-0.2, 0.4, 41)
OTHERS = np.linspace(0.0, 0.3, 31)


def test_the_rules():
    scores = TrainingScores(OWN, FOREIGN, OTHERS, left_out=True)
    assert from_foreign(FOREIGN) == pytest.approx(0.37)
    assert automatic(OWN, FOREIGN) == pytest.approx((0.75 + 0.37) / 2)
    assert threshold_for("auto", scores) == automatic(OWN, FOREIGN)
    assert threshold_for("auto", scores, 0.4) == pytest.approx((0.21 + 0.4) / 2)
    assert leaning(OTHERS[:0], 0.4) == 0.4
    assert threshold_for("foreign", scores) == from_foreign(FOREIGN)
    assert threshold_for(0.25, scores) == 0.25
    assert threshold_for("iqr", scores) == pytest.approx(1 - estimate(1 - OWN, "iqr"))


def test_at_one_shot_estimates_meet_the_foreign_scores_half_way():
    scores = TrainingScores(OWN, FOREIGN, OTHERS, left_out=False)
    half = (1 - estimate(1 - OWN, "hp") + from_foreign(FOREIGN)) / 2
    assert threshold_for("hp", scores) == pytest.approx(half)
    alone = TrainingScores(OWN, FOREIGN[:0], OTHERS[:0], left_out=False)
    assert threshold_for("hp", alone) == pytest.approx(1 - estimate(1 - OWN, "hp"))
    assert threshold_for("foreign", alone) == 0.0


@pytest.mark.parametrize("method", ["none", True, None, np.inf, [0.5]])
def test_other_methods_are_refused(method):
    with pytest.raises(InputError, match="threshold is"):
        threshold_for(method, TrainingScores(OWN, FOREIGN, OTHERS, left_out=True))
