"""Make a background model: what ordinary speech looks like to a pre-trained encoder.

    python tools/make_background.py SPEECH fewshot/data/speech-embedding.background \\
        --source "LibriSpeech samples, (c) 2014 Vassil Panayotov, CC BY 4.0"

SPEECH holds one folder of recordings per speaker. The statistics are of all recordings, one of each
speaker; the kept frames are of a few seconds of each, behind the first second.
"""

import argparse
from pathlib import Path

from fewshot import audio
from fewshot.background import Background
from fewshot.encoders.loading import BUNDLED, load_encoder
from fewshot.inputs import audio_files


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("speech", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--encoder", default=BUNDLED)
    parser.add_argument("--source", required=True, help="what it is, of whom, its licence")
    parser.add_argument("--seconds", type=float, default=4.0, help="kept of each speaker")
    parser.add_argument("--speakers", type=int, default=200, help="kept at most")
    args = parser.parse_args()
    encoder = load_encoder(args.encoder)
    folders = sorted(path for path in args.speech.iterdir() if path.is_dir())
    frames = [
        encoder.embed(audio.normalise(audio.read(audio_files(folder)[0]))) for folder in folders
    ]
    model = Background.learn(frames, encoder=encoder.spec.sha256, source=args.source)
    first, last = (round(s / encoder.hop_s) for s in (1.0, 1.0 + args.seconds))
    model.frames[:] = [f[first:last] for f in frames if len(f) >= last][: args.speakers]
    model.save(args.output, force=True)
    kept_s = sum(map(len, model.frames)) * encoder.hop_s
    print(f"{args.output}: {len(folders)} speakers, {model.count} frames, {kept_s:.0f} s kept")


if __name__ == "__main__":
    main()
