"""kws-detect: recordings in, events out."""

import argparse
import posixpath
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.console import (
    Problems,
    add_device,
    add_force,
    add_threads,
    base_parser,
    finite_float,
    positive_int,
    progress,
    run,
    use_threads,
    write_whole,
)
from fewshot.errors import InputError
from fewshot.event_files import add_output, check_outputs, counted, files_in, plan, write
from fewshot.events import (
    CSV_HEADER,
    Event,
    csv_line,
    jsonl_line,
    read_events,
)
from fewshot.inputs import STDIN, recordings, standard_input
from fewshot.tables import nearest_root
from kws.evaluation import join_files

if TYPE_CHECKING:
    import numpy as np

    from kws.detection import Detector
    from kws.model import KeywordModel

LIVE_FORMATS = ("csv", "jsonl")

EPILOG = """\
examples:
  kws-detect keywords.kws evening.flac                        a table on standard output
  kws-detect keywords.kws recordings -o events.csv --threads 2
  kws-detect keywords.kws a.wav -o a.TextGrid                 for Praat; a.txt: for Audacity
  kws-detect keywords.kws recordings --output-format all -o results
  kws-detect keywords.kws recordings --candidates -o candidates.csv    for kws-evaluate --tune
  kws-detect keywords.kws recordings --plot pictures --reference truth.csv
  arecord -q -r 16000 -f S16_LE -c 1 -t raw | kws-detect keywords.kws - --output-format jsonl

Formats: csv (filename,event_onset,event_offset,event_label,score; seconds), jsonl (the same, one
object per line), rttm, and, one file per recording, audacity (.txt) and textgrid (.TextGrid, for
Praat). With -o FOLDER the first three are FOLDER/events.csv and so on; "all" writes every format.

- reads WAV or raw 16-bit little-endian mono and prints each event as soon as no later sound can
change it; csv or jsonl. A file is divided by its maximum, a stream by the largest value so far
(which fades by half in a minute), so that the scores of both differ a little.

--plot draws each recording's spectrogram, the score of every keyword (of a word that ends there),
thresholds and events; of recordings longer than five minutes an overview and the ten half minutes
with the missed true events and the highest scores. With --candidates, outlines are events below the
model's threshold.

Scores are deviations above what ordinary speech reaches; higher is surer. An event has that of the
half of the word that fits worse, a curve of --plot that of the whole word. With models of the
encoder "scratch" they are negative distances, between -2 and 0.
Exit status: 0 done, 1 some recordings failed (each is named), 2 nothing done, 130 interrupted.
"""


@dataclass(frozen=True)
class Extras:
    """What there is to write beside the events, and the true events to draw, by recording."""

    curves: Mapping[str, Path]
    pictures: Mapping[str, Path]
    truth: Mapping[str, list[Event]]

    def paths(self) -> list[Path]:
        """All files that will be written."""
        return [*self.curves.values(), *self.pictures.values()]


def main(argv: Sequence[str] | None = None) -> int:
    """Run kws-detect and return its exit status."""
    parser = base_parser("kws-detect", "Finds the keywords of a model in recordings.", EPILOG)
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file of kws-enroll")
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="FILE_OR_FOLDER",
        help="sound files, folders of them, or - for standard input",
    )
    add_output(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--threshold",
        type=finite_float,
        metavar="X",
        help="least score of an event (default: the model's own)",
    )
    which.add_argument(
        "--candidates",
        action="store_true",
        help="every best match that overlaps with no better one, whatever its score",
    )
    parser.add_argument(
        "--top",
        type=positive_int,
        metavar="N",
        help="of these, the N with the highest scores in each recording",
    )
    parser.add_argument(
        "--keyword",
        action="append",
        metavar="NAME",
        help="look for this keyword only; repeatable",
    )
    parser.add_argument(
        "--scores",
        type=Path,
        metavar="DIR",
        help="write the score curves, one .npz per recording: keywords, times_s, scores",
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="DIR",
        help="draw spectrogram, score curves and events, one .png per recording",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="TRUTH.csv",
        help="with --plot, draw these true events as well; any table that kws-evaluate reads",
    )
    parser.add_argument(
        "--rate",
        type=positive_int,
        default=16000,
        metavar="HZ",
        help="sampling rate of raw standard input",
    )
    add_device(parser)
    add_threads(parser)
    add_force(parser)
    return run(_detect, parser, argv)


