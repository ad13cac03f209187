"""`[[destination]]`: a configured receiver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, StrictBool

from router.config.consent_need import ConsentNeed
from router.config.filter_tables import FilterTable
from router.config.model.delivery import DeadConfig, DeliveryConfig, HoldConfig
from router.config.model.mapping import MappingConfig
from router.config.model.values import Integration, Name
from router.config.section import Section


class DestinationConfig(Section):
    """One `[[destination]]`. `settings` is the plugin's affair; the secrets in it are already looked up (SecretStr)."""

    name: Name = Field(
        description="Name of the destination in commands, logs, metrics and an event's `integrations` object. Unique.",
        examples=["braze"],
    )
    plugin: str = Field(description="An installed plugin, or a file of `plugins_dir`.", examples=["braze"])
    enabled: StrictBool = Field(
        default=True,
        description="`false`: new events are `filtered` (`disabled`). What waits here is kept and does not age.",
        examples=[False],
    )
    mode: Literal["live", "dry-run"] = Field(
        default="live",
        description="`dry-run` decides, holds, maps and records, and sends nothing.",
        examples=["dry-run"],
    )
    sources: tuple[str, ...] = Field(
        default=("*",), description="Names of the sources whose events it gets. `*`: all.", examples=[["website"]]
    )
    integrations: tuple[Integration, ...] = Field(
        default=(),
        description="Additional names of this destination in an event's `integrations` object. Its own name and the plugin's"
        " names always count.",
        examples=[["Braze EU"]],
    )
    consent: ConsentNeed = Field(
        default=None,
        description="Ids of the consent categories that an event must give: all of a list, or one of `any`. Not set: no consent"
        " is needed. See [consent](consent.md).",
        examples=[["marketing"]],
    )
    consent_missing: Literal["allow", "block"] = Field(
        default="allow",
        description="What becomes of an event that says nothing of consent: `allow` sends it, `block` makes it `filtered`"
        " (`consent_missing`). Only with `consent`.",
        examples=["block"],
    )
    consent_updates: StrictBool = Field(
        default=False,
        description='`true`: "Segment Consent Preference Updated" is sent whatever it says. Only with `consent`.',
        examples=[True],
    )
    filter: str = Field(
        default="",
        description="An expression in FQL: only events for which it is true are sent. Empty: all. See [filters](filters.md).",
        examples=["type = 'track'"],
    )
    filters: tuple[FilterTable, ...] = Field(
        default=(),
        description="Destination filters as Segment exports them. See [filters](filters.md#segments-destination-filters).",
    )
    settings: Mapping[str, Any] = Field(
        default={},
        repr=False,
        description="The settings of the plugin, see below.",
        examples=[{"api_key": {"env": "BRAZE_API_KEY"}}],
    )
    delivery: DeliveryConfig = DeliveryConfig()
    hold: HoldConfig = HoldConfig()
    dead: DeadConfig = DeadConfig()
    mapping: MappingConfig = MappingConfig()

    @property
    def is_live(self) -> bool:
        """Whether it really sends: enabled, and not a dry run."""
        return self.enabled and self.mode == "live"
