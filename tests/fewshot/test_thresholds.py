import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.svm import OneClassSVM

from fewshot import thresholds

WORKED = [*range(9), 20]
# The data of Rosner, "Percentage points for a generalized ESD many-outlier procedure", 1983.
ROSNER = [
    *(-0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56, 1.58),
    *(1.65, 1.69, 1.70, 1.76, 1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10, 2.14, 2.15),
    *(2.23, 2.24, 2.26, 2.35, 2.37, 2.40, 2.47, 2.54, 2.62, 2.64, 2.90, 2.92, 2.92, 2.93, 3.21),
    *(3.26, 3.30, 3.59, 3.68, 4.30, 4.64, 5.34, 5.42, 6.01),
]
with_ties = st.lists(st.integers(-20, 60).map(lambda i: i / 4), min_size=1, max_size=40)
every_method = pytest.mark.parametrize("method", thresholds.ESTIMATORS)


def sample(kind, n=1000, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_gamma(2, n) if kind == "gamma" else rng.standard_normal(n)


def quantiles(distribution, n=1000):
    """What n samples look like on average."""
    return distribution.ppf((np.arange(n) + 0.5) / n)


def share_below(method, scores):
    return 100 * np.mean(scores <= thresholds.estimate(scores, method))


@pytest.mark.parametrize(
    ("method", "threshold"),
    [
        ("hp", 9.2),
        ("sd", 12.498),
        ("mad", 11.913),
        ("iqr", 9.0),
        ("gesd", 20.0),
        ("cleversd", 20.0),
    ],
)
def test_worked_example(method, threshold):
    assert thresholds.estimate(WORKED, method) == pytest.approx(threshold, abs=5e-4)


def test_worked_example_with_the_literatures_factors():
    assert thresholds.median_absolute_deviation(WORKED, 3) == pytest.approx(15.620, abs=6e-4)
    assert thresholds.interquartile_range(WORKED, 1.5) == 13.5


@pytest.mark.parametrize(
    ("method", "threshold"), [("hp", 7.2), ("sd", 7.305), ("mad", 9.930), ("iqr", 8.0)]
)
def test_worked_example_in_two_stages(method, threshold):
    single = thresholds.ESTIMATORS[method]
    twice = thresholds.multi_stage(single, WORKED, fewest=9)
    assert twice == pytest.approx(threshold, abs=5e-4)
    # Nine scores are left for the second stage, which is one too few by default.
    assert thresholds.estimate(WORKED, f"{method}x2") == single(WORKED)


def naive_multi_stage(estimator, scores, stages):
    scores = list(scores)
    for _ in range(stages):
        threshold = estimator(scores)
        scores = [score for score in scores if score <= threshold]
        if len(scores) < 10:
            break
    return threshold


@pytest.mark.parametrize("stages", [1, 2, 3, 9])
@given(scores=with_ties)
def test_stages_against_naive(stages, scores):
    estimator = thresholds.standard_deviation
    expected = naive_multi_stage(estimator, scores, stages)
    assert thresholds.multi_stage(estimator, scores, stages) == expected


@given(with_ties)
def test_a_second_stage_of_those_that_stop_by_themselves_changes_nothing(scores):
    for estimator in (thresholds.gesd, thresholds.clever_sd):
        assert thresholds.multi_stage(estimator, scores) == estimator(scores)


@pytest.mark.parametrize(
    ("method", "share"),
    [
        ("gdp", 90),
        ("hp", 90),
        ("sd", 90),
        ("mad", 97.6),
        ("iqr", 91.1),
        ("ocsvm", 90),
        ("gdpx2", 81),
        ("hpx2", 81),
        ("sdx2", 81),
        ("madx2", 97),
        ("iqrx2", 84),
        ("ocsvmx2", 81),
        ("gesd", 100),
        ("cleversd", 96),
    ],
)
def test_share_of_normally_distributed_scores_below(method, share):
    assert share_below(method, quantiles(stats.norm)) == pytest.approx(share, abs=2.5)


def test_clever_sd_peels_off_nearly_everything_with_a_small_factor():
    normal, skewed = quantiles(stats.norm), quantiles(stats.gamma(2))
    assert np.mean(normal <= thresholds.clever_sd(normal, 1.28)) < 0.6
    assert np.mean(skewed <= thresholds.clever_sd(skewed, 1.28)) < 0.05
    assert share_below("cleversd", normal) == pytest.approx(96, abs=0.5)
    assert share_below("cleversd", skewed) == pytest.approx(77, abs=0.5)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_gamma_percentile_of_gamma_scores(q):
    scores = 0.003 * sample("gamma", 5000) - 7
    expected = 0.003 * stats.gamma.ppf(q, 2) - 7
    assert thresholds.gamma_percentile(scores, q) == pytest.approx(expected, abs=0.003 * 0.15)


def moments_of_gamma(scores, q):
    start = scores.min() - 1e-3 * np.ptp(scores)
    mean = scores.mean() - start
    scale = scores.var() / mean
    return stats.gamma.ppf(q, mean / scale, loc=start, scale=scale)


def test_gamma_percentile_says_when_it_falls_back_to_moments():
    scores = np.random.default_rng(0).standard_cauchy(300)
    with pytest.warns(RuntimeWarning, match="does not fit these 300 scores; moments"):
        threshold = thresholds.gamma_percentile(scores)
    assert threshold == pytest.approx(moments_of_gamma(scores, 0.9))
    assert np.median(scores) < threshold < scores.max()


@pytest.mark.parametrize("outcome", [stats.FitError("no"), (np.nan, 0.0, 1.0)])
def test_gamma_percentile_when_the_fit_fails(monkeypatch, outcome):
    def fit(z):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(stats.gamma, "fit", fit)
    scores = sample("gamma", 50)
    with pytest.warns(RuntimeWarning, match="moments"):
        threshold = thresholds.gamma_percentile(scores)
    assert threshold == pytest.approx(moments_of_gamma(scores, 0.9))


@pytest.mark.parametrize("nu", [0.1, 0.25, 0.5, 0.29])
@pytest.mark.parametrize("n", [2, 10, 37, 100])
def test_one_class_svm_against_the_machine(n, nu):
    scores = sample("normal", n, seed=n)
    z = (scores - scores.max()) / np.ptp(scores) - 1
    machine = OneClassSVM(kernel="linear", nu=nu, tol=1e-9).fit(z[:, None])
    border = -machine.intercept_[0] / machine.coef_[0, 0]
    border = scores.max() + np.ptp(scores) * (border + 1)
    threshold = thresholds.one_class_svm(scores, nu)
    above = scores[scores > threshold]
    assert len(above) <= nu * n + 1e-9
    if abs(nu * n - round(nu * n)) > 1e-9:
        assert threshold == pytest.approx(border, abs=1e-6)
    else:
        assert threshold - 1e-6 <= border <= above.min() + 1e-6
        assert len(above) == round(nu * n)


def test_one_class_svm_cuts_the_upper_end_wherever_the_scores_lie():
    scores = sample("normal", 201)
    for shift in (-50.0, 0.0, 50.0):
        assert np.sum(scores + shift > thresholds.one_class_svm(scores + shift)) == 20


def naive_grubbs_rejects(scores, alpha):
    n = len(scores)
    deviation = np.std(scores, ddof=1) if n > 2 else 0.0
    if deviation == 0 or min(scores) == max(scores):
        return False
    t = stats.t.ppf(1 - alpha / (2 * n), n - 2)
    critical = (n - 1) / n**0.5 * (t**2 / (n - 2 + t**2)) ** 0.5
    return (max(scores) - np.mean(scores)) / deviation > critical


def naive_gesd(scores, alpha, mode):
    scores = sorted(scores)
    threshold = scores[-1]
    most = len(scores) if mode == "first" else len(scores) // 2
    for _ in range(most):
        if naive_grubbs_rejects(scores, alpha):
            threshold = scores[-1]
        elif mode == "first":
            break
        scores = scores[:-1]
    return threshold


@pytest.mark.parametrize("mode", ["first", "last"])
@given(scores=with_ties, alpha=st.sampled_from([0.01, 0.05, 0.2]))
def test_gesd_against_naive(mode, scores, alpha):
    assert thresholds.gesd(scores, alpha, mode) == naive_gesd(scores, alpha, mode)


def test_grubbs_in_the_worked_example():
    statistic = (20 - np.mean(WORKED)) / np.std(WORKED, ddof=1)
    assert statistic == pytest.approx(2.535, abs=5e-4)
    assert thresholds.grubbs_critical_value(10) == pytest.approx(2.290, abs=5e-4)


def test_gesd_of_outliers_that_hide_each_other():
    """Rosner's test finds three of which the first two alone would be kept."""
    assert thresholds.gesd(ROSNER) == 6.01
    assert thresholds.gesd(ROSNER, mode="last") == 5.34


def naive_clever_sd(scores, factor):
    scores = sorted(scores)
    threshold = scores[-1]
    while scores[-1] > scores[0] and scores[-1] > np.mean(scores) + factor * np.std(scores):
        threshold = scores.pop()
    return threshold


@given(with_ties, st.sampled_from([0.5, 1.28, 2.0]))
def test_clever_sd_against_naive(scores, factor):
    assert thresholds.clever_sd(scores, factor) == naive_clever_sd(scores, factor)


@every_method
@pytest.mark.parametrize(("scale", "shift"), [(1e-4, 0.2), (7.0, -3000.0)])
def test_thresholds_move_with_the_scores(method, scale, shift):
    scores = sample("gamma", 101)
    moved = thresholds.estimate(scale * scores + shift, method)
    assert (moved - shift) / scale == pytest.approx(thresholds.estimate(scores, method), rel=1e-3)


@every_method
def test_thresholds_do_not_depend_on_the_order(method):
    scores = sample("normal", 50)
    assert thresholds.estimate(scores[::-1], method) == pytest.approx(
        thresholds.estimate(scores, method), rel=1e-6
    )


@every_method
@pytest.mark.parametrize("scores", [[0.1], [0.1] * 3, [0.1] * 30])
def test_equal_scores_are_their_own_threshold(method, scores):
    assert thresholds.estimate(scores, method) == pytest.approx(0.1, rel=1e-12)


@every_method
def test_a_threshold_is_a_float(method):
    assert type(thresholds.estimate(list(range(30)), method)) is float


@every_method
@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([], "n > 0"),
        ([[1.0, 2.0]], "shape"),
        (1.0, "shape"),
        ([1.0, np.nan], "NaN"),
        ([1.0, np.inf], "infinite"),
    ],
)
def test_unusable_scores_are_refused(method, scores, message):
    with pytest.raises(ValueError, match=message):
        thresholds.estimate(scores, method)


@pytest.mark.parametrize(
    "call",
    [
        lambda: thresholds.gamma_percentile(WORKED, 1.0),
        lambda: thresholds.histogram_percentile(WORKED, 90),
        lambda: thresholds.one_class_svm(WORKED, 0.0),
        lambda: thresholds.one_class_svm(WORKED, 1.0),
        lambda: thresholds.gesd(WORKED, 1.5),
        lambda: thresholds.gesd(WORKED, mode="second"),
        lambda: thresholds.multi_stage(thresholds.gesd, WORKED, 0),
        lambda: thresholds.estimate(WORKED, "otsu"),
    ],
)
def test_unusable_parameters_are_refused(call):
    with pytest.raises(ValueError, match=r"must be|no threshold method 'otsu'; use one of gdp, hp"):
        call()
