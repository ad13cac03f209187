"""What a changed config.toml changes, and what of it no reload can do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Literal

from router.admin.daemon_port import Reloaded
from router.config import Config, PrivacyConfig, SourceConfig
from router.editing.key_values import KeyChange, key_changes, key_values
from router.errors import ConfirmationRequired, RestartRequired
from router.plans import Plan
from router.plugin_host import Destination

NEED_RESTART = {
    "server.listen": "server.listen",
    "server.trusted_proxies": "server.trusted_proxies",
    "server.public_url": "server.public_url",
    "admin.listen": "admin.listen",
    "admin.token": "admin.token",
    "store.url": "store.url",
    "store.retention": "store.retention_s",
    "store.dedupe_window": "store.dedupe_window_s",
    "store.min_free": "store.min_free_bytes",
    "store.replicated": "store.is_replicated",
    "cluster.node": "cluster.node",
    "cluster.lease": "cluster.lease_s",
    "consent.follow": "consent.follow",
    "console.enabled": "console.enabled",
    "tracing.endpoint": "tracing.endpoint",
    "tracing.headers": "tracing.headers",
    "tracing.sample": "tracing.sample",
    "log.level": "log.level",
    "log.format": "log.format",
    "log.decisions": "log.decisions",
}
"""Keys that are read once, and the attribute of Config for each: a reload that changes one is refused."""


def object_to(old: Config, new: Config, *, is_confirmed: bool) -> None:
    """Raises RestartRequired or ConfirmationRequired where a reload from `old` to `new` is refused."""
    refuse_restart(old, new)
    if not is_confirmed:
        ask_about_the_key(old, new)


def refuse_restart(old: Config, new: Config) -> None:
    """Raises RestartRequired with every changed key that the running daemon cannot take."""
    value = {key: attrgetter(attribute) for key, attribute in NEED_RESTART.items()}
    if changed := [key for key in value if value[key](old) != value[key](new)]:
        raise RestartRequired(changed)


def ask_about_the_key(old: Config, new: Config) -> None:
    """Raises ConfirmationRequired where values that were hashed so far get other hashes from now on, or none."""
    if hashes(old) and old.privacy.key != new.privacy.key:
        words = (
            "privacy.key: changed, so every value gets another hash: a user whose id is hashed becomes somebody else, here and in"
            " the tools; nothing was changed. If you want that, run `reload --yes`"
        )
        raise ConfirmationRequired([words])


def hashes(config: Config) -> bool:
    """Whether anything is hashed with `privacy.key`, at a source or at a destination."""
    return any(table.privacy.hash for table in config.sources) or any(
        table.mapping.hash for table in config.destinations
    )


def compare(old: Config, new: Config, there: Mapping[str, Destination], wanted: Mapping[str, Destination]) -> Reloaded:
    """What putting the new configuration in force changes. `there`: the destinations that run."""
    sources_before, sources_after = _sources_of(old), _sources_of(new)
    return Reloaded(
        added=[name for name in wanted if name not in there],
        changed=[name for name in wanted if name in there and has_changed(there[name], wanted[name])],
        removed=[name for name in there if name not in wanted],
        sources=[
            name for name in {**sources_before, **sources_after} if sources_before.get(name) != sources_after.get(name)
        ],
        restart_required=[name for name, destination in wanted.items() if destination.needs_restart],
        warnings=[str(warning) for warning in new.warnings if warning not in old.warnings],
    )


def compare_keys(
    old: Config, new: Config, there: Mapping[str, Destination], wanted: Mapping[str, Destination]
) -> list[KeyChange]:
    """The same, key by key, with what a reload alone cannot change."""
    found = key_changes(key_values(old, there.values()), key_values(new, wanted.values()))
    return [one._replace(needs=_needs(one, old)) for one in found]


def _needs(change: KeyChange, old: Config) -> Literal["", "restart", "confirmation"]:
    if change.key in NEED_RESTART:
        return "restart"
    return "confirmation" if change.key == "privacy.key" and hashes(old) else ""


def _sources_of(config: Config) -> dict[str, tuple[SourceConfig, PrivacyConfig | None, Plan | None]]:
    """Each source with what it hashes with and its tracking plan, by name."""
    return {
        source.name: (source, config.privacy if source.privacy.hash else None, config.plans.get(source.name))
        for source in config.sources
    }


def has_changed(old: Destination, new: Destination) -> bool:
    """Whether a destination needs a new runner: its table differs, the key it hashes with, or its plugin's version."""
    return (old.config, old.plugin_version, old.hasher) != (new.config, new.plugin_version, new.hasher)
