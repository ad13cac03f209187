"""config.toml: `load` reads it, checks it as a whole and gives a frozen Config, or a ConfigError with every problem.

    config = load(Path("config.toml"))
    config.destinations[0].delivery.timeout_s

`examine` is for whoever checks further: it keeps what is good of a faulty file.
"""

from router.config.broken_toml import Readable, readable
from router.config.described import describe_intake, ending_of
from router.config.exposure import exposed_config
from router.config.filter_rules import no_group_calls
from router.config.filter_tables import FilterAction, FilterTable
from router.config.loader import examine, load, read_toml
from router.config.messages import problems_of, unknown
from router.config.model import (
    AdminConfig,
    ClusterConfig,
    Config,
    ConfigWarning,
    ConsoleConfig,
    DeadConfig,
    DeliveryConfig,
    DestinationConfig,
    Forward,
    HoldConfig,
    LogConfig,
    MappingConfig,
    NotifyConfig,
    OnViolation,
    PrivacyConfig,
    ServerConfig,
    SourceConfig,
    SourcePrivacyConfig,
    StoreConfig,
    TracingConfig,
)
from router.config.partial import Draft, Operator
from router.config.proposal import Proposal
from router.config.secrets import SecretMissing, is_secret_table, resolve_secret
from router.config.store_url import without_passwords
from router.config.units import Listen, Rate

__all__ = [
    "AdminConfig", "ClusterConfig", "Config", "ConfigWarning", "ConsoleConfig", "DeadConfig", "DeliveryConfig", "DestinationConfig", "Draft",
    "FilterAction", "FilterTable", "Forward", "HoldConfig", "Listen", "LogConfig", "MappingConfig", "NotifyConfig", "OnViolation", "Operator",
    "PrivacyConfig", "Proposal", "Rate", "Readable", "SecretMissing", "ServerConfig", "SourceConfig", "SourcePrivacyConfig",
    "StoreConfig", "TracingConfig", "describe_intake", "ending_of", "examine", "exposed_config", "is_secret_table", "load", "no_group_calls", "problems_of", "read_toml", "readable", "resolve_secret", "unknown", "without_passwords",
]  # fmt: skip
