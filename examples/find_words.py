"""Find words in a recording with a few lines of Python.

    .venv/bin/python examples/find_words.py

To find your own words, give a folder with one sub-folder per word, each with about five clips of
it that are cut to the word, and a recording:

    .venv/bin/python examples/find_words.py my_words my_recording.wav
"""

import sys
from pathlib import Path

import kws

HERE = Path(__file__).parent


def main() -> None:
    """Learn the words, then print where they occur."""
    words, recording = sys.argv[1:] or (HERE / "words", HERE / "recording.flac")

    print(f"learning the words in {words} ...", file=sys.stderr)
    model = kws.enroll(words)
    # model.save("words.kws") keeps it; kws.KeywordModel.load("words.kws") brings it back.

    for event in model.detect(recording):
        print(f"{event.onset_s:8.2f} - {event.offset_s:.2f} s  {event.label}  {event.score:.2f}")


if __name__ == "__main__":
    main()
