import numpy as np
import pytest
import soundfile as sf

from fewshot import plot
from fewshot.events import Event
from kws.errors import outcomes
from kws.pictures import (
    confusion_figure,
    false_alarm_figure,
    recording_figure,
    threshold_figure,
)

HOP_S = 0.1
TRUTH = [
    Event("a", 10.0, 10.5, "lamp"),
    Event("a", 20.0, 20.5, "door"),
    Event("a", 30.0, 30.5, "lamp"),
    Event("a", 40.0, 40.5, "door"),
]
FOUND = [
    Event("a", 10.0, 10.5, "lamp", 9.0),
    Event("a", 20.0, 20.5, "door", 8.0),
    Event("a", 50.0, 50.5, "lamp", 7.0),
    Event("a", 30.0, 30.5, "lamp", 6.0),
    Event("a", 60.0, 60.5, "door", 5.0),
]


@pytest.fixture
def recording(tmp_path):
    """Makes a recording of noise, at a rate that keeps hours of it small."""

    def recording(duration_s, name="a.wav", rate=1000):
        samples = 0.1 * np.random.default_rng(0).standard_normal(round(duration_s * rate))
        sf.write(tmp_path / name, samples, rate)
        return tmp_path / name

    return recording


def curves(duration_s, keywords=("door", "lamp")):
    times_s = np.arange(int(duration_s / HOP_S)) * HOP_S
    scores = np.random.default_rng(0).normal(0, 1, (len(keywords), len(times_s)))
    scores[:, :3] = -np.inf
    return list(keywords), times_s, scores.astype(np.float32)


def thresholds(value=4.5, keywords=("door", "lamp")):
    return dict.fromkeys(keywords, value)


def spans(figure):
    return [tuple(np.round(axes.get_xlim(), 3)) for axes in figure.axes]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].texts]


def test_rows_cover_a_recording(recording):
    figure = recording_figure(recording(72), curves(72), thresholds(), FOUND, TRUTH)
    rows = [(0, 24), (24, 48), (48, 72)]
    assert spans(figure) == [row for row in rows for _ in range(3)]
    picture, scores, lanes = figure.axes[:3]
    assert len(picture.images) == 1 and picture.get_ylabel() == "kHz"
    assert len(picture.patches) == 2
    keywords = [line for line in scores.lines if line.get_label() in ("door", "lamp")]
    assert len(keywords) == 2 and len(scores.lines) == 3
    assert scores.lines[2].get_ydata()[0] == 4.5 and scores.lines[2].get_linestyle() == "--"
    assert [tick.get_text() for tick in lanes.get_yticklabels()] == ["found", "true"]
    assert texts(lanes) == ["lamp", "door", "lamp", "door"]
    assert texts(figure.axes[5]) == ["lamp", "lamp", "door"]
    assert lanes.get_xlabel() == "time (s)"
    assert legend(figure) == ["door", "lamp", "threshold 4.5"]
    assert figure.texts[0].get_text().split() == ["a.wav", "72.0", "s"]


def test_one_scale_for_all_rows(recording):
    figure = recording_figure(recording(50), curves(50), thresholds(), [])
    assert len({axes.images[0].get_clim() for axes in figure.axes[::3]}) == 1
    assert len({axes.get_ylim() for axes in figure.axes[1::3]}) == 1
    low, high = figure.axes[1].get_ylim()
    assert low < -1.5 and high > 4.5
    assert not texts(figure.axes[2])


def test_thresholds_of_their_own(recording):
    figure = recording_figure(recording(5), curves(5), {"door": 3.0, "lamp": 4.0}, [])
    marks = figure.axes[1].lines[2:]
    assert [line.get_ydata()[0] for line in marks] == [3.0, 4.0]
    assert [line.get_color() for line in marks] == [
        line.get_color() for line in figure.axes[1].lines[:2]
    ]
    assert legend(figure) == ["door", "lamp"]


def test_candidates_below_the_threshold_are_outlines(recording):
    figure = recording_figure(recording(70), curves(70), thresholds(6.5), FOUND)
    assert [label for axes in figure.axes[2::3] for label in texts(axes)] == [
        "lamp",
        "door",
        "lamp",
    ]
    bars = [bar for axes in figure.axes[2::3] for bar in axes.collections[0].get_facecolor()]
    assert [bar[3] for bar in bars] == [1, 1, 0, 1, 0]


def test_a_long_recording_shows_what_matters(recording):
    """Two hours: an overview, the missed word, and the half minutes with the best scores."""
    found = [
        Event("a", 300 * i + 5, 300 * i + 6, "lamp", float(score))
        for i, score in enumerate(range(20))
    ]
    truth = [Event("a", 7190.0, 7191.0, "door"), Event("a", 3305.0, 3306.0, "lamp")]
    found.append(Event("a", 7190.0, 7191.0, "door", 1.0))
    figure = recording_figure(recording(7200), curves(7200), thresholds(), found, truth)
    best = [300.0 * i for i in range(11, 20)]
    expected = [(0, 7200)] * 2 + [
        (onset, onset + 30) for onset in [*best, 7170.0] for _ in range(3)
    ]
    assert spans(figure) == expected
    overview, lanes = figure.axes[:2]
    assert all(len(line.get_xdata()) <= 2000 for line in overview.lines)
    assert lanes.get_xlabel() == "time (h:mm:ss)"
    # Those that do not reach the threshold are left out of the overview.
    assert len(lanes.collections[0].get_paths()) == 15
    assert "10 of 240 half minutes" in figure.texts[0].get_text()
    assert figure.axes[-3].images[0].get_array().shape[1] <= 30 * 62.5 + 1
    height = figure.get_figheight() * plot.DOTS_PER_INCH
    assert height < 6000


