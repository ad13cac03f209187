"""What config.toml holds, as frozen records. Attribute names carry units; `alias` is the key as the file spells it.

config.py        the whole of it
listeners.py     [server], [admin], [console]
storage.py       [store], [cluster]
observing.py     [log], [notify], [tracing]
privacy.py       [privacy], [consent]
source.py        [[source]]
destination.py   [[destination]]
delivery.py      its [delivery], [hold] and [dead]
mapping.py       its [mapping]
values.py        what single keys may hold

Each `description` and `examples` is printed in docs/configuration.md: run `python -m tests.docs.reference` after a change.
"""

from __future__ import annotations

from router.config.model.config import Config, ConfigWarning
from router.config.model.delivery import DeadConfig, DeliveryConfig, HoldConfig
from router.config.model.destination import DestinationConfig
from router.config.model.listeners import AdminConfig, ConsoleConfig, ServerConfig
from router.config.model.mapping import MappingConfig
from router.config.model.observing import LogConfig, NotifyConfig, TracingConfig
from router.config.model.privacy import ConsentConfig, PrivacyConfig
from router.config.model.source import SourceConfig, SourcePrivacyConfig
from router.config.model.storage import ClusterConfig, StoreConfig
from router.config.plan_tables import Forward, OnViolation
from router.config.section import Section
from router.config.units import Listen, Rate

__all__ = [
    "AdminConfig",
    "ClusterConfig",
    "Config",
    "ConfigWarning",
    "ConsentConfig",
    "ConsoleConfig",
    "DeadConfig",
    "DeliveryConfig",
    "DestinationConfig",
    "Forward",
    "HoldConfig",
    "Listen",
    "LogConfig",
    "MappingConfig",
    "NotifyConfig",
    "OnViolation",
    "PrivacyConfig",
    "Rate",
    "Section",
    "ServerConfig",
    "SourceConfig",
    "SourcePrivacyConfig",
    "StoreConfig",
    "TracingConfig",
]
