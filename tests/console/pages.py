"""Reads the pages of a running daemon as a browser without scripts would: links, forms, cookies, text."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from html.parser import HTMLParser
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from tests.flow.harness import Daemon

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source"}
BLOCKS = {
    "p",
    "li",
    "tr",
    "h1",
    "h2",
    "h3",
    "section",
    "div",
    "dt",
    "dd",
    "option",
    "pre",
    "summary",
    "label",
    "button",
    "td",
    "th",
    "br",
}


class Form(NamedTuple):
    """A form on a page."""

    action: str
    method: str
    fields: dict[str, str]
    text: str


class Page:
    """One answer, read."""

    def __init__(self, status: int, url: str, html: str, headers: dict[str, str]) -> None:
        self.status, self.url, self.html, self.headers = status, url, html, headers
        reader = _Reader()
        reader.feed(html)
        self.text = " ".join("".join(reader.words).split())  #: all that is shown, blanks as one
        self.links = {" ".join(text.split()): urljoin(url, address) for address, text in reader.links}
        self.forms = reader.forms

    def form(self, words: str) -> Form:
        """The form whose button or label says this."""
        (found,) = [form for form in self.forms if words in form.text]
        return found


class Visitor:
    """A browser without scripts, with its cookies. `connector`: how it gets there, where that is not the usual way."""

    def __init__(self, base: str, connector: aiohttp.BaseConnector | None = None) -> None:
        self.base = base
        self.set_cookies: list[str] = []  #: every Set-Cookie header so far
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), connector=connector)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    def cookies(self) -> dict[str, str]:
        """The cookies that it sends."""
        return {cookie.key: cookie.value for cookie in self._http.cookie_jar}

    async def open(self, path: str) -> Page:
        """Look at a page, also where a redirect leads."""
        async with self._http.get(URL(urljoin(self.base, path), encoded=True)) as answer:
            return await self._read(answer)

    def stream(self, path: str) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """An answer that goes on and on."""
        return self._http.get(urljoin(self.base, path))

    async def send(self, page: Page, words: str, **changes: str) -> Page:
        """Fill in the form that says this, and send it as a browser would: to where it points, with its own origin."""
        form = page.form(words)
        fields = {**form.fields, **changes}
        target = urljoin(page.url, form.action or page.url)
        headers = {"Origin": self.base, "Sec-Fetch-Site": "same-origin"}
        if form.method == "get":
            return await self.open(str(URL(target).with_query(fields)))
        async with self._http.post(target, data=fields, headers=headers) as answer:
            return await self._read(answer)

    async def post(self, path: str, fields: dict[str, str], headers: dict[str, str]) -> Page:
        """Send a form of one's own making."""
        async with self._http.post(
            urljoin(self.base, path), data=fields, headers=headers, allow_redirects=False
        ) as answer:
            return await self._read(answer)

    async def _read(self, answer: aiohttp.ClientResponse) -> Page:
        for one in (*answer.history, answer):
            self.set_cookies += one.headers.getall("Set-Cookie", [])
        return Page(answer.status, str(answer.url), await answer.text(), dict(answer.headers))


class Scene(NamedTuple):
    """A daemon that the tests of a module share, and somebody who looks at its pages."""

    daemon: Daemon
    visitor: Visitor


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self._hidden = 0
        self._link: str | None = None
        self._area: str | None = None
        self._in_text = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag in ("script", "style", "title"):
            self._hidden += 1
        if tag in BLOCKS:
            self.words.append(" ")
        if tag == "a" and "href" in given:
            self._link = given["href"]
            self.links.append((self._link, given.get("aria-label", "")))
        if tag == "form":
            self.forms.append(
                Form(given.get("action", ""), given.get("method", "get"), {}, given.get("aria-label", ""))
            )
        if self.forms and tag in ("input", "textarea", "select") and given.get("name"):
            self._field(tag, given)
        if self.forms and tag == "option" and "selected" in given and self._area:
            self.forms[-1].fields[self._area] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "title"):
            self._hidden -= 1
        if tag == "a":
            self._link = None
        if tag in ("textarea", "select"):
            self._area, self._in_text = None, False
        if tag in BLOCKS:
            self.words.append(" ")

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        self.words.append(data)
        if self._link is not None:
            address, text = self.links[-1]
            self.links[-1] = (address, text + data)
        if self.forms:
            form = self.forms[-1]
            self.forms[-1] = form._replace(text=form.text + data)
            if self._in_text and self._area is not None:
                form.fields[self._area] = (form.fields[self._area] + data).removeprefix("\n")

    def _field(self, tag: str, given: dict[str, str]) -> None:
        fields, name = self.forms[-1].fields, given["name"]
        if tag in ("textarea", "select"):
            self._area, self._in_text = name, tag == "textarea"
            fields.setdefault(name, "")
        elif given.get("type") not in ("checkbox", "radio") or "checked" in given:
            fields[name] = given.get("value", "on" if given.get("type") in ("checkbox", "radio") else "")
