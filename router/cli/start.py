"""The verbs that start something, or look whether it could start: serve, check, demo, bench."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.options import AsJson, ConfigFile
from router.cli.place import program
from router.cli.show import say, say_json, say_table, warn

if TYPE_CHECKING:
    from router.config import Config
    from router.destinations import Destination

Keep = Annotated[bool, typer.Option("--keep", help="Leave its folder, with store and log, for a look around.")]


def serve(config: ConfigFile = Path("config.toml")) -> None:
    """Start the daemon; it runs until it is told to stop."""
    from router.daemon import run

    os.environ.setdefault("SEGMENT_ROUTER_COMMAND", program())  # for the lines to paste that it prints
    raise typer.Exit(run(config))


def demo(keep: Keep = False) -> None:
    """See it work in half a minute, with invented vendors: held, killed, started again, delivered in order."""
    from router.demo import run

    os.environ.setdefault("SEGMENT_ROUTER_COMMAND", program())  # for the commands that it shows
    raise typer.Exit(run(keep=keep))


def bench(context: typer.Context) -> None:
    """Measure it on this machine; `bench --help` tells how."""
    from router.bench import main

    raise typer.Exit(main(context.args))


def check(config: ConfigFile = Path("config.toml"), as_json: AsJson = False) -> None:
    """Check config.toml and the plugins it names, and show what is configured; every problem is told at once."""
    from router.destinations import read

    loaded, destinations = read(config)
    for warning in loaded.warnings:
        warn(f"warning: {warning}")
    found = _described(loaded, destinations)
    if as_json:
        say_json(found)
        return
    say(f"{config} is good.", "")
    say_table(
        ["source", "enabled", "write keys", "strict"],
        [[row["name"], _yes(row["enabled"]), row["write_keys"], _yes(row["strict"])] for row in found["sources"]],
    )
    say("")
    say_table(
        ["destination", "plugin", "enabled", "mode", "sources", "needs first"],
        [
            [
                row["name"],
                row["plugin"],
                _yes(row["enabled"]),
                row["mode"],
                ", ".join(row["sources"]),
                "; ".join(f"{kind}: {', '.join(needs)}" for kind, needs in row["requires"].items()) or "nothing",
            ]
            for row in found["destinations"]
        ],
    )
    changes = [[row["name"], *change] for row in found["destinations"] for change in _changes(row["mapping"])]
    if changes:
        say("")
        say_table(["destination", "mapping", "path", "becomes"], changes)


def _described(config: Config, destinations: list[Destination]) -> dict[str, Any]:
    """What is configured, without any secret."""
    return {
        "sources": [
            {"name": s.name, "enabled": s.enabled, "write_keys": len(s.write_keys), "strict": s.strict}
            for s in config.sources
        ],
        "destinations": [
            {
                "name": d.name,
                "plugin": " ".join(part for part in (d.plugin_name, d.plugin_version) if part),
                "enabled": d.config.enabled,
                "mode": d.config.mode,
                "sources": list(d.config.sources),
                "requires": {
                    kind: [need for rule in rules for need in _needs(rule)] for kind, rules in d.requires.items()
                },
                "mapping": d.config.mapping.model_dump(mode="json"),
            }
            for d in destinations
        ],
        "warnings": [warning._asdict() for warning in config.warnings],
    }


def _needs(rule: Any) -> list[str]:
    """A requirement as operators write it: `user.id`, `group.id`, `group.name`."""
    return [f"group.{need}" for need in rule.needs] if hasattr(rule, "needs") else ["user.id"]


def _changes(mapping: dict[str, Any]) -> list[list[str]]:
    """The entries of a mapping table, in the order in which they are applied: what is done, path, new path or value."""
    renamed = [["rename", path, target] for path, target in mapping["rename"].items()]
    dropped = [["drop", path, ""] for path in mapping["drop"]]
    added = [["set", path, json.dumps(value, ensure_ascii=False)] for path, value in mapping["set"].items()]
    return renamed + dropped + added + [["only", path, ""] for path in mapping["only"]]


def _yes(value: bool) -> str:
    return "yes" if value else "no"
