"""`[server]`, `[admin]` and `[console]`: the two listeners."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool

from router.config.model.values import PublicUrl, network
from router.config.section import Section
from router.config.units import Address, Listen


class ServerConfig(Section):
    """`[server]`: Segment-compatible ingestion."""

    listen: Address = Field(
        default=Listen("127.0.0.1", 8080), description="Address of the ingestion listener.", examples=["0.0.0.0:8080"]
    )
    trusted_proxies: tuple[Annotated[str, AfterValidator(network)], ...] = Field(
        default=(),
        description="Proxies whose X-Forwarded-For, X-Forwarded-Host and X-Forwarded-Proto headers are trusted: addresses"
        " or networks.",
        examples=[["10.0.0.0/8"]],
    )
    public_url: PublicUrl = Field(
        default="",
        description="The URL that browser and mobile libraries are told to send to. Empty: the host of their request.",
        examples=["https://events.example.com"],
    )


class AdminConfig(Section):
    """`[admin]`: the admin API."""

    listen: Address = Field(
        default=Listen("127.0.0.1", 8081),
        description="Address of the admin listener: admin API, health checks and metrics.",
        examples=["0.0.0.0:8081"],
    )
    token: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        repr=False,
        description="Bearer token of the admin API. Required unless `listen` is a loopback address.",
        examples=[{"file": "secrets/admin"}],
    )


class ConsoleConfig(Section):
    """`[console]`: the pages on the admin listener."""

    enabled: StrictBool = Field(
        default=True,
        description="`false`: no pages; the admin API stays. `console = false` at the top of the file says the same.",
        examples=[False],
    )
    instance: Annotated[str, Field(max_length=64)] = Field(
        default="",
        description="Name of this router on its pages. Empty: the name of the machine.",
        examples=["prod-1"],
    )
    mask: Literal["emails", "all", "none"] = Field(
        default="emails",
        description="Personal traits that the pages mask until somebody asks to see them, which is logged: e-mail addresses, `all` or `none`.",
        examples=["all"],
    )
    search_traits: StrictBool = Field(
        default=False,
        description="`true`: the search box also finds people by their e-mail address and companies by their name.",
        examples=[True],
    )
    edit: StrictBool = Field(
        default=False,
        description="`true`: destinations can be added and changed from the pages, which writes config.toml.",
        examples=[True],
    )
