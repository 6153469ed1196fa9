"""The pages of a store, served by the real Datasette: what they show, and what they say when there is nothing to show."""

import asyncio
import contextlib
import re
import sqlite3

import numpy as np
import pytest

from data.recording.recorder import Recorder
from data.records import AGENT, HUMAN
from data.store import Store
from hitl.cli import main
from hitl.pages import reading, site
from takeover_ui.pages.texts import LANGUAGES
from tests.support.recorded import drive_without_road, session_info, step_row

pytest.importorskip("datasette")
httpx = pytest.importorskip("httpx")
BAD = "<script>alert('1')</script>\"&\u202e"


def record(path, corner="hairpin", track="hairpin", episodes=2, **positions):
    with Recorder(path, session_info(track=track)) as recorder:
        for _ in range(episodes):
            recorder.begin_episode("drive")
            for i in range(60):
                if i == 20:
                    number = recorder.begin_segment("takeover", "stick", corner)
                if i == 40:
                    recorder.end_segment(number, "cleared")
                where = {"y": float(np.sin(i / 9) * 8), **positions}
                recorder.step(step_row(i, HUMAN if 20 <= i < 40 else AGENT, **where))
            recorder.end_episode("terminated", "off_road", np.zeros(4))
        recorder.flush()
    with Store(path) as store:
        store.upsert_corner(track, corner, 15.0, 45.0, "track")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("secret-folder") / "store.sqlite"
    record(path)
    return path


def get(path, *addresses):
    guard = site.site(path, {"127.0.0.1"}, None)

    async def asked():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=guard), base_url="http://127.0.0.1:1") as client:
            return [await client.get(address) for address in addresses]

    return asyncio.run(asked())


def test_the_first_page_shows_corners_takeovers_and_sessions(home):
    (page,) = get(home, "/")
    assert page.status_code == 200
    for text in ("Track <bdi>hairpin", "2 takeovers, 2 s of help", "Return over time", "1, <bdi>play", "No trainer"):
        assert text in page.text
    assert page.text.count('<svg class="clip"') == 2
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert not re.findall(r"""(?:src|href)=["'](?!/)""", page.text)


def test_the_bar_of_a_corner_stands_beside_the_share_that_it_draws(home):
    (page,) = get(home, "/")
    table = page.text.partition('data-part="corners"')[2].partition("</table>")[0]
    heads = re.findall(r"<td></td>|<th scope=\"col\">(.*?)</th>", table)
    row = re.findall(r"<t[hd][^>]*>.*?</t[hd]>", table.partition("<tbody>")[2].partition("</tr>")[0], re.DOTALL)
    bar = next(k for k, cell in enumerate(row) if 'class="share"' in cell)
    assert heads[bar] == '<span class="unseen">share</span>'
    assert heads[bar - 1] == "agent alone"


def test_clips_are_told_apart_and_the_end_of_the_speeds_scale_is_no_speed(home):
    (page,) = get(home, "/")
    assert len(set(re.findall(r'aria-label="(takeover \d+: [^"]+)"', page.text))) == 2
    assert len(re.findall(r">to [\d.]+ km/h</text>", page.text)) == 2


def test_every_link_leads_to_a_page(home):
    todo, seen = {"/"}, {}
    while todo:
        for address, answer in zip(sorted(todo), get(home, *sorted(todo)), strict=True):
            seen[address] = answer
        inside = {a for a in seen if not a.startswith("/store")}
        found = {m.replace("&amp;", "&") for a in inside for m in re.findall(r'(?:href|src)="(/[^"]*)"', seen[a].text)}
        todo = found - set(seen)
    assert {address: a.status_code for address, a in seen.items() if a.status_code != 200} == {}
    assert {"/takeovers/1", "/takeovers/2", "/report?track=hairpin&session=1", "/store", "/files/site.js"} <= set(seen)
    assert [a for a, answer in seen.items() if "secret-folder" in answer.text] == []


