from html.parser import HTMLParser

import numpy as np
import pytest

from asd.evaluation import ScoredClip, TrueClip, join, official_figures
from asd.evaluation.figures import percent
from asd.report import N_WORST, html_report, read_pictures
from fewshot import plot
from fewshot.errors import InputError

DOMAINS = ("source", "target")


class Page(HTMLParser):
    """Texts of tables by row, links and open elements; fails where one is closed wrongly."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.open, self.links, self.images, self.kinds = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert tag not in {"script", "link", "iframe"}
        found = dict(attributes)
        self.links += [value for name, value in attributes if name in {"src", "href"}]
        if tag == "img":
            self.images.append(found["alt"])
        if tag == "tr":
            self.rows.append([])
            self.kinds.append(found.get("class"))
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag not in {"img", "meta"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def system(machines=("fan", "pump"), n=8, decided=True, domains=DOMAINS):
    rng = np.random.default_rng(0)
    scored, truth = [], []
    for machine in machines:
        for i in range(n):
            for domain in domains:
                for anomalous in (False, True):
                    name, score = f"{domain}-{anomalous:d}-{i}", rng.normal(anomalous)
                    decision = bool(score > 0.5) if decided else None
                    where = f"a.csv:{len(scored)}"
                    scored.append(ScoredClip(machine, "00", name, score, decision, where, 0.5))
                    truth.append(TrueClip(machine, "00", name, anomalous, domain))
    return scored, truth


@pytest.mark.parametrize("year", [2020, 2021, 2022, 2025])
def test_the_figures_are_the_official_ones(year):
    scored, truth = system()
    official = official_figures(join(truth, scored), year)
    page = Page(html_report("a", scored, truth, year))
    by_title = {row[0]: row for row in page.rows}
    head = page.rows[0]
    for machine in ("fan", "pump"):
        figures = official.sections[machine, "00"]
        assert by_title[f"{machine} 00"][1:] == [percent(figures[name]) for name in head[1:]]
    assert ("target" in by_title) == (year > 2020)
    assert ("all harmonic mean" in by_title) == (year > 2020)
    parts = [row for row in page.rows if row[0] in {*DOMAINS, "all"}]
    (fan, *_) = [row for row in parts if row[0] == "all"]
    name = "AUC" if year == 2020 else "AUC (all)"
    wanted = official.sections["fan", "00"].get(name)
    assert fan[1] == ("" if wanted is None else percent(wanted))
    if year > 2020:
        (own, *_) = [row for row in parts if row[0] == "target"]
        figures = official.sections["fan", "00"]
        names = ("AUC", "pAUC", "precision", "recall", "F1 score")
        assert own[1:] == [percent(figures[f"{name} (target)"]) for name in names]


def test_the_worst_clips_are_named_worst_first():
    scored, truth = system(["fan"])
    page = Page(html_report("a", scored, truth, 2023))
    of = {clip.name: clip for clip in scored}
    anomalous = {clip.name for clip in truth if clip.anomalous}
    for title, names, sign in (
        ("normal clips with the highest scores", of.keys() - anomalous, -1),
        ("anomalous clips with the lowest scores", anomalous, 1),
    ):
        start = [row[0] for row in page.rows].index(title) + 1
        shown = page.rows[start : start + N_WORST]
        wanted = sorted(names, key=lambda name, sign=sign: sign * of[name].score)[:N_WORST]
        assert [row[0] for row in shown] == wanted
        for row, kind in zip(shown, page.kinds[start : start + N_WORST], strict=True):
            clip = of[row[0]]
            assert row[1:] == [
                row[0].split("-")[0],
                f"{clip.score:.6g}",
                "anomalous" if clip.decision else "normal",
            ]
            assert (kind == "wrong") == (clip.decision != (clip.name in anomalous))


def test_without_truth_there_are_histograms_and_thresholds():
    scored, _ = system()
    text = html_report("a", scored)
    page = Page(text)
    assert page.rows == [] and len(page.images) == 2
    found = sum(clip.decision for clip in scored if clip.machine == "fan")
    assert f"<p>32 clips, {found} taken for anomalous; threshold 0.5</p>" in text
    plain = [ScoredClip("fan", "00", "a", 1.0, None, "")]
    assert "<p>1 clip; threshold unknown</p>" in html_report("a", plain)


def test_the_page_needs_nothing_else_and_stays_the_same():
    scored, truth = system()
    pictures = {("fan", "00"): [("a", plot.png(plot.new_figure(1, 1)))]}
    text = html_report("a", scored, truth, 2023, pictures)
    assert text == html_report("a", scored[::-1], truth[::-1], 2023, pictures)
    page = Page(text)
    assert page.images == ["scores of fan 00", "a", "scores of pump 00"]
    starts = {link.split(",")[0] for link in page.links}
    assert starts == {"data:image/png;base64", "#section-1", "#section-2"}


def test_names_are_no_markup():
    evil = '<script>alert("1")</script>&\x1b[31m'
    scored, truth = system([evil], domains=(None,))
    text = html_report(evil, scored, truth, 2020, {(evil, "00"): [(evil, b"")]})
    page = Page(text)
    assert "\x1b" not in text and text.count("<script") == 0
    assert page.rows[1][0] == '<script>alert("1")</script>&\\x1b[31m 00'


def test_clips_without_decisions_and_domains():
    scored, truth = system(["fan"], decided=False, domains=(None,))
    page = Page(html_report("a", scored, truth, 2020))
    (row,) = [row for row in page.rows if row[0] == "all"]
    assert row[3:] == ["", "", ""] and row[1] != ""
    assert not any(row[0] in DOMAINS for row in page.rows)


def test_pictures_of_clips_and_sections(tmp_path):
    scored = [
        ScoredClip(machine, section, name, 0.0, None, "")
        for machine, section, name in (
            ("fan", "00", "a"),
            ("fan", "01", "only_1.5"),
            ("pump", "00", "a"),
        )
    ]
    data = plot.png(plot.new_figure(1, 1))
    files = ("fan/a.wav.png", "only_1.5.PNG", "pump_section_00.png", "other.png", "notes.txt")
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    found, strangers = read_pictures(tmp_path, scored)
    assert strangers == [tmp_path / "other.png"]
    assert found == {
        ("fan", "00"): [("a", data)],
        ("fan", "01"): [("only_1.5", data)],
        ("pump", "00"): [("pump_section_00", data)],
    }
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.png: several sections have a clip of this name"):
        read_pictures(tmp_path, scored)
    (tmp_path / "a.png").unlink()
    (tmp_path / "only_1.5.PNG").write_bytes(b"JFIF")
    with pytest.raises(InputError, match=r"only_1\.5\.PNG: not a PNG file"):
        read_pictures(tmp_path, scored)
    with pytest.raises(InputError, match="not a folder"):
        read_pictures(tmp_path / "fan" / "a.wav.png", scored)
