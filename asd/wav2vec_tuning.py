"""Fine-tuning of wav2vec 2.0 on the sound of machines.

Notes
-----
S. Wang et al., APSIPA 2022, section II-A, says that it is fine-tuned on the data set, and no more.
Chosen here: one for all machines, its convolutions frozen, a bottleneck from a transformer's block
to 128 values per frame, whose mean over time is told apart by machine and section and by attribute
tokens; Adam, 2e-5 behind a linear warm-up over a tenth of the steps, 5 epochs, batches of 16.
Afterwards it is frozen. Without an epoch it stays as it is, and principal components are the
bottleneck.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from asd.attribute_loss import AttributeLoss, Token, token_targets, tokens_of
from asd.excerpts import random_excerpts
from asd.representations import Training
from asd.representations.fusion import N_BANDS, Fusion
from fewshot.encoders.wav2vec import Wav2VecMaps, load_wav2vec
from fewshot.losses.softmax import SoftmaxLoss
from fewshot.training import seeded

LEARNING_RATE, BATCH_SIZE, WARM_UP = 2e-5, 16, 0.1
NAME = "wav2vec"


def tuned(fusion: Fusion, training: Training, labels: torch.Tensor, n_samples: int) -> Wav2VecMaps:
    """Read wav2vec 2.0 from its file and let it hear the machines.

    Parameters
    ----------
    fusion : Fusion
    training : Training
    labels : torch.Tensor, shape (n_clips,), int64
        Class of each clip.
    n_samples : int
        Length of the excerpts that it hears.

    Returns
    -------
    Wav2VecMaps
        In evaluation mode.

    Raises
    ------
    InputError
        As `load_wav2vec`; or a loss is not finite.
    """
    recordings, seed = training.recordings, training.seed + fusion.member
    tokens = tokens_of(training.clips)
    targets = token_targets(training.clips, tokens)
    generator = torch.Generator().manual_seed(seed)
    n_batches = max(1, round(len(recordings) / BATCH_SIZE))

    def batches(_epoch: int) -> Iterator[tuple[torch.Tensor, ...]]:
        order = torch.randperm(len(recordings), generator=generator)
        for indices in order.tensor_split(n_batches):
            sounds = random_excerpts(recordings, indices, n_samples, generator)
            batch = sounds, labels[indices], targets[indices]
            yield tuple(one.to(training.device) for one in batch)

    with seeded(seed):
        maps = Wav2VecMaps(load_wav2vec(fusion.weights, fusion.block), N_BANDS).eval()
        task = Task(maps, 1 + int(labels.max()), tokens).to(training.device)
        if not fusion.tuning_epochs:
            maps.narrow_by(sounds for sounds, *_ in batches(0))
            return maps
        training.run(
            f"{NAME} {fusion.member + 1}",
            task,
            batches,
            task,
            epochs=fusion.tuning_epochs,
            of=NAME,
            learning_rate=LEARNING_RATE,
            warm_up=round(WARM_UP * n_batches * fusion.tuning_epochs),
            checkpoint=training.checkpoint(fusion, NAME),
            generator=generator,
        )
    return maps


class Task(nn.Module):
    """What wav2vec 2.0 is taught: machine and section, and attributes.

    Parameters
    ----------
    maps : Wav2VecMaps
    n_classes : int
    tokens : sequence of (str, str, str)
        Attributes, if there are any.
    """

    def __init__(self, maps: Wav2VecMaps, n_classes: int, tokens: Sequence[Token]) -> None:
        super().__init__()
        self.maps = maps
        self.classes = SoftmaxLoss(n_classes, N_BANDS)
        self.attributes = AttributeLoss(tokens, N_BANDS) if tokens else None

    def forward(self, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Loss of waveforms (batch, n_samples), their classes and attributes."""
        sounds, labels, targets = batch
        device = sounds.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            frames = self.maps.frames(sounds)
        mean = frames.float().mean(dim=1)
        loss = self.classes(mean, labels)
        return loss if self.attributes is None else loss + self.attributes(mean, targets)
