"""Commands on a representation that costs nothing."""

from types import SimpleNamespace

import pytest
import soundfile as sf
from tones import RATE, Bands, clip, write_clips

from osc import representations


@pytest.fixture
def bands(monkeypatch):
    """The default representation is one of sixteen bands."""
    monkeypatch.setitem(representations.REPRESENTATIONS, "bands", Bands)
    monkeypatch.setitem(representations.ALIASES, "default", "bands")


@pytest.fixture
def sounds(tmp_path, monkeypatch, bands):
    """An empty folder to work in; beside it clips, test clips and a model of two tones."""
    from osc.commands.train import main

    folder, work = tmp_path / "sounds", tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    write_clips(folder / "clips", ("high", "low", "noise"), range(2))
    write_clips(folder / "test", ("high", "low", "noise", "sweep"), range(5, 8))
    sf.write(folder / "tone.wav", clip("low", 4), RATE)
    model = folder / "tones.osc"
    assert main([str(folder / "clips"), "-o", str(model), "--length", "1", "--quiet"]) == 0
    return SimpleNamespace(folder=folder, work=work, model=model)


@pytest.fixture
def command():
    """Runs a command's main and gives its exit status."""

    def run(main, *arguments):
        try:
            return main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            return stopped.code

    return run
