import numpy as np
import pytest

from fewshot.encoders.external import EncoderSpec, ExternalEncoder
from fewshot.errors import InputError
from kws.front import pretrained


def test_little_speech_of_an_unknown_encoder_is_refused():
    def network(samples):
        return samples[:, : samples.shape[1] // 320 * 320].reshape(len(samples), -1, 320)[..., :3]

    encoder = ExternalEncoder(EncoderSpec(window=320, step=320, hop=320, centre=0, dim=3), network)
    frames = np.random.default_rng(0).standard_normal((1000, 3)).astype(np.float32)
    with pytest.raises(InputError, match="20 s of ordinary speech"):
        pretrained(encoder, [frames])
    with pytest.raises(InputError, match="--background"):
        pretrained(encoder)
    assert len(pretrained(encoder, [frames] * 3).background) == 3000
