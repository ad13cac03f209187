"""What `[destination.settings]` of a webhook destination may hold."""

from __future__ import annotations

import re
from typing import Annotated, Any

from plugins.webhook.verdict import NEVER_FINAL
from router.plugin import Field, SecretStr, Settings, url_fault

SIGNATURE = "X-Signature"
RESERVED = {"content-type", "content-length", "content-encoding", "transfer-encoding", SIGNATURE.lower()}
"""Headers that say something of the body, which is ours."""

NOT_THERE = "missing-url"
"""What the router puts in place of a secret URL that is not set; it does so only where nothing is sent."""


class WebhookSettings(Settings):
    """Settings of a webhook destination."""

    url: str = Field(
        title="Webhook URL",
        json_schema_extra={"where": "The documentation of the system that receives the events names it."},
        repr=False,
        description="The URL to POST to: http:// or https://. Can be given as a secret.",
    )
    headers: dict[str, SecretStr] = Field(
        title="Headers",
        json_schema_extra={"where": "Most systems want a key here, as Authorization: Bearer KEY."},
        default={},
        description="Additional headers of each request. Values are treated as secrets, and can be given as such.",
    )
    shared_secret: SecretStr = Field(
        title="Shared Secret",
        json_schema_extra={
            "where": "Choose one yourself, and enter it at the receiver, which checks the signature with it."
        },
        default=SecretStr(""),
        description="Signs each request in the header X-Signature. Empty: not signed.",
    )
    batch: int = Field(
        title="Events in a request",
        default=1,
        ge=1,
        le=1000,
        description="Events in a request. 1: the body is one object; above 1 it is always an array.",
    )
    final_statuses: tuple[Annotated[int, Field(ge=400, le=599)], ...] = Field(
        title="Final statuses",
        default=(),
        description="Statuses that make an event a dead letter, although they would cause a retry or a pause otherwise,"
        " e.g. [404, 410, 501]. Not 401 and 429.",
    )

    def model_post_init(self, context: Any, /) -> None:
        """Refuse what could never be sent. Raises ValueError with the words the operator reads."""
        if self.url != NOT_THERE and (fault := url_fault(self.url)):
            raise ValueError(f"url: {fault}")
        for name, value in self.headers.items():
            _check_header(name, value.get_secret_value())
        if NEVER_FINAL.intersection(self.final_statuses):
            raise ValueError("final_statuses: leave 401 and 429 out; they say nothing about the event")


def _check_header(name: str, value: str) -> None:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError(f'headers: "{name}" is not the name of a header')
    if name.lower() in RESERVED:
        raise ValueError(f"headers: {name} is set by the plugin; leave it out")
    if not re.fullmatch(r"[ -~\t]*", value):
        raise ValueError(f"headers: the value of {name} may hold ASCII characters only, and no line break")
