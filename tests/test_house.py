"""The house's rules, read from the source: who imports whom, what may print, what --help costs."""

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"fewshot": set(), "kws": {"fewshot"}, "osc": {"fewshot"}, "asd": {"fewshot"}}
SOURCES = sorted(path for package in PACKAGES for path in ROOT.glob(f"{package}/**/*.py"))
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
HEAVY = {"torch", "numba", "numpy", "scipy", "sklearn", "soundfile", "matplotlib", "tslearn"}
PROSE_AND_CODE = {".py", ".md", ".toml", ".txt", ".sh", ".cfg", ".yml", ""}


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path):
    return str(path.relative_to(ROOT))


def imported(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: relative import"
            yield node.module


def called_name(node):
    """`njit` of ``njit``, ``numba.njit`` and ``njit(...)``."""
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_point_the_agreed_way(path):
    package = path.relative_to(ROOT).parts[0]
    allowed = PACKAGES[package] | {package}
    roots = {module.split(".")[0] for module in imported(path)}
    assert roots & PACKAGES.keys() <= allowed
    assert not roots & {"tests", "benchmarks", "examples", "tools"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_commands_print(path):
    if "commands" in path.parts or path.name == "console.py":
        return
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    assert [node.lineno for node in calls if called_name(node) == "print"] == []


def test_every_kernel_is_cached():
    kernels, uncached = 0, []
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            for decorator in getattr(node, "decorator_list", []):
                if called_name(decorator) not in {"njit", "jit", "vectorize", "guvectorize"}:
                    continue
                kernels += 1
                flags = {
                    keyword.arg: getattr(keyword.value, "value", None)
                    for keyword in getattr(decorator, "keywords", [])
                }
                if flags.get("cache") is not True:
                    uncached.append(f"{name_of(path)}:{node.lineno} {node.name}")
    assert kernels and not uncached


@pytest.mark.parametrize("package", [name for name in PACKAGES if (ROOT / name).is_dir()])
def test_packages_are_typed_and_their_names_exist(package):
    assert (ROOT / package / "py.typed").exists()
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", []):
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        module.nonsense  # noqa: B018


def test_public_names():
    import kws

    assert kws.__all__ == ["Detection", "KeywordModel", "__version__", "enroll"]
    assert set(kws.__all__) <= set(dir(kws))
    assert kws.Detection(filename="a.wav", onset_s=0.0, offset_s=0.5, label="yes").label == "yes"


def python(code):
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_public_names_of_osc():
    import osc

    assert osc.__all__ == ["Monitor", "OpenSetClassifier", "__version__"]
    assert set(osc.__all__) <= set(dir(osc))


def test_public_names_of_asd():
    import asd
    import asd.evaluation

    assert asd.__all__ == ["MachineModel", "__version__", "train"]
    assert set(asd.__all__) <= set(dir(asd))
    assert {"join", "official_figures", "own_domain_figures"} <= set(asd.evaluation.__all__)
    assert all(hasattr(asd.evaluation, name) for name in asd.evaluation.__all__)


def test_importing_the_packages_imports_nothing_heavy():
    out = python(f"import asd, fewshot, kws, osc, sys; print({HEAVY} & sys.modules.keys())")
    assert out == "set()\n"


def processor_seconds(code):
    """The least of a few runs; time on the clock would measure what else the machine does."""
    used = []
    for _ in range(3):
        before = os.times()
        python(code)
        after = os.times()
        used.append(sum(after[2:4]) - sum(before[2:4]))
    return min(used)


@pytest.mark.parametrize("command", SCRIPTS)
def test_help_is_instant(command):
    module, function = SCRIPTS[command].split(":")
    call = f"import sys; from {module} import {function}; sys.argv[0] = {command!r}\n"
    out = python(
        f"{call}try: {function}(['--help'])\n"
        f"except SystemExit as end: print('status', end.code, {HEAVY} & sys.modules.keys())"
    )
    assert out.startswith(f"usage: {command}")
    assert out.endswith("status 0 set()\n")
    for option in ("--version", "--quiet", "--verbose"):
        assert option in out
    asking = f"{call}try: {function}(['--help'])\nexcept SystemExit: pass"
    assert processor_seconds(asking) < processor_seconds("pass") + 0.15


@pytest.mark.parametrize("command", SCRIPTS)
def test_commands_are_installed(command):
    try:
        installed = metadata.distribution("fewshot-audio")
    except metadata.PackageNotFoundError:
        pytest.skip("run from the source tree, without make setup")
    entry_points = {entry.name: entry.value for entry in installed.entry_points}
    assert entry_points[command] == SCRIPTS[command]
    script = Path(sys.executable).with_name(command)
    ended = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"{command} {installed.version}\n"


def texts():
    for folder, below, files in os.walk(ROOT):
        below[:] = [name for name in below if not name.startswith(".") or name == ".ci"]
        for name in files:
            path = Path(folder, name)
            if path.suffix in PROSE_AND_CODE and not name.startswith("."):
                yield path


def test_no_paths_of_one_machine():
    """Neither absolute ones nor relative ones that lead out of the tree."""
    absolute = re.compile(r"/(?:home|Users|root|mnt|media)/\w+|" + re.escape(f"{ROOT}{os.sep}"))
    relative = re.compile(r"(?:\.\./)+[\w.-]+")
    found = []
    for path in texts():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            outside = [
                match
                for match in relative.findall(line)
                if not (path.parent / match).resolve().is_relative_to(ROOT)
            ]
            if absolute.search(line) or outside:
                found.append(f"{name_of(path)}:{number}: {line.strip()}")
    assert found == []
