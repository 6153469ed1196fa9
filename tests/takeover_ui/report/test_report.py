"""The report: complete, self-contained, well-formed, and safe whatever names people choose."""

import base64
import hashlib
import os
import re
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pygame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError

from data.errors import CONTROL
from data.records import Corner
from takeover_ui.geometry import ribbon
from takeover_ui.report import charts, svg
from takeover_ui.report.contents import CornerRow, Report, Score
from takeover_ui.report.page import render, write_report
from tests.support import sample_screens as samples
from tests.support.browser import CHROMIUM, Browser
from tests.support.examples import examples
from tests.support.places import ROOT

EVIL = "\"><script>alert('x')</script><img src=x onerror=alert(1)>&\x00\x1b[31m\x07\x9b\u202e"
VOID = {"meta", "br", "img", "input", "link"}


class Outline(HTMLParser):
    """Checks nesting and collects tags, attributes and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def outline(html: str) -> Outline:
    parsed = Outline()
    parsed.feed(html)
    parsed.close()
    assert parsed.open == []
    return parsed


def test_the_page_tells_the_whole_story() -> None:
    page = outline(render(samples.report()))
    text = " ".join(page.texts)
    for expected in (
        "0 of 20",
        "19 of 20",
        "31 seconds",
        "hairpin",
        "5,240",
        "187 s",
        "31.4 s",
        "12,600",
        "45.3",
        "64.9",
    ):
        assert expected in text, expected
    headings = [
        t
        for t in page.texts
        if t
        in (
            "Before and after",
            "The corner from above",
            "Speed through the corner",
            "Return over time",
            "Corner passes in evaluations",
            "Failures before the first takeover",
            "Failures after the first takeover",
            "Corners",
            "Your verdicts",
            "Figures",
        )
    ]
    assert len(headings) == 10
    classes = [a.get("class") or "" for _, a in page.tags]
    for kind in ("before", "human", "after"):
        assert f"line {kind}" in classes
    assert classes.count("yes") == 19
    assert classes.count("dot human") == 12
    assert "40 of 60 drives alone ended off the road or at a standstill." in text
    assert "20 of 70 drives alone" in text


def test_one_of_a_thing_is_one_and_the_tracks_name_is_not_default() -> None:
    report = replace(samples.report(), before=None, told_takeovers=1, told_seconds=1.2, verdicts={"unreviewed": 1})
    text = " ".join(outline(render(report)).texts)
    assert "1 takeover at “hairpin” on the default track: 1 second of help." in text
    assert "1 takeover or lap without a verdict so far" in text
    mine = replace(report, scene=replace(report.scene, track="my <b>track"), takeovers=0, told_takeovers=0)
    assert "The agent at “hairpin” on ‘my <b>track’." in " ".join(outline(render(mine)).texts)


def test_without_a_takeover_there_is_one_picture_of_the_failures() -> None:
    alone = replace(samples.report(), failures_before=None)
    assert [c.title for c in charts.failures(alone)] == ["Where the agent failed"]
    none_since = replace(samples.report(), failures_before=60)
    assert charts.failures(none_since)[1].note.startswith("None of 70 drives alone")


def test_on_a_road_of_many_corners_the_reports_own_is_named_and_no_name_lies_over_another() -> None:
    report = samples.report()
    _, from_m, to_m = report.corner
    many = tuple(Corner(f"corner {k}", 8.0 * k + 1.0, 8.0 * k + 6.0) for k in range(40))
    own = Corner("the very last", from_m, to_m)
    chart = charts.failures(replace(report, corner=own, scene=replace(report.scene, corners=(*many, own))))[0]
    picture = outline(str(chart.svg))
    named = [(float(a["x"] or 0), float(a["y"] or 0)) for tag, a in picture.tags if tag == "text" and a.get("class") == "name"]
    assert "the very last" in picture.texts
    assert 3 < len(named) < 20
    assert all(abs(a[1] - b[1]) >= 14 or abs(a[0] - b[0]) > 40 for k, a in enumerate(named) for b in named[:k])


def test_the_page_needs_no_network_and_may_run_nothing() -> None:
    html = render(samples.report())
    page = outline(html)
    assert not {"script", "link", "img", "iframe", "object", "embed", "form", "base"} & {t for t, _ in page.tags}
    assert not any(
        name in ("src", "href", "style") or name.startswith("on") for _, attrs in page.tags for name in attrs
    )
    assert not re.search(r"https?:|url\(|@import", html)
    policy = next(
        a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    style = re.search(r"<style>(.*?)</style>", html, re.S)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert f"'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_names_that_people_choose_stay_text() -> None:
    report = samples.report()
    named = replace(report.scene, track=EVIL, corners=((EVIL, 184.0, 240.0),))
    evil = replace(
        report,
        title=EVIL,
        scene=named,
        corner=(EVIL, 184.0, 240.0),
        figures=((EVIL, EVIL),),
        versions={EVIL: EVIL},
        verdicts={EVIL: 3},
        corners=(CornerRow(EVIL, 1.0, 2.0, 3, 2, 1, 0.5, newest=(1, 2)),),
        before=Score((False,) * 20, 1.0, 0, None, EVIL),
    )
    written = render(evil)
    assert not [c for c in CONTROL.findall(written) if c not in "\n\t"], "nor is anything obeyed where a terminal shows the page"
    page = outline(written)
    assert not {"script", "img"} & {t for t, _ in page.tags}
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    plain = outline(render(report))
    assert len([t for t, _ in page.tags if t == "section"]) == len([t for t, _ in plain.tags if t == "section"])


@settings(max_examples=examples(12), deadline=None)
@given(st.text(max_size=30))
def test_any_title_is_shown_as_it_is(title: str) -> None:
    page = outline(render(Report(title=title, scene=samples.scene())))
    shown = "".join(page.texts)
    kept = "".join(c for c in title if c.isprintable() and c not in "<>&")
    assert all(c in shown for c in kept)
    assert {t for t, _ in page.tags} <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "h1",
        "p",
        "section",
        "h2",
        "dl",
        "div",
        "dt",
        "dd",
    }


def test_an_empty_report_is_still_a_page() -> None:
    page = outline(render(Report(title="Nothing yet", scene=samples.scene())))
    assert "Nothing yet" in page.texts
    assert not any(t == "svg" for t, _ in page.tags)


def test_pictures_are_well_formed_and_inside_their_box() -> None:
    html = render(samples.report())
    pictures = re.findall(r"<svg.*?</svg>", html, re.S)
    assert len(pictures) >= 5
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        assert width == 480 or "aria-hidden" in root.attrib, "all as wide as the others: letters of one size"
        for node in root.iter():
            if node.tag == "text":
                assert 0 <= float(node.attrib["x"]) <= width
                assert 0 <= float(node.attrib["y"]) <= height
            if node.tag == "circle":
                assert -1 <= float(node.attrib["cx"]) <= width + 1
                assert -1 <= float(node.attrib["cy"]) <= height + 1


def test_a_report_replaces_an_old_one_only_when_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    write_report(path, samples.report())
    first = path.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [path]
    broken = samples.report()
    broken.corners = (None,)  # type: ignore[assignment]
    with pytest.raises(UndefinedError):
        write_report(path, broken)
    assert path.read_text(encoding="utf-8") == first


def test_figures_that_are_not_numbers_are_left_out_of_the_charts() -> None:
    report = samples.report()
    report.lines[0].speed[3] = np.nan
    report.lines[0].points[5] = np.nan
    assert "nan" not in re.sub(r"<style>.*?</style>", "", render(report), flags=re.S)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 8))
def test_ticks_are_round_few_and_inside(low: float, span: float, count: int) -> None:
    values = svg.ticks(low, low + span, count)
    assert len(values) <= 2 * count + 2
    assert all(low - 1e-6 * span <= v <= low + span + 1e-6 * span for v in values)


def test_the_road_is_as_wide_as_it_is_and_never_folds_over() -> None:
    """A quarter circle of 10 m whose road is 8 m wide, then the same with a road wider than the bend."""
    angle = np.linspace(0, np.pi / 2, 60)
    arc = 10 * np.stack([np.sin(angle), 1 - np.cos(angle)], axis=1)
    road = ribbon(arc, 4.0, 0.5)
    middle = slice(5, -5)
    centre = np.array([0.0, 10.0])
    assert np.allclose(np.hypot(*(road.left - centre)[middle].T), 6.0, atol=0.15)
    assert np.allclose(np.hypot(*(road.right - centre)[middle].T), 14.0, atol=0.15)
    wide = ribbon(arc, 15.0, 0.5)
    assert np.hypot(*(wide.left - centre)[middle].T).max() < 1.0


MANY_CORNERS = tuple(
    CornerRow(name, 100.0 * k, 100.0 * k + 60, 1280 + k, 533, k * 120, 310.4 * k, 11 * k, (k, 20))
    for k, name in enumerate(("hairpin", "a corner with a very long name", "chicane", "turn 4", "turn 5", "the last corner"))
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None or os.name == "nt":
        pytest.skip("needs a Chromium browser, and POSIX's pipes to talk to it")
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report with as many corners as any has, and long names."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(path, replace(samples.report(), corners=MANY_CORNERS))
    return path.as_uri()


@pytest.mark.realtime
def test_printed_it_fills_two_pages(browser: Browser, page: str) -> None:
    browser.view(1280)
    browser.open(page)
    assert len(re.findall(rb"/Type\s*/Page\b", browser.printed())) == 2


@pytest.mark.realtime
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_draws_it_in_its_colours_without_overflow(
    browser: Browser, page: str, tmp_path: Path, width: int, dark: bool
) -> None:
    """The page's own ground colour at the edges (the style sheet passed the policy), the lines in it, nothing cut off."""
    browser.view(width, dark=dark)
    browser.open(page)
    browser.picture(shot := tmp_path / "shot.png")
    assert not browser.complaints()
    picture = pygame.image.load(str(shot))
    assert picture.get_width() == width, "it is wider than the window"
    assert picture.get_height() > 1500
    for y in range(0, picture.get_height(), 97):
        assert picture.get_at((width - 3, y))[:3] == picture.get_at((2, y))[:3] == ((13, 19, 33) if dark else (244, 246, 250))
    for colour in ((77, 148, 255), (250, 166, 26)) if dark else ((29, 111, 224), (217, 122, 0)):  # the agent's, the human's
        mask = pygame.mask.from_threshold(picture, (*colour, 255), (3, 3, 3, 255))
        assert mask.count() > 300


def test_what_the_page_is_made_of_is_shipped() -> None:
    root = ROOT
    with (root / "pyproject.toml").open("rb") as file:
        shipped = tomllib.load(file)["tool"]["setuptools"]["package-data"]["takeover_ui"]
    found = {path for pattern in shipped for path in (root / "takeover_ui").glob(pattern)}
    others = {p for p in (root / "takeover_ui").rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
    assert others == found
    assert {"report.html", "report.css", "home.html", "site.css", "site.js", "py.typed"} <= {p.name for p in found}
