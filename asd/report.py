"""One HTML page about the scores of a system: figures, pictures, and the clips that went wrong."""

import base64
import html
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from asd.evaluation import (
    Official,
    ScoredClip,
    SectionScores,
    TrueClip,
    join,
    official_figures,
)
from asd.evaluation.figures import DOMAINS, decided, mean_of, percent
from asd.evaluation.official import shown_columns
from asd.names import stem
from asd.pictures import scores_figure
from fewshot import plot
from fewshot.errors import InputError, one_line, some

N_WORST = 5
FIGURES = ("AUC", "pAUC", "precision", "recall", "F1 score")
ALL = "all"
PNG_START = b"\x89PNG\r\n\x1a\n"
STYLE = """\
body { font: 15px/1.4 sans-serif; color: #222; max-width: 70em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 }
th, td { padding: 0.15em 0.8em; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
img { max-width: 100% }
figure { margin: 1em 0 }
tr.wrong td { color: #a03000 }"""

Key = tuple[str, str]
"""Machine and section."""
Pictures = Mapping[Key, Sequence[tuple[str, bytes]]]
"""Captions and PNG files, by machine and section."""


def html_report(
    title: str,
    scored: Sequence[ScoredClip],
    truth: Sequence[TrueClip] | None = None,
    year: int | None = None,
    pictures: Pictures | None = None,
    on_section: Callable[[], object] | None = None,
) -> str:
    """Write the page.

    Parameters
    ----------
    title : str
    scored : sequence of ScoredClip
        Of one system, at least one.
    truth : sequence of TrueClip, optional
        Of all clips that must have a score. Without it there are histograms and thresholds alone.
    year : int, optional
        The challenge whose definitions hold; with `truth`.
    pictures : mapping, optional
        As `read_pictures` gives them.
    on_section : callable, optional
        Called after each section.

    Returns
    -------
    str
        HTML that needs no other file. The same arguments give the same page.

    Raises
    ------
    InputError
        As `asd.evaluation.join` and `asd.evaluation.official_figures`.
    """
    clips = defaultdict(list)
    for clip in sorted(scored, key=lambda clip: clip.key):
        clips[clip.machine, clip.section].append(clip)
    sections: dict[Key, SectionScores] = {}
    official = None
    if truth is not None:
        joined = join(truth, scored)
        sections = {(section.machine, section.section): section for section in joined}
        official = official_figures(joined, year)
    n_machines = len({machine for machine, _ in clips})
    parts = [
        f"<h1>{_text(title)}</h1>",
        f"<p>{len(scored)} clips, {some(n_machines, 'machine')}, "
        f"{some(len(clips), 'section')}. A higher score is more anomalous.</p>",
    ]
    links = {key: f"section-{i}" for i, key in enumerate(clips, 1)}
    if official is not None:
        parts += _overall(official, links)
    for key, own in clips.items():
        parts.append(f'<h2 id="{links[key]}">{_text(" ".join(key))}</h2>')
        parts += _section(own, sections.get(key), official)
        parts += [_image(data, caption) for caption, data in (pictures or {}).get(key, ())]
        if on_section is not None:
            on_section()
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>',
            f"<style>\n{STYLE}\n</style></head><body>",
            *parts,
            "</body></html>\n",
        ]
    )


