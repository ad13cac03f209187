"""`send`: one Segment call from the words of a command line, or a file of calls, to the ingestion listener."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from router.cli.client import Client, NobodyThere
from router.cli.options import ConfigFile, Source, config_hint
from router.cli.place import Failed, locate, program, write_key
from router.cli.show import say

CALLS = ("identify", "group", "track", "page", "screen", "alias")
"""The types of calls; written here again because `router.event` would make --help wait for pydantic."""

What = Annotated[
    str, typer.Argument(metavar="TYPE|FILE", help=f"One of {', '.join(CALLS)}; or a file of JSON lines, or -.")
]
UserId = Annotated[str | None, typer.Option("--user", help="userId")]
Anonymous = Annotated[str | None, typer.Option("--anonymous", help="anonymousId")]
Group = Annotated[str | None, typer.Option("--group", help="groupId; on calls other than group: context.groupId")]
EventName = Annotated[str | None, typer.Option("--event", help="What a track call says was done.")]
Name = Annotated[str | None, typer.Option("--name", help="Of the page or screen; of the user or group, as a trait.")]
Previous = Annotated[str | None, typer.Option("--previous", help="previousId, of an alias call.")]
Data = Annotated[str | None, typer.Option("--data", metavar="JSON", help="Its traits or properties, an object.")]
Id = Annotated[str | None, typer.Option("--message-id", help="messageId; a new one unless given.")]
Key = Annotated[str | None, typer.Option("--write-key", help="In place of the key of a source of config.toml.")]


def send(
    what: What,
    user: UserId = None,
    anonymous: Anonymous = None,
    group: Group = None,
    event: EventName = None,
    name: Name = None,
    previous: Previous = None,
    data: Data = None,
    message_id: Id = None,
    source: Source = None,
    key: Key = None,
    config: ConfigFile = Path("config.toml"),
) -> None:
    """Send one call, e.g. `send track --user u1 --event Hello`, or every line of a file of calls, in order."""
    given = {
        "userId": user, "anonymousId": anonymous, "groupId": group, "event": event, "name": name,
        "previousId": previous, "data": data, "messageId": message_id,
    }  # fmt: skip
    if what in CALLS:
        call = make_call(what, {field: value for field, value in given.items() if value is not None})
    elif any(value is not None for value in given.values()):
        raise typer.BadParameter(f"{what!r} is none of {', '.join(CALLS)}", param_hint="TYPE")
    elif what != "-" and not Path(what).is_file():
        words = f"{what!r} is neither a type of call ({', '.join(CALLS)}) nor a file"
        raise typer.BadParameter(words, param_hint="TYPE|FILE")
    place, secret = locate(config), key or write_key(config, source)
    login = base64.b64encode(f"{secret}:".encode()).decode()
    with Client(place.ingest, {"Authorization": f"Basic {login}"}) as client:
        if what in CALLS:
            _send_one(client, call, config)
        else:
            _send_file(client, what, config)


def make_call(type: str, given: dict[str, str]) -> dict[str, Any]:
    """The call as JSON. Raises BadParameter for what a call of this type must have, or cannot use."""
    from router.event import HAS_PROPERTIES, HAS_TRAITS
    from router.ingest.parse import parse_single, random_id

    call: dict[str, Any] = {"type": type, "messageId": random_id(), **given}
    data = _data(call.pop("data", None))
    where = "traits" if type in HAS_TRAITS else "properties" if type in HAS_PROPERTIES else None
    if type not in ("page", "screen") and "name" in call:
        if type not in HAS_TRAITS:
            raise typer.BadParameter(f"a {type} call has no name", param_hint="--name")
        data["name"] = call.pop("name")
    if "event" in call and type != "track":
        raise typer.BadParameter(f"a {type} call has no event", param_hint="--event")
    if "previousId" in call and type != "alias":
        raise typer.BadParameter(f"a {type} call has no previousId", param_hint="--previous")
    if type != "group" and "groupId" in call:
        call["context"] = {"groupId": call.pop("groupId")}
    if data and where is None:
        raise typer.BadParameter(f"a {type} call has neither traits nor properties", param_hint="--data")
    if data and where:
        call[where] = data
    _, discards = parse_single(type, json.dumps(call).encode()).calls("", 0, None)
    if discards:
        raise typer.BadParameter(f"{discards[0].message} (--user, --anonymous, --group, --event, --previous)")
    return call


def _data(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="--data") from None
    if not isinstance(data, dict):
        raise typer.BadParameter('write an object, e.g. \'{"plan": "pro"}\'', param_hint="--data")
    return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _send_one(client: Client, call: dict[str, Any], config: Path) -> None:
    from router.cli.upload import post
    from router.clock import SystemClock

    try:
        answer = post(client, f"/v1/{call['type']}", json.dumps(call).encode(), SystemClock())
    except NobodyThere as error:
        raise Failed(f"{error}: {_how_to_start(config)}") from None
    if answer.status != 200:
        raise Failed(refusal(answer.status, answer.json))
    say(call["messageId"], f"{program()} why {_quoted(call['messageId'])}{config_hint(config)}")


def _send_file(client: Client, name: str, config: Path) -> None:
    from router.cli.upload import Progress, Upload
    from router.clock import SystemClock

    clock = SystemClock()
    path = None if name == "-" else Path(name)
    stream = path.open("rb") if path else sys.stdin.buffer
    with stream, Progress(clock, path.stat().st_size if path else None) as progress:
        upload = Upload(client, clock, progress)
        try:
            upload.run(stream)
        except Failed as error:
            rest = f"tail -n +{upload.acknowledged_line + 1} {_quoted(name)} | {program()} send -{config_hint(config)}"
            words = [str(error), _how_to_start(config)] if isinstance(error, NobodyThere) else [str(error)]
            goes_on = [f"the rest, once it can be sent: {rest}"] if path else []
            raise Failed("\n".join([*words, upload.summary(), *goes_on])) from None
    say(upload.summary())
    if upload.bad:
        raise typer.Exit(1)


def refusal(status: int, answer: Any) -> str:
    """Why the daemon did not take it."""
    said = answer.get("message") if isinstance(answer, dict) else None
    return f"refused with status {status}: {said or 'no reason given'}"


def _how_to_start(config: Path) -> str:
    return f"start the daemon with: {program()} serve{config_hint(config)}"


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)
