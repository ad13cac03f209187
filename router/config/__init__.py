"""config.toml: `load` reads it, checks it as a whole and gives a frozen Config, or a ConfigError with every problem.

    config = load(Path("config.toml"))
    config.destinations[0].delivery.timeout_s

`examine` is for whoever checks further: it keeps what is good of a faulty file.
"""

from router.config.draft import Draft
from router.config.model import (
    AdminConfig,
    Config,
    ConfigWarning,
    DeadConfig,
    DeliveryConfig,
    DestinationConfig,
    HoldConfig,
    LogConfig,
    MappingConfig,
    ServerConfig,
    SourceConfig,
    StoreConfig,
)
from router.config.read import examine, load
from router.config.secrets import SecretMissing, resolve_secret
from router.config.units import Listen, Rate
from router.config.words import problems_of, unknown

__all__ = [
    "AdminConfig", "Config", "ConfigWarning", "DeadConfig", "DeliveryConfig", "DestinationConfig", "Draft",
    "HoldConfig", "Listen", "LogConfig", "MappingConfig", "Rate", "SecretMissing", "ServerConfig", "SourceConfig",
    "StoreConfig", "examine", "load", "problems_of", "resolve_secret", "unknown",
]  # fmt: skip
