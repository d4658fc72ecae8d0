"""Vectors of short texts from their words and letters, without a learnt model of language."""

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

DIM = 256


def text_vectors(texts: Sequence[str]) -> np.ndarray:
    """Map texts to vectors that are the more alike, the more words and spellings they share.

    Each word, and each three characters in a row of a word with its two ends, adds 1 or -1 to one
    of 256 values; which, says a hash that is the same on every machine. Case does not count, and
    what is neither letter, digit nor point divides words.

    Parameters
    ----------
    texts : sequence of str
        Each with one word at least.

    Returns
    -------
    np.ndarray, shape (n, 256), float32
        Of unit length.

    Raises
    ------
    ValueError
        A text has no word.

    Notes
    -----
    K. Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009.

    >>> a, b, c = text_vectors(["a fan machine, speed 6", "a fan machine, speed 8", "a pump"])
    >>> bool(a @ b > a @ c)
    True
    """
    vectors = np.zeros((len(texts), DIM))
    for vector, text in zip(vectors, texts, strict=True):
        for part in _parts(text):
            number = int.from_bytes(blake2b(part.encode(), digest_size=8).digest(), "big")
            vector[number % DIM] += 1 if number // DIM % 2 else -1
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(f"no word in {texts[int(lengths.argmin())]!r}")
    return (vectors / lengths).astype(np.float32)


def _parts(text: str) -> list[str]:
    """Words, and the trigrams of each between two bars."""
    words = re.findall(r"[^\W_]+(?:\.\d+)?", text.casefold())
    barred = [f"|{word}|" for word in words]
    return words + [one[i : i + 3] for one in barred for i in range(len(one) - 2)]
