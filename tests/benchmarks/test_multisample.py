"""Multi-sample templates against a few lines of NumPy; with one shot, against the search."""

import numpy as np
import pytest

from kws import calibration, halves
from kws.search import score_curves, search
from kws.templates import Template


def frames(rng, n, dim=8):
    rows = rng.standard_normal((n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def warped(a, b):
    """Cost of warping a to b, and which frames of b each frame of a is aligned to."""
    local = ((a[:, None].astype(float) - b[None]) ** 2).sum(axis=2)
    total = np.full((len(a) + 1, len(b) + 1), np.inf)
    total[0, 0] = 0.0
    for i, j in np.ndindex(local.shape):
        before = min(total[i, j], total[i, j + 1], total[i + 1, j])
        total[i + 1, j + 1] = local[i, j] + before
    aligned, (i, j) = [[] for _ in a], local.shape
    while i and j:
        aligned[i - 1].append(j - 1)
        steps = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        i, j = min(steps, key=lambda cell: total[cell])
    return total[-1, -1], aligned


def naive_costs(shots, recording):
    """Element-wise minimum over all shots, aligned to the one that warps to them best."""
    sums = [sum(warped(a, b)[0] for b in shots) for a in shots]
    reference = shots[int(np.argmin(sums))]
    costs = np.full((len(recording), len(reference)), np.inf)
    for shot in shots:
        for row, columns in enumerate(warped(reference, shot)[1]):
            for n, frame in enumerate(recording):
                costs[n, row] = min([costs[n, row], *(1.0 - shot[c] @ frame for c in columns)])
    return costs


@pytest.mark.parametrize("lengths", [(5,), (1, 1), (4, 7), (6, 1, 9), (5, 5, 5, 5, 8)])
@pytest.mark.parametrize("seed", range(3))
def test_costs_are_the_least_of_the_aligned_shots(script, lengths, seed):
    rng = np.random.default_rng(seed)
    shots, recording = [frames(rng, n) for n in lengths], frames(rng, 20)
    template = script.align("yes", shots)
    expected = naive_costs(shots, recording)
    assert len(template) == expected.shape[1]
    np.testing.assert_allclose(template.costs(recording), expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_one_shot_is_searched_like_a_template(script, seed):
    rng = np.random.default_rng(seed)
    shots, recording = [frames(rng, n) for n in (3, 12, 1, 7)], frames(rng, 300)
    templates = [script.align("yes", [shot]) for shot in shots]
    expected, expected_starts = score_curves(shots, recording)
    scores, starts = script.score_curves(templates, recording)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    there = np.isfinite(scores)
    np.testing.assert_array_equal(starts[there], expected_starts[there])
    for found, wanted in zip(
        script.search(templates, recording), search(shots, recording), strict=True
    ):
        assert (found.template, found.onset_frame) == (wanted.template, wanted.onset_frame)
        assert found.offset_frame == wanted.offset_frame
        assert found.score == pytest.approx(wanted.score, abs=1e-6)


def test_one_shot_is_calibrated_like_a_template(script):
    rng = np.random.default_rng(0)
    shots, other = [frames(rng, n) for n in (6, 40)], frames(rng, 400)
    found = script.calibrated([script.align("yes", [shot]) for shot in shots], other, 0.1)
    wanted = calibration.calibrated([Template("yes", shot) for shot in shots], other, 0.1)
    for own, plain in zip(found, wanted, strict=True):
        for name in ("mean", "deviation", "half_mean", "half_deviation"):
            assert getattr(own, name) == pytest.approx(getattr(plain, name), abs=1e-5)


def test_matches_of_calibrated_templates_are_scored_by_their_halves(script):
    rng = np.random.default_rng(1)
    shot, other, recording = frames(rng, 9), frames(rng, 400), frames(rng, 80)
    recording[30:39] = shot
    (template,) = script.calibrated([script.align("yes", [shot])], other, 0.1)
    best = max(script.search([template], recording), key=lambda match: match.score)
    assert (best.onset_frame, best.offset_frame) == (30, 39)
    half, _ = halves.half_score(shot, recording[30:39])
    expected = (half - template.half_mean) / template.half_deviation
    assert best.score == pytest.approx(expected, abs=1e-4)


def test_a_word_that_mixes_two_shots_costs_nothing(script):
    """Each half is said as in another shot: neither of the shots matches, both together do."""
    rng = np.random.default_rng(2)
    first, second = frames(rng, 8, 32), frames(rng, 8, 32)
    word = np.concatenate([first[:4], second[4:]])
    alone = max(match.score for match in search([first, second], word))
    (both,) = script.search([script.align("yes", [first, second])], word)
    assert both.score == pytest.approx(0.0, abs=1e-6)
    assert alone < -0.1
