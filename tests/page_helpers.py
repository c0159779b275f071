"""What the tests of pages share: pages as a new session sees them, and ways to find things on them."""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from ui.contents import entry
from ui.host import ROOT


def open_page(name: str, **query: str | list[str]) -> AppTest:
    """The page as a new session sees it."""
    app = AppTest.from_file(str(ROOT / "ui" / "main.py"), default_timeout=30)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    return app if name == "home" else app.switch_page(entry(name).script).run()


def html(app: AppTest) -> str:
    """All of a page's own HTML but its styles."""
    return "\n".join(element.value for element in app.html if "<style>" not in element.value)


def said(app: AppTest) -> str:
    """All small print of a page."""
    return "\n".join(element.value for element in app.caption)


def links(app: AppTest) -> dict[str, tuple[str, str]]:
    """Page and query of each link, by its label."""
    return {link.proto.label: (link.proto.page, link.proto.query_string) for link in app.get("page_link")}


def button(app: AppTest, label: str) -> Any:
    """The button of that label."""
    (found,) = [button for button in app.button if button.label == label]
    return found


def labels(app: AppTest) -> list[str]:
    """The labels of all buttons."""
    return [button.label for button in app.button]
