"""Keyword spotting on KWS-DailyTalk, as Table 31 of the dissertation reports it.

    python benchmarks/kws_dailytalk.py --dailytalk DIR --kws-dailytalk DIR
    python benchmarks/kws_dailytalk.py --dailytalk DIR --kws-dailytalk DIR --row hfcc --row tacos

--dailytalk is the unpacked DailyTalk (https://github.com/keonlee9420/DailyTalk), the folder that
holds data/; --kws-dailytalk is a clone of the labels
(https://github.com/wilkinghoff/kws-dailytalk). For every row of kws_rows.py the keywords are
enrolled from their five clips each, and event-based F, P and R in per cent are printed for the
validation and the test part: with one threshold for all keywords ("global"), with one for each
("individual"), both tuned on the validation part, and with the one that enrolment chose by itself
("own"), where it does. Sentences without keywords count. Overlaps are settled by score, before the
thresholds. Like kws-enroll, the rows on pre-trained frames also hear the sentence around a clip;
with --isolated they hear the clip alone, as the papers' systems did.
"""

import argparse
import csv
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PureWindowsPath

from kws_accuracy import FULL_BAND_HZ, PARTS, Part, figures, search
from kws_rows import ROWS, TRAINED, System, context_of, system_of

from fewshot import audio
from fewshot.errors import InputError, one_line
from fewshot.events import Event, read_events
from fewshot.tables import read_text
from kws.clips import Clip, load_clips
from kws.config import KwsConfig

AUDIO_PAGE = "https://github.com/keonlee9420/DailyTalk"
LABELS_PAGE = "https://github.com/wilkinghoff/kws-dailytalk"


def recording_of(name: str, where: str) -> str:
    r"""Where DailyTalk keeps the recording that a file of KWS-DailyTalk is named after.

    >>> recording_of(r".\dailytalk_kws_ref\test\12_1_d1002.txt", "test_sentences.csv:1")
    'data/1002/12_1_d1002.wav'
    """
    stem = PureWindowsPath(name).stem
    match = re.fullmatch(r"\d+_\d+_d(\d+)", stem)
    if match is None:
        raise InputError(f"{where}: {name!r} is not named like DailyTalk's files, as 12_1_d1002")
    return f"data/{match[1]}/{stem}.wav"


def keywords_in(path: Path) -> list[Event]:
    """Keywords that a table of KWS-DailyTalk lists."""
    return [replace(e, filename=recording_of(e.filename, str(path))) for e in read_events(path)]


def sentences_in(path: Path) -> list[str]:
    """Recordings that a list of KWS-DailyTalk names: two columns, no header."""
    rows = csv.reader(read_text(path).splitlines())
    return [recording_of(row[0], f"{path}:{i}") for i, row in enumerate(rows, 1) if row]


def load(dailytalk: Path, labels: Path) -> tuple[list[Clip], dict[str, Part]]:
    """Clips of the keywords, and the parts that are searched.

    Raises
    ------
    InputError
        If a file is missing, with where to get it, or cannot be read.
    """
    tables = {part: labels / f"{part}_keywords.csv" for part in ("train", *PARTS)}
    lists = {part: labels / f"{part}_sentences.csv" for part in PARTS}
    check_there(
        [*tables.values(), *lists.values()],
        f"clone {LABELS_PAGE} and give its folder as --kws-dailytalk",
    )
    keywords = {part: keywords_in(path) for part, path in tables.items()}
    sentences = {part: sentences_in(path) for part, path in lists.items()}
    names = {event.filename for event in keywords["train"]}.union(*sentences.values())
    check_there(
        [dailytalk / name for name in sorted(names)],
        f"download DailyTalk ({AUDIO_PAGE}) and give the folder that holds data/ as --dailytalk",
    )
    clips = [
        Clip(event.label, dailytalk / event.filename, event.onset_s, event.offset_s)
        for event in keywords["train"]
    ]
    durations = {
        part: {name: audio.info(dailytalk / name).duration_s for name in sentences[part]}
        for part in PARTS
    }
    return clips, {part: Part(dailytalk, durations[part], keywords[part]) for part in PARTS}


def check_there(paths: Sequence[Path], remedy: str) -> None:
    """Raise InputError with the first missing file, the number of others, and the remedy."""
    missing = [path for path in paths if not path.is_file()]
    if missing:
        others = f" and {len(missing) - 1} of {len(paths) - 1} others" if missing[1:] else ""
        raise InputError(f"{missing[0]}{others}: missing; {remedy}")


def measured(system: System, parts: dict[str, Part]) -> dict[str, dict[str, dict[str, float]]]:
    """F-score, precision and recall by kind of threshold and part."""
    found = {name: search(system, part) for name, part in parts.items()}
    truth, validation = parts["validation"].truth, found["validation"]
    limits: dict[str, float | Mapping[str, float]] = {
        "global": validation.tune(truth).threshold,
        "individual": validation.tune_per_keyword(truth).thresholds,
    }
    if system.threshold is not None:
        limits["own"] = system.threshold
    return {
        kind: {name: figures(part, found[name].at(limit)) for name, part in parts.items()}
        for kind, limit in limits.items()
    }


def print_head() -> None:
    columns = [f"{part} {key}" for part in PARTS for key in "FPR"]
    print(f"| row | threshold | {' | '.join(columns)} |")
    print("|" + "---|" * (2 + len(columns)), flush=True)


def print_row(row: str, results: dict[str, dict[str, dict[str, float]]]) -> None:
    for kind, by_part in results.items():
        cells = [f"{100 * by_part[part][key]:.2f}" for part in PARTS for key in "fpr"]
        print(f"| {row} | {kind} | {' | '.join(cells)} |", flush=True)


def run(
    dailytalk: Path, labels: Path, rows: Iterable[str], isolated: bool, epochs: int, seed: int
) -> None:
    """Measure and print rows."""
    clips, parts = load(dailytalk, labels)
    print_head()
    for row in rows:
        loaded, problems = load_clips(clips, context_s=0.0 if isolated else context_of(row))
        for problem in problems:
            print(f"kws_dailytalk: {problem}", file=sys.stderr)
        print_row(row, measured(system_of(row, loaded, FULL_BAND_HZ, epochs, seed), parts))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dailytalk", type=Path, required=True, help="folder that holds data/")
    parser.add_argument("--kws-dailytalk", type=Path, required=True, help="folder of the labels")
    parser.add_argument(
        "--row", action="append", choices=(*ROWS, *TRAINED), help=f"default: {', '.join(ROWS)}"
    )
    parser.add_argument("--isolated", action="store_true", help="do not read around the clips")
    parser.add_argument("--epochs", type=int, default=KwsConfig().epochs, help="of trained rows")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    rows = args.row or ROWS
    try:
        run(args.dailytalk, args.kws_dailytalk, rows, args.isolated, args.epochs, args.seed)
    except InputError as error:
        print(f"kws_dailytalk: {one_line(str(error))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
