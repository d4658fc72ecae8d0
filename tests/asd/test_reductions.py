"""Reductions on planted data, and the limits of what the data allow."""

import numpy as np
import pytest

from asd.reductions import Lda, Pca
from fewshot.errors import InputError


def planted(n=300, seed=0):
    """Loud in dimension 0, where classes do not differ; classes differ in dimensions 1 and 2."""
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % 3
    centres = np.array([[0, 1, 0], [0, 0, 1], [0, -1, -1]])
    vectors = 0.1 * rng.standard_normal((n, 8))
    vectors[:, :3] += centres[classes]
    vectors[:, 0] += 20 * rng.standard_normal(n)
    return vectors + 7, classes


def test_pca_keeps_what_varies_most():
    vectors, classes = planted()
    pca = Pca(n_dims=1)
    fitted = pca.fit(vectors, classes)
    assert np.abs(fitted["axes"]) == pytest.approx(np.eye(1, 8), abs=0.01)
    kept = pca.apply(fitted, vectors)[:, 0]
    assert np.abs(kept) == pytest.approx(np.abs(vectors[:, 0] - vectors[:, 0].mean()), abs=0.2)


def test_pca_in_all_dimensions_keeps_distances():
    vectors, classes = planted(20)
    reduced = Pca(n_dims=100).apply(Pca(n_dims=100).fit(vectors, classes), vectors)
    assert reduced.shape == (20, 8) and reduced.mean(axis=0) == pytest.approx(0, abs=1e-9)
    for i, j in ((0, 1), (3, 17)):
        assert np.linalg.norm(reduced[i] - reduced[j]) == pytest.approx(
            np.linalg.norm(vectors[i] - vectors[j])
        )


def test_lda_keeps_what_tells_classes_apart():
    train, classes = planted()
    test, truth = planted(60, seed=1)
    lda = Lda()
    fitted = lda.fit(train, classes)
    reduced, own = lda.apply(fitted, test), lda.apply(fitted, train)
    assert reduced.shape == (60, 2)
    means = np.stack([own[classes == name].mean(axis=0) for name in range(3)])
    nearest = np.linalg.norm(reduced[:, None] - means, axis=2).argmin(axis=1)
    assert (nearest == truth).all()
    within = own - means[classes]
    assert within.T @ within / 300 == pytest.approx(np.eye(2), abs=1e-6)


@pytest.mark.parametrize("n, d, n_classes", [(2, 5, 2), (3, 5, 2), (12, 3, 6), (30, 100, 4)])
def test_dimensions_are_no_more_than_the_data_allow(n, d, n_classes):
    vectors = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    classes = [f"class {i % n_classes}" for i in range(n)]
    for reduction, most in (
        (Pca(), min(n - 1, d)),
        (Pca(2), 2),
        (Lda(), n_classes - 1),
        (Lda(1), 1),
    ):
        if isinstance(reduction, Lda) and n == n_classes:
            with pytest.raises(InputError, match="LDA needs two classes or more"):
                reduction.fit(vectors, classes)
            continue
        fitted = reduction.fit(vectors, classes)
        assert reduction.apply(fitted, vectors).shape == (n, min(most, n - 1, d))
        assert reduction.fit(vectors, classes)["axes"].tolist() == fitted["axes"].tolist()


def test_data_that_tell_nothing_are_refused():
    with pytest.raises(InputError, match="not 4 alike; record more"):
        Pca().fit(np.ones((4, 3)), [0, 0, 1, 1])
    with pytest.raises(InputError, match="not 1 alike; record more"):
        Lda().fit(np.ones((1, 3)), [0])
    with pytest.raises(InputError, match="not 4 clips of 1; use PCA"):
        Lda().fit(np.random.default_rng(0).standard_normal((4, 3)), np.zeros(4))
