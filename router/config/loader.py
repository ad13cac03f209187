"""From the file to a Config: read the TOML, read each table, hold the tables against each other.

Every problem of the file is found before any is told.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from router.config.broken_toml import fault_of
from router.config.exposure import exposed_files, unreadable_files, weak_token
from router.config.filter_rules import filter_problems, filter_warnings
from router.config.mapping_rules import mapping_problems, names_in
from router.config.messages import blank_ends, unknown
from router.config.model import (
    AdminConfig,
    ClusterConfig,
    Config,
    ConfigWarning,
    ConsentConfig,
    ConsoleConfig,
    LogConfig,
    MappingConfig,
    ServerConfig,
    SourcePrivacyConfig,
    StoreConfig,
)
from router.config.partial import Draft, Operator
from router.config.plan_rules import check_plans
from router.config.privacy_rules import privacy_problems
from router.config.proposal import Proposal
from router.config.shared_store import shards_problems, shared_store_problems, shared_store_warnings
from router.errors import ConfigError

KEYS = (
    "plugins_dir",
    "server",
    "admin",
    "store",
    "cluster",
    "log",
    "privacy",
    "consent",
    "console",
    "notify",
    "tracing",
    "source",
    "destination",
)


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read and check config.toml.

    Args:
        environ: where `{ env = ... }` secrets, $STATE_DIRECTORY and $CREDENTIALS_DIRECTORY are looked up.

    Raises:
        ConfigError: with all problems at once, each with its key path, reason and remedy.
    """
    draft = examine(path, environ)
    if draft.config is None:
        raise ConfigError(draft.problems)
    return draft.config


def examine(
    path: Path, environ: Mapping[str, str], operator: Operator | None = None, proposal: Proposal | None = None
) -> Draft:
    """Read as much of config.toml as can be read. Never raises for what the file says.

    Args:
        operator: who reads it in place of the service: a credential that only the service has is a warning then.
        proposal: read this in place of what the file holds.
    """
    draft = Draft(path, environ, operator, proposal)
    raw = read_toml(draft)
    if raw is None:
        return draft
    draft.problems += [f"{key}: {unknown(key, KEYS)}" for key in raw if key not in KEYS]
    draft.plugins_dir = _plugins_dir(draft, raw.get("plugins_dir", ""))
    server = draft.section(ServerConfig, raw.get("server", {}), "server")
    admin = draft.admin(raw.get("admin", {}))
    store = draft.store(raw.get("store", {}))
    cluster = draft.section(ClusterConfig, raw.get("cluster", {}), "cluster")
    log = draft.section(LogConfig, raw.get("log", {}), "log")
    draft.read_privacy(raw.get("privacy", {}))
    draft.consent = draft.section(ConsentConfig, raw.get("consent", {}), "consent") or draft.consent
    console = draft.section(ConsoleConfig, _console_table(raw.get("console", {})), "console")
    notify = draft.notify(raw.get("notify", {}))
    tracing = draft.tracing(raw.get("tracing", {}))
    sources, destinations = list(draft.tables(raw, "source")), list(draft.tables(raw, "destination"))
    for where, table in sources:
        draft.source(where, table)
    for where, table in destinations:
        draft.destination(where, table)
    _check_listeners(draft, server, admin)
    _check_store(draft, store)
    _check_names(draft, sources)
    _check_names(draft, destinations)
    _check_sources(draft, {str(table.get("name")) for _, table in sources})
    _check_consent(draft)
    _check_privacy(draft)
    check_plans(draft)
    _check_filters(draft)
    _check_mappings(draft)
    draft.warnings += [*exposed_files(draft.secret_files, draft.reader), *weak_token(admin)]
    if operator is not None and operator.service_uid is not None and operator.service_gid is not None:
        files = {draft.path.name: draft.path, **draft.secret_files}
        draft.warnings += unreadable_files(files, operator.service_uid, operator.service_gid)
    if not draft.problems and server and admin and store and cluster and log and console and notify and tracing:
        draft.config = Config(
            path=draft.path,
            text=draft.text,
            state_dir=draft.state_dir,
            plugins_dir=draft.plugins_dir,
            server=server,
            admin=admin,
            store=store,
            cluster=cluster,
            log=log,
            privacy=draft.privacy,
            consent=draft.consent,
            console=console,
            notify=notify,
            tracing=tracing,
            sources=tuple(source for _, source in draft.sources),
            destinations=tuple(destination for _, destination in draft.destinations),
            plans=draft.plans,
            warnings=tuple(draft.warnings),
        )
    return draft


def read_toml(draft: Draft) -> dict[str, Any] | None:
    """The TOML as it is; None, and the problem, when there is none."""
    try:
        draft.text = draft.proposal.text if draft.proposal else draft.path.read_text(encoding="utf-8")
        return tomllib.loads(draft.text)
    except FileNotFoundError:
        draft.problems.append(f"{draft.path}: there is no such file; name it with --config FILE")
    except OSError as error:
        draft.problems.append(f"{draft.path}: cannot be read ({error.strerror}); check the path and its permissions")
    except UnicodeDecodeError as error:
        draft.problems.append(f"{draft.path}: not UTF-8 text (at byte {error.start}); save it as UTF-8")
    except tomllib.TOMLDecodeError as error:
        if draft.text.startswith("\ufeff"):
            words = "begins with a byte order mark, which TOML does not know; save it as UTF-8 without one"
            draft.problems.append(f"{draft.path}: {words}")
            return None
        draft.problems.append(f"{draft.path}: {fault_of(draft.text, error)}; correct the TOML there")
    return None


def _console_table(value: Any) -> Any:
    """`console = false` is short for a table that switches the pages off."""
    return {"enabled": value} if isinstance(value, bool) else value


