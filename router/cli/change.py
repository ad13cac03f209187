"""The verbs that change a running daemon. Without one they fail: only one process writes the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from router.cli.client import Admin, NobodyThere, Refused
from router.cli.options import ConfigFile, DestinationName, config_hint
from router.cli.place import Failed, locate, program
from router.cli.show import count, say, warn
from router.errors import ConfigError

ToRelease = Annotated[
    str, typer.Option("--user", metavar="USER", help="Whose events: a userId, or anonymous:ID, group:ID.")
]
GroupId = Annotated[str | None, typer.Option("--group", metavar="ID", help="Release on behalf of this group.")]
GroupName = Annotated[str | None, typer.Option("--name", metavar="NAME", help="The name of that group.")]
Drop = Annotated[bool, typer.Option("--drop", help="Do not send them: make them dead letters.")]


def release(
    destination: DestinationName,
    user: ToRelease,
    group: GroupId = None,
    name: GroupName = None,
    drop: Drop = False,
    config: ConfigFile = Path("config.toml"),
) -> None:
    """Let a user's held events go: ask again, say which group they belong to (--group, --name), or give them up (--drop)."""
    if drop and (group or name):
        raise typer.BadParameter("either --drop, or --group and --name", param_hint="--drop")
    if name and not group:
        raise typer.BadParameter("a name needs the group's id: --group ID --name NAME", param_hint="--name")
    body: dict[str, Any] = {"user": user}
    if drop:
        body["drop"] = True
    elif group:
        body["group"] = {"id": group, **({"name": name} if name else {})}
    with running_daemon(config) as admin:
        try:
            answer = admin.post("api", "destinations", destination, "release", body=body)
        except Refused as refused:
            if refused.code == "requirements_missing":
                raise Failed(f"{refused}; or use --group ID --name NAME, or --drop") from None
            raise
    done, n = ("dropped", answer.get("dropped", 0)) if drop else ("released", answer.get("released", 0))
    say(f"{destination}: {done} {count(n, 'event')} of {user}")


def pause(destination: DestinationName, config: ConfigFile = Path("config.toml")) -> None:
    """Send nothing to a destination until it is resumed; its events wait."""
    with running_daemon(config) as admin:
        answer = admin.post("api", "destinations", destination, "pause")
    say(f"{destination} is {answer['state']}")


def resume(destination: DestinationName, config: ConfigFile = Path("config.toml")) -> None:
    """Let a paused destination run again, whatever it was paused for."""
    with running_daemon(config) as admin:
        answer = admin.post("api", "destinations", destination, "resume")
    say(f"{destination} is {answer['state']}")


def reload(config: ConfigFile = Path("config.toml")) -> None:
    """Read config.toml again and put it in force: all of it, or nothing and every problem told."""
    with running_daemon(config) as admin:
        try:
            answer = admin.post("api", "reload")
        except Refused as refused:
            problems = [str(problem) for problem in refused.answer.get("errors", [])]
            if refused.code == "invalid_config":
                raise ConfigError([*problems, "nothing was changed"]) from None
            raise Failed("\n".join(problems) or str(refused)) from None
    warn(*(f"warning: {warning}" for warning in answer.get("warnings", [])))
    told = [f"{what} {', '.join(names)}" for what in ("added", "changed", "removed") if (names := answer.get(what))]
    if sources := answer.get("sources"):
        told.append(f"sources {', '.join(sources)}")
    say(f"config.toml was read again and is in force: {'; '.join(told) or 'no source or destination has changed'}")


@contextmanager
def running_daemon(config: Path) -> Iterator[Admin]:
    """The admin API of the daemon. Raises Failed where none runs."""
    with Admin(locate(config)) as admin:
        try:
            yield admin
        except NobodyThere:
            start = f"{program()} serve{config_hint(config)}"
            raise Failed(
                f"daemon is not running at {admin.listen}, and only a running one can change anything; start it: {start}"
            ) from None
