"""kws-info: what a model holds, from its header alone."""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from fewshot.console import base_parser, run
from fewshot.errors import InputError, one_line
from kws.config import KIND, VERSION

EPILOG = """\
examples:
  kws-info keywords.kws
  kws-info keywords.kws --json | python -m json.tool

--json prints the model's whole header as one JSON object; times are in seconds (onset_s, offset_s).
Exit status: 0 done, 2 not a model that can be read.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run kws-info and return its exit status."""
    parser = base_parser(
        "kws-info", "Shows the keywords, clips, thresholds and settings of a model.", EPILOG
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file of kws-enroll")
    parser.add_argument("--json", action="store_true", help="the whole header as JSON")
    return run(_info, parser, argv)


def _info(args: argparse.Namespace) -> None:
    from fewshot.bundle import read_header

    header = read_header(args.model, kind=KIND, version=VERSION)
    try:
        lines = list(_lines(header))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{args.model}: is damaged: its header lacks what a keyword model says of itself; "
            "enrol the keywords again"
        ) from error
    if args.json:
        print(json.dumps({"file": str(args.model)} | header))
        return
    for line in [f"{args.model}: {header['kind']}", *lines]:
        print(one_line(line))


def _lines(header: dict) -> Iterator[str]:
    keywords, clips = header["keywords"], header["clips"]
    width = max(len("keyword"), *map(len, keywords))
    yield f"  {'keyword':{width}}  clips  seconds  threshold"
    for keyword in keywords:
        own = [clip for clip in clips if clip["label"] == keyword]
        seconds = sum(clip["offset_s"] - clip["onset_s"] for clip in own)
        threshold = header["thresholds"].get(keyword, header["threshold"])
        yield f"  {keyword:{width}}  {len(own):5d}  {seconds:7.2f}  {threshold:9.4f}"
    yield "clips"
    for clip in clips:
        yield (
            f"  {clip['label']:{width}}  {clip['offset_s'] - clip['onset_s']:6.2f} s  "
            f"{clip['file']} from {clip['onset_s']:.2f} s, sha256 {clip['sha256'][:12]}"
        )
    encoder = header["encoder"]
    for title, values in (
        ("encoder", encoder),
        ("configuration", header["config"] | {"seed": header["seed"]}),
        ("front end", header["front_end"]),
        ("versions", {"format": header["format_version"]} | header["libraries"]),
    ):
        known = [f"{name} {value}" for name, value in values.items() if value is not None]
        yield f"{title:13}  {', '.join(known)}"
    yield f"written        {header['date']}"
