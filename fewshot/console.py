"""What the commands share: arguments, messages, exit statuses, progress.

Results go to standard output, everything else to standard error. Exit statuses: 0 done, 1 some
inputs failed (each named), 2 wrong usage or nothing usable, 130 interrupted, 141 nobody reads the
output any more.

A command is a parser and a function:

    def main(argv: Sequence[str] | None = None) -> int:
        parser = base_parser("kws-info", "Shows what a model holds.")
        parser.add_argument("model", type=existing_path)
        return run(show, parser, argv)

    def show(args: argparse.Namespace) -> int:
        args.console.detail("reading the header")
        ...
"""

import argparse
import contextlib
import io
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from fewshot import __version__
from fewshot.errors import InputError, one_line
from fewshot.outputs import MENDABLE_ERRNOS, check_writable, write_whole

__all__ = [
    "Console",
    "Problems",
    "add_device",
    "add_force",
    "add_seed",
    "add_threads",
    "base_parser",
    "check_writable",
    "existing_path",
    "finite_float",
    "non_negative_float",
    "non_negative_int",
    "positive_float",
    "positive_int",
    "progress",
    "run",
    "use_threads",
    "write_whole",
]

DONE, SOME_FAILED, UNUSABLE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141


def _say(line: str) -> None:
    tqdm = sys.modules.get("tqdm")
    if tqdm is None:
        print(line, file=sys.stderr, flush=True)
    else:
        tqdm.tqdm.write(line, file=sys.stderr)


@dataclass(frozen=True)
class Console:
    """Messages on standard error, as loud as --quiet and --verbose ask for.

    `run` puts one into the parsed arguments as ``args.console``.
    """

    prog: str
    quiet: bool = False
    verbose: bool = False

    def error(self, message: object) -> None:
        """Always shown, as ``prog: message``."""
        _say(f"{self.prog}: {one_line(str(message))}")

    def warning(self, message: object) -> None:
        """Shown unless --quiet, as ``prog: warning: message``."""
        if not self.quiet:
            _say(f"{self.prog}: warning: {one_line(str(message))}")

    def info(self, message: object) -> None:
        """Shown unless --quiet, as it is."""
        if not self.quiet:
            _say(str(message))

    def detail(self, message: object) -> None:
        """Shown with --verbose only, as it is."""
        if self.verbose:
            _say(str(message))


@dataclass
class Problems:
    """Inputs that failed while others went on: each is named at once on standard error."""

    console: Console
    messages: list[str] = field(default_factory=list, init=False)

    def add(self, message: object) -> None:
        """Name a failed input, as ``file: reason; what to do``."""
        self.messages.append(one_line(str(message)))
        self.console.error(message)

    def __len__(self) -> int:
        return len(self.messages)

    def status(self, succeeded: int) -> int:
        """Exit status when `succeeded` inputs went well: 0, 1 (some failed) or 2 (all failed)."""
        if not self.messages:
            return DONE
        total = succeeded + len(self.messages)
        if total > 1:
            self.console.error(f"{len(self.messages)} of {total} inputs failed")
        return SOME_FAILED if succeeded else UNUSABLE


def progress(
    iterable: Iterable | None = None,
    *,
    total: float | None = None,
    desc: str | None = None,
    quiet: bool = False,
) -> Any:
    """A tqdm bar on standard error, drawn on a terminal only."""
    from tqdm import tqdm

    return tqdm(
        iterable,
        total=total,
        desc=desc,
        file=sys.stderr,
        disable=True if quiet else None,
        leave=False,
        dynamic_ncols=True,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(UNUSABLE, f"{self.prog}: {one_line(message)} (see {self.prog} --help)\n")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    def _get_help_string(self, action: argparse.Action) -> str | None:
        # "(default: None)" and "(default: False)" tell nobody anything.
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def base_parser(prog: str, description: str, epilog: str = "") -> argparse.ArgumentParser:
    """A parser with --version, --quiet and --verbose; its errors are one line."""
    parser = _Parser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{prog} {__version__}")
    loudness = parser.add_mutually_exclusive_group()
    loudness.add_argument("-q", "--quiet", action="store_true", help="errors only, no progress")
    loudness.add_argument("-v", "--verbose", action="store_true", help="say more")
    return parser


def _number(
    kind: Callable[[str], float], what: str, holds: Callable[[float], bool]
) -> Callable[[str], Any]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not holds(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return value

    return parse


positive_int = _number(int, "a whole number above 0", lambda value: value > 0)
non_negative_int = _number(int, "a whole number from 0", lambda value: value >= 0)
finite_float = _number(float, "a finite number", math.isfinite)
positive_float = _number(
    float, "a finite number above 0", lambda value: math.isfinite(value) and value > 0
)
non_negative_float = _number(
    float, "a finite number from 0", lambda value: math.isfinite(value) and value >= 0
)


def existing_path(text: str) -> Path:
    """Argument type: the path of something that exists."""
    if not os.path.exists(text):
        raise argparse.ArgumentTypeError(f"{text}: no such file or folder")
    return Path(text)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add --threads; hand its value to `use_threads`."""
    parser.add_argument(
        "--threads", type=positive_int, metavar="N", help="processor threads (default: all cores)"
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda", "mps"),
        default="auto",
        help="where the network runs; auto takes a GPU where there is one",
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add --seed."""
    parser.add_argument(
        "--seed",
        type=non_negative_int,
        default=0,
        metavar="N",
        help="seed of everything random: same seed, same result",
    )


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add --force."""
    parser.add_argument("--force", action="store_true", help="replace existing outputs")


def use_threads(count: int | None) -> None:
    """Limit torch, numba and the BLAS to `count` threads (None: leave their number alone).

    Numba counts per thread: call it in the thread that runs the kernels.
    """
    # Threads that spin while they wait make torch 5 to 10 times slower beside other programs, and
    # cost an idle machine's user nothing when they sleep. It is read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if count is None:
        return
    import numba
    import threadpoolctl
    import torch

    torch.set_num_threads(count)
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    threadpoolctl.threadpool_limits(count)


def run(
    main: Callable[[argparse.Namespace], int | None],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None = None,
) -> int:
    """Parse, call `main` and turn its end into an exit status.

    Parameters
    ----------
    main : callable
        Takes the parsed arguments, with ``args.console`` added; returns the status (None: 0).
    parser : ArgumentParser
        From `base_parser`.
    argv : sequence of str, optional
        Arguments without the program's name; by default the process's own.

    Returns
    -------
    int
        0, 1 or 2 as `main` says; 2 after an InputError or a refusal of the disk; 130 after Ctrl-C;
        141 when the reader of standard output has gone. Each but the last prints one line. Any
        other exception is a defect and comes out as it is.
    """
    args = parser.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name that is not UTF-8 comes out as the bytes that it is.
        sys.stdout.reconfigure(errors="surrogateescape")
    console = args.console = Console(parser.prog, args.quiet, args.verbose)
    try:
        status = main(args)
        sys.stdout.flush()
        return DONE if status is None else status
    except InputError as error:
        console.error(error)
        return UNUSABLE
    except KeyboardInterrupt:
        console.error("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_stdout()
        return BROKEN_PIPE
    except OSError as error:
        if error.errno not in MENDABLE_ERRNOS:
            raise
        where = f"{error.filename}: " if error.filename is not None else ""
        console.error(f"{where}{error.strerror}")
        _drop_stdout()
        return UNUSABLE


def _drop_stdout() -> None:
    # What is still buffered cannot be written; the interpreter would try again at its exit and
    # complain.
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
