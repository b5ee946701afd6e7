# SPDX-License-Identifier: MIT
"""A person with a browser: opens links, keeps cookies, fills in forms. No JavaScript."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

__all__ = ["Page", "Person"]


@dataclass
class Page(HTMLParser):
    """A page and its one form. Buttons are pressed by naming them in `Person.submit`."""

    address: str
    text: str
    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = urljoin(self.address, given.get("action", ""))
        elif tag == "input" and "name" in given and given.get("type") != "submit":
            self.fields[given["name"]] = given.get("value", "")


class Person:
    """Somebody whom no server knows yet."""

    def __init__(self) -> None:
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))

    def open(self, link: str, form: dict[str, str] | None = None) -> Page:
        """Go there, wherever it leads; with a form, send that."""
        try:
            answer = self._opener.open(link, None if form is None else urlencode(form).encode(), 10)
        except HTTPError as error:
            answer = error
        with answer:
            return Page(answer.url, answer.read().decode())

    def submit(self, page: Page, **filled_in: str) -> Page:
        """Send the page's form, with these fields filled in or buttons pressed."""
        assert page.action, page.text
        return self.open(page.action, {**page.fields, **filled_in})
