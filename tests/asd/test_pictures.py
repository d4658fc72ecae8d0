from pathlib import Path

import numpy as np
import pytest
import soundfile

from asd.dataset import Clip
from asd.evaluation import SectionScores, official_figures
from asd.explanation import importance_map
from asd.monitor import Watched
from asd.pictures import (
    embedding_figure,
    importance_figure,
    recording_figure,
    scores_figure,
)
from fewshot.events import Event
from fewshot.plot import png, save


@pytest.mark.parametrize("duration_s, label", [(0.5, "time (s)"), (700.0, "time (h:mm:ss)")])
def test_a_recording_of_any_length(tmp_path, duration_s, label):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(round(duration_s * 1000)), 1000)
    times_s = np.linspace(0.0, duration_s, 5)
    events = [Event("", 0.1, 0.3, "anomaly", 2.0)]
    watched = Watched(times_s, np.array([0, 2.0, 0, 0, 0]), 1.0, events, duration_s)
    figure = recording_figure(path, watched)
    spectrum, curve, lane = figure.axes
    assert spectrum.get_xlim() == (0, duration_s)
    assert spectrum.images[0].get_extent()[:2] == pytest.approx((0, duration_s))
    assert curve.lines[0].get_ydata()[0] == 1.0
    np.testing.assert_array_equal(curve.lines[1].get_ydata(), watched.scores)
    assert lane.get_xlabel() == label
    assert [text.get_text() for text in lane.texts] == ["anomaly"]
    save(figure, tmp_path / "a.png")


def section(**changes):
    rng = np.random.default_rng(0)
    flags = np.arange(80)
    parts = {"anomalous": flags % 2 == 1, "target": flags % 4 > 1, "scores": rng.normal(flags % 2)}
    return SectionScores(**({"machine": "fan", "section": "00"} | parts | changes))


def area_below(points):
    x, y = points.T
    return (np.diff(x) * (y[1:] + y[:-1]) / 2).sum()


def lines_of(axes):
    return {line.get_label(): line.get_xydata() for line in axes.lines}


@pytest.mark.parametrize("year", [2021, 2023])
def test_the_areas_below_the_curves_are_the_official_ones(year):
    own = section()
    figures = official_figures([own], year).sections["fan", "00"]
    lines = lines_of(scores_figure(own.scores, [0.5], own, year).axes[1])
    for domain in ("source", "target"):
        assert area_below(lines[f"ROC {domain}"]) == pytest.approx(figures[f"AUC ({domain})"])
    assert ("ROC all clips" in lines) == (year != 2021)
    if year != 2021:
        assert area_below(lines["ROC all clips"]) == pytest.approx(figures["AUC (all)"])


def test_the_dot_lies_where_the_decisions_are_on_the_curve():
    own = section()
    own = section(decisions=own.scores > 0.5)
    figure = scores_figure(own.scores, [0.5], own, 2023)
    lines = lines_of(figure.axes[1])
    assert lines["decisions"][0].tolist() in lines["ROC all clips"].tolist()
    assert lines_of(figure.axes[0])["threshold"][0, 0] == 0.5


@pytest.mark.parametrize("scores", [np.ones(80), np.arange(80.0)])
def test_histograms_hold_every_clip(scores):
    own = section(scores=scores, target=None)
    figure = scores_figure(scores, [], own, 2020)
    assert sorted(figure.axes[0].get_legend_handles_labels()[1]) == ["anomalous", "normal"]
    # The outline of a histogram goes up and down once for each bin.
    heights = [patch.get_xy()[1:-1:2, 1].sum() for patch in figure.axes[0].patches]
    assert heights == [40, 40]
    assert png(figure).startswith(b"\x89PNG")


def test_scores_alone_have_one_histogram():
    figure = scores_figure(np.arange(9.0), [3.0, 4.0])
    assert len(figure.axes) == 1
    assert figure.axes[0].patches[0].get_xy()[1:-1:2, 1].sum() == 9


@pytest.mark.parametrize("score, taken", [(2.0, "anomalous"), (1.0, "normal")])
def test_the_map_lies_below_the_spectrogram(score, taken):
    def levels(clips):
        return np.array([score if len(clips) == 1 else clip.std() for clip in clips])

    found = importance_map(levels, np.random.default_rng(0).standard_normal(8000), n_masks=3)
    figure = importance_figure(found, "a$b.wav", 1.0)
    assert figure.get_suptitle() == f"a$b.wav\nscore {score:.4g}, threshold 1: {taken}"
    spectrum, importance = figure.axes[:2]
    np.testing.assert_array_equal(importance.images[0].get_array(), found.map.T)
    np.testing.assert_array_equal(spectrum.images[0].get_array(), found.levels_db.T)
    assert importance.get_xlim() == pytest.approx((0, 0.512 + 0.016))
    assert importance.images[0].get_extent()[2:] == pytest.approx((-1 / 128, 8 + 1 / 128))
    png(figure)


@pytest.mark.parametrize("n_machines", [1, 9])
def test_clips_of_each_kind_have_their_dots(n_machines):
    kinds = [("normal", "source"), ("anomaly", "target"), (None, None)]
    clips = [
        Clip(Path("a.wav"), f"fan{i}", "00", domain, "test", condition, None, ())
        for i in range(n_machines)
        for condition, domain in kinds
    ]
    points = np.random.default_rng(0).standard_normal((len(clips), 2))
    (axes,) = (figure := embedding_figure(points, clips)).axes
    dots = [line for line in axes.lines if len(line.get_xdata())]
    np.testing.assert_array_equal([line.get_xydata()[0] for line in dots], points)
    assert [line.get_marker() for line in dots[:3]] == ["o", "X", "D"]
    assert [str(line.get_markerfacecolor()) == "none" for line in dots[:3]] == [0, 1, 0]
    assert len({str(line.get_color()) for line in dots}) == n_machines
    labels = axes.get_legend_handles_labels()[1]
    assert labels[-3:] == ["anomaly target", "normal", "unknown"]
    png(figure)
