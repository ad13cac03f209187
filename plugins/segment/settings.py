"""What `[destination.settings]` of a segment destination may hold."""

from __future__ import annotations

from typing import Any

from router.plugin import Field, SecretStr, Settings, url_fault

MAX_EVENTS = 2_500
"""Events in a batch; Segment answers 200 to a longer one and drops the rest."""


class SegmentSettings(Settings):
    """Settings of a segment destination."""

    write_key: SecretStr = Field(
        title="Write Key",
        json_schema_extra={
            "where": "At Segment: Connections, Sources, the source, Settings, API Keys. At another segment-router:"
            " write_key of a source."
        },
        min_length=1,
        description="The write key of the source that takes the events.",
    )
    base_url: str = Field(
        title="Base URL",
        json_schema_extra={"where": "In the EU it is https://events.eu1.segmentapis.com."},
        default="https://api.segment.io",
        description="Where the API is. Events go to /v1/batch behind it.",
    )
    batch: int = Field(
        title="Events in a request",
        default=500,
        ge=1,
        le=MAX_EVENTS,
        description="Events in a request, at most. A request also ends at 475,000 bytes.",
    )

    def model_post_init(self, context: Any, /) -> None:
        """Refuse what could never be sent. Raises ValueError with the words the operator reads."""
        if fault := url_fault(self.base_url) or ("leave out the query" if "?" in self.base_url else ""):
            raise ValueError(f"base_url: {fault}")
        if self.base_url.rstrip("/").endswith("/v1"):
            raise ValueError("base_url: leave out /v1 at its end; the plugin adds /v1/batch")
