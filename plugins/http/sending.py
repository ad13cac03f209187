"""Requests of stored items, and the token that goes with them. What the settings add to a request is never stored with an item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from plugins.http.functions import text
from plugins.http.scope import MISSING
from router.plugin import JSON, Item, Request, Sender, basic_auth, oauth_token

if TYPE_CHECKING:
    from plugins.http.settings import HttpSettings, TokenSettings

MASKED = "***"
"""Stands for the token where nothing is sent."""

CONTENT_TYPES = {"form": "application/x-www-form-urlencoded", "lines": "application/x-ndjson"}


def build(items: Sequence[Item], settings: HttpSettings, token: str = MASKED) -> Request:
    """The request of these items, which are all of one kind."""
    first = items[0].body
    headers = _headers(first.get("headers", {}), settings)
    body = b""
    if "body" in first:
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = CONTENT_TYPES.get(settings.format, "application/json")
        body = _body([item.body["body"] for item in items], items, settings)
    if settings.token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return Request(_url(first["path"], settings), method=first["method"], headers=headers, body=body)


def _headers(own: Mapping[str, str], settings: HttpSettings) -> dict[str, str]:
    """Those of the settings, but for those that the item has itself."""
    names = {name.lower() for name in own}
    shared = {name: v.get_secret_value() for name, v in settings.headers.items() if name.lower() not in names}
    return {**shared, **own}


def _url(path: str, settings: HttpSettings) -> str:
    """The path of an item goes below the address: it is never a part of the host, whatever a stored item has."""
    url = settings.url + path
    if path[:1] not in ("", "?"):
        url = f"{settings.url.rstrip('/')}/{path.removeprefix('/')}"
    query = "&".join(f"{_quoted(name)}={_quoted(value.get_secret_value())}" for name, value in settings.query.items())
    return f"{url}{'&' if '?' in url else '?'}{query}" if query else url


def _quoted(part: str) -> str:
    return quote(part, safe="")


def _body(bodies: list[JSON], items: Sequence[Item], settings: HttpSettings) -> bytes:
    fields = {name: value.get_secret_value() for name, value in settings.fields.items()}
    if settings.format == "form":
        return urlencode({**_flat(bodies[0]), **fields}, quote_via=quote, safe="").encode()
    if settings.format == "array":
        return Item(bodies).json
    if settings.format == "lines":
        return b"".join(Item(body).json + b"\n" for body in bodies)
    if settings.format == "json":
        return Item({**bodies[0], **fields} if fields and isinstance(bodies[0], dict) else bodies[0]).json
    arrays: dict[str, list[JSON]] = {}
    for item, body in zip(items, bodies, strict=True):
        arrays.setdefault(item.body.get("array", "items"), []).append(body)
    return Item({**fields, **arrays}).json


def _flat(body: JSON) -> dict[str, str]:
    """A table as the fields of a form: a list or a table in it as its JSON; null and what has no text are left out."""
    made = {key: text(value) for key, value in body.items()} if isinstance(body, Mapping) else {}
    return {key: value for key, value in made.items() if value is not MISSING}


async def ask_token(settings: TokenSettings, sender: Sender) -> tuple[str, float | None]:
    """A token and how long it is good. Raises RetryLater or Pause."""
    id, secret = settings.client_id.get_secret_value(), settings.client_secret.get_secret_value()
    fields = {name: value.get_secret_value() for name, value in settings.fields.items()}
    form = {"grant_type": "client_credentials", **fields}
    if settings.scope:
        form["scope"] = settings.scope
    headers = {"Content-Type": CONTENT_TYPES["form"], "Accept": "application/json"}
    if settings.basic:
        headers["Authorization"] = login = basic_auth(_quoted(id), _quoted(secret))
        sender.secret(login.removeprefix("Basic "))
    else:
        form |= {"client_id": id, "client_secret": secret}
    request = Request(
        settings.url, headers=headers, body=urlencode(form, quote_via=quote, safe="").encode(), private=True
    )
    return oauth_token(await sender.send(request))
