"""`serve`: start the daemon."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from router.cli.endpoint import keep_state_in_one_place, program
from router.cli.lazy import lazy
from router.cli.options import ConfigFile, config_hint

if TYPE_CHECKING:
    from router import daemon
else:
    daemon = lazy("router.daemon")


def serve(config: ConfigFile = Path("config.toml")) -> None:
    """Start the daemon. It runs until it is told to stop.

    Examples:
        serve
        serve --config /etc/segment-router/config.toml
    """
    os.environ.setdefault("SEGMENT_ROUTER_COMMAND", program())  # for the lines to paste that it prints
    os.environ["SEGMENT_ROUTER_OPTIONS"] = config_hint(config)
    keep_state_in_one_place(config)
    gc.disable()  # nothing that is imported now ever goes: looking for garbage in it takes 8 % of the start
    try:
        raise typer.Exit(daemon.run(config))
    finally:
        gc.enable()
