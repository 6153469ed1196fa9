"""The pages in a real browser: drawn at both widths without anything from elsewhere, clips that play, changes that appear."""

import re
import subprocess
import sys

import pytest

from hitl.processes import command, environment
from tests.hitl.pages.test_pages import record
from tests.support.browser import CHROMIUM, Browser

pytest.importorskip("datasette")
pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium browser"),
    pytest.mark.skipif(sys.platform == "win32", reason="the browser is spoken to through POSIX descriptors"),
]


@pytest.fixture
def served(tmp_path):
    record(tmp_path / "store.sqlite")
    process = subprocess.Popen(
        command("hitl", "browse", "--home", str(tmp_path), "--phone", "127.0.0.1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(PYTHONUNBUFFERED="1"),
    )
    address = re.search(r"http://127\.0\.0\.1:\d+/enter/\S+", process.stdout.readline())[0]
    yield tmp_path / "store.sqlite", address, process
    process.terminate()
    said, _ = process.communicate(timeout=20)
    assert address.rpartition("/")[2] not in said  # what the server logs


def test_a_phone_and_a_desk(served, tmp_path_factory):
    path, address, process = served
    site, token = address.rsplit("/enter/", 1)
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        browser.open(site)
        assert "--phone" in browser.run("document.body.innerText")  # without the token
        browser.open(address)
        assert browser.run("location.href") == f"{site}/"
        for width, dark in ((1280, False), (390, True)):
            browser.view(width, dark=dark)
            for page in ("/", "/takeovers", "/takeovers/1"):
                browser.open(site + page)
                browser.wait("document.querySelectorAll('.play button').length > 0")
                assert browser.run("document.documentElement.scrollWidth") == width
                ground = browser.run("getComputedStyle(document.body).backgroundColor")
                assert ground == ("rgb(13, 19, 33)" if dark else "rgb(244, 246, 250)")
                assert browser.complaints() == []
                assert all(asked.startswith(f"{site}/") and token not in asked for asked in browser.asked_for())
        browser.wait("document.querySelector('.clip').getCurrentTime() > 0.3")  # a takeover's own page plays it
        there = "document.querySelector('.car.human').getBoundingClientRect().x"
        browser.run("document.querySelector('.clip').pauseAnimations(), document.querySelector('.clip').setCurrentTime(1)")
        x = browser.run(there)
        browser.run("document.querySelector('.clip').setCurrentTime(1.5)")
        assert browser.run(there) != x
        uncovered = "getComputedStyle(document.querySelector('.way.human:not(.faint)'))"
        assert browser.run(f"{uncovered}.strokeDasharray").replace("px", "") == "1, 2"
        assert 0 < browser.run(f"parseFloat({uncovered}.strokeDashoffset)") < 1

        browser.open(f"{site}/")
        browser.run("window.same = true")
        assert browser.run("document.querySelectorAll('.takeover').length") == 2
        record(path, episodes=1)
        browser.wait("document.querySelectorAll('.takeover').length === 3")
        assert browser.run("window.same")  # not by loading the page anew
        process.terminate()
        process.wait(20)
        browser.wait("document.querySelector('.gone')?.innerText.includes('has ended')")