def test_the_list_can_be_narrowed_and_has_pages(home, monkeypatch):
    monkeypatch.setattr(reading, "A_PAGE", 1)
    first, second, none, wrong, far = get(
        home, "/takeovers?corner=hairpin", "/takeovers?page=2", "/takeovers?session=9", "/takeovers?page=x", "/takeovers?page=99"
    )
    assert ('id="takeover-2"' in first.text, 'id="takeover-1"' in first.text) == (True, False)
    assert "/takeovers?corner=hairpin&amp;page=2" in first.text
    assert 'id="takeover-1"' in second.text
    assert "There is nothing to show here" in none.text
    assert wrong.status_code == 404
    assert "page 2 of 2" in far.text


def test_what_is_not_there_is_said(home):
    for answer in get(home, "/takeovers/99", "/?track=moon", "/takeovers?track=moon", "/report?session=77"):
        assert answer.status_code == 404
        assert "<h1>There is no such page</h1>" in answer.text


def test_names_and_notes_are_only_text(tmp_path):
    path = tmp_path / "store.sqlite"
    record(path, corner=BAD, track=BAD)
    with Store(path) as store:
        store.label([1, 2], note=BAD, tags_add=["<b>x"])
    for answer in get(path, "/", "/takeovers", "/takeovers/1", "/report"):
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<b>x" not in answer.text
        assert "&lt;script&gt;" in answer.text


def test_without_positions_there_is_no_clip_but_a_page(tmp_path):
    path = tmp_path / "store.sqlite"
    record(path, x=np.nan)
    home, one, report = get(path, "/", "/takeovers/1", "/report")
    assert "there is no clip" in home.text
    assert (home.status_code, one.status_code) == (200, 200)
    assert report.status_code == 503
    assert "holds no positions" in report.text


@pytest.mark.parametrize("language", ["en", "de", "pl"])
def test_a_game_without_a_road_has_pages_that_say_nothing_of_one(tmp_path, language):
    path = tmp_path / "store.sqlite"
    (tmp_path / "settings.toml").write_text(f'[overlay]\nlanguage = "{language}"\n')
    with Recorder(path, session_info(env="gym:Pendulum-v1", track="Pendulum-v1")) as recorder:
        drive_without_road(recorder)
    home, one, report = get(path, "/", "/takeovers/1", "/report")
    words = LANGUAGES[language]
    for page in (home, one):
        assert page.status_code == 200
        assert 'href="/report' not in page.text
        assert words["no_corner"] not in page.text
        assert "0 m<" not in page.text
    assert report.status_code == 404
    assert words["no_page"] in report.text
    assert words.say("no_report", track="Pendulum-v1").split()[-1] in report.text
    assert "`hitl browse`" not in report.text


@pytest.mark.parametrize("command", ["report", "review"])
def test_a_game_without_a_road_is_not_asked_for_the_file_of_its_track(tmp_path, capsys, command):
    with Recorder(tmp_path / "store.sqlite", session_info(env="gym:Pendulum-v1", track="Pendulum-v1")) as recorder:
        recorder.begin_episode("drive")
        number = recorder.begin_segment("takeover", "stick")
        for i in range(30):
            recorder.step(step_row(i, HUMAN, x=np.nan, y=np.nan))
        recorder.end_segment(number, "cleared")
        recorder.end_episode("terminated", "over", np.zeros(4))
    assert main([command, "--home", str(tmp_path)]) == 4
    told = capsys.readouterr().err
    assert "tells no positions" in told
    assert "--track" not in told
    assert main(["--home", str(tmp_path)]) == 0
    assert "hitl review" not in capsys.readouterr().out


def test_a_car_that_stood_on_one_spot_makes_no_road(tmp_path):
    path = tmp_path / "store.sqlite"
    record(path, x=1.0, y=1.0)
    for answer in get(path, "/", "/takeovers", "/takeovers/1"):
        assert answer.status_code == 200
        assert "there is no clip" in answer.text


