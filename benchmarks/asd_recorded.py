"""Recorded machines to choose defaults on, cut from public repositories; no audio comes along.

    python benchmarks/asd_recorded.py FOLDER OUT
    python benchmarks/asd_accuracy.py --dcase-root OUT --row statistics

FOLDER holds clones, bare or not, of the repositories that asd_recorded.csv names, each as
owner+name, owner/name or name. OUT becomes a data set as the challenge lays it out since 2022:
16 kHz, mono (the first channel), 16 bit. Every clip is brought to one RMS level, give or take up
to 3 dB at random, so that its level tells nothing.

The sets are small. One AUC has a standard error of about 0.1, so compare means over the sets only:

- mimii_{fan,pump,slider,valve}_m6dB: four units at -6 dB of factory noise, 25 clips of 10 s to
  learn from, 35 to test. The files of one unit and condition follow each other in one stretch of
  noise, so the noise can decide: a nearest neighbour is far below chance on the valve.
- mimii_fan_hi: one unit in less noise and a fan of an unknown unit; 12 normal test clips. The
  share of low frequencies alone separates the first. No machine besides mimii_fan_m6dB.
- dcase20_slider: 48 clips of 10 s to learn from, nearly all of one unit; 10 anomalous ones.
- dcase20_{fan,pump,toycar,toyconveyor,valve}_mini: three or four units, 5 or 6 recordings to learn
  from and 13 to 18 to test, each cut into four pieces. Those of one recording are near copies.

Licences: MIMII (H. Purohit et al., 2019) CC BY-SA 4.0. The others are development data of DCASE
2020, Task 2: what comes from MIMII CC BY-NC-SA 4.0, the toys under the licence of ToyADMOS.
"""

import io
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from fewshot.audio import SAMPLE_RATE, Conditioner
from fewshot.console import base_parser, check_writable, existing_path, progress, run
from fewshot.errors import InputError
from fewshot.tables import read_table

TABLE = Path(__file__).with_suffix(".csv")
LEVEL_DB, JITTER_DB = -38, 3
"""RMS of the clips, at which not even clicks of valves are clipped, and how much it changes."""
PIECES = re.compile(r"(?:([1-9]\d*)-([1-9]\d*)/)?([1-9]\d*)")
COLUMNS = {
    "machine": (r"\w+", "letters, digits and _"),
    "split": ("train|test", "train or test"),
    "domain": ("source|target", "source or target"),
    "condition": ("normal|anomaly", "normal or anomaly"),
    "attribute": (r"\w+", "a key and a value as id_02"),
    "repository": (r"[\w.-]+/[\w.-]+", "owner/name"),
    "commit": ("[0-9a-f]{7,40}", "7 to 40 hexadecimal digits"),
    "path": (".+", "a path"),
    "pieces": (PIECES.pattern, "a number of pieces as 4, or some of them as 1-3/4"),
}
"""What a row of the table says: pattern, and how messages call it."""


@dataclass(frozen=True)
class Recording:
    """A row of the table.

    Attributes
    ----------
    where : str
        Table and row, for messages.
    machine, split, domain, condition, attribute : str
        As they go into the names of its clips.
    repository, commit, path : str
        Where the file is.
    first, last, of : int
        The pieces taken, counted from 1, and into how many equal ones it is cut.
    """

    where: str
    machine: str
    split: str
    domain: str
    condition: str
    attribute: str
    repository: str
    commit: str
    path: str
    first: int
    last: int
    of: int


def read_recordings(table: Path) -> list[Recording]:
    """The recordings that a table lists; InputError names a wrong row."""
    found = []
    for row, told in read_table(table, tuple(COLUMNS)):
        where = f"{table}:{row}"
        for column, (pattern, words) in COLUMNS.items():
            if re.fullmatch(pattern, told[column]) is None:
                raise InputError(f"{where}: {column} is {told[column]!r}; give {words}")
        *texts, pieces = (told[column] for column in COLUMNS)
        first, last, of = PIECES.fullmatch(pieces).groups()
        first, last, of = int(first or 1), int(last or of), int(of)
        if not first <= last <= of:
            raise InputError(f"{where}: there are no pieces {pieces}; count them from 1 to {of}")
        found.append(Recording(where, *texts, first, last, of))
    return found


