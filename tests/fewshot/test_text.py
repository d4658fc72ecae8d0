"""Vectors of texts from hashed words and trigrams."""

import subprocess
import sys
from hashlib import blake2b

import numpy as np
import pytest

from fewshot.text import text_vectors

TEXTS = ["a fan machine, speed 6, source domain", "A pump machine, group 3", "Lüfter 1.5 kW"]


def test_vectors_are_equal_across_processes():
    code = (
        "import sys; from fewshot.text import text_vectors;"
        f"sys.stdout.buffer.write(text_vectors({TEXTS!r}).tobytes())"
    )
    for seed in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
        )
        np.testing.assert_array_equal(
            np.frombuffer(found.stdout, np.float32).reshape(len(TEXTS), -1), text_vectors(TEXTS)
        )


def test_every_word_and_trigram_counts_once():
    naive = np.zeros(256)
    for part in ("fan", "1.5", "|fa", "fan", "an|", "|1.", "1.5", ".5|"):
        number = int.from_bytes(blake2b(part.encode(), digest_size=8).digest(), "big")
        naive[number % 256] += 1 if (number // 256) % 2 else -1
    np.testing.assert_allclose(
        text_vectors(["FAN, 1.5"])[0], naive / np.linalg.norm(naive), rtol=1e-6
    )


def test_vectors_are_of_unit_length_and_those_of_other_texts_are_others():
    vectors = text_vectors([f"a fan machine, speed {n}" for n in range(100)])
    assert vectors.shape == (100, 256) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    similarities = vectors @ vectors.T
    assert similarities[~np.eye(100, dtype=bool)].max() < 0.99


def test_a_text_without_words_is_refused():
    with pytest.raises(ValueError, match="no word in '--'"):
        text_vectors(["fan", "--"])