def test_a_home_without_a_store_an_empty_one_and_one_in_use(tmp_path, monkeypatch):
    monkeypatch.setattr(site, "BUSY_S", 0.02)
    gone = tmp_path / "gone" / "store.sqlite"
    empty = tmp_path / "store.sqlite"
    Store(empty).close()
    (answer,) = get(gone, "/")
    assert (answer.status_code, "Nothing is recorded here yet" in answer.text, "gone" in answer.text) == (503, True, False)
    page, live = get(empty, "/", "/live")
    assert "`" not in page.text
    assert "<code>hitl play</code>" in page.text
    assert f'data-mark="{live.headers["x-mark"]}"' in page.text
    with contextlib.closing(sqlite3.connect(empty)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        page, live = get(empty, "/", "/live")
    assert (page.status_code, "The store is in use" in page.text) == (503, True)
    assert (live.status_code, live.headers["x-mark"]) == (200, "")


def test_a_store_of_an_earlier_version_says_what_to_type(tmp_path):
    from tests.support.places import ROOT

    path = tmp_path / "store.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript((ROOT / "tests" / "data" / "stores" / "v1.sql").read_text(encoding="utf-8"))
    (page,) = get(path, "/")
    assert page.status_code == 503
    assert "<code>hitl store info</code>" in page.text


def test_the_mark_changes_with_whatever_a_page_shows(tmp_path):
    path = tmp_path / "store.sqlite"
    marks = []
    record(path)

    def look():
        (live,) = get(path, "/live")
        marks.append(live.headers["x-mark"])

    look()
    look()
    assert marks[0] == marks[1]
    with Store(path) as store:
        for change in (
            lambda: store.label([1], verdict="good"), lambda: store.label([1], note="late"), store.undo,
            lambda: store.rename_corner("hairpin", "hairpin", "loop"),
        ):  # fmt: skip
            change()
            look()
    record(path)
    look()
    assert len(set(marks)) == len(marks) - 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("de", ("Strecke <bdi>hairpin", "2 Übernahmen, 2 s Hilfe", "Kein Trainer", "Kurven")),
        ("pl", ("Tor <bdi>hairpin", "2 przejęcia, 2 s pomocy", "Zakręty", "Sesje")),
    ],
)
def test_the_pages_speak_the_players_language(tmp_path, code, words):
    path = tmp_path / "store.sqlite"
    record(path)
    (tmp_path / "settings.toml").write_text(f'[overlay]\nlanguage = "{code}"\n')
    home, takeovers, one, report = get(path, "/", "/takeovers", "/takeovers/1", "/report")
    missing = get(path, "/takeovers/99", "/nonsense", "/takeovers/x/y", "/?track=none", "/report?session=x")
    assert [page.status_code for page in missing] == [404] * 5
    for said in words:
        assert said in home.text
    for page in (home, takeovers, one, report, *missing):
        assert f'<html lang="{code}">' in page.text
        shown = re.sub(r'href="[^"]*"|class="[^"]*"|data-part="[^"]*"|id="[^"]*"', "", page.text)
        for english in (
            ">Takeovers<", "Newest", "Figures", "Look closer", "Corners", "begun by", "no verdict", "takeovers", ">stick<",
            "There is no", "Nothing was",
        ):  # fmt: skip
            assert english not in shown, english
    (tmp_path / "settings.toml").write_text("[overlay\n")  # what cannot be read is no reason to show nothing
    (home,) = get(path, "/")
    assert '<html lang="en">' in home.text


def test_the_outcome_is_the_one_that_the_list_of_segments_shows(tmp_path):
    record(tmp_path / "store.sqlite")
    with Store(tmp_path / "store.sqlite") as store:
        store.conn.execute("UPDATE segments SET stop = start + 2, outcome = 'unclear' WHERE id = 1")
        store.conn.execute("UPDATE segments SET interrupted = 1 WHERE id = 2")
    pages = [page.text for page in get(tmp_path / "store.sqlite", "/takeovers/1", "/takeovers/2")]
    for page, (outcome, said) in zip(pages, (("nothing", "shows nothing"), ("interrupted", "interrupted")), strict=True):
        assert f'<span class="outcome-{outcome}">– {said}</span>' in page
        assert "unclear</span>" not in page
