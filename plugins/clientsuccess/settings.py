"""What `[destination.settings]` of a ClientSuccess destination may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from router.plugin import Field, SecretStr, Settings


class ClientSuccessSettings(Settings):
    """Settings of a ClientSuccess destination. The names that they have at Segment (`apiSecret` is the project there) and had
    at ClientSuccess are understood too."""

    old_names: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("projectId", "apiSecret", "tracking_id", "trackingId", "source_id", "sourceId"), "project_id"),
        **dict.fromkeys(("apiKey", "tracking_api_key", "trackingApiKey"), "api_key"),
        "timeout_seconds": "delivery.timeout",
    }

    project_id: str = Field(
        title="Source Id",
        json_schema_extra={
            "where": "ClientSuccess gives it to you for usage tracking. Some of its pages call it Tracking Id."
        },
        min_length=1,
        description="The project, as given by ClientSuccess (Tracking Id, Source Id).",
    )
    api_key: SecretStr = Field(
        title="API Key",
        json_schema_extra={
            "where": "ClientSuccess gives it to you with the Source Id; also called Tracking API Key. It is not the key of the Open API."
        },
        description="The usage API key, as given by ClientSuccess (Tracking API Key).",
    )
    base_url: str = Field(
        title="Usage API URL",
        default="https://usage.clientsuccess.com",
        pattern=r'^https?://[!-"$-~]+$',
        description="The URL of the usage API.",
    )
    page_event: str = Field(
        title="Event name of page calls",
        default="",
        description="One event name for all page calls. Empty: named after each page, as in 'Viewed Docs Page'; an account"
        " has only 20 event names a month.",
    )
    send_custom_traits: bool = Field(
        title="Send custom traits",
        default=True,
        description="Send the user's remaining traits along, as user.custom; ClientSuccess may ignore them.",
    )
    timeout_seconds: float | None = Field(
        title="Timeout",
        default=None,
        gt=0,
        le=600,
        description="Deprecated: sets `timeout` in [destination.delivery]. Give one of the two.",
    )
