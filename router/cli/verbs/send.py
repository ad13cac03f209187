"""`send`: one Segment call from the words of a command line, or a file of calls, to the ingestion listener."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.client import Client, NobodyThere
from router.cli.endpoint import Failed, locate, program, start_line, write_key
from router.cli.lazy import lazy
from router.cli.options import AsJson, ConfigFile, Source, config_hint
from router.cli.output import say, say_json
from router.clock import SystemClock

if TYPE_CHECKING:
    from router import event as call_types
    from router.cli.upload import command, post
    from router.config import units
    from router.ingest import parse
else:
    call_types = lazy("router.event")
    parse = lazy("router.ingest.parse")
    units = lazy("router.config.units")
    command = lazy("router.cli.upload.command")
    post = lazy("router.cli.upload.post")

CALLS = ("identify", "group", "track", "page", "screen", "alias")
"""The types of calls. They are repeated here because importing `router.event` would slow --help down."""

What = Annotated[
    str,
    typer.Argument(
        metavar="TYPE|FILE", help=f"One of {', '.join(CALLS)}; or a file of calls (JSON lines or CSV, also .gz), or -."
    ),
]
UserId = Annotated[str | None, typer.Option("--user", metavar="ID", help="The userId.")]
Anonymous = Annotated[str | None, typer.Option("--anonymous", metavar="ID", help="The anonymousId.")]
Group = Annotated[
    str | None,
    typer.Option("--group", metavar="ID", help="The groupId; in calls other than group it is context.groupId."),
]
EventName = Annotated[str | None, typer.Option("--event", metavar="NAME", help="The event name of a track call.")]
Name = Annotated[
    str | None,
    typer.Option(
        "--name", metavar="NAME", help="The name of a page or screen; in identify and group calls the trait `name`."
    ),
]
Previous = Annotated[str | None, typer.Option("--previous", metavar="ID", help="The previousId of an alias call.")]
Data = Annotated[str | None, typer.Option("--data", metavar="JSON", help="The traits or properties, as a JSON object.")]
Id = Annotated[str | None, typer.Option("--message-id", metavar="ID", help="The messageId; a new one unless given.")]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="jsonl|csv", help="The format of the file; its name says it unless given."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where the last run of this file stopped; says so if all was sent.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Put lines that are no call into FILE.rejected and go on.")]
PerSecond = Annotated[
    str | None, typer.Option("--rate", metavar="N/s", help="Send at most so many calls of the file, e.g. 500/s.")
]
Key = Annotated[
    str | None, typer.Option("--write-key", metavar="KEY", help="Use this key, not that of a source in config.toml.")
]


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
    format: Format = None,
    resume: Resume = False,
    skip_bad: SkipBad = False,
    rate: PerSecond = None,
    config: ConfigFile = Path("config.toml"),
    as_json: AsJson = False,
) -> None:
    """Send one call, or a file of calls in its order.

    Examples:
        send track --user u1 --event Hello
        send group --user u1 --group acme --name "Acme Inc"
        send calls.jsonl
        send calls.csv.gz --resume
    """
    every = {
        "userId": user, "anonymousId": anonymous, "groupId": group, "event": event, "name": name,
        "previousId": previous, "data": data, "messageId": message_id,
    }  # fmt: skip
    given = {field: value for field, value in every.items() if value is not None}
    if what in CALLS:
        if format or resume or skip_bad or rate:
            raise typer.BadParameter("--format, --resume, --skip-bad and --rate are for files")
        call = make_call(what, given)
        with _connector(config, source, key)() as client:
            _send_one(client, call, config, as_json)
        return
    if given:
        raise typer.BadParameter(f"{what!r} is none of {', '.join(CALLS)}", param_hint="TYPE")
    if what != "-" and not Path(what).is_file():
        words = f"{what!r} is neither a type of call ({', '.join(CALLS)}) nor a file"
        raise typer.BadParameter(words, param_hint="TYPE|FILE")
    if what == "-" and resume:
        raise typer.BadParameter("standard input cannot be gone on with; send the same again", param_hint="--resume")
    options = {"--format": format, "--rate": rate, "--source": source, "--write-key": key and "KEY"}
    words = "".join(f" {option} {shlex.quote(value)}" for option, value in options.items() if value)
    words += (" --skip-bad" if skip_bad else "") + config_hint(config)
    wanted = command.Wanted(
        what, words, resume, skip_bad, _per_second(rate), _as_csv(format), as_json, start_line(config)
    )
    raise typer.Exit(command.send_file(_connector(config, source, key), wanted, SystemClock()))


def _connector(config: Path, source: str | None, key: str | None) -> Callable[[], Client]:
    """Makes connections to the ingestion listener, with the write key of the source."""
    endpoint, secret = locate(config), key or write_key(config, source)
    login = base64.b64encode(f"{secret}:".encode()).decode()
    return partial(Client, endpoint.ingest, {"Authorization": f"Basic {login}"})


def _per_second(rate: str | None) -> float | None:
    try:
        parsed = units.parse_rate(rate) if rate else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--rate") from None
    return parsed.per_second if parsed else None


def _as_csv(format: str | None) -> bool | None:
    if format not in (None, "jsonl", "csv"):
        raise typer.BadParameter("write jsonl or csv", param_hint="--format")
    return None if format is None else format == "csv"


OPTION_FOR = {
    "id_required": "--user or --anonymous",
    "event_not_defined": "--event",
    "group_id_required": "--group",
    "previous_id_required": "--previous",
}
"""What a call lacks, by the code of its discard."""


def make_call(type: str, given: dict[str, str]) -> dict[str, Any]:
    """The call as JSON. Raises BadParameter for what a call of this type must have, or cannot use."""
    call: dict[str, Any] = {"type": type, "messageId": parse.random_id(), **given}
    data = _data(call.pop("data", None))
    where = _object_of(type)
    if type not in ("page", "screen") and "name" in call:
        if type not in call_types.HAS_TRAITS:
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
    _, discards = parse.parse_single(type, json.dumps(call).encode()).calls("", 0, None)
    if discards:
        option = OPTION_FOR.get(discards[0].code, "")
        raise typer.BadParameter(discards[0].message + (f": give {option}" if option else ""))
    return call


def _object_of(type: str) -> str | None:
    """The object of a call that `--data` fills: traits or properties; None for a type that has neither."""
    if type in call_types.HAS_TRAITS:
        return "traits"
    return "properties" if type in call_types.HAS_PROPERTIES else None


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


def _send_one(client: Client, call: dict[str, Any], config: Path, as_json: bool) -> None:
    try:
        answer = post.post(client, f"/v1/{call['type']}", json.dumps(call).encode(), SystemClock())
    except NobodyThere as error:
        raise Failed(f"{error}: start the daemon with: {start_line(config)}") from None
    if answer.status != 200:
        raise Failed(refusal(answer.status, answer.json))
    if as_json:
        say_json({"message_id": call["messageId"]})
    else:
        say(call["messageId"], f"{program()} why {shlex.quote(call['messageId'])}{config_hint(config)}")


def refusal(status: int, answer: Any) -> str:
    """Why the daemon did not take it."""
    said = answer.get("message") if isinstance(answer, dict) else None
    return f"refused with status {status}: {said or 'no reason given'}"