def _detect(args: argparse.Namespace) -> int:
    problems = Problems(args.console)
    durations = recordings(args.inputs, problems.add)
    if not durations:
        return problems.status(0)
    format, targets = plan(args.output, args.output_format, list(durations))
    extras = _extras(args, list(durations))
    paths = [*(target.path for target in targets), *extras.paths()]
    check_outputs(paths, args.output, args.force)

    use_threads(args.threads)
    from kws.model import KeywordModel

    search = _Search(KeywordModel.load(args.model), args, extras)
    live = STDIN in durations and format in LIVE_FORMATS and not targets and not args.top
    if STDIN in durations:
        events, durations[STDIN] = search.stream(format if live else None)
        found = {STDIN: events}
    else:
        found = search.files(durations, problems)
    if found and not live:
        write(format, targets, found, durations, args.force)
    args.console.info(counted(found))
    return problems.status(len(found))


def _extras(args: argparse.Namespace, names: Sequence[str]) -> Extras:
    if args.reference is not None and args.plot is None:
        raise InputError("--reference is drawn into pictures; give --plot as well")
    if args.plot is not None and STDIN in names:
        raise InputError("--plot reads the sound once more; give it files, not standard input")
    curves, pictures = (
        {} if folder is None else files_in(folder, names, suffix)
        for folder, suffix in ((args.scores, ".npz"), (args.plot, ".png"))
    )
    truth = {} if args.reference is None else _truth(args.reference, names)
    if truth and not any(truth.values()):
        args.console.warning(f"{args.reference}: has no event in these recordings")
    return Extras(curves, pictures, truth)


def _truth(table: Path, names: Sequence[str]) -> dict[str, list[Event]]:
    """True events of each recording, also of those that have none."""
    groups = defaultdict(list)
    for event in read_events(table):
        groups[posixpath.normpath(event.filename)].append(event)
    joined = join_files(sorted(groups), names, nearest_root(table, groups))
    return {name: groups.get(joined[name], []) for name in names}


