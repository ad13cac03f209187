"""A small synchronous HTTP client for the daemon's two listeners: one connection, kept open between requests."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import quote, urlencode

from router.cli.place import Failed, Place

if TYPE_CHECKING:
    from router.config import Listen

TIMEOUT_S = 30.0


class NobodyThere(Failed):
    """Nothing listens at the daemon's address."""


class Broken(Failed):
    """The connection ended, or there was no answer in time. What was asked for may have happened."""


class Refused(Failed):
    """The daemon said no: `code` for programs, the message for people, `answer` the whole of it."""

    def __init__(self, status: int, answer: Mapping[str, Any]) -> None:
        super().__init__(str(answer.get("error") or f"status {status}"))
        self.status = status
        self.code = str(answer.get("code", ""))
        self.answer = answer


class Answer(NamedTuple):
    """Status, headers by lower-case name, and the body as JSON (None where it is none)."""

    status: int
    headers: Mapping[str, str]
    json: Any


class Client:
    """Requests to one listener. To be left by `with`, or by `close`."""

    def __init__(self, listen: Listen, headers: Mapping[str, str]) -> None:
        if not listen.port:
            raise Failed(f"{listen} takes any free port, so nobody can find it; name a port in config.toml")
        self.listen = listen
        self._headers = {"Content-Type": "application/json", **headers}
        self._connection = http.client.HTTPConnection(listen.host, listen.port, timeout=TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def request(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """One request. Raises NobodyThere or Broken; the next request starts with a new connection then."""
        try:
            self._connection.request(method, path, body, self._headers)
            response = self._connection.getresponse()
            text = response.read()
        except ConnectionRefusedError:
            self.close()
            raise NobodyThere(f"nothing listens at {self.listen}") from None
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Broken(f"no answer from {self.listen}: {str(error) or type(error).__name__}") from None
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        return Answer(response.status, {name.lower(): held for name, held in response.getheaders()}, value)


class Admin(Client):
    """The admin API of the daemon that runs by this config.toml."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.admin, {"Authorization": f"Bearer {place.token}"} if place.token else {})

    def get(self, *path: str, **query: str | None) -> dict[str, Any]:
        """Ask. Path segments are quoted here. Raises Refused."""
        asked = urlencode({key: value for key, value in query.items() if value})
        return self._object("GET", _joined(path) + (f"?{asked}" if asked else ""))

    def post(self, *path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Change something. Raises Refused."""
        return self._object("POST", _joined(path), json.dumps(body or {}).encode())

    def delete(self, *path: str) -> dict[str, Any]:
        """Stop or drop something. Raises Refused."""
        return self._object("DELETE", _joined(path))

    def _object(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        answer = self.request(method, path, body)
        if not isinstance(answer.json, dict):
            raise Failed(f"what answers at {self.listen} is no segment-router (status {answer.status})")
        if answer.status == 503 and path == "/readyz":  # its body says why
            return answer.json
        if answer.json.get("code") == "unauthorized":
            raise Failed(
                "the daemon asks for its token: provide it where admin.token of config.toml looks for it"
                " (a token that was changed counts from the daemon's next start)"
            )
        if answer.status >= 400:
            raise Refused(answer.status, answer.json)
        return answer.json


def _joined(path: tuple[str, ...]) -> str:
    return "/" + "/".join(quote(part, safe="") for part in path)
