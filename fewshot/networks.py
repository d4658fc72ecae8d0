"""Networks as the arrays of model files."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn


def arrays_of(network: nn.Module) -> dict[str, np.ndarray]:
    """All parameters and buffers of a network, by name."""
    state = network.state_dict()
    return {name: tensor.cpu().contiguous().numpy() for name, tensor in state.items()}


def fill(network: nn.Module, arrays: Mapping[str, np.ndarray]) -> nn.Module:
    """Give a network, which may be on the device "meta", what `arrays_of` gave of another.

    Returns
    -------
    nn.Module
        The same, on the CPU.

    Raises
    ------
    RuntimeError
        They do not fit.

    Examples
    --------
    >>> with torch.device("meta"):
    ...     network = nn.Linear(1, 2)
    >>> fill(network, {"weight": np.ones((2, 1)), "bias": np.zeros(2)}).bias.tolist()
    [0.0, 0.0]
    """
    state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    network.load_state_dict(state, assign=True)
    return network
