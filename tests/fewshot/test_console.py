import argparse
import errno
import os
import subprocess
import sys

import pytest

import fewshot
from fewshot import console
from fewshot.errors import InputError


@pytest.fixture
def parser():
    parser = console.base_parser("kws-x", "Does x.", "Formats: none.")
    parser.add_argument("--count", type=console.positive_int, default=3, help="how many")
    parser.add_argument("--name", help="of what")
    return parser


def raising(exception):
    def main(args):
        raise exception

    return main


def test_status_and_console(parser, capsys):
    seen = []
    assert console.run(seen.append, parser, ["-v"]) == 0
    assert seen[0].console == console.Console("kws-x", quiet=False, verbose=True)
    assert console.run(lambda args: 1, parser, []) == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("exception", "status", "line"),
    [
        (InputError("a.wav: empty; record it again"), 2, "a.wav: empty; record it again"),
        (InputError("a\nb"), 2, "a\\nb"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "m"), 2, "m: Permission denied"),
    ],
)
def test_what_the_user_can_mend_is_one_line(parser, capfd, monkeypatch, exception, status, line):
    monkeypatch.setattr(console, "_drop_stdout", lambda: None)
    assert console.run(raising(exception), parser, ["--quiet"]) == status
    assert capfd.readouterr() == ("", f"kws-x: {line}\n")


@pytest.mark.parametrize("exception", [ValueError("x"), KeyError("x"), OSError("x"), MemoryError()])
def test_defects_keep_their_traceback(parser, exception):
    with pytest.raises(type(exception)):
        console.run(raising(exception), parser, [])


def run_python(code, **options):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, **options)


PRINTING = (
    "import sys; from fewshot import console\n"
    "def main(args):\n"
    "    for _ in range({lines}): print('x' * 50)\n"
    "sys.exit(console.run(main, console.base_parser('kws-x', ''), []))\n"
)


@pytest.mark.parametrize("lines", [1, 20_000])
def test_reader_that_has_gone_is_no_error(lines):
    reading, writing = os.pipe()
    os.close(reading)
    ended = run_python(PRINTING.format(lines=lines), stdout=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("lines", [1, 20_000])
def test_full_disk_behind_standard_output(lines):
    with open("/dev/full", "w") as full:
        ended = run_python(PRINTING.format(lines=lines), stdout=full)
    assert (ended.returncode, ended.stderr) == (2, "kws-x: No space left on device\n")


def test_names_that_are_not_utf8_reach_standard_output(tmp_path):
    code = PRINTING.format(lines=1).replace("'x' * 50", r"'a\udcff'")
    with open(tmp_path / "out", "wb") as out:
        ended = run_python(code, stdout=out, env=os.environ | {"PYTHONIOENCODING": "utf-8"})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "out").read_bytes().rstrip() == b"a\xff"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "0"], "argument --count: '0' is not a whole number above 0"),
        (["--count", "x"], "argument --count: 'x' is not a whole number above 0"),
        (["--cou", "1"], "unrecognized arguments: --cou 1"),
        (["-q", "-v"], "argument -v/--verbose: not allowed with argument -q/--quiet"),
        (["a\nb"], "unrecognized arguments: a\\nb"),
    ],
)
def test_usage_errors_are_one_line(parser, capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        console.run(lambda args: 0, parser, arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"kws-x: {message} (see kws-x --help)\n"


def test_help_and_version(parser, capsys):
    for option in ("--help", "--version"):
        with pytest.raises(SystemExit) as ended:
            console.run(lambda args: 0, parser, [option])
        assert ended.value.code == 0
    out = capsys.readouterr().out
    assert out.endswith(f"kws-x {fewshot.__version__}\n")
    assert "how many (default: 3)" in out and "Formats: none." in out
    assert "None" not in out and "False" not in out


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (console.positive_int, {"1": 1, "007": 7}, ["0", "-1", "1.5", "", "nan"]),
        (console.non_negative_int, {"0": 0, "12": 12}, ["-1", "1e3"]),
        (console.finite_float, {"-1.5": -1.5, "1e3": 1000.0}, ["nan", "inf", "-inf", "1e999", "a"]),
        (console.positive_float, {"0.5": 0.5}, ["0", "-1", "inf", "nan"]),
        (console.non_negative_float, {"0": 0.0, "2": 2.0}, ["-0.1", "inf", "nan"]),
    ],
)
def test_numbers(kind, good, bad):
    for text, value in good.items():
        assert kind(text) == value and type(kind(text)) is type(value)
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match=r"is not a "):
            kind(text)


def test_existing_path(tmp_path):
    assert console.existing_path(str(tmp_path)) == tmp_path
    with pytest.raises(argparse.ArgumentTypeError, match="no such file or folder"):
        console.existing_path(str(tmp_path / "nowhere"))


def test_shared_options(parser):
    for add in (console.add_threads, console.add_device, console.add_seed, console.add_force):
        add(parser)
    args = parser.parse_args([])
    assert (args.threads, args.device, args.seed, args.force) == (None, "auto", 0, False)
    args = parser.parse_args(["--threads", "2", "--device", "cuda", "--seed", "7", "--force"])
    assert (args.threads, args.device, args.seed, args.force) == (2, "cuda", 7, True)


def test_use_threads():
    code = (
        "import numba, threadpoolctl, torch\n"
        "from fewshot.console import use_threads\n"
        "use_threads(None); use_threads(1)\n"
        "assert torch.get_num_threads() == numba.get_num_threads() == 1\n"
        "assert {pool['num_threads'] for pool in threadpoolctl.threadpool_info()} <= {1}\n"
        "use_threads(10_000)\n"
    )
    ended = run_python(code)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("quiet", "verbose", "expected"),
    [
        (False, False, "p: e\np: warning: w\ni\n"),
        (True, False, "p: e\n"),
        (False, True, "p: e\np: warning: w\ni\nd\n"),
    ],
)
def test_loudness(capsys, quiet, verbose, expected):
    shown = console.Console("p", quiet, verbose)
    shown.error("e")
    shown.warning("w")
    shown.info("i")
    shown.detail("d")
    assert capsys.readouterr() == ("", expected)


def test_problems(capsys):
    problems = console.Problems(console.Console("p", quiet=True))
    assert problems.status(0) == problems.status(3) == 0
    problems.add(InputError("a.wav: not audio"))
    assert capsys.readouterr().err == "p: a.wav: not audio\n"
    assert problems.status(0) == 2
    assert capsys.readouterr().err == ""
    assert problems.status(4) == 1
    assert capsys.readouterr().err == "p: 1 of 5 inputs failed\n"
    assert problems.messages == ["a.wav: not audio"] and len(problems) == 1


def test_progress_is_drawn_on_a_terminal_only(capsys):
    assert list(console.progress(range(3), total=3, desc="x")) == [0, 1, 2]
    with console.progress(total=2, quiet=True) as bar:
        bar.update()
    assert capsys.readouterr() == ("", "")
