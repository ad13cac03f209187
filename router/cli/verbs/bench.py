"""`bench`: measure the router on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from router.cli.lazy import lazy

if TYPE_CHECKING:
    from router import bench as measurements
else:
    measurements = lazy("router.bench")


def bench(context: typer.Context) -> None:
    """Measure the router on this machine."""
    raise typer.Exit(measurements.main(context.args))
