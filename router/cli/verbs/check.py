"""`check`: whether config.toml and the plugins it names could be used, and what they configure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from router.cli.consent_advice import consent_advice
from router.cli.endpoint import operator_of
from router.cli.intake_tables import consent_of, say_intake
from router.cli.lazy import lazy
from router.cli.options import AsJson, ConfigFile
from router.cli.output import say, say_json, say_table, say_wrapped, warn

if TYPE_CHECKING:
    from router import config as configuration
    from router import plugin_host
    from router.config import Config, FilterAction
    from router.plugin_host import Destination
else:
    configuration = lazy("router.config")
    plugin_host = lazy("router.plugin_host")


def check(config: ConfigFile = Path("config.toml"), as_json: AsJson = False) -> None:
    """Check config.toml and the plugins that it names.

    Shows what is configured. Every problem is told at once, each with the key, the reason and the remedy. Needs no daemon. The
    categories under `consent` are compared with those that stored events name.

    Examples:
        check
        check --config /etc/segment-router/config.toml
    """
    loaded, destinations = plugin_host.read(config, *operator_of(config))
    warnings = [*loaded.warnings, *consent_advice(loaded)]
    found = _described(loaded, destinations) | {"warnings": [warning._asdict() for warning in warnings]}
    if as_json:
        say_json(found)
        return
    warn(*(f"warning: {warning}" for warning in warnings))
    say(f"{config} is good.", "")
    say_table(
        ["source", "enabled", "write keys", "strict", "consent"],
        [
            [row["name"], _yes(row["enabled"]), row["write_keys"], _yes(row["strict"]), consent_of(row)]
            for row in found["sources"]
        ],
    )
    say("")
    say_table(
        ["destination", "plugin", "mode", "sources"],
        [
            [
                row["name"],
                row["plugin"],
                row["mode"] if row["enabled"] else "disabled",
                ", ".join(row["sources"]),
            ]
            for row in found["destinations"]
        ],
        cut=["plugin"],
        wrap=["sources"],
    )
    if needs := [[row["name"], *need] for row in found["destinations"] for need in _by_need(row["requires"])]:
        say("")
        say_table(["destination", "calls", "need"], needs, wrap=["calls", "need"])
        say_wrapped(
            "Without user.id a call is skipped. Without what it needs of its group it is held until that is known."
        )
    say_intake(found["sources"])
    changes = [[row["name"], *change] for row in found["destinations"] for change in _changes(row["mapping"])]
    filters = [[row["name"], *one] for row in found["destinations"] for one in _filters(row)]
    consent = [[row["name"], *_consent(row)] for row in found["destinations"] if row["consent"]]
    if consent:
        say("")
        say_table(["destination", "consent", "if nothing is said", "reported changes"], consent, wrap=["consent"])
    if filters:
        say("")
        say_table(["destination", "filter", "title", "expression"], filters)
    if changes:
        say("")
        say_table(["destination", "mapping", "path", "becomes"], changes, wrap=["becomes"])


def _described(config: Config, destinations: list[Destination]) -> dict[str, Any]:
    """What is configured, without any secret."""
    return {
        "sources": [
            {
                "name": s.name,
                "enabled": s.enabled,
                "write_keys": len(s.write_keys),
                "strict": s.strict,
                **configuration.describe_intake(s, config.plans.get(s.name), follow=config.consent.follow),
            }
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
                "consent": {("any" if need.is_any else "all"): list(need.ids)} if (need := d.config.consent) else None,
                "consent_missing": d.config.consent_missing,
                "consent_updates": d.config.consent_updates,
                "filter": d.config.filter,
                "filters": [
                    {"title": table.title, "if": table.condition, "actions": [_action(a) for a in table.actions]}
                    for table in d.config.filters
                    if table.enabled
                ],
                "mapping": d.config.mapping.model_dump(mode="json"),
            }
            for d in destinations
        ],
    }


def _action(action: FilterAction) -> dict[str, Any]:
    """An action as config.toml has it."""
    return action.model_dump(mode="json", exclude_defaults=True)


def _needs(rule: Any) -> list[str]:
    """A requirement as operators write it: `user.id`, `group.id`, `group.name`."""
    return [f"group.{need}" for need in rule.needs] if hasattr(rule, "needs") else ["user.id"]


def _by_need(requires: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """The types of calls that need the same, together, and what they need."""
    for needs in dict.fromkeys(map(tuple, requires.values())):
        yield [", ".join(type for type, own in requires.items() if tuple(own) == needs), ", ".join(needs)]


def _changes(mapping: dict[str, Any]) -> list[list[str]]:
    """The entries of a mapping table, in the order in which they are applied: what is done, path, new path or value."""
    changes = []
    for key in ("event_names", "rename", "drop", "set", "type", "default", "max_length", "hash", "only"):
        entries = mapping[key]
        if isinstance(entries, dict):
            changes += [[key, path, _shown(key, value)] for path, value in entries.items()]
        else:
            changes += [[key, path, ""] for path in entries]
    return changes


def _shown(key: str, value: Any) -> str:
    """What an entry makes: a name as it is, a value as JSON."""
    if key == "event_names" and value is False:
        return "(dropped)"
    return value if key in ("event_names", "rename", "type") else json.dumps(value, ensure_ascii=False)


def _consent(config: dict[str, Any]) -> list[str]:
    """What a destination needs, what becomes of an event without any preferences, and of one that reports a change."""
    ((how, ids),) = config["consent"].items()
    missing = "sent" if config["consent_missing"] == "allow" else "filtered"
    return [f"{how}: {', '.join(ids)}", missing, "sent always" if config["consent_updates"] else "as any event"]


def _filters(config: dict[str, Any]) -> list[list[str]]:
    """The filters of a destination, in the order in which they are asked: the action, the title and the expression."""
    kinds = ("SAMPLE", "DROP", "DROP_PROPERTIES", "ALLOW_PROPERTIES")
    found = [["filter", "", config["filter"]]] if config["filter"] else []
    for kind in kinds:
        for table in config["filters"]:
            found += [[kind, table["title"], table["if"]] for action in table["actions"] if action["type"] == kind]
    return [[kind, title, " ".join(text.split())] for kind, title, text in found]


def _yes(value: bool) -> str:
    return "yes" if value else "no"
