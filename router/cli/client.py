"""A small synchronous HTTP client for the daemon's two listeners: one connection, kept open between requests."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlencode, urlsplit

from router.cli.endpoint import AdminAt, Failed, admin_of, start_line
from router.cli.options import Common
from router.runtime_file import STORE_HEADER

TIMEOUT_S = 30.0


class NobodyThere(Failed):
    """Nothing listens at the daemon's address."""


class OtherDaemon(Failed):
    """A daemon answers, but not the one of this config.toml."""


class ConnectionLost(Failed):
    """The connection ended, or there was no answer in time. What was asked for may have happened."""


class Refused(Failed):
    """The daemon said no: `code` for programs, the message for people, `answer` the whole of it."""

    def __init__(self, status: int, answer: Mapping[str, Any]) -> None:
        super().__init__(str(answer.get("error") or f"status {status}"))
        self.status = status
        self.code = str(answer.get("code", ""))
        self.answer = answer


class Response(NamedTuple):
    """Status, headers by lower-case name, and the body as JSON (None where it is none)."""

    status: int
    headers: Mapping[str, str]
    json: Any


class Client:
    """Requests to one listener. To be left by `with`, or by `close`."""

    def __init__(self, url: object, headers: Mapping[str, str]) -> None:
        """`url`: of the listener; without a scheme it is plain HTTP. Raises Failed where nothing can be asked there."""
        self.listen = str(url).removeprefix("http://")  #: as people read it
        self._headers = {"Content-Type": "application/json", **headers}
        try:
            parts = urlsplit(str(url) if "://" in str(url) else f"http://{url}")
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise Failed(f"{url} is no URL") from None
        if port == 0:
            raise Failed(f"{self.listen} takes any free port, so nobody can find it; name a port in config.toml")
        self._path = parts.path.rstrip("/")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(host, port, timeout=TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """One request. Raises NobodyThere or ConnectionLost; the next request starts with a new connection then."""
        self.begin(method, path, body)
        return self.answer()

    def begin(self, method: str, path: str, body: bytes | None = None) -> None:
        """Send a request, whose answer `answer` waits for. Raises as `request`."""
        with self._told_as_ours():
            self._connection.request(method, self._path + path, body, self._headers)

    def answer(self) -> Response:
        """Wait for the answer to what `begin` sent. Raises as `request`."""
        with self._told_as_ours():
            response = self._connection.getresponse()
            text = response.read()
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):  # no daemon nests so deep
            value = None
        return Response(response.status, {name.lower(): held for name, held in response.getheaders()}, value)

    @contextmanager
    def _told_as_ours(self) -> Iterator[None]:
        try:
            yield
        except ConnectionRefusedError:
            self.close()
            raise NobodyThere(f"nothing listens at {self.listen}") from None
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ConnectionLost(f"no answer from {self.listen}: {str(error) or type(error).__name__}") from None


class Admin(Client):
    """The admin API of a daemon."""

    def __init__(self, at: AdminAt) -> None:
        super().__init__(at.url, _with_token(at))
        self._at = at

    def get(self, *path: str, **query: str | None) -> dict[str, Any]:
        """Ask. Path segments are quoted here. Raises Refused."""
        return self._object("GET", _joined(path) + _query(query))

    def post(self, *path: str, body: Mapping[str, Any] | None = None, **query: str | None) -> dict[str, Any]:
        """Change something. Raises Refused."""
        return self._object("POST", _joined(path) + _query(query), json.dumps(body or {}).encode())

    def delete(self, *path: str) -> dict[str, Any]:
        """Stop or drop something. Raises Refused."""
        return self._object("DELETE", _joined(path))

    def _object(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        answer = self.request(method, path, body)
        if not isinstance(answer.json, dict):
            raise Failed(f"what answers at {self.listen} is no segment-router (status {answer.status})")
        self._check_store(answer.headers.get(STORE_HEADER.lower(), ""))
        if answer.status == 503 and path == "/readyz":  # its body says why
            return answer.json
        if answer.json.get("code") == "unauthorized":
            if self._has_found_token():
                return self._object(method, path, body)
            raise Refused(answer.status, {**answer.json, "error": self._no_token()})
        if answer.status >= 400 or answer.status == 202:  # 202: accepted, and not done yet
            raise Refused(answer.status, answer.json)
        return answer.json

    def _has_found_token(self) -> bool:
        self._at, had = self._at.again(), self._at.token
        self._headers |= _with_token(self._at)
        return self._at.token != had

    def _check_store(self, theirs: str) -> None:
        """Raise OtherDaemon where a daemon answers that has another store than config.toml names."""
        ours = self._at.store
        if theirs and ours and os.path.realpath(theirs) != os.path.realpath(ours):
            raise OtherDaemon(
                f"another daemon answers at {self.listen}: its store is {theirs}, and config.toml names {ours}."
                f" Give --config of that daemon, or --url http://{self.listen} if you mean it"
            )

    def _no_token(self) -> str:
        provide = "give it with --token or SEGMENT_ROUTER_TOKEN"
        if self._at.lacks:
            return f"the daemon asks for its token, and admin.token is not to be had here: {self._at.lacks}; {provide}"
        what = "another token" if self._at.token else "its token"
        return (
            f"the daemon asks for {what}: {provide}, or where admin.token of config.toml looks for it"
            " (a token that was changed counts from the daemon's next start)"
        )


def _with_token(at: AdminAt) -> dict[str, str]:
    return {"Authorization": f"Bearer {at.token}"} if at.token else {}


def _joined(path: tuple[str, ...]) -> str:
    return "/" + "/".join(quote(part, safe="") for part in path)


def _query(query: Mapping[str, str | None]) -> str:
    asked = urlencode({key: value for key, value in query.items() if value})
    return f"?{asked}" if asked else ""


@contextmanager
def running_daemon(common: Common) -> Iterator[Admin]:
    """The admin API of the daemon. Raises NobodyThere where none runs."""
    with Admin(admin_of(common)) as admin:
        try:
            yield admin
        except NobodyThere:
            words = f"daemon is not running at {admin.listen}, and only a running one can change anything"
            start = "" if common.url else f"; start it: {start_line(common.config)}"
            raise NobodyThere(words + start) from None