class _Search:
    """A model that looks into recordings as the command line asks for."""

    def __init__(self, model: "KeywordModel", args: argparse.Namespace, extras: Extras) -> None:
        self.model, self.args, self.extras = model, args, extras
        self.stop = threading.Event()
        # Matplotlib is not made for threads.
        self.drawing = threading.Lock()
        # An unknown keyword or a missing device is refused here, before any work.
        self.detector(parallel=True)

    def detector(self, *, parallel: bool) -> "Detector":
        """A fresh detector."""
        return self.model.detector(
            threshold=self.args.threshold,
            keywords=self.args.keyword,
            candidates=self.args.candidates,
            keep_scores=bool(self.extras.paths()),
            device=self.args.device,
            parallel=parallel,
        )

    def files(self, durations: Mapping[str, float], problems: Problems) -> dict[str, list[Event]]:
        """Events of each recording; those that fail are named and left out."""
        import torch

        threads = self.args.threads or torch.get_num_threads()
        workers = min(threads, len(durations))
        found = {}
        total = int(sum(durations.values()))
        with (
            progress(total=total, desc="seconds", quiet=self.args.quiet) as bar,
            self._outcomes(list(durations), workers, threads // workers, bar) as outcomes,
        ):
            for name, outcome in outcomes:
                try:
                    found[name] = outcome()
                except InputError as error:
                    problems.add(error)
        return found

    @contextmanager
    def _outcomes(
        self, names: Sequence[str], workers: int, threads: int, bar: Any
    ) -> Iterator[Iterator[tuple[str, Callable[[], list[Event]]]]]:
        """Calls that give each recording's events, as they are there.

        Parallel regions inside parallel workers would wait for each other: either one recording
        is searched by all threads, or each by its own.
        """
        if workers == 1:
            yield ((name, partial(self._file, name, bar, parallel=True)) for name in names)
            return
        with ThreadPoolExecutor(workers, initializer=use_threads, initargs=(threads,)) as pool:
            futures = {pool.submit(self._file, name, bar, parallel=False): name for name in names}
            try:
                yield ((futures[future], future.result) for future in as_completed(futures))
            finally:
                self.stop.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def _file(self, name: str, bar: Any, *, parallel: bool) -> list[Event]:
        reached = 0

        def advance(done_s: float) -> None:
            nonlocal reached
            if self.stop.is_set():
                raise CancelledError
            with bar.get_lock():
                bar.update(int(done_s) - reached)
            reached = int(done_s)

        detector = self.detector(parallel=parallel)
        events = self.model.detect(Path(name), detector=detector, progress=advance)
        events = self._best([replace(event, filename=name) for event in events])
        self._write_curves(name, detector)
        self._draw(name, detector, events)
        return events

    def _best(self, events: list[Event]) -> list[Event]:
        if not self.args.top:
            return events
        # Sorting keeps the order of time among equal scores.
        return sorted(events, key=lambda event: -event.score)[: self.args.top]

    def stream(self, live: str | None) -> tuple[list[Event], float]:
        """Events of standard input and its seconds; printed as they come in the format `live`."""
        from fewshot.audio import SAMPLE_RATE, RunningLevel

        blocks = standard_input(self.args.rate)
        level, detector = RunningLevel(), self.detector(parallel=True)
        n_samples, found = 0, []

        def take(samples: "np.ndarray", last: bool = False) -> None:
            events = detector.push(samples) + (detector.finish() if last else [])
            for event in (replace(event, filename=STDIN) for event in events):
                found.append(event)
                if live:
                    print(self._live_line(event, live), flush=True)

        if live == "csv":
            print(CSV_HEADER, flush=True)
        for conditioned in blocks:
            n_samples += len(conditioned)
            take(level.push(conditioned))
        take(level.finish(), last=True)
        self._write_curves(STDIN, detector)
        return self._best(found), n_samples / SAMPLE_RATE

    def _live_line(self, event: Event, format: str) -> str:
        if format == "csv":
            return csv_line(event)
        threshold = None if self.args.candidates else self._threshold(event.label)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return jsonl_line(event, threshold=threshold, time=now)

    def _threshold(self, keyword: str) -> float:
        if self.args.threshold is not None:
            return self.args.threshold
        return self.model.thresholds.get(keyword, self.model.threshold)

    def _write_curves(self, name: str, detector: "Detector") -> None:
        if name not in self.extras.curves:
            return
        import numpy as np

        keywords, times_s, scores = detector.scores()
        path = self.extras.curves[name]
        path.parent.mkdir(exist_ok=True)
        with write_whole(path, force=self.args.force) as temporary:
            np.savez(temporary, keywords=np.array(keywords), times_s=times_s, scores=scores)

    def _draw(self, name: str, detector: "Detector", events: Sequence[Event]) -> None:
        if name not in self.extras.pictures:
            return
        from fewshot.plot import save
        from kws.pictures import recording_figure

        thresholds = {keyword: self._threshold(keyword) for keyword in detector.keywords}
        truth, path = self.extras.truth.get(name), self.extras.pictures[name]
        path.parent.mkdir(exist_ok=True)
        with self.drawing:
            save(
                recording_figure(name, detector.scores(), thresholds, events, truth),
                path,
                force=self.args.force,
            )
