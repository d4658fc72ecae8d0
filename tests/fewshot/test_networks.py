import numpy as np
import pytest
import torch
from torch import nn

from fewshot.networks import arrays_of, fill


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def test_a_network_comes_back_from_its_arrays():
    own = network().to(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 5, 5)
    own(x)
    arrays = arrays_of(own)
    assert {array.flags.c_contiguous for array in arrays.values()} == {True}
    with torch.device("meta"):
        again = network()
    fill(again, {name: np.broadcast_to(array, array.shape) for name, array in arrays.items()})
    torch.testing.assert_close(again.eval()(x), own.eval()(x))
    with torch.no_grad():
        again[0].weight.zero_()
    assert arrays["0.weight"].all()


def test_arrays_that_do_not_fit_are_refused():
    arrays = arrays_of(network())
    for changed in (arrays | {"0.bias": np.zeros(5, np.float32)}, {}):
        with pytest.raises(RuntimeError):
            fill(network(), changed)
