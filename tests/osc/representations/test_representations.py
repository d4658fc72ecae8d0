import numpy as np
import pytest

from fewshot.errors import InputError
from osc import OpenSetClassifier, representations
from osc.representations import FOREIGN_WEIGHTS, create
from osc.representations.views import ThreeViews


class Levels:
    """Three numbers of a clip, as somebody else's representation."""

    def __init__(self, power=1.0):
        self.power = power

    def fit(self, waveforms, labels, *, seed=0):
        self.labels_ = list(labels)
        return self

    def transform(self, waveforms):
        return np.array([[1.0, 0.0, 0.0] for _ in waveforms], np.float32)

    def state(self):
        return {"nothing": np.zeros(1)}, {"power": self.power}

    @classmethod
    def restore(cls, tensors, settings):
        return cls(**settings)


def test_names_objects_and_options():
    assert isinstance(create("default"), ThreeViews)
    own = Levels(2.0)
    copy = create(own)
    assert copy is not own and copy.power == 2.0
    assert create("mfcc", {"epochs": None}).name == "mfcc"
    assert representations.options_of("default") == ("views",)
    for wrong, message in (
        ("nonsense", "no representation 'nonsense'; use default, three-views, mfcc"),
        (3, "representation is 3"),
        (Levels, "representation is <class"),
        ("external", "no representation"),
        ("nowhere.onnx", "nowhere.onnx: no such encoder"),
    ):
        with pytest.raises(InputError, match=message):
            create(wrong).fit([np.zeros(1600, np.float32)], ["a"])
    with pytest.raises(InputError, match="Levels has no option power"):
        create(own, {"power": 3})


@pytest.mark.parametrize("name", [*FOREIGN_WEIGHTS, "VGGish"])
def test_weights_of_others_are_never_fetched(name):
    with pytest.raises(InputError, match=r"never downloaded; fetch .* and give that file"):
        create(name)


def test_a_foreign_class_is_named_before_it_is_saved(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).standard_normal((3, 4000)).astype(np.float32)
    model = OpenSetClassifier(Levels()).fit(noise, ["a", "unknown", "b"], groups=["", "x", ""])
    assert model.representation_.labels_ == ["a", "unknown/x", "b"]
    with pytest.raises(InputError, match="a Levels cannot be saved"):
        model.save(tmp_path / "m.osc")
    monkeypatch.setitem(representations.REPRESENTATIONS, "levels", Levels)
    model.save(tmp_path / "m.osc")
    assert isinstance(OpenSetClassifier.load(tmp_path / "m.osc").representation_, Levels)
