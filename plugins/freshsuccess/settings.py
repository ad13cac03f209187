"""What `[destination.settings]` of a Freshsuccess destination may hold."""

from __future__ import annotations

from typing import Literal

from router.plugin import Field, SecretStr, Settings


class FreshsuccessSettings(Settings):
    """Settings of a Freshsuccess destination."""

    region: Literal["us", "eu"] = Field(default="us", description="The region of your Freshsuccess: us or eu.")
    events_base_url: str = Field(
        default="", pattern=r'^(https?://[!-"$-~]+)?$', description="The URL of the Event API. Empty: by region."
    )
    api_base_url: str = Field(
        default="", pattern=r'^(https?://[!-"$-~]+)?$', description="The URL of the Account API. Empty: by region."
    )
    event_auth_key: SecretStr = Field(description="Auth key of the event source.")
    event_api_key: SecretStr = Field(description="API key (send key) of the event source.")
    account_api_key: SecretStr = Field(
        default=SecretStr(""), description="Key of the Account API. Empty: accounts and users are sent as events."
    )
    session_timeout_minutes: float = Field(
        default=30.0,
        gt=0,
        le=1440,
        description="A session ends after this time without a call of its anonymousId. At most 1440, a day.",
    )
    estimate_time: bool = Field(
        default=True,
        description="Estimate the time spent in sessions and modules, from the calls that have a userId and an anonymousId.",
    )
    send_pages: bool = Field(default=False, description="Send page and screen calls as features.")
    group_dimensions: Literal["auto", "off"] | tuple[str, ...] = Field(
        default="auto",
        description="Which group traits become custom dimensions of the account: auto (all without a standard field),"
        " off, or a list of paths such as billing.currency.",
    )
    identify_dimensions: tuple[str, ...] = Field(
        default=(),
        description="Paths of user traits that become custom dimensions of the user's account; needs account_api_key.",
    )
    event_key_style: Literal["snake", "camel"] = Field(
        default="snake", description="The spelling of event keys: snake (account_id) or camel (accountId)."
    )
