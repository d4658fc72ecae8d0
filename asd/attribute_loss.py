"""Attributes of clips as something to learn: tokens, of which a clip has several at once.

Notes
-----
S. Wang et al., "Machine anomalous sound detection based on self-supervised classification", APSIPA
2022, equation 5, which does not define the loss. Its counts of attributes (22 of ToyCar, 12 of fan)
are those of the different pairs of name and value in a machine's file names. A clip has several, so
each is told for itself here; one softmax for each name is the other way that was thought of.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from asd.dataset import Clip

AUXILIARIES = ("tokens", "heads")

Token = tuple[str, str, str]
"""Machine, name and value of an attribute."""


def tokens_of(clips: Sequence[Clip]) -> list[Token]:
    """The different attributes of clips, in order; those of different machines are different."""
    return sorted({(clip.machine, *pair) for clip in clips for pair in clip.attributes})


def token_targets(clips: Sequence[Clip], tokens: Sequence[Token]) -> torch.Tensor:
    """Which attributes clips have, shape (n_clips, n_tokens), float32.

    1 for those of the clip, 0 for others of its machine, -1 for what is not asked: attributes of
    other machines, and all of a clip of which none is known.
    """
    targets = torch.full((len(clips), len(tokens)), -1.0)
    columns = {token: column for column, token in enumerate(tokens)}
    of_machine = {
        machine: [column for token, column in columns.items() if token[0] == machine]
        for machine in {token[0] for token in tokens}
    }
    for row, clip in zip(targets, clips, strict=True):
        if clip.attributes:
            row[of_machine[clip.machine]] = 0.0
            row[[columns[clip.machine, *pair] for pair in clip.attributes]] = 1.0
    return targets


class AttributeLoss(nn.Module):
    """A linear layer that tells attributes, and how badly it does.

    Parameters
    ----------
    tokens : sequence of (str, str, str)
        At least one, from `tokens_of`.
    dim : int
        Of its input.
    kind : {"tokens", "heads"}
        Binary cross entropy of each attribute of the clip's machine; or cross entropy of a softmax
        over the values of each name, for clips that have the name. Either is the mean over what a
        clip is asked, and over clips.
    """

    def __init__(self, tokens: Sequence[Token], dim: int, kind: str = "tokens") -> None:
        super().__init__()
        self.kind = kind
        self.linear = nn.Linear(dim, len(tokens))
        names = [token[:2] for token in tokens]
        self._heads = [
            [column for column, other in enumerate(names) if other == name]
            for name in dict.fromkeys(names)
        ]

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Loss of inputs (batch, dim) with targets (batch, n_tokens) of `token_targets`.

        0 where nothing is asked.
        """
        logits = self.linear(inputs)
        if self.kind == "tokens":
            asked = targets >= 0
            losses = binary_cross_entropy_with_logits(
                logits, targets.clamp(min=0), reduction="none"
            )
        else:
            losses, asked = self._of_heads(logits, targets.clamp(min=0))
        n_asked = asked.sum(dim=1)
        of_clips = (losses * asked).sum(dim=1) / n_asked.clamp(min=1)
        return of_clips.sum() / (n_asked > 0).sum().clamp(min=1)

    def _of_heads(
        self, logits: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cross entropies of the names, shape (batch, n_names), and which clips have them."""
        losses, asked = [], []
        for columns in self._heads:
            own = targets[:, columns]
            count = own.sum(dim=1)
            shares = own / count.clamp(min=1)[:, None]
            losses.append(-(shares * logits[:, columns].log_softmax(dim=1)).sum(dim=1))
            asked.append(count > 0)
        return torch.stack(losses, dim=1), torch.stack(asked, dim=1)
