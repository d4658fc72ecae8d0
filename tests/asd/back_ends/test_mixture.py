"""Mixtures against scikit-learn's scores, and left-out scores against new clips."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from asd.back_ends import DOMAINS, Gaussian, Mixture


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def clips(n_source, n_target, n_dims=4, seed=3):
    rng = np.random.default_rng(seed)
    target = rng.permutation(np.arange(n_source + n_target) < n_target)
    vectors = rng.standard_normal((len(target), n_dims)) + 2.0 * target[:, None]
    return vectors, target, rng.standard_normal((6, n_dims))


def parts_of(target, domains):
    if domains == "joint" or len(set(target.tolist())) == 1:
        return [np.ones(len(target), bool)]
    return [
        target == domain
        for domain in (False, True)
        if domains in ("sum", ("source", "target")[domain])
    ]


def densities_of(mixture, vectors):
    """Of each component, in scikit-learn's mixture."""
    return np.stack(
        [
            multivariate_normal(mean, covariance).logpdf(vectors).reshape(len(vectors))
            for mean, covariance in zip(mixture.means_, mixture.covariances_, strict=True)
        ],
        axis=1,
    )


@pytest.mark.parametrize("domains", DOMAINS)
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("n_source, n_target", [(2, 0), (20, 0), (0, 5), (30, 2), (30, 6)])
def test_scores_are_those_of_scikit_learn(domains, weights, n_source, n_target):
    train, target, test = clips(n_source, n_target)
    expected = np.zeros(len(test))
    for part in parts_of(target, domains):
        mixture = GaussianMixture(min(3, part.sum()), reg_covar=1e-3, random_state=7)
        mixture.fit(unit(train[part]))
        if weights:
            expected -= mixture.score_samples(unit(test))
        else:
            expected -= densities_of(mixture, unit(test)).max(axis=1)
    back_end = Mixture(3, weights=weights, domains=domains)
    fitted = back_end.fit(train, target, seed=7)
    assert back_end.score(fitted, test) == pytest.approx(expected)
    assert set(np.unique(fitted["part"])) == set(range(len(parts_of(target, domains))))


def naive_left_out(vectors, i, mixture, weights, regularisation=1e-3):
    """Score of clip i from the others, by their shares in the components, one clip at a time."""
    densities = densities_of(mixture, vectors)
    shares = mixture.weights_ * np.exp(densities)
    shares /= shares.sum(axis=1, keepdims=True)
    shares[i] = 0
    found = []
    for share in shares.T:
        mean = share @ vectors / share.sum()
        covariance = (share[:, None] * (vectors - mean)).T @ (vectors - mean) / share.sum()
        density = multivariate_normal(mean, covariance + regularisation * np.eye(len(mean)))
        weight = share.sum() / (len(vectors) - 1) if weights else 1.0
        found.append(np.log(weight) + density.logpdf(vectors[i]))
    return -logsumexp(found) if weights else -max(found)


@pytest.mark.parametrize("domains", DOMAINS)
@pytest.mark.parametrize("weights", [True, False])
def test_left_out_scores_are_those_of_mixtures_without_the_clip(domains, weights):
    train, target, _ = clips(40, 12)
    vectors, expected = unit(train), np.zeros(52)
    for part in parts_of(target, domains):
        mixture = GaussianMixture(3, reg_covar=1e-3, random_state=7).fit(vectors[part])
        if weights:
            expected[~part] -= mixture.score_samples(vectors[~part]) if (~part).any() else 0
        elif (~part).any():
            expected[~part] -= densities_of(mixture, vectors[~part]).max(axis=1)
        expected[part] += [
            naive_left_out(vectors[part], i, mixture, weights) for i in range(part.sum())
        ]
    back_end = Mixture(3, weights=weights, domains=domains)
    assert back_end.leave_one_out(train, target, seed=7) == pytest.approx(expected)


def test_left_out_scores_are_as_high_as_those_of_new_clips():
    """Those of the training clips themselves are far lower."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((4, 24))

    def machine(n):
        return centres[rng.integers(0, 4, n)] + rng.standard_normal((n, 24)) * np.linspace(
            0.1, 1, 24
        )

    train, none, back_end = machine(300), np.zeros(300, bool), Mixture(8)
    fitted = back_end.fit(train, none)
    new, own = (np.quantile(back_end.score(fitted, v), [0.5, 0.9]) for v in (machine(1000), train))
    left_out = np.quantile(back_end.leave_one_out(train, none), [0.5, 0.9])
    assert np.abs(left_out - new).max() < 0.15 * np.min(new - own)


def test_one_component_ranks_as_one_gaussian():
    train, target, test = clips(30, 0)
    mixture, gaussian = Mixture(1), Gaussian(unit=True)
    scores = mixture.score(mixture.fit(train, target), test)
    distances = gaussian.score(gaussian.fit(train, target), test)
    assert scores - distances**2 / 2 == pytest.approx([scores[0] - distances[0] ** 2 / 2] * 6)
    assert Mixture(1, weights=False).score(mixture.fit(train, target), test) == pytest.approx(
        scores
    )


def test_target_clips_that_are_components_each_rank_as_the_nearest_of_them():
    """Table 19 of the dissertation: why its columns for the target domain alone agree."""
    train, target, test = clips(30, 6)
    back_end = Mixture(weights=False, domains="target")
    scores = back_end.score(back_end.fit(train, target), test)
    squares = np.sum((unit(test)[:, None] - unit(train[target])) ** 2, axis=2).min(axis=1)
    assert scores - squares / 2e-3 == pytest.approx(np.full(6, scores[0] - squares[0] / 2e-3))


@pytest.mark.parametrize("domains", ["source", "target", "sum"])
def test_the_only_clip_of_a_domain_is_scored_by_the_other(domains):
    train, target, _ = clips(20, 1)
    (score,) = Mixture(3, domains=domains).leave_one_out(train, target)[target]
    source = Mixture(3)
    fitted = source.fit(train[~target], target[~target])
    assert score == pytest.approx(source.score(fitted, train[target])[0])


def test_a_component_of_one_clip_goes_with_it():
    rng = np.random.default_rng(1)
    train = np.concatenate([[[5.0, 0, 0]], [0, 0, 5] + 0.1 * rng.standard_normal((30, 3))])
    back_end = Mixture(2)
    fitted = back_end.fit(train, np.zeros(31, bool))
    assert sorted(fitted["weights"]) == pytest.approx([1 / 31, 30 / 31], abs=1e-6)
    left_out = back_end.leave_one_out(train, np.zeros(31, bool))
    assert back_end.score(fitted, train)[0] < 0 and left_out[0] > 100


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match="domains must be"):
        Mixture(domains="both")
    with pytest.raises(ValueError, match="regularisation must be"):
        Mixture(regularisation=0.0)
