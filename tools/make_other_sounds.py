"""Make the statistics of other sounds that the default representation of `osc` is scaled by.

    python tools/make_other_sounds.py ESC-10 osc/representations/other_sounds.statistics \\
        --source "ESC-10, K. J. Piczak, CC BY 3.0"

ESC-10 holds one folder of recordings per class; of each recording the loudest 4 s count.
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fewshot.inputs import audio_files
from osc import sounds
from osc.config import LENGTH_S
from osc.representations.views import VIEWS, OtherSounds, clip_views, save_other_sounds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("classes", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--source", required=True, help="what it is, of whom, its licence")
    args = parser.parse_args()
    files = [
        (path, folder.name)
        for folder in sorted(path for path in args.classes.iterdir() if path.is_dir())
        for path in audio_files(folder)
    ]
    labels = np.array([label for _, label in files])
    clips = [clip_views(sounds.load(path, str(path), LENGTH_S)) for path, _ in tqdm(files)]
    others = {
        view: OtherSounds.learn(np.stack([clip[view] for clip in clips]), labels) for view in VIEWS
    }
    save_other_sounds(args.output, others, args.source, force=True)
    print(f"{args.output}: {len(files)} clips of {len(np.unique(labels))} classes")


if __name__ == "__main__":
    main()
