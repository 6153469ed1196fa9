"""The page of all settings is what the settings themselves say."""

import runpy

from tests.advice import ROOT


def test_the_page_of_settings_is_what_the_code_says() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_settings.py"))["page"]()
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == made, "run `python docs/make_settings.py`"
