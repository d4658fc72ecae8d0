import json
import subprocess
import sys

import numpy as np

from fewshot import bundle
from kws.commands.info import main
from kws.config import KIND, VERSION


def test_a_model_says_what_it_holds(words, capsys):
    assert main([str(words.model_path)]) == 0
    out, err = capsys.readouterr()
    assert not err
    for text in ("down", "up", "    3  ", "2.wav", "epochs 2", "seed 0", "TemporalResNet"):
        assert text in out
    assert f"{words.model.threshold:.4f}" in out


def test_json_is_the_header(words, capsys):
    assert main([str(words.model_path), "--json"]) == 0
    header = json.loads(capsys.readouterr().out)
    assert header.pop("file") == str(words.model_path)
    assert header == words.model.header(words.model_path)


def damaged(folder):
    """Files that are no model, by what the message must say."""
    (folder / "text.kws").write_text("not a model")
    (folder / "empty.kws").touch()
    tensors = {"x": np.zeros(1, np.float32)}
    bundle.save(folder / "other.kws", tensors, {}, kind="something else", version=1)
    bundle.save(folder / "newer.kws", tensors, {}, kind=KIND, version=VERSION + 1)
    bundle.save(folder / "bare.kws", tensors, {"keywords": 3}, kind=KIND, version=VERSION)
    return {
        "text.kws": "not a model",
        "empty.kws": "empty",
        "other.kws": "something else",
        "newer.kws": "newer",
        "bare.kws": "damaged",
        "nowhere.kws": "No such file",
    }


def test_other_files_are_refused_in_one_line(tmp_path, capsys):
    for name, message in damaged(tmp_path).items():
        assert main([str(tmp_path / name)]) == 2
        out, err = capsys.readouterr()
        assert not out
        assert err.startswith("kws-info: ") and err.count("\n") == 1
        assert name in err and message in err


def test_info_does_without_torch(words):
    code = (
        "import sys\nfrom kws.commands.info import main\n"
        f"main([{str(words.model_path)!r}])\nassert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
