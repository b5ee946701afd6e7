# SPDX-License-Identifier: MIT
"""A user with a browser without JavaScript, who opens links, keeps cookies and fills in forms."""

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
    """A page and its form. `Person.submit` presses the buttons that are named."""

    address: str
    text: str
    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = urljoin(self.address, attributes.get("action", ""))
        elif tag == "input" and "name" in attributes and attributes.get("type") != "submit":
            self.fields[attributes["name"]] = attributes.get("value", "")


class Person:
    """A user without cookies."""

    def __init__(self) -> None:
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))

    def open(self, link: str, form: dict[str, str] | None = None) -> Page:
        """Open a link and follow its redirects; with a form, send that."""
        try:
            response = self._opener.open(link, None if form is None else urlencode(form).encode(), 10)
        except HTTPError as error:
            response = error
        with response:
            return Page(response.url, response.read().decode())

    def submit(self, page: Page, **values: str) -> Page:
        """Send the form of a page, with these fields filled in or buttons pressed."""
        assert page.action, page.text
        return self.open(page.action, {**page.fields, **values})
