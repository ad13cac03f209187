"""`release`: let a user's held events go."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from router.cli.client import Refused, running_daemon
from router.cli.options import Common, DestinationName, asks
from router.cli.output import say, say_json
from router.explain.figures import count

ToRelease = Annotated[
    str, typer.Option("--user", metavar="USER", help="Whose events: a userId, or anonymous:ID, group:ID.")
]
GroupId = Annotated[str | None, typer.Option("--group", metavar="ID", help="Release on behalf of this group.")]
GroupName = Annotated[str | None, typer.Option("--name", metavar="NAME", help="The name of that group.")]
Drop = Annotated[bool, typer.Option("--drop", help="Do not send them: make them dead letters.")]


@asks
def release(
    common: Common,
    destination: DestinationName,
    user: ToRelease,
    group: GroupId = None,
    name: GroupName = None,
    drop: Drop = False,
) -> None:
    """Release the held events of a user.

    Alone it asks the gate again. With --group and --name they go on behalf of that group. With --drop they become dead letters.

    Examples:
        release clientsuccess --user u1
        release clientsuccess --user u1 --group acme --name "Acme Inc"
    """
    if drop and (group or name):
        raise typer.BadParameter("either --drop, or --group and --name", param_hint="--drop")
    if name and not group:
        raise typer.BadParameter("a name needs the group's id: --group ID --name NAME", param_hint="--name")
    body: dict[str, Any] = {"user": user}
    if drop:
        body["drop"] = True
    elif group:
        body["group"] = {"id": group, **({"name": name} if name else {})}
    with running_daemon(common) as admin:
        try:
            answer = admin.post("api", "destinations", destination, "release", body=body)
        except Refused as refused:
            if refused.code == "requirements_missing" and not group:
                words = f"{refused}; or use --group ID --name NAME, or --drop"
                raise Refused(refused.status, {**refused.answer, "error": words}) from None
            raise
    if common.as_json:
        say_json(answer)
        return
    done, n = ("dropped", answer.get("dropped", 0)) if drop else ("released", answer.get("released", 0))
    say(f"{destination}: {done} {count(n, 'event')} of {user}")
