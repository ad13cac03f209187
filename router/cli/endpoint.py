"""Where the daemon is asked and where its store is; and how this program is called.

A daemon that runs says it in a file beside its store; else config.toml says it. Verbs read only the tables they need, and look up
only the secret they need: an operator's shell has none of those that the destinations ask for.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from router import runtime_file
from router.cli.lazy import lazy
from router.cli.options import Common, config_hint
from router.cli.output import warn
from router.cli.part_of_config import open_config, places_of
from router.errors import ConfigError, RouterError
from router.runtime_file import Running

if TYPE_CHECKING:
    from router import config as configuration
    from router.config import Listen, Operator
else:
    configuration = lazy("router.config")

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""A daemon that listens on every address is reached on this one."""

SERVICE_FOLDERS = (Path("/etc"), Path("/var/lib"))
"""Where systemd has the ConfigurationDirectory and the StateDirectory of a service, which usually have one name."""

NOT_YET = "it is not there yet for a database"
CREDENTIALS = "CREDENTIALS_DIRECTORY"
STATE = "STATE_DIRECTORY"


class Failed(RouterError):
    """A verb failed. The message is for the person who called it. Exit code 1."""


class AdminAt(NamedTuple):
    """How the admin API is asked."""

    url: str
    token: str | None
    lacks: str = ""  #: what config.toml names as its token and is not to be found here
    store: str = ""  #: the store of the daemon that is meant, where only config.toml says where it listens
    path: Path | None = None  #: of config.toml, where its token is the one that counts

    def again(self) -> AdminAt:
        """The same, with a token that was not to be had before. A daemon that was only starting has said where its credentials are, since
        it answers; a command may have waited for that in a socket of systemd."""
        return self if self.path is None or not self.lacks else local_admin(locate(self.path), None)


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where the daemon and its store are."""

    path: Path  #: of config.toml
    ingest: str
    admin: str
    store: Path
    min_free_bytes: int  #: `store.min_free`
    running: Running | None
    environ: Mapping[str, str]  #: where secrets and the folder of the state are looked up
    database: str = (
        ""  #: where the store is a database: which one; `store` is then where the daemon keeps files of its own
    )
    faults: tuple[str, ...] = ()  #: why config.toml is not read as a whole

    def warn_of_faults(self) -> None:
        """Say that only a part of config.toml counts."""
        if self.faults:
            warn(*self.faults, f"{self.path} is faulty, as said above, and is used as far as it can be read")


def locate(path: Path) -> Endpoint:
    """Where they are by config.toml and by what a running daemon has written down.

    A fault that leaves these clear is none here (`faults`). Raises ConfigError where it does not.
    """
    places = [_locate(path, environ) for environ in _environments(path)]
    return next((one for one in places if one.running or is_there(one.store)), places[0])


def keep_state_in_one_place(path: Path) -> None:
    """A daemon that is started by hand, and what it starts, use the store that the commands find. A faulty config.toml is told by who reads
    all of it."""
    with suppress(ConfigError):
        if (state := locate(path).environ.get(STATE)) is not None:
            os.environ[STATE] = state


def store_file(endpoint: Endpoint, instead: str) -> Path:
    """The file of the store, for who opens it without a daemon. Raises Failed, with what to do `instead`, where a database is the store."""
    if endpoint.database:
        raise Failed(f"the store is {endpoint.database}, and this works on a file of SQLite only: {instead}")
    endpoint.warn_of_faults()
    return endpoint.store


def is_there(store: Path) -> bool:
    """Whether there is a store, as far as this user may know: in a folder that nobody else may enter there is one."""
    try:
        return store.is_file()
    except PermissionError:
        return True


def admin_of(common: Common) -> AdminAt:
    """The admin API that these options mean. Raises ConfigError where config.toml does not say it."""
    if common.url is not None:
        return AdminAt(_checked(common.url), common.token)
    return local_admin(locate_or_advise(common.config), common.token)


def locate_or_advise(path: Path) -> Endpoint:
    """`locate`, for a verb that can ask a daemon without config.toml: the ConfigError says so, too."""
    try:
        return locate(path)
    except ConfigError as error:
        told = "a daemon that runs is asked without this file by --url, with the address of its admin listener"
        raise ConfigError([*error.problems, f"{told}: --url http://127.0.0.1:8081"]) from None


def local_admin(endpoint: Endpoint, token: str | None) -> AdminAt:
    """The admin API of this machine's daemon, with the token that is given or that config.toml names."""
    endpoint.warn_of_faults()
    store = "" if endpoint.running else str(endpoint.store)
    if token is not None:
        return AdminAt(endpoint.admin, token, store=store)
    draft, raw, *_ = open_config(endpoint.path, endpoint.environ)
    table = raw.get("admin", {})
    wanted = table.get("token") or None if isinstance(table, dict) else None
    if not isinstance(wanted, dict):
        return AdminAt(endpoint.admin, wanted, store=store)
    found, missing = draft.secret(wanted, "admin.token")
    if draft.problems:
        raise ConfigError(draft.problems)
    return AdminAt(endpoint.admin, found, missing.what if missing else "", store, endpoint.path)