def _plugins_dir(draft: Draft, value: Any) -> Path | None:
    if value == "":
        return None
    folder = draft.path.parent / value if isinstance(value, str) else None
    if folder is None:
        draft.problems.append("plugins_dir: write text between quotes")
        return None
    try:
        if not folder.is_dir():
            draft.problems.append(f'plugins_dir: there is no folder {folder}; make it, or write plugins_dir = ""')
    except PermissionError:
        draft.problems.append(
            f"plugins_dir: {folder} cannot be read (Permission denied); check the modes of its folders"
        )
    return folder


def _check_listeners(draft: Draft, server: ServerConfig | None, admin: AdminConfig | None) -> None:
    if server and admin and server.listen == admin.listen and admin.listen.port != 0:
        draft.problems.append(f"admin.listen: {admin.listen} is also server.listen; give each a port of its own")


def _check_store(draft: Draft, store: StoreConfig | None) -> None:
    if store and store.dedupe_window_s > store.retention_s:
        draft.problems.append("store.dedupe_window: longer than store.retention; make it at most as long")
    if store and store.is_database:
        draft.problems += shared_store_problems()
        draft.warnings += shared_store_warnings(store)
    for where, destination in draft.destinations:
        faults = shards_problems(destination.delivery, is_database=store is None or store.is_database)
        draft.problems += [f"{where}.delivery.{fault}" for fault in faults]


def _check_names(draft: Draft, tables: list[tuple[str, dict[str, Any]]]) -> None:
    first: dict[str, str] = {}
    for where, table in tables:
        name = table.get("name")
        if isinstance(name, str) and first.setdefault(name.lower(), where) != where:
            draft.problems.append(f"{where}.name: already the name of {first[name.lower()]}; give each its own")


def _check_sources(draft: Draft, names: set[str]) -> None:
    """Write keys belong to one source each; destinations name sources that exist."""
    owner: dict[str, str] = {}
    for where, source in draft.sources:
        for key in source.write_keys:
            if owner.setdefault(key, source.name) != source.name:
                draft.problems.append(f'{where}.write_key: also a key of source "{owner[key]}"; give each its own')
        if source.secrets and source.kind != "segment-webhook":
            draft.problems.append(f'{where}.secrets: only for kind = "segment-webhook"; leave it empty')
    for where, destination in draft.destinations:
        for index, name in enumerate(destination.sources):
            if name != "*" and name not in names:
                draft.problems.append(f"{where}.sources[{index}]: {unknown(name, names, 'source')}")
        if not destination.sources:
            words = 'no source is connected to it, so nothing is sent there; write sources = ["*"] for all of them'
            draft.warnings.append(ConfigWarning(destination.name, "sources", words))
    if not names:
        draft.warnings.append(
            ConfigWarning("", "source", "there is no source, so no event is accepted; add [[source]]")
        )


def _check_consent(draft: Draft) -> None:
    """Keys that say how consent is asked mean nothing where it is not asked."""
    for where, table in draft.destinations:
        for key in ("consent_missing", "consent_updates"):
            if table.consent is None and key in table.model_fields_set and not draft.has_problem(f"{where}.consent:"):
                words = 'means nothing without consent; add e.g. consent = ["marketing"], or leave it out'
                draft.problems.append(f"{where}.{key}: {words}")
        if table.consent is not None:
            draft.warnings += [ConfigWarning(table.name, "consent", words) for words in blank_ends(table.consent.ids)]


def _check_filters(draft: Draft) -> None:
    """Report the faults of filters. Faulty ones are left out, so that other checks can go on."""
    for at, (where, destination) in enumerate(draft.destinations):
        if faults := filter_problems(destination):
            draft.problems += [f"{where}.{fault}" for fault in faults]
            draft.destinations[at] = where, destination.model_copy(update={"filter": "", "filters": ()})
        else:
            draft.warnings += filter_warnings(destination)


def _check_privacy(draft: Draft) -> None:
    """Report the faults of what sources take. A faulty table is replaced by an empty one, so that other checks can go on."""
    for at, (where, source) in enumerate(draft.sources):
        faults = [*privacy_problems(source.privacy), *_key_required(draft, source.privacy.hash)]
        for key in ("drop", "hash"):
            names = [name for text in getattr(source.privacy, key) for name in text.split(".")]
            draft.warnings += [ConfigWarning(source.name, f"privacy.{key}", words) for words in blank_ends(names)]
        if faults:
            draft.problems += [f"{where}.privacy.{fault}" for fault in faults]
            draft.sources[at] = where, source.model_copy(update={"privacy": SourcePrivacyConfig()})


def _key_required(draft: Draft, hashed: Collection[object]) -> Iterator[str]:
    """The problem of a hash without a key. A faulty key is one already."""
    if not hashed or draft.privacy.key is not None or draft.has_problem("privacy.key"):
        return
    why = draft.privacy_missing or 'give it one, e.g. key = { file = "secrets/privacy_key" } in [privacy]'
    yield f"hash: privacy.key is required, since a hash without a key can be guessed; {why}"


def _check_mappings(draft: Draft) -> None:
    """Report the faults of mapping tables. A faulty table is replaced by an empty one, so that other checks can go on."""
    for at, (where, destination) in enumerate(draft.destinations):
        faults = [*mapping_problems(destination.mapping), *_key_required(draft, destination.mapping.hash)]
        odd = blank_ends(names_in(destination.mapping))
        draft.warnings += [ConfigWarning(destination.name, "mapping", words) for words in odd]
        if faults:
            draft.problems += [f"{where}.mapping.{fault}" for fault in faults]
            draft.destinations[at] = where, destination.model_copy(update={"mapping": MappingConfig()})