def read_pictures(
    folder: str | Path, scored: Iterable[ScoredClip]
) -> tuple[dict[Key, list[tuple[str, bytes]]], list[Path]]:
    """PNG files that belong to clips or sections, and those that belong to none.

    Parameters
    ----------
    folder : path
        Searched with its sub-folders. A picture is named like a clip, ``<clip>.png``, in a folder
        named like its machine where several machines have a clip of this name; or like a section,
        ``<machine>_section_<nn>.png``.
    scored : iterable of ScoredClip

    Raises
    ------
    InputError
        The folder is none, a file is no PNG, or several sections have such a clip.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder; give one of PNG files")
    keys = defaultdict(set)
    for clip in scored:
        key = clip.machine, clip.section
        keys[clip.name].add(key)
        keys[f"{clip.machine}_section_{clip.section}"].add(key)
    found, strangers = defaultdict(list), []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".png"):
        name = stem(path.stem)
        own = keys.get(name, set())
        own = {key for key in own if key[0] == path.parent.name} or own
        if len(own) > 1:
            raise InputError(
                f"{path}: several sections have a clip of this name; put it into a folder named "
                "like its machine"
            )
        if not own:
            strangers.append(path)
            continue
        data = path.read_bytes()
        if not data.startswith(PNG_START):
            raise InputError(f"{path}: not a PNG file; export it again")
        found[own.pop()].append((name, data))
    return dict(found), strangers


def _text(value: object) -> str:
    return html.escape(one_line(str(value)))


def _table(head: Iterable[str], rows: Iterable[str]) -> str:
    cells = "".join(f"<th>{_text(name)}</th>" for name in head)
    return "\n".join(["<table>", f"<tr>{cells}</tr>", *rows, "</table>"])


def _row(title: str, cells: Iterable[object], kind: str = "") -> str:
    """A row whose title is HTML already."""
    texts = "".join(f"<td>{_text(cell)}</td>" for cell in cells)
    return f"<tr{kind}><td>{title}</td>{texts}</tr>"


def _image(data: bytes, caption: str) -> str:
    encoded = base64.b64encode(data).decode("ascii")
    return (
        f'<figure><img alt="{_text(caption)}" src="data:image/png;base64,{encoded}">'
        f"<figcaption>{_text(caption)}</figcaption></figure>"
    )


def _overall(official: Official, links: Mapping[Key, str]) -> Iterator[str]:
    """The official figures of all sections and machines."""
    mean, columns = mean_of(official.year), shown_columns(official)

    def cells(figures: Mapping[str, float]) -> list[str]:
        return [percent(figures[column]) for column in columns]

    yield f"<h2>Official figures of {official.year}, per cent</h2>"
    if official.score is not None:
        line = f"official score {percent(official.score)}"
        if official.intervals is not None:
            widths = official.intervals.auc, official.intervals.pauc
            auc, pauc = map(percent, widths)
            line += f"; 95 % by the jackknife, all clips together: AUC ± {auc}, pAUC ± {pauc}"
        yield f"<p>{line}</p>"
    rows = []
    for machine, means in official.machines.items():
        own = {key: figures for key, figures in official.sections.items() if key[0] == machine}
        for key, figures in own.items():
            rows.append(_row(f'<a href="#{links[key]}">{_text(" ".join(key))}</a>', cells(figures)))
        if len(own) > 1:
            rows.append(_row(_text(f"{machine} {mean}"), cells(means[mean])))
    if official.overall:
        rows.append(_row(_text(f"all {mean}"), cells(official.overall[mean])))
    yield _table(["", *columns], rows)


def _section(
    clips: Sequence[ScoredClip], section: SectionScores | None, official: Official | None
) -> Iterator[str]:
    told = sorted({clip.threshold for clip in clips if clip.threshold is not None})
    # Of one model there is one, but tables of several may have been put together.
    thresholds = [told[0], told[-1]] if len(told) > 1 else told
    shown = " to ".join(f"{threshold:.6g}" for threshold in thresholds)
    line = some(len(clips), "clip")
    if None not in {clip.decision for clip in clips}:
        line += f", {sum(bool(clip.decision) for clip in clips)} taken for anomalous"
    yield f"<p>{line}; threshold {shown or 'unknown'}</p>"
    scores = np.array([clip.score for clip in clips]) if section is None else section.scores
    figure = scores_figure(scores, thresholds, section, official and official.year)
    yield _image(plot.png(figure), f"scores of {clips[0].machine} {clips[0].section}")
    if section is None:
        return
    figures = official.sections[section.machine, section.section]
    yield _table(["per cent", *FIGURES], _parts(section, figures))
    for title, of, sign in (
        ("normal clips with the highest scores", ~section.anomalous, -1),
        ("anomalous clips with the lowest scores", section.anomalous, 1),
    ):
        rows = _worst(section, np.flatnonzero(of), sign)
        yield _table([title, "domain", "score", "taken for"], rows)


def _parts(section: SectionScores, figures: Mapping[str, float]) -> Iterator[str]:
    """Figures of each domain and of all clips; blank where the year has none."""
    rows = {
        domain: {name: figures.get(f"{name} ({domain})") for name in FIGURES}
        for domain in DOMAINS
        if f"AUC ({domain})" in figures
    }
    both = {"AUC": figures.get("AUC (all)", figures.get("AUC")), "pAUC": figures.get("pAUC")}
    rows[ALL] = both | decided(section, np.ones(len(section.scores), bool))
    for part, row in rows.items():
        values = (row.get(name) for name in FIGURES)
        yield _row(part, ("" if value is None else percent(value) for value in values))


def _worst(section: SectionScores, clips: np.ndarray, sign: int) -> Iterator[str]:
    """The clips with the lowest scores times the sign; what was decided wrongly stands out."""
    for i in sorted(clips, key=lambda i: (sign * section.scores[i], section.names[i]))[:N_WORST]:
        domain = ""
        if section.target is not None:
            domain = DOMAINS[int(section.target[i])]
        taken, kind = "", ""
        if section.decisions is not None:
            taken = "anomalous" if section.decisions[i] else "normal"
            kind = ' class="wrong"' if section.decisions[i] != section.anomalous[i] else ""
        cells = (domain, f"{section.scores[i]:.6g}", taken)
        yield _row(_text(section.names[i]), cells, kind)
