"""A torchaudio whose extension does not load, beside torch."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "tools" / "mend_torchaudio.py"


@pytest.fixture
def main():
    spec = importlib.util.spec_from_file_location("mend_torchaudio", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with the names of the real one, which fails to import if it is told to."""
    package = tmp_path / "torchaudio"
    (package / "lib").mkdir(parents=True)
    for name in ("_torchaudio.abi3.so", "libtorchaudio.abi3.so", "other.so", "__init__.py"):
        (package / "lib" / name).touch()
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
        monkeypatch.delitem(sys.modules, name)

    def write(content):
        (package / "__init__.py").write_text(content)
        return lambda: sorted(file.name for file in (package / "lib").glob("*.so"))

    yield write
    sys.modules.pop("torchaudio", None)


WHOLE = ["_torchaudio.abi3.so", "libtorchaudio.abi3.so", "other.so"]
FAILS = "raise OSError('Could not load this library')"


@pytest.mark.parametrize(
    ("content", "cuda", "left"),
    [(FAILS, None, ["other.so"]), (FAILS, "13.0", WHOLE), ("", None, WHOLE)],
    ids=["CPU build", "CUDA build", "works"],
)
def test_the_extension_goes_where_it_cannot_load(installed, main, monkeypatch, content, cuda, left):
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.version, "hip", None)
    files = installed(content)
    main()
    assert files() == left


def test_nothing_happens_where_torchaudio_is_missing(main, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    main()
