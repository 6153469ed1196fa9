"""The pages as HTML, filled in by jinja2, which escapes every text. They load their own style sheets and script, no more."""

from __future__ import annotations

import functools
from importlib import resources

from takeover_ui.language import Words
from takeover_ui.pages.contents import HomePage, Message, Refusal, TakeoverPage, TakeoversPage, Trainer
from takeover_ui.pages.texts import ENGLISH
from takeover_ui.report.texts import share
from takeover_ui.templates import templates

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of every page here."""
ASSETS = {"report.css": ("report", "text/css"), "site.css": ("pages", "text/css"), "site.js": ("pages", "text/javascript")}
"""Files that the pages load: their folder, their type."""
_TEMPLATES: dict[type, str] = {
    HomePage: "home.html", TakeoversPage: "takeovers.html", TakeoverPage: "takeover.html", Message: "message.html",
    Trainer: "trainer.html", Refusal: "refusal.html",
}  # fmt: skip

Page = HomePage | TakeoversPage | TakeoverPage | Message | Trainer | Refusal


def render(page: Page, words: Words = ENGLISH) -> str:
    """Return a page, or the trainer's box alone, as HTML."""
    return templates("pages").get_template(_TEMPLATES[type(page)]).render(
        page=page, words=words, say=words.say, share=functools.partial(share, words)
    )


def asset(name: str) -> str:
    """Return the text of one of ``ASSETS``."""
    return resources.files(f"takeover_ui.{ASSETS[name][0]}").joinpath(name).read_text(encoding="utf-8")