def operator_of(path: Path) -> tuple[Mapping[str, str], Operator]:
    """For verbs that read more of config.toml: the environment to read it in, and who reads it."""
    try:
        endpoint = locate(path)
    except ConfigError:  # whoever reads all of it tells
        return os.environ, configuration.Operator()
    running = endpoint.running
    if running is None or running.uid == os.geteuid():
        return endpoint.environ, configuration.Operator()
    return endpoint.environ, configuration.Operator(running.uid, running.gid)


def write_key(path: Path, name: str | None) -> str:
    """The write key of a source: the first enabled one that takes Segment's calls, unless named.

    Raises:
        ConfigError: this source's table is faulty, or its key cannot be found.
        BadParameter: there is no such source.
        Failed: it is disabled, or there is none to choose.
    """
    draft, raw, faults, _ = open_config(path, operator_of(path)[0])
    tables = list(draft.tables(raw, "source"))
    wanted = [(w, t) for w, t in tables if (t.get("name") == name if name else _takes_calls(t))]
    if not wanted and faults:
        raise ConfigError(faults)
    if not wanted:
        names = [str(table.get("name")) for _, table in tables]
        if name:
            raise typer.BadParameter(configuration.unknown(name, names, "source"), param_hint="--source")
        raise Failed(f"no source that takes Segment's calls is enabled in {path}")
    draft.source(*wanted[0])
    if not draft.sources:
        raise ConfigError(draft.problems)
    source = draft.sources[0][1]
    if not source.enabled:
        raise Failed(f'source "{source.name}" is disabled: what it sends is discarded')
    return source.write_keys[0]


def _takes_calls(table: Mapping[str, Any]) -> bool:
    return table.get("enabled", True) is True and table.get("kind", "segment") == "segment"


def _environments(path: Path) -> Iterator[dict[str, str]]:
    """Environments to read config.toml in: for a file in /etc/NAME first that of its service, which has its state in /var/lib/NAME."""
    environ = dict(os.environ)
    folder = path.absolute().parent
    configuration_folder, state_folder = SERVICE_FOLDERS
    if STATE not in environ and folder.parent == configuration_folder:
        yield {**environ, STATE: str(state_folder / folder.name)}
    yield environ


def _locate(path: Path, environ: dict[str, str]) -> Endpoint:
    opened = open_config(path, environ)
    places = places_of(opened)
    store = places.store
    running = runtime_file.find(store.path)
    if running and running.credentials:
        environ = {CREDENTIALS: running.credentials, **environ}
    if running:
        ingest, admin = running.ingest, running.admin
    elif places.server and places.admin:
        ingest, admin = _url(places.server.listen), _url(places.admin.listen)
    else:
        raise ConfigError(places.faults)
    database = store.shown if store.is_database else ""
    faults = tuple(places.faults)
    return Endpoint(
        opened.draft.path, ingest, admin, store.path, store.min_free_bytes, running, environ, database, faults
    )


def _url(listen: Listen) -> str:
    return f"http://{dataclasses.replace(listen, host=EVERYWHERE.get(listen.host, listen.host))}"


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{url!r} is no URL; write e.g. http://10.0.0.5:8081", param_hint="--url")
    return url.rstrip("/")


def program() -> str:
    """How this program is called, for lines to paste."""
    called = os.environ.get("SEGMENT_ROUTER_COMMAND") or sys.argv[0]
    if Path(called).name == "__main__.py":
        return "python -m router"
    name = Path(called).name
    found = shutil.which(name)
    return name if found and Path(found).resolve() == Path(called).resolve() else called


def start_line(config: Path) -> str:
    """The line to paste that starts the daemon of a config.toml: it is systemd's where that file is of a service that is installed."""
    service = _service_of(config)
    return f"systemctl start {service}" if service else f"{program()} serve{config_hint(config)}"


def stop_line(config: Path, pid: int) -> str:
    """The line to paste that stops it; a service with its sockets, at which the next connection would start it again."""
    service = _service_of(config)
    if not service:
        return f"kill {pid}"
    units, folder = (f"{service}.socket", f"{service}-admin.socket"), SERVICE_FOLDERS[0] / "systemd/system"
    return " ".join(["systemctl stop", *(unit for unit in units if (folder / unit).is_file()), service])


def _service_of(config: Path) -> str:
    """The service that is installed with this config.toml; empty where there is none."""
    folder, services = config.absolute().parent, SERVICE_FOLDERS[0]
    is_one = folder.parent == services and (services / "systemd/system" / f"{folder.name}.service").is_file()
    return folder.name if is_one else ""
