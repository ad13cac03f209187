"""What `[destination.settings]` of an http destination may hold. Templates are compiled here once to be checked: see `plan.py`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from plugins.http.checks import address_fault, answer_path_fault, header_fault
from plugins.http.plan import read_calls
from router.plugin import Field, SecretStr, Settings

MAX_ITEMS = 1000

Status = Annotated[int, Field(ge=200, le=599)]


class CallSettings(Settings):
    """What becomes of the calls of one type."""

    path: str = Field(default="", description="Template. Added to url; each value in it is percent-encoded.")
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] = Field(default="POST", description="HTTP method.")
    headers: dict[str, str] = Field(default={}, description="Templates. More headers of these requests.")
    body: Any = Field(default=None, description="Template: a table, or the path of one. Not set: no body.")
    array: str = Field(default="", description='With format = "object": the key of the array that the body goes into.')
    requires: tuple[str, ...] = Field(
        default=(), description='What has to be known: "user_id", "group.id", or "group." and a trait. Held until then.'
    )
    required: tuple[str, ...] = Field(
        default=(),
        description="What an event must have: paths, with functions if needed. If one is missing, the event is skipped.",
    )


class TokenSettings(Settings):
    """A token by OAuth 2 client credentials. It is sent as `Authorization: Bearer`."""

    url: str = Field(description="The token endpoint: http:// or https://.")
    client_id: SecretStr = Field(min_length=1, description="Client id.")
    client_secret: SecretStr = Field(min_length=1, description="Client secret.")
    scope: str = Field(default="", description="Scopes, with blanks between.")
    fields: dict[str, SecretStr] = Field(
        default={}, description="More fields of the request, e.g. audience. Values are treated as secrets."
    )
    basic: bool = Field(default=False, description="Send id and secret by HTTP Basic, not in the body.")

    def model_post_init(self, context: Any, /) -> None:
        """Refuse what could never be sent. Raises ValueError with the words the operator reads."""
        if fault := address_fault(self.url):
            raise ValueError(f"url: {fault}")


class ItemAnswers(Settings):
    """Where the body of an answer says what became of each item."""

    list: str = Field(default="", description="Path of the list in the body. Empty: the body itself.")
    index: str = Field(
        default="", description="Path, in an entry, of the item's place from 0. Empty: its place in the list."
    )
    array: str = Field(default="", description='Path, in an entry, of the array\'s name (format = "object").')
    status: str = Field(default="", description="Path, in an entry, of its HTTP status. Empty: an entry is a refusal.")
    reason: str = Field(default="", description="Path, in an entry, of the words to show.")

    def model_post_init(self, context: Any, /) -> None:
        """Refuse what leads nowhere. Raises ValueError with the words the operator reads."""
        for name, path in self:
            if path and (fault := answer_path_fault(path)):
                raise ValueError(f"{name}: {fault}")


class AnswerSettings(Settings):
    """What answers mean, where it is not what their status says."""

    delivered: tuple[Status, ...] = Field(
        default=(), description="Statuses that are a success, e.g. [409]. Not 401, 408, 425, 429, 3xx and 5xx."
    )
    rejected: tuple[Status, ...] = Field(
        default=(), description="Statuses that make a dead letter. Not 401, 408, 425, 429, 3xx and 5xx."
    )
    retry: tuple[Status, ...] = Field(default=(), description="Statuses after which the event is retried. Not 2xx.")
    pause: tuple[Status, ...] = Field(default=(), description="Statuses that pause the destination. Not 2xx.")
    rejected_if: dict[str, str | int | float | bool] = Field(
        default={}, description="Paths in the body of a success, and the values that make it a refusal."
    )
    items: ItemAnswers | None = Field(default=None, description="Results per item.")

    def model_post_init(self, context: Any, /) -> None:
        """Refuse what contradicts itself. Raises ValueError with the words the operator reads."""
        for name in ("delivered", "rejected"):
            if status := next(filter(_says_nothing_of_the_event, getattr(self, name)), None):
                raise ValueError(f"{name}: leave {status} out; it says nothing about the event, which would be lost")
        for name in ("retry", "pause"):
            if status := next((status for status in getattr(self, name) if status < 300), None):
                raise ValueError(f"{name}: leave {status} out; the event has arrived, and would be sent again")
        for path in self.rejected_if:
            if fault := answer_path_fault(path):
                raise ValueError(f"rejected_if: {fault}")
        listed = [*self.delivered, *self.rejected, *self.retry, *self.pause]
        if twice := next((status for status in listed if listed.count(status) > 1), None):
            raise ValueError(f"{twice} is listed twice; leave it in one list")


def _says_nothing_of_the_event(status: int) -> bool:
    """Whether a status speaks of the sender, the address or the moment: as a final one it would lose every event."""
    return status in (401, 408, 425, 429) or 300 <= status < 400 or status >= 500


class HttpSettings(Settings):
    """Settings of an http destination."""

    url: str = Field(
        title="URL",
        json_schema_extra={"where": "The documentation of the API that receives the events names it."},
        repr=False,
        description="The address that all paths are added to: http:// or https://, without a query. Can be given as a secret.",
    )
    headers: dict[str, SecretStr] = Field(
        title="Headers",
        json_schema_extra={"where": "Most APIs want a key here, as Authorization: Bearer KEY."},
        default={},
        description="Headers of each request. Values are treated as secrets.",
    )
    query: dict[str, SecretStr] = Field(
        title="Query",
        default={},
        description="Parameters added to each URL. Values are percent-encoded and treated as secrets.",
    )
    fields: dict[str, SecretStr] = Field(
        title="Fields",
        default={},
        description="Keys added at the top of each body. Values are treated as secrets. Not with array and lines.",
    )
    token: TokenSettings | None = Field(
        title="Token", default=None, description="Get a token by OAuth 2 client credentials, and send it."
    )
    hash_key: SecretStr | None = Field(
        title="Key of hash",
        json_schema_extra={"where": "Choose one. The key of [privacy] gives the hashes that mappings have."},
        default=None,
        min_length=16,
        description="Key of the function hash, 16 characters or more.",
    )
    format: Literal["json", "form", "array", "lines", "object"] = Field(
        title="Format of a body",
        default="json",
        description="json or form: one event in a request. array: a JSON array. lines: JSON Lines. object: an object of arrays.",
    )
    max_items: int = Field(
        title="Items in a request",
        default=1,
        ge=1,
        le=MAX_ITEMS,
        description="Events in one request. Above 1 only with array, lines and object.",
    )
    max_bytes: int = Field(
        title="Bytes in a request",
        default=1_000_000,
        ge=1_000,
        le=10_000_000,
        description="Bytes of events in one request.",
    )
    values: dict[str, Any] = Field(
        title="Values",
        default={},
        description="Templates with a name, used as ${values.NAME} in those below and in all calls.",
    )
    identify: CallSettings | None = Field(title="Identify", default=None, description="Requests of identify calls.")
    group: CallSettings | None = Field(title="Group", default=None, description="Requests of group calls.")
    track: CallSettings | None = Field(title="Track", default=None, description="Requests of track calls.")
    page: CallSettings | None = Field(title="Page", default=None, description="Requests of page calls.")
    screen: CallSettings | None = Field(title="Screen", default=None, description="Requests of screen calls.")
    alias: CallSettings | None = Field(title="Alias", default=None, description="Requests of alias calls.")
    answers: AnswerSettings = Field(
        title="Answers",
        default=AnswerSettings(),
        description="What answers mean, where it is not what their status says.",
    )

    def model_post_init(self, context: Any, /) -> None:
        """Refuse what could never be sent. Raises ValueError with the words the operator reads."""
        if fault := address_fault(self.url) or ("leave out the query; write it in `query`" if "?" in self.url else ""):
            raise ValueError(f"url: {fault}")
        for name, value in self.headers.items():
            if fault := header_fault(name, value.get_secret_value(), has_token=self.token is not None):
                raise ValueError(f"headers.{name}: {fault}")
        _, faults = read_calls(self)
        if faults:
            raise ValueError("\n".join(faults))
