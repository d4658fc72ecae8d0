"""How fast the search is: the kernel beside other libraries, the search of an hour, its memory.

    python benchmarks/search_speed.py [--minutes 60] [--detect-minutes 5]

Detection, on all cores: conditioned samples to events, with an encoder that was not trained.
Search, on all cores: every best match of 1, 15 and 75 templates of 40 frames in random frames that
come in pieces of ten seconds. Kernel, on one core: all scores and starts of a template in a given
cost matrix, beside `librosa.sequence.dtw` with the same steps; both results are compared. From
frames, on one core: the same with the cosine costs of 128-dimensional frames, beside tslearn and
dtaidistance, which use other steps and costs; all must find a planted template at its place.
Compilation is not counted; the times of kernels are the best of several.
"""

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from kws import dtw
from kws.search import Searcher, score_curves, search

N_TEMPLATE, DIM = 40, 128
N_FRAMES = 20000
FRAMES_PER_S = 62.5
STEPS = np.array([[1, 1], [1, 2], [2, 1]])
REPEATS = 7


def best_time_s(function: Callable[[], object]) -> float:
    """Shortest of several runs after a first one, in seconds."""
    function()
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def unit_rows(rng: np.random.Generator, n: int, dim: int = DIM) -> np.ndarray:
    rows = rng.standard_normal((n, dim), np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def print_row(name: str, seconds: float, reference_s: float, what: str) -> None:
    per_cell = seconds / (N_TEMPLATE * N_FRAMES) * 1e9
    print(f"{name:22}{per_cell:9.2f}{seconds / reference_s:9.1f}  {what}")


def kernel(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores and starts from costs, frames by template frames and `dtw.LANES` more columns."""
    D = np.full((1, 3, N_TEMPLATE + dtw.LANES), np.inf, np.float32)
    steps = np.zeros(D.shape, np.int32)
    scores, starts = np.empty((1, N_FRAMES), np.float32), np.empty((1, N_FRAMES), np.int64)
    dtw.advance(costs, np.array([0, N_TEMPLATE]), 0, D, steps, scores, starts)
    return scores[0], starts[0]


def compare_kernels() -> None:
    """Time the kernel and librosa from one cost matrix; check that they find the same."""
    import librosa

    rng = np.random.default_rng(0)
    # Multiples of 1/64 add up exactly in every precision, so that ties are the same ones.
    costs = rng.integers(0, 128, (N_FRAMES, N_TEMPLATE + dtw.LANES)).astype(np.float32) / 64
    given = np.ascontiguousarray(costs[:, :N_TEMPLATE].T, np.float64)

    def peer() -> tuple[np.ndarray, np.ndarray]:
        return librosa.sequence.dtw(
            C=given, subseq=True, step_sizes_sigma=STEPS, backtrack=False, return_steps=True
        )

    scores, starts = kernel(costs)
    D, steps = peer()
    ends = np.flatnonzero(np.isfinite(scores))
    for end in ends[:: len(ends) // 500]:
        path = librosa.sequence.dtw_backtracking(
            steps, step_sizes_sigma=STEPS, subseq=True, start=end
        )
        assert starts[end] == path[-1][1]
        assert scores[end] == np.float32(-D[-1, end] / len(path))
    own = best_time_s(lambda: kernel(costs))
    print_row("kws.dtw", own, own, "scores and starts of all ends")
    print_row("librosa.sequence.dtw", best_time_s(peer), own, "costs of all ends, steps; equal")


def compare_from_frames() -> None:
    """Time score curves, tslearn and dtaidistance from frames."""
    from dtaidistance.subsequence.dtw import SubsequenceAlignment
    from tslearn.metrics import dtw_subsequence_path

    rng = np.random.default_rng(1)
    template, frames = unit_rows(rng, N_TEMPLATE), unit_rows(rng, N_FRAMES)
    frames[5000 : 5000 + N_TEMPLATE] = template
    last = 5000 + N_TEMPLATE - 1
    wide_template, wide_frames = template.astype(np.float64), frames.astype(np.float64)

    def curve() -> np.ndarray:
        return score_curves([template], frames, parallel=False)[0][0]

    def tslearn_path() -> list[tuple[int, int]]:
        return dtw_subsequence_path(wide_template, wide_frames)[0]

    def dtaidistance_curve() -> np.ndarray:
        alignment = SubsequenceAlignment(wide_template, wide_frames, penalty=0.0, use_c=True)
        alignment.align()
        return alignment.matching_function()

    assert curve().argmax() == tslearn_path()[-1][1] == dtaidistance_curve().argmin() == last
    own = best_time_s(curve)
    print_row("kws.search", own, own, "cosine costs, scores and starts of all ends")
    print_row("tslearn", best_time_s(tslearn_path), own, "Euclidean, classic steps, best path")
    peer = best_time_s(dtaidistance_curve)
    print_row("dtaidistance", peer, own, "Euclidean, classic steps, scores of all ends")


def search_hour(n_templates: int, minutes: float) -> tuple[float, int, float, float]:
    """Search random frames; gives seconds, matches, and the peak of memory before and after."""
    rng = np.random.default_rng(2)
    templates = [unit_rows(rng, N_TEMPLATE) for _ in range(n_templates)]
    before_mb = peak_mb()
    search(templates, unit_rows(rng, 2000))
    searcher = Searcher(templates)
    seconds, n_matches, piece = 0.0, 0, int(10 * FRAMES_PER_S)
    for _ in range(round(minutes * 60 * FRAMES_PER_S / piece)):
        frames = unit_rows(rng, piece)
        begin = time.perf_counter()
        n_matches += len(searcher.push(frames))
        seconds += time.perf_counter() - begin
    begin = time.perf_counter()
    n_matches += len(searcher.finish())
    return seconds + time.perf_counter() - begin, n_matches, before_mb, peak_mb()


def detect_minutes(n_templates: int, minutes: float) -> tuple[float, int, float, float]:
    """Detect in noise, from samples to events; as `search_hour`."""
    before_mb = peak_mb()
    from fewshot.encoders.loading import BUNDLED, load_encoder
    from kws.clips import EnrolledClip
    from kws.config import KwsConfig
    from kws.front import pretrained
    from kws.model import KeywordModel
    from kws.templates import Template

    rng = np.random.default_rng(3)
    labels = [f"word {k:02}" for k in range(n_templates)]
    sound = np.zeros(10000, np.int16)
    model = KeywordModel(
        pretrained(load_encoder(BUNDLED)).source,
        [EnrolledClip(label, "", 0.0, 0.6, "", sound) for label in labels],
        [Template(label, unit_rows(rng, N_TEMPLATE, dim=96)) for label in labels],
        config=KwsConfig(),
        seed=0,
        threshold=-1.0,
    )
    noise = rng.standard_normal(160000).astype(np.float32) / 5
    model.detector().push(noise)
    detector = model.detector()
    n_events = 0
    begin = time.perf_counter()
    for _ in range(round(6 * minutes)):
        n_events += len(detector.push(noise))
    n_events += len(detector.finish())
    return time.perf_counter() - begin, n_events, before_mb, peak_mb()


def peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="of the recording (default 60)")
    parser.add_argument("--detect-minutes", type=float, default=5.0, help="as above (default 5)")
    args = parser.parse_args()

    # Before anything large is imported: on Linux a process starts with the peak of its parent.
    context = multiprocessing.get_context("spawn")
    for title, measure, minutes in (
        ("search: frames to matches", search_hour, args.minutes),
        ("detection: samples to events", detect_minutes, args.detect_minutes),
    ):
        print(f"{title}, {minutes:g} minutes, all cores")
        print(
            f"{'templates':>9}{'s':>8}{'x real time':>13}{'events':>9}{'peak MB':>9}{'before':>8}"
        )
        for n_templates in (1, 15, 75):
            with ProcessPoolExecutor(1, mp_context=context) as fresh:
                result = fresh.submit(measure, n_templates, minutes).result()
            seconds, n_events, before_mb, mb = result
            speed = minutes * 60 / seconds
            print(
                f"{n_templates:9}{seconds:8.2f}{speed:13.1f}{n_events:9}{mb:9.0f}{before_mb:8.0f}",
                flush=True,
            )
        print()

    print(f"{N_TEMPLATE} template frames, {N_FRAMES} frames, one core")
    print(f"{'from costs':22}{'ns/cell':>9}{'ratio':>9}")
    compare_kernels()
    print(f"{'from frames':22}{'ns/cell':>9}{'ratio':>9}")
    compare_from_frames()


if __name__ == "__main__":
    main()
