"""`demo`: what the router does, shown in half a minute."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.endpoint import program
from router.cli.lazy import lazy

if TYPE_CHECKING:
    from router import demo as show
else:
    show = lazy("router.demo")

Keep = Annotated[bool, typer.Option("--keep", help="Leave its folder, with store and log, for a look around.")]


def demo(keep: Keep = False) -> None:
    """Run a demo of half a minute, with simulated vendors.

    Events are held, the daemon is killed and started again, and everything is delivered in order.

    Examples:
        demo
    """
    os.environ.setdefault("SEGMENT_ROUTER_COMMAND", program())  # for the commands that it shows
    raise typer.Exit(show.run(keep=keep))
