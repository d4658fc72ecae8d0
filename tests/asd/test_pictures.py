import numpy as np
import pytest
import soundfile

from asd.monitor import Watched
from asd.pictures import recording_figure
from fewshot.events import Event
from fewshot.plot import save


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