def test_a_long_recording_without_events(recording):
    figure = recording_figure(recording(400), curves(400), thresholds(), [])
    assert spans(figure) == [(0, 400)] * 2
    assert "0 of 14 half minutes" in figure.texts[0].get_text()


@pytest.mark.parametrize("duration_s", [0.0001, 0.01, 0.3])
def test_very_short_recordings(recording, tmp_path, duration_s):
    path = recording(duration_s, rate=16000)
    none = ["door", "lamp"], np.empty(0), np.empty((2, 0), np.float32)
    figure = recording_figure(path, none, thresholds(), [], [])
    assert spans(figure) == [(0, round(round(duration_s * 16000) / 16000, 3))] * 3
    plot.save(figure, tmp_path / "a.png")


def test_unicode_is_drawn(recording, tmp_path):
    path = recording(3, "録音 $1_$2.wav")
    events = [Event("a", 1.0, 1.5, "電灯", 5.0)]
    figure = recording_figure(path, curves(3, ["電灯"]), thresholds(keywords=["電灯"]), events)
    plot.save(figure, tmp_path / "a.png")
    assert texts(figure.axes[2]) == ["電灯"]
    assert figure.texts[0].get_text().startswith("録音 $1_$2.wav")


def test_true_labels_that_the_model_does_not_know(recording):
    truth = [Event("a", 1.0, 1.5, "cat")]
    figure = recording_figure(recording(3), curves(3), thresholds(), [], truth)
    assert texts(figure.axes[2]) == ["cat"]


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_precision_recall_and_f(tmp_path):
    figure = threshold_figure(TRUTH, FOUND)
    rates, scores = figure.axes
    every = lines(rates)["all keywords"]
    np.testing.assert_allclose(every.get_xdata(), [25, 50, 50, 75, 75])
    np.testing.assert_allclose(every.get_ydata(), [100, 100, 200 / 3, 75, 60])
    np.testing.assert_allclose(lines(rates)["door"].get_xdata(), [50, 50])
    (every,) = (line for line in scores.lines if len(line.get_xdata()) == 5)
    np.testing.assert_allclose(every.get_xdata(), [5, 6, 7, 8, 9])
    f_scores = [600 / 9, 600 / 8, 400 / 7, 400 / 6, 200 / 5]
    np.testing.assert_allclose(every.get_ydata(), f_scores)
    assert every.get_drawstyle() == "steps-pre"
    assert legend(figure) == ["door", "lamp", "all keywords", "best F: 75.0 % at 5.5"]
    assert (rates.get_xlabel(), rates.get_ylabel()) == ("recall (%)", "precision (%)")
    assert (scores.get_xlabel(), scores.get_ylabel()) == ("threshold", "F (%)")
    plot.save(figure, tmp_path / "a.png")


def test_misses_over_false_alarms(tmp_path):
    figure = false_alarm_figure(TRUTH, FOUND, 1800.0)
    (axes,) = figure.axes
    every = lines(axes)["all keywords"]
    # No false alarm is drawn where half of one in half an hour would be.
    np.testing.assert_allclose(every.get_xdata(), [1, 1, 1, 2, 2, 4])
    np.testing.assert_allclose(every.get_ydata(), [100, 75, 50, 50, 25, 25])
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "4"]
    assert axes.get_xlim()[0] < 1 and axes.get_xlim()[1] > 4
    assert axes.get_xlabel() == "false alarms per hour"
    plot.save(figure, tmp_path / "a.png")


def test_one_line_where_there_is_one_keyword_or_many():
    lamps = [event for event in FOUND if event.label == "lamp"]
    every, best = lines(threshold_figure(TRUTH, lamps).axes[0])
    assert every == "all keywords" and best.startswith("best F: 57.1 %")
    many = [Event("a", i, i + 0.5, f"word {i}", 1.0 + i) for i in range(8)]
    assert len(lines(threshold_figure(many, many).axes[0])) == 2


@pytest.mark.parametrize("truth", [[], TRUTH])
def test_where_nothing_matches(truth, tmp_path):
    strange = [Event("z", 1.0, 1.5, "lamp", 3.0)]
    for i, figure in enumerate(
        (
            threshold_figure(truth, strange),
            false_alarm_figure(truth, strange, 60.0),
            confusion_figure(outcomes(truth, strange)),
            confusion_figure([]),
        )
    ):
        plot.save(figure, tmp_path / f"{i}.png")


def test_confusion():
    found = [*FOUND, Event("a", 40.0, 40.5, "lamp", 1.0)]
    figure = confusion_figure(outcomes(TRUTH, found))
    (axes,) = figure.axes
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    # Columns and rows: door, lamp, nothing.
    assert cells == {(0, 0): "1", (1, 0): "1", (1, 1): "2", (0, 2): "1", (1, 2): "1"}
    assert [t.get_text() for t in axes.get_yticklabels()] == ["door", "lamp", "nothing"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("found", "true")
