"""Reductions on planted data, and the limits of what the data allow."""

import numpy as np
import pytest

from asd.reductions import lda, pca, reduced
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
    fitted = pca(vectors, classes, 1)
    assert np.abs(fitted["axes"]) == pytest.approx(np.eye(1, 8), abs=0.01)
    kept = reduced(fitted, vectors)[:, 0]
    assert np.abs(kept) == pytest.approx(np.abs(vectors[:, 0] - vectors[:, 0].mean()), abs=0.2)


def test_pca_in_all_dimensions_keeps_distances():
    vectors, classes = planted(20)
    turned = reduced(pca(vectors, classes, 100), vectors)
    assert turned.shape == (20, 8) and turned.mean(axis=0) == pytest.approx(0, abs=1e-9)
    for i, j in ((0, 1), (3, 17)):
        assert np.linalg.norm(turned[i] - turned[j]) == pytest.approx(
            np.linalg.norm(vectors[i] - vectors[j])
        )


def test_lda_keeps_what_tells_classes_apart():
    train, classes = planted()
    test, truth = planted(60, seed=1)
    fitted = lda(train, classes, 128)
    found, own = reduced(fitted, test), reduced(fitted, train)
    assert found.shape == (60, 2)
    means = np.stack([own[classes == name].mean(axis=0) for name in range(3)])
    nearest = np.linalg.norm(found[:, None] - means, axis=2).argmin(axis=1)
    assert (nearest == truth).all()
    within = own - means[classes]
    assert within.T @ within / 300 == pytest.approx(np.eye(2), abs=1e-6)


@pytest.mark.parametrize("n, d, n_classes", [(2, 5, 2), (3, 5, 2), (12, 3, 6), (30, 100, 4)])
def test_dimensions_are_no_more_than_the_data_allow(n, d, n_classes):
    vectors = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    classes = [f"class {i % n_classes}" for i in range(n)]
    for reduction, n_dims, most in (
        (pca, 128, min(n - 1, d)),
        (pca, 2, 2),
        (lda, 128, n_classes - 1),
        (lda, 1, 1),
    ):
        if reduction is lda and n == n_classes:
            with pytest.raises(InputError, match="LDA needs two classes or more"):
                reduction(vectors, classes, n_dims)
            continue
        fitted = reduction(vectors, classes, n_dims)
        assert reduced(fitted, vectors).shape == (n, min(most, n - 1, d))
        assert reduction(vectors, classes, n_dims)["axes"].tolist() == fitted["axes"].tolist()


def test_data_that_tell_nothing_are_refused():
    with pytest.raises(InputError, match="not 4 alike; record more"):
        pca(np.ones((4, 3)), [0, 0, 1, 1], 2)
    with pytest.raises(InputError, match="not 1 alike; record more"):
        lda(np.ones((1, 3)), [0], 2)
    with pytest.raises(InputError, match="not 4 clips of 1; use PCA"):
        lda(np.random.default_rng(0).standard_normal((4, 3)), np.zeros(4), 2)
