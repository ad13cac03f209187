"""Options that several verbs share, each written once."""

from __future__ import annotations

import functools
import inspect
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, NamedTuple, ParamSpec

import typer
from typer.models import OptionInfo

from router.cli.lazy import lazy
from router.clock import SystemClock

if TYPE_CHECKING:
    from router.config import units
else:
    units = lazy("router.config.units")

P = ParamSpec("P")

ENV = "SEGMENT_ROUTER_CONFIG"
DEFAULT = "config.toml"

ConfigFile = Annotated[
    Path,
    typer.Option("--config", envvar=ENV, metavar="FILE", readable=False, help="The configuration file."),
]
"""Which config.toml: it says where the daemon listens and where the store is. One that cannot be read is no wrong usage (2) but a faulty
configuration (78), after which systemd does not start the service again."""

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="SEGMENT_ROUTER_URL", metavar="URL", help="The admin API of a daemon elsewhere."),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token", envvar="SEGMENT_ROUTER_TOKEN", metavar="TOKEN", help="Its admin token, in place of config.toml's."
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, in the shape of the admin API; errors too.")]

Source = Annotated[str | None, typer.Option("--source", metavar="NAME", help="The source, by its name in config.toml.")]

DestinationName = Annotated[str, typer.Argument(metavar="DESTINATION", help="Its name in config.toml.")]
OneDestination = Annotated[str | None, typer.Argument(metavar="DESTINATION", help="All, unless one is named.")]

User = Annotated[
    str | None,
    typer.Option("--user", metavar="USER", help="A userId; anonymous:ID or group:ID for the other kinds."),
]


After = Annotated[
    str | None, typer.Option("--after", metavar="KEY", help="The next page: the KEY that the page before printed.")
]

Reason = Annotated[str | None, typer.Option("--reason", metavar="REASON", help="Only those dead for this reason.")]


def _instant(text: str | None) -> str | None:
    """The text as it is. Raises BadParameter where it is no time."""
    if text is not None:
        try:
            units.parse_instant(text, SystemClock().now_ms())
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    return text


Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        callback=_instant,
        help="From then on: 2026-01-31T10:00:00Z, or 36h for so long ago.",
    ),
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", callback=_instant, help="Before then; the same forms.")
]

NameInFile = Annotated[str, typer.Argument(metavar="NAME", help="Its name in config.toml.")]


class Common(NamedTuple):
    """Which daemon a verb asks, and whether it answers in JSON."""

    config: Path
    url: str | None
    token: str | None
    as_json: bool


def _options(config: ConfigFile = Path(DEFAULT), url: Url = None, token: Token = None, as_json: AsJson = False) -> None:
    """The options of every verb that asks a daemon."""


def _written(parameter: inspect.Parameter) -> str:
    """An option or argument as it is written in help."""
    told = parameter.annotation.__metadata__[0]
    return str(told.default if isinstance(told, OptionInfo) else told.metavar)  # in Annotated its name is its `default`


def asks(verb: Callable[Concatenate[Common, P], None]) -> Callable[..., None]:
    """For a verb that asks a daemon: its first parameter stands for --config, --url, --token and --json."""
    signature = inspect.signature(verb, eval_str=True)
    own = list(signature.parameters.values())[1:]
    shared = inspect.signature(_options, eval_str=True).parameters

    @functools.wraps(verb)
    def run(**given: Any) -> None:
        for parameter in own:
            if given[parameter.name] == "":  # as of a shell variable that is not set: it must not choose everything
                raise typer.BadParameter("is empty: give it a value, or leave it out", param_hint=_written(parameter))
        verb(Common(**{name: given.pop(name) for name in shared}), **given)  # type: ignore[call-arg]

    run.__signature__ = signature.replace(parameters=[*own, *shared.values()])  # type: ignore[attr-defined]
    return run


def config_hint(config: Path) -> str:
    """The --config option for a line to paste; empty where the line reads this file by default."""
    return "" if str(config) == os.environ.get(ENV, DEFAULT) else f" --config {shlex.quote(str(config))}"


def hint(common: Common) -> str:
    """The options for a line to paste that asks the same daemon. A token is never shown."""
    if common.url is None:
        return config_hint(common.config)
    return "" if common.url == os.environ.get("SEGMENT_ROUTER_URL") else f" --url {shlex.quote(common.url)}"


def given_before(context: typer.Context, common: Common) -> Common:
    """The options of `destinations test` and `drop`: they may also stand before the verb."""
    before = context.parent.params if context.parent else {}
    return common._replace(
        **{key: before[key] for key in common._fields if key in before and not is_typed(context, key)}
    )


def is_typed(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
