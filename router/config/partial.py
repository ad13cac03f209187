"""Reads the tables of config.toml one by one: a fault in one hides nothing of the others.

A Draft keeps what is good even where the rest is not, for whoever checks further (the plugins' settings).
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from router.config.messages import path as key_path
from router.config.messages import problems_of
from router.config.model import (
    AdminConfig,
    Config,
    ConfigWarning,
    ConsentConfig,
    DestinationConfig,
    NotifyConfig,
    PrivacyConfig,
    Section,
    SourceConfig,
    StoreConfig,
    TracingConfig,
)
from router.config.otel_extra import INSTALL_OTEL, is_otel_installed
from router.config.proposal import Proposal
from router.config.secrets import LookedUp, SecretMissing, is_secret_table, place_of, resolve_secret
from router.config.store_url import OUT_OF_SIGHT as SOME_DATABASE
from router.config.store_url import is_database, passwords_in
from router.plans import Plan

S = TypeVar("S", bound=Section)

OUT_OF_SIGHT = "known-only-to-the-service"
"""Stands for a secret that this process cannot look up."""


class Operator(NamedTuple):
    """Who reads config.toml in a shell of their own. The credentials of the service are out of their sight, and not missing."""

    service_uid: int | None = None  #: the user of the service that runs, where that is another one
    service_gid: int | None = None


class Draft:
    """What could be read of a config.toml, and everything that is wrong with it."""

    def __init__(
        self,
        path: Path,
        environ: Mapping[str, str],
        operator: Operator | None = None,
        proposal: Proposal | None = None,
    ) -> None:
        """
        Args:
            operator: who reads it in place of the service; None for the service itself.
            proposal: read this in place of what the file holds.
        """
        self._operator = operator
        self.proposal = proposal
        self.text = ""  #: as it was read
        self.path = path.absolute()
        self.environ = environ
        self.state_dir = Path(environ.get("STATE_DIRECTORY", "").split(":")[0] or self.path.parent).absolute()
        self.plugins_dir: Path | None = None
        self.problems: list[str] = []
        self.warnings: list[ConfigWarning] = []
        #: place in the file (`destination[1] (braze)`) and table; of a faulty table, what is good of it
        self.destinations: list[tuple[str, DestinationConfig]] = []
        self.sources: list[tuple[str, SourceConfig]] = []
        self.plans: dict[str, Plan] = {}  #: by source
        self.secret_files: dict[str, Path] = {}  #: by the key that names them
        self.privacy = PrivacyConfig()
        self.consent = ConsentConfig()
        self.privacy_missing = ""  #: why its key is not there, where it was looked up
        self.is_replicated = False  #: `store.replicated`
        self.database = ""  #: the address of the store's database, with its password: nobody is shown it
        self.out_of_sight: dict[str, str] = {}  #: credentials that only the service has, by the key that names them
        self.inline: list[str] = []  #: keys whose secret stands in the file itself
        self.config: Config | None = None  #: None when there are problems

    @property
    def reader(self) -> int | None:
        """The user who has to read the files; None where this process cannot tell: root looks, and no service runs."""
        if self._operator is None:
            return os.geteuid()
        return self._operator.service_uid if self._operator.service_uid is not None else os.geteuid() or None

    def has_problem(self, start: str) -> bool:
        """Whether a problem that begins like this was found."""
        return any(problem.startswith(start) for problem in self.problems)

    def tables(self, raw: Mapping[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each `[[key]]` with its place in the file."""
        found = raw.get(key, [])
        if not isinstance(found, list):
            self.problems.append(f"{key}: there may be several, so write [[{key}]] with two brackets")
            return
        for index, table in enumerate(found):
            if isinstance(table, dict):
                name = table.get("name")
                yield f"{key}[{index}]" + (f" ({name})" if isinstance(name, str) and name else ""), table
            else:
                self.problems.append(f"{key}[{index}]: write it as a table, [[{key}]]")

    def section(self, model: type[S], raw: Any, where: str) -> S | None:
        """Validate one table; None, and problems, when it is not valid."""
        try:
            return model.model_validate(raw, context={"state_dir": self.state_dir})
        except ValidationError as error:
            self.problems += problems_of(error, model, where)
            return None

    def secret(self, table: Mapping[str, Any], where: str) -> tuple[str | None, SecretMissing | None]:
        """The secret that a table names; else None, with what is missing. A malformed table is a problem at once."""
        if isinstance(table.get("file"), str):
            file = self.secret_files[where] = self.path.parent / table["file"]
            if self.proposal and len(table) == 1 and file in self.proposal.secrets:
                return self.proposal.secrets[file], None
        try:
            return resolve_secret(table, self.path.parent, self.environ), None
        except SecretMissing as error:
            return None, error
        except ValueError as error:
            self.problems.append(f"{where}: {error}")
            return None, None

    def admin(self, raw: Any) -> AdminConfig | None:
        """`[admin]`. An unset variable, or an empty token, means no token, which only loopback allows."""
        missing = None
        if isinstance(raw, dict):
            raw = dict(raw)
            token = raw.get("token")
            if is_secret_table(token):
                raw["token"], missing = self.secret(token, "admin.token")
                if missing and self._is_out_of_sight("", "admin.token", missing):
                    raw["token"] = OUT_OF_SIGHT
                elif missing and "env" not in token:
                    self.problems.append(f"admin.token: {missing}")
            elif token == "":
                raw["token"] = None
            elif token is not None:
                self.inline.append("admin.token")
        admin = self.section(AdminConfig, raw, "admin")
        if admin and admin.token is None and not admin.listen.is_loopback:
            remedy = missing or 'set it, e.g. token = { env = "SEGMENT_ROUTER_ADMIN_TOKEN" }, or listen on 127.0.0.1'
            self.problems.append(f"admin.token: required, because {admin.listen} can be reached from outside; {remedy}")
        return admin

    def store(self, raw: Any, *, is_url_needed: bool = True) -> StoreConfig | None:
        """`[store]`. `is_url_needed`: False for who asks only where this machine has the daemon's own files."""
        url: Any = raw.get("url") if isinstance(raw, dict) else None
        if is_secret_table(url):
            found, missing = self.secret(url, "store.url")
            if missing and (not is_url_needed or self._is_out_of_sight("", "store.url", missing)):
                found = SOME_DATABASE
            elif missing:
                self.problems.append(f"store.url: {missing}")
            elif found and not is_database(found):
                self.problems.append(
                    "store.url: the secret is no postgresql:// address; write the path of a file as text"
                )
                found = None
            if found is None:
                return None
            raw = {**raw, "url": found}
        elif isinstance(url, str) and is_database(url) and passwords_in(url):
            self.inline.append("store.url")
        store = self.section(StoreConfig, raw, "store")
        self.database = store.url if store and store.is_database else ""
        self.is_replicated = store is not None and store.is_replicated
        return store

    def notify(self, raw: Any) -> NotifyConfig | None:
        """`[notify]`. A secret that cannot be found is a problem: messages would go nowhere, or unsigned."""
        if isinstance(raw, dict):
            raw = dict(raw)
            for key in ("url", "secret"):
                value, where = raw.get(key), f"notify.{key}"
                if is_secret_table(value):
                    raw[key], missing = self.secret(value, where)
                    if missing and not self._is_out_of_sight("", where, missing):
                        self.problems.append(f"{where}: {missing}")
                elif value == "":
                    raw[key] = None
                elif value is not None:
                    self.inline.append(where)
        return self.section(NotifyConfig, raw, "notify")

    def tracing(self, raw: Any) -> TracingConfig | None:
        """`[tracing]`. A secret that cannot be found is a problem: no collector would take anything."""
        if isinstance(raw, dict) and isinstance(raw.get("headers"), dict):
            headers = {name: self._header(name, value) for name, value in raw["headers"].items()}
            raw = {**raw, "headers": headers}
        tracing = self.section(TracingConfig, raw, "tracing")
        if tracing and tracing.endpoint and not is_otel_installed():
            self.problems.append(f"tracing.endpoint: {INSTALL_OTEL}")
        return tracing

    def _header(self, name: str, value: Any) -> Any:
        where = key_path("tracing.headers", [name])
        if not is_secret_table(value):
            self.inline.append(where)
            return value
        secret, missing = self.secret(value, where)
        if missing and not self._is_out_of_sight("", where, missing):
            self.problems.append(f"{where}: {missing}")
        return secret or OUT_OF_SIGHT

    def read_privacy(self, raw: Any) -> None:
        """`[privacy]`. A key that cannot be found matters only where something is hashed."""
        if isinstance(raw, dict):
            raw = dict(raw)
            if is_secret_table(raw.get("key")):
                raw["key"], missing = self.secret(raw["key"], "privacy.key")
                if missing and self._is_out_of_sight("", "privacy.key", missing):
                    raw["key"] = OUT_OF_SIGHT
                elif missing:
                    self.privacy_missing = str(missing)
            elif raw.get("key") == "":
                raw["key"] = None
            elif raw.get("key") is not None:
                self.inline.append("privacy.key")
        self.privacy = self.section(PrivacyConfig, raw, "privacy") or self.privacy

    def source(self, where: str, table: dict[str, Any]) -> None:
        """One `[[source]]`. Without its write key it cannot be used, so a missing one is a problem."""
        table, before = dict(table), len(self.problems)
        for key in ("write_key", "secrets"):
            if key in table:
                many = table[key] if isinstance(table[key], list) else [table[key]]
                table[key] = [self._source_secret(value, f"{where}.{key}") for value in many]
                if key == "secrets" and any(isinstance(value, str) for value in many):
                    self.inline.append(f"{where}.{key}")
        source = self.section(SourceConfig, table, where)
        if source and len(self.problems) == before:
            self.sources.append((where, source))

    def _source_secret(self, value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            return value
        secret, missing = self.secret(value, where)
        if missing and self._is_out_of_sight("", where, missing):
            return f"{OUT_OF_SIGHT}-{len(self.warnings)}"  # each source has a key of its own
        if missing:
            self.problems.append(f"{where}: {missing}")
        return secret or "missing"

    def _is_out_of_sight(self, name: str, key: str, missing: SecretMissing) -> bool:
        """Whether only the service can look this secret up, and this process is an operator's: a warning then."""
        if self._operator is None or not missing.credential:
            return False
        self.out_of_sight[key] = missing.credential
        words = f"{missing.what}: only the service has it, so it is not checked here"
        self.warnings.append(ConfigWarning(name, key, words, "secret_missing"))
        return True

    def destination(self, where: str, table: dict[str, Any]) -> None:
        """One `[[destination]]`. A missing secret is a problem if it would really send, else a warning."""
        table = dict(table)
        if isinstance(table.get("settings"), dict):
            idle = _why_idle(table)
            table["settings"] = self._filled(table["settings"], where, "settings", str(table.get("name")), idle)
        try:
            self.destinations.append((where, DestinationConfig.model_validate(table)))
        except ValidationError as error:
            self.problems += problems_of(error, DestinationConfig, where)
            with contextlib.suppress(ValidationError):
                rest = {"name": "faulty", **_without_faults(table, error)}
                self.destinations.append((where, DestinationConfig.model_validate(rest)))

    def _filled(self, value: Any, where: str, key: str, name: str, idle: str) -> Any:
        """The settings with SecretStr in place of each secret's table; `missing-<key>` where there is none."""
        if is_secret_table(value):
            secret, missing = self.secret(value, f"{where}.{key}")
            if missing and idle:
                words = f"{missing.what}: not needed while {idle}; set it before going live"
                self.warnings.append(ConfigWarning(name, key, words, "secret_missing"))
            elif missing and not self._is_out_of_sight(name, key, missing):
                self.problems.append(f"{where}.{key}: {missing}")
            stand_in = "missing-" + key.split("[")[0].rpartition(".")[2]
            return LookedUp(secret or stand_in, place_of(value), is_missing=not secret)
        if isinstance(value, dict):
            return {k: self._filled(v, where, key_path(key, [k]), name, idle) for k, v in value.items()}
        if isinstance(value, list):
            return [self._filled(v, where, key_path(key, [i]), name, idle) for i, v in enumerate(value)]
        return value


def _why_idle(table: Mapping[str, Any]) -> str:
    """Why a destination sends nothing, by its table; empty for one that is live."""
    if table.get("enabled", True) is not True:
        return "it is disabled"
    return "" if table.get("mode", "live") == "live" else "mode is dry-run"


def _without_faults(table: dict[str, Any], error: ValidationError) -> dict[str, Any]:
    """A copy of the table without the keys that have faults: a faulty key of an inner table takes only itself away."""
    good = copy.deepcopy(table)
    for fault in error.errors(include_url=False, include_input=False):
        inner = good
        for part in fault["loc"]:
            if not isinstance(inner.get(str(part)), dict) or part == fault["loc"][-1]:
                inner.pop(str(part), None)
                break
            inner = inner[str(part)]
    return good
