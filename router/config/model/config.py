"""The whole of config.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from router.config.model.destination import DestinationConfig
from router.config.model.listeners import AdminConfig, ConsoleConfig, ServerConfig
from router.config.model.observing import LogConfig, NotifyConfig, TracingConfig
from router.config.model.privacy import ConsentConfig, PrivacyConfig
from router.config.model.source import SourceConfig
from router.config.model.storage import ClusterConfig, StoreConfig
from router.config.section import Section
from router.plans import Plan


class ConfigWarning(NamedTuple):
    """Something in config.toml that stops nothing but that the operator should know."""

    where: str  #: name of the source or destination, or "" for the whole file
    key: str
    words: str
    event: Literal["config_warned", "secret_missing"] = "config_warned"  #: the line of the log it becomes

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.words) if part)


class Config(Section):
    """The whole of config.toml. Paths are absolute."""

    path: Path  #: of the file itself
    text: str = Field(default="", repr=False)  #: of the file, as it was read
    state_dir: Path  #: what is written is relative to this: $STATE_DIRECTORY, else config.toml's folder
    plugins_dir: Path | None = Field(
        default=None,
        description="Folder of single-file plugins. A file's name is the plugin's name.",
        examples=["plugins.d"],
    )
    server: ServerConfig = ServerConfig()
    admin: AdminConfig = AdminConfig()
    store: StoreConfig = StoreConfig()
    cluster: ClusterConfig = ClusterConfig()
    log: LogConfig = LogConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    consent: ConsentConfig = ConsentConfig()
    console: ConsoleConfig = ConsoleConfig()
    notify: NotifyConfig = NotifyConfig()
    tracing: TracingConfig = TracingConfig()
    sources: tuple[SourceConfig, ...] = ()
    destinations: tuple[DestinationConfig, ...] = ()
    plans: Mapping[str, Plan] = {}  #: the tracking plans that were read, by source
    warnings: tuple[ConfigWarning, ...] = ()

    @property
    def consent_categories(self) -> frozenset[str]:
        """The categories that any destination needs."""
        return frozenset(id for table in self.destinations if table.consent is not None for id in table.consent.ids)
