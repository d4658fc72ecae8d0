"""asd-submit: tables of scores in, the challenge's files out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from asd.config import FIRST_YEAR, LAST_YEAR
from fewshot.console import add_force, base_parser, existing_path, run
from fewshot.errors import InputError, some
from fewshot.outputs import write_texts

EPILOG = """\
examples:
  asd-submit scores.csv -o submission                      tables of asd-score, all of one system
  asd-submit fan.csv pump.csv -o submission --year 2022
  asd-evaluate submission --truth ground_truth --year 2022

Tables have the columns filename,machine,section,score and, since 2021, decision (0 or 1).

Files, without header: anomaly_score_<machine>_section_<nn>_test.csv (name.wav,score) and
decision_result_<machine>_section_<nn>_test.csv (name.wav,0 or 1). 2021 divides them by domain,
..._section_<nn>_source_test.csv and ..._target_test.csv; 2020 asks for
anomaly_score_<machine>_id_<nn>.csv alone. All files are written or none.

Exit status: 0 done, 2 nothing written, 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run asd-submit and return its exit status."""
    parser = base_parser(
        "asd-submit", "Writes scores as DCASE Challenge Task 2 asks for them.", EPILOG
    )
    parser.add_argument(
        "scores", nargs="+", type=existing_path, metavar="SCORES.csv", help="table of asd-score"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the files"
    )
    parser.add_argument(
        "--year",
        type=int,
        default=LAST_YEAR,
        choices=range(FIRST_YEAR, LAST_YEAR + 1),
        help="the challenge whose files are written",
    )
    add_force(parser)
    return run(_submit, parser, argv)


def _submit(args: argparse.Namespace) -> None:
    from asd.evaluation import read_scores
    from asd.submission import others_in, submission_files

    texts = submission_files(read_scores(*args.scores), args.year)
    others = others_in(args.output, texts)
    if others:
        raise InputError(
            f"{others[0]}: is of another submission and would count as part of this one; "
            "give another folder"
        )
    for path in write_texts(args.output, texts, force=args.force):
        n_clips = texts[path.name].count("\n")
        args.console.info(f"wrote {path}: {some(n_clips, 'clip')}")
