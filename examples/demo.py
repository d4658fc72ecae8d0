"""Learn three words from five clips each, find them in a talk, and compare with the truth.

The commands are the ones a user types; each is shown before it runs. Afterwards every event
stands beside the truth. ``make demo`` runs this.
"""

import shlex
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path

from fewshot.events import Event, read_events

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path("build/demo")
COLLAR_S = 0.2
SHARE_OF_LENGTH = 0.5


def main() -> int:
    """Run the demonstration and return its exit status: that of the first command that fails."""
    began = time.perf_counter()
    (ROOT / RESULTS).mkdir(parents=True, exist_ok=True)
    model, events = RESULTS / "words.kws", RESULTS / "events.csv"
    truth, recordings = "examples/recording.csv", "examples/recordings.csv"
    report = RESULTS / "report.csv"
    for command in (
        f"kws-enroll examples/words -o {model} --force",
        f"kws-detect {model} examples/recording.flac -o {events} --force",
        f"kws-evaluate {truth} {events} --recordings {recordings} -o {report} --force",
    ):
        status = run(command)
        if status:
            print(f"demo: that command failed with status {status}", file=sys.stderr)
            return status
    rows = compare(read_events(ROOT / truth), read_events(ROOT / events))
    print("\n" + table(rows))
    marks = [mark for _, _, mark in rows]
    print(
        f"\n{marks.count('hit')} hits, {marks.count('MISS')} misses, "
        f"{marks.count('FALSE ALARM')} false alarms; "
        f"{time.perf_counter() - began:.0f} s in all. Model, events and report: {RESULTS}"
    )
    return 0


def run(line: str) -> int:
    """Show a command line, run it in the project's folder, return its exit status."""
    program, *arguments = shlex.split(line)
    installed = Path(sysconfig.get_path("scripts"), program)
    print(f"\n$ {line}", flush=True)
    try:
        return subprocess.run([installed, *arguments], cwd=ROOT).returncode
    except FileNotFoundError:
        print(f"demo: {program} is not installed; run make demo", file=sys.stderr)
        return 2


Row = tuple[Event | None, Event | None, str]


def compare(truth: Sequence[Event], found: Sequence[Event]) -> list[Row]:
    """Pair true and found events, as kws-evaluate does, in order of time.

    An event is a hit if an occurrence of its keyword begins within the collar of 0.2 s and ends
    within the collar or half of its length, whichever is more.
    """
    rows: list[Row] = []
    left = sorted(found, key=lambda event: -event.score)
    for true in truth:
        hit = next((event for event in left if _matches(true, event)), None)
        if hit is not None:
            left.remove(hit)
        rows.append((true, hit, "hit" if hit else "MISS"))
    rows += [(None, event, "FALSE ALARM") for event in left]
    return sorted(rows, key=lambda row: (row[0] or row[1]).onset_s)


def _matches(true: Event, found: Event) -> bool:
    late_s = max(COLLAR_S, SHARE_OF_LENGTH * (true.offset_s - true.onset_s))
    return (
        true.label == found.label
        and abs(true.onset_s - found.onset_s) <= COLLAR_S
        and abs(true.offset_s - found.offset_s) <= late_s
    )


def table(rows: Sequence[Row]) -> str:
    """Rows as text."""
    lines = [f"{'keyword':<12}{'truth (s)':>18}{'found (s)':>18}{'score':>9}"]
    lines.append("-" * len(lines[0]))
    for true, found, mark in rows:
        label = (true or found).label
        score = f"{found.score:.3f}" if found else ""
        lines.append(f"{label:<12}{_span(true):>18}{_span(found):>18}{score:>9}  {mark}")
    return "\n".join(lines)


def _span(event: Event | None) -> str:
    return f"{event.onset_s:.2f} - {event.offset_s:6.2f}" if event else ""


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
