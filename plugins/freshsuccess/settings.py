"""What `[destination.settings]` of a Freshsuccess destination may hold."""

from __future__ import annotations

from typing import Literal

from router.plugin import Field, SecretStr, Settings


class FreshsuccessSettings(Settings):
    """Settings of a Freshsuccess destination."""

    region: Literal["us", "eu"] = Field(
        title="Region",
        json_schema_extra={"where": "If you do not know yours, ask the support of Freshsuccess."},
        default="us",
        description="The region of your Freshsuccess: us or eu.",
    )
    events_base_url: str = Field(
        title="Event API URL",
        default="",
        pattern=r'^(https?://[!-"$-~]+)?$',
        description="The URL of the Event API. Empty: by region.",
    )
    api_base_url: str = Field(
        title="Account API URL",
        default="",
        pattern=r'^(https?://[!-"$-~]+)?$',
        description="The URL of the Account API. Empty: by region.",
    )
    event_auth_key: SecretStr = Field(
        title="Auth Key",
        json_schema_extra={"where": "Freshsuccess: Settings, IT Administration, Source Overview, at the usage events."},
        description="Auth key of the event source.",
    )
    event_api_key: SecretStr = Field(
        title="API Key (send key)",
        json_schema_extra={"where": "The same place, at the same usage events: the two are a pair."},
        description="API key (send key) of the event source.",
    )
    account_api_key: SecretStr = Field(
        title="Account API Key",
        json_schema_extra={"where": "The same place, at the Account API."},
        default=SecretStr(""),
        description="Key of the Account API. Empty: accounts and users are sent as events.",
    )
    session_timeout_minutes: float = Field(
        title="Session timeout, in minutes",
        default=30.0,
        gt=0,
        le=1440,
        description="A session ends after this time without a call of its anonymousId. At most 1440, a day.",
    )
    estimate_time: bool = Field(
        title="Estimate time",
        default=True,
        description="Estimate the time spent in sessions and modules, from the calls that have a userId and an anonymousId.",
    )
    send_pages: bool = Field(title="Send pages", default=False, description="Send page and screen calls as features.")
    group_dimensions: Literal["auto", "off"] | tuple[str, ...] = Field(
        title="Group dimensions",
        default="auto",
        description="Which group traits become custom dimensions of the account: auto (all without a standard field),"
        " off, or a list of paths such as billing.currency.",
    )
    identify_dimensions: tuple[str, ...] = Field(
        title="Identify dimensions",
        default=(),
        description="Paths of user traits that become custom dimensions of the user's account; needs account_api_key.",
    )
    event_key_style: Literal["snake", "camel"] = Field(
        title="Event key style",
        default="snake",
        description="The spelling of event keys: snake (account_id) or camel (accountId).",
    )
