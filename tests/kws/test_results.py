"""What is told of an evaluation; that of whole runs is tested with the command."""

import pytest

from fewshot.errors import one_line
from fewshot.events import Event
from kws.errors import outcomes
from kws.evaluation import Tuned, TunedPerKeyword, evaluate
from kws.results import SHOWN_AT_MOST, error_lines, table, tuned_lines

TRUTH = [Event("a.wav", 1.0, 1.5, "lamp"), Event("a.wav", 4.0, 4.5, "電灯")]


def told(threshold, scores):
    tuned = Tuned(2, 2, 1, threshold)
    each = TunedPerKeyword(2, 2, 1, {"lamp": threshold, "a\nb": threshold})
    return list(tuned_lines(tuned, tuned, each, scores, verbose=True))


@pytest.mark.parametrize(
    ("threshold", "scores", "text"),
    [
        (-0.10000016, [-0.1, -0.1000003], "-0.1000002"),
        (-0.35, [-0.3, -0.4], "-0.35"),
        (1 / 3, [0.0, 1.0], "0.3333"),
    ],
)
def test_thresholds_stay_away_from_scores(threshold, scores, text):
    first, best, use, _, own, other = told(threshold, scores)
    assert first.startswith(f"threshold {text}:")
    assert best.startswith(f"best on these recordings, {text}:")
    printed = float(use.split("--threshold ")[1].split()[0])
    assert min(scores) < printed < max(scores)
    assert own.split() == ["lamp", text] and other.split() == [one_line("a\nb"), text]


def test_letters_as_wide_as_two_take_the_place_of_two():
    lines = table(evaluate(TRUTH, TRUTH), collar_s=0.2, percentage_of_length=0.5).splitlines()
    assert "collar 0.2 s, 50 % of the length" in lines[0]
    assert {len(line) + 2 * ("電灯" in line) for line in lines[2:]} == {len(lines[2])}


def test_a_terminal_shows_some_errors():
    assert error_lines(outcomes(TRUTH, TRUTH)) == ["no errors"]
    many = [Event("a.wav", 10.0 + i, 10.5 + i, "lamp", 1.0) for i in range(SHOWN_AT_MOST + 3)]
    lines = error_lines(outcomes(TRUTH, TRUTH + many))
    assert len(lines) == SHOWN_AT_MOST + 2 and lines[-1].startswith("... and 3 more")
