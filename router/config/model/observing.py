"""`[log]`, `[notify]` and `[tracing]`: what the router tells of itself, and whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from router.config.model.values import Code, CollectorUrl, NotifyUrl, sendable_headers
from router.config.section import Section


class LogConfig(Section):
    """`[log]`: what is written to standard output."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Minimum log level.", examples=["warning"]
    )
    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`auto` writes `console` on a terminal and `json` otherwise.", examples=["json"]
    )
    decisions: Literal["all", "exceptions"] = Field(
        default="all",
        description="`exceptions` omits the three log lines of an event that is simply delivered.",
        examples=["exceptions"],
    )


class NotifyConfig(Section):
    """`[notify]`: an address that gets a message when a trouble begins and when it ends."""

    url: NotifyUrl | None = Field(
        default=None,
        repr=False,
        description="Address that each change is POSTed to, text or a secret. Empty: no messages.",
        examples=["https://hooks.slack.com/services/T000/B000/XXXX", {"file": "secrets/slack_url"}],
    )
    secret: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        repr=False,
        description="Signs each request as Segment's webhooks do: `X-Signature` is the HMAC-SHA1 of the body, in hex.",
        examples=[{"file": "secrets/notify"}],
    )
    format: Literal["json", "slack", "teams"] = Field(
        default="json",
        description="Form of the body: `json`, or the form that an incoming webhook of Slack or Teams takes.",
        examples=["slack"],
    )
    events: Annotated[tuple[Code, ...], Field(min_length=1)] = Field(
        default=("*",),
        description='Which troubles are reported, by code, e.g. `credentials`; `"*"` for all. See [monitoring](monitoring.md#tell-somebody).',
        examples=[["breaker_open", "credentials", "dead"]],
    )


class TracingConfig(Section):
    """`[tracing]`: the spans of requests and deliveries go to an OpenTelemetry collector."""

    endpoint: CollectorUrl = Field(
        default="",
        description="Address of a collector that takes OTLP over HTTP; `/v1/traces` is added if it has no path. Needs the extra"
        " `otel`. Empty: nothing is traced. See [tracing](tracing.md).",
        examples=["http://127.0.0.1:4318"],
    )
    headers: Annotated[Mapping[str, str], AfterValidator(sendable_headers)] = Field(
        default={},
        repr=False,
        description="Headers of each export, e.g. the key that a hosted collector asks for. Each is text or a secret.",
        examples=[{"x-api-key": {"file": "secrets/tracing"}}],
    )
    sample: Annotated[float, Field(ge=0, le=1, strict=True)] = Field(
        default=1.0,
        description="Share of the requests that are traced, from 0 to 1. Deliveries are traced where a request of theirs was.",
        examples=[0.01],
    )
