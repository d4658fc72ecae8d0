"""Let torchaudio work beside a CPU build of torch.

    python tools/mend_torchaudio.py

The published torchaudio is built for CUDA. Beside a CPU build of torch its compiled extension
cannot load, and its import fails; without the extension it works in pure Python, which is all that
is used here. So the extension is removed where torch is a CPU build and the import fails. Nothing
else is touched, and nothing where torchaudio is missing.
"""

from importlib.util import find_spec
from pathlib import Path

import torch


def main() -> None:
    found = find_spec("torchaudio")
    if found is None or torch.version.cuda is not None or torch.version.hip is not None:
        return
    try:
        import torchaudio  # noqa: F401
    except OSError:
        for library in Path(found.origin).parent.glob("lib/*torchaudio*.so"):
            library.unlink()
            print(f"removed {library}: built for CUDA, and torch is not")


if __name__ == "__main__":
    main()
