"""A destination that is ready to work: its configuration, its plugin, and what both ask of an event. `factory` builds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from router.config import DestinationConfig
from router.consent import Requirement
from router.plugin import Batch, Group, Settings, UserId
from router.plugin_host.event_filter import EventFilter
from router.plugin_host.event_mapping import MappingTable
from router.plugin_host.hook_binding import bind
from router.plugin_host.hook_watch import HookWatch
from router.plugin_host.kept_back import Conditions
from router.plugin_host.redaction import Redactor
from router.privacy import Hasher
from router.store import WHOLE, Share


@dataclass(frozen=True, eq=False)
class Destination:
    """A configured destination with its plugin, ready to decide, map and send with."""

    name: str
    plugin_name: str
    plugin_version: str  #: of the distribution that was imported; of a single file, from its content
    installed_version: str  #: the same, unless another version was installed since
    api_version: int
    item_version: int
    config: DestinationConfig = field(repr=False)
    instance: object = field(repr=False)
    settings: Settings = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)  #: every SecretStr, and what was looked up; longest first
    names: frozenset[str]  #: what an event's `integrations` may call it, in lower case
    requires: Mapping[str, tuple[UserId | Group, ...]]  #: the plugin's and the operator's, per call type
    kinds: Mapping[str, Batch]
    hooks: Mapping[str, Callable[..., Any]] = field(repr=False)  #: implemented ones; parameters in the contract's order
    redactor: Redactor = field(repr=False)
    mapping: MappingTable | None = field(repr=False)  #: None: events go to the plugin as they are
    consent: Requirement | None = field(default=None, repr=False)  #: None: no consent is asked for
    filter: EventFilter | None = field(default=None, repr=False)  #: None: all events go on, as they are
    hasher: Hasher | None = field(default=None, repr=False)  #: None: its mapping hashes nothing
    without_context: frozenset[str] = frozenset()  #: mapping hooks that do not ask for the Context
    watch: HookWatch = field(default_factory=HookWatch, repr=False)
    share: Share = WHOLE  #: of its events: it may be one of several shards

    @property
    def conditions(self) -> Conditions:
        """What it asks of an event."""
        return Conditions(self.consent, self.filter)

    @property
    def needs_restart(self) -> bool:
        """Whether another version of its plugin is installed than runs."""
        return self.plugin_version != self.installed_version

    @property
    def is_gated(self) -> bool:
        """Whether any call of its waits for a group."""
        return any(isinstance(need, Group) for needs in self.requires.values() for need in needs)

    @property
    def gate(self) -> str:
        """What its gate asks, as text: where two texts differ, the gate may answer otherwise for what is held."""
        groups = {
            kind: needs.needs for kind, rules in self.requires.items() for needs in rules if isinstance(needs, Group)
        }
        told_as = self.mapping.told_as if self.mapping else {}
        return msgspec.json.encode([groups, told_as], order="sorted").decode()

    def redact(self, text: str) -> str:
        """The text with `***` in place of each secret."""
        return self.redactor.text(text)

    def redact_bytes(self, data: bytes) -> bytes:
        """The bytes with `***` in place of each secret."""
        return self.redactor.bytes(data)


def with_new_instance(destination: Destination) -> Destination:
    """The same destination with its plugin made once more: what an instance keeps may belong to the loop that used it.

    Raises whatever the plugin's `__init__` raises.
    """
    plugin: type[Any] = type(destination.instance)
    instance = plugin(destination.settings)
    return dataclasses.replace(destination, instance=instance, hooks=bind(instance, destination.name))