def clip_names(recordings: Iterable[Recording]) -> Iterator[list[str]]:
    """The clips of each recording, as paths in the data set, numbered as the challenge does."""
    counts = Counter()
    for one in recordings:
        names = []
        for _ in range(one.first, one.last + 1):
            kind = f"section_00_{one.domain}_{one.split}_{one.condition}"
            number = counts[one.machine, kind]
            counts[one.machine, kind] += 1
            names.append(f"{one.machine}/{one.split}/{kind}_{number:04d}_{one.attribute}.wav")
        yield names


def git_folders(folder: Path, recordings: Iterable[Recording]) -> dict[str, Path]:
    """Where git keeps each repository; InputError says how to get the missing ones."""
    names = list(dict.fromkeys(one.repository for one in recordings))
    found = {name: _git_folder(folder, name) for name in names}
    if missing := [name for name in names if found[name] is None]:
        commands = "; ".join(_clone(folder, name) for name in missing)
        raise InputError(f"{folder}: lacks {', '.join(missing)}; get them: {commands}")
    return found


def _git_folder(folder: Path, repository: str) -> Path | None:
    """A bare repository is one itself, a clone holds one (.git)."""
    for name in (repository.replace("/", "+"), repository, repository.partition("/")[2]):
        place = folder / name
        for inside in (place, *(sorted(place.iterdir()) if place.is_dir() else ())):
            if (inside / "HEAD").is_file() and (inside / "objects").is_dir():
                return inside
    return None


def _clone(folder: Path, repository: str) -> str:
    into = folder / repository.replace("/", "+")
    return f"git clone https://github.com/{repository} {into}"


def read_sound(recording: Recording, folder: Path, git_folder: Path) -> np.ndarray:
    """The first channel of a recording at 16 kHz, not filtered."""
    blob = f"{recording.commit}:{recording.path}"
    asked = ["git", "--git-dir", str(git_folder), "cat-file", "blob", blob]
    ended = subprocess.run(asked, capture_output=True)
    if ended.returncode:
        raise InputError(
            f"{recording.where}: {git_folder} has no {blob}; "
            f"clone it again: {_clone(folder, recording.repository)}"
        )
    try:
        samples, rate = soundfile.read(io.BytesIO(ended.stdout), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"{recording.where}: {blob} is not audio; name another file") from error
    conditioner = Conditioner(rate, name=recording.path, highpass=False)
    return np.concatenate([conditioner.push(samples[:, 0]), conditioner.finish()])


def cut(samples: np.ndarray, recording: Recording) -> list[np.ndarray]:
    """The pieces that are taken, of equal length."""
    length = len(samples) // recording.of
    return [
        samples[(i - 1) * length : i * length] for i in range(recording.first, recording.last + 1)
    ]


def levelled(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At about `LEVEL_DB`, or lower where it would clip; silence stays silence."""
    rms, peak = np.sqrt(np.mean(np.square(samples, dtype=float))), np.abs(samples).max()
    wanted = 10 ** ((LEVEL_DB + rng.uniform(-JITTER_DB, JITTER_DB)) / 20)
    return samples * min(wanted / rms, 0.999 / peak) if peak > 0 else samples


def build(folder: Path, out: Path, recordings: Sequence[Recording], quiet: bool = False) -> int:
    """Write the data set, whole or not at all; returns the number of clips."""
    if out.exists():
        raise InputError(f"{out}: exists; delete it or name another folder")
    check_writable(out)
    git_folder_of = git_folders(folder, recordings)
    rng, count = np.random.default_rng(0), 0
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
        made = Path(temporary) / out.name
        bar = progress(recordings, desc="recording", quiet=quiet)
        for one, names in zip(bar, clip_names(recordings), strict=True):
            samples = read_sound(one, folder, git_folder_of[one.repository])
            for name, clip in zip(names, cut(samples, one), strict=True):
                path = made / name
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, levelled(clip, rng), SAMPLE_RATE, subtype="PCM_16")
                count += 1
        made.rename(out)
    return count


def _main(args) -> None:
    recordings = read_recordings(args.table)
    count = build(args.folder, args.out, recordings, args.quiet)
    print(f"{args.out}: {count} clips of {len({one.machine for one in recordings})} machines")


def main(argv: Sequence[str] | None = None) -> int:
    parser = base_parser("asd_recorded", __doc__)
    parser.add_argument("folder", type=existing_path, metavar="FOLDER", help="of the clones")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to make")
    parser.add_argument("--table", type=Path, default=TABLE, help="other recordings")
    return run(_main, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
