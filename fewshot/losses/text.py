"""A loss that draws embeddings to the text that describes their class."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize


class TextLoss(nn.Module):
    """Cross-entropy of the similarities between mapped embeddings and the texts of all classes.

    Parameters
    ----------
    text_vectors : torch.Tensor, shape (n_classes, text_dim)
        One per class, of any length but 0; they are not trained.
    dim : int
        Dimension of the embeddings.
    temperature : float
        What similarities are divided by.

    Notes
    -----
    The report on System 3 of GISP (Tian et al., DCASE Challenge 2024, Task 2, section 2.2) embeds
    "the labels of audio ... into audio features" and leaves open how. Here a text is what is to be
    found, not an input, which would give the label away in training and be missing in tests:
    -log(exp(cos(W e, t_y) / 0.1) / sum_c exp(cos(W e, t_c) / 0.1)) with a trained linear map W.
    """

    def __init__(self, text_vectors: torch.Tensor, dim: int, temperature: float = 0.1) -> None:
        super().__init__()
        self.register_buffer("texts", normalize(text_vectors, dim=1))
        self.linear = nn.Linear(dim, text_vectors.shape[1], bias=False)
        self.temperature = temperature

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Loss of a batch of embeddings (batch, dim) with probabilities (batch, n_classes)."""
        cosines = normalize(self.linear(embeddings), dim=1) @ self.texts.T
        return cross_entropy(cosines / self.temperature, labels)
