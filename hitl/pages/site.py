"""The pages of `hitl browse`: addresses of our own before Datasette's, and sentences where something cannot be shown."""

from __future__ import annotations

import asyncio
import functools
import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from data.errors import HitlError, NoStoreError, UsageError
from data.reading.browse import Route, application
from data.reading.news import page_mark
from data.store import Store
from hitl.pages import reading
from hitl.pages.access import Gatekeeper
from takeover_ui.language import Words
from takeover_ui.pages.contents import Message, PageHead, Refusal
from takeover_ui.pages.page import ASSETS, POLICY, Page, asset, render

BUSY_S = 1.0
"""How long a page waits for a store that another program holds."""

def site(store_path: Path, hosts: set[str], token: str | None) -> Gatekeeper:
    """Return the ASGI application with all pages of a store, and the raw tables. Raises UsageError without Datasette."""
    served = application(store_path, _routes(store_path))
    return Gatekeeper(served, hosts, token, lambda text: render(Refusal(text), reading.words_of(store_path)).encode())


def _routes(path: Path) -> list[Route]:
    def page(of: Callable[[Store, dict[str, str], Words], Page]) -> Callable[..., Awaitable[Any]]:
        async def answer(request: Any) -> Any:
            asked = {name: request.args[name] for name in request.args} | request.url_vars
            return _html(*await asyncio.to_thread(read, path, functools.partial(_rendered, of, asked)))

        return answer

    def takeover(store: Store, asked: dict[str, str], words: Words) -> Page:
        return reading.takeover_page(store, int(asked["id"]), words)

    def report(store: Store, asked: dict[str, str], words: Words) -> str:
        from takeover_ui.report.page import render as render_report

        session = reading.number(asked["session"], words) if "session" in asked else None
        track, corner = asked.get("track"), asked.get("corner")
        reading.must_have_report(store, track, words)
        found = reading.stored_report(store, track=track, corner=corner, session=session, words=words)
        return render_report(found, home="/")

    async def report_page(request: Any) -> Any:
        asked = {name: request.args[name] for name in request.args}
        status, text = await asyncio.to_thread(read, path, lambda store, words: report(store, asked, words))
        return _html(status, text, None if status == 200 else POLICY)

    async def live(request: Any) -> Any:
        status, mark = await asyncio.to_thread(read, path, lambda store, words: page_mark(store.conn))
        words = reading.words_of(path)
        box = render(await asyncio.to_thread(reading.trainer_of, path, words), words)
        return _html(200, box, headers={"x-mark": mark if status == 200 else ""})

    async def nowhere() -> Any:
        words = reading.words_of(path)
        return _html(404, render(Message(words["no_page"], words["no_page_text"], PageHead()), words))

    async def file(request: Any) -> Any:
        from datasette.utils.asgi import NotFound, Response

        name = request.url_vars["name"]
        if name not in ASSETS:
            raise NotFound("There is no such file.")
        return Response(asset(name), content_type=f"{ASSETS[name][1]}; charset=utf-8")

    return [
        (r"/$", page(lambda store, asked, words: reading.home_page(store, asked.get("track"), words))),
        (r"/takeovers$", page(reading.takeovers_page)),
        (r"/takeovers/(?P<id>\d{1,15})$", page(takeover)),
        (r"/report$", report_page),
        (r"/live$", live),
        (r"/files/(?P<name>[a-z.]+)$", file),
        (rf"/(?!-/|{re.escape(path.stem)}\b)[^.]+$", nowhere),  # Datasette has the tables, and files of its own
    ]


def _rendered(of: Callable[[Store, dict[str, str], Words], Page], asked: dict[str, str], store: Store, words: Words) -> str:
    return render(of(store, asked, words), words)


def read(path: Path, make: Callable[[Store, Words], str]) -> tuple[int, str]:
    """Return the status and the text that ``make`` makes of the store; a page that says why where it cannot be read now."""
    words = reading.words_of(path)
    try:
        with Store(path, read_only=True, busy_timeout_s=BUSY_S) as store:
            return 200, make(store, words)
    except NoStoreError:  # whose text tells a path
        return 503, render(Message(words["empty_title_page"], words["empty_text"]), words)
    except UsageError as error:
        return 404, render(Message(words["no_page"], str(error), PageHead()), words)
    except HitlError as error:
        if isinstance(error.__cause__, sqlite3.OperationalError):
            return 503, render(Message(words["held_title"], words["held_text"]), words)
        return 503, render(Message(words["not_shown"], str(error)), words)


def _html(status: int, text: str, policy: str | None = POLICY, headers: dict[str, str] | None = None) -> Any:
    from datasette.utils.asgi import Response

    policies = {} if policy is None else {"content-security-policy": policy}
    return Response.html(text, status=status, headers={**policies, **(headers or {})})
