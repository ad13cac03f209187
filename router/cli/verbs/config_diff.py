"""`config diff`: what a reload would change, without one."""

from __future__ import annotations

from typing import Any

from router.cli import key_changes
from router.cli.client import running_daemon
from router.cli.endpoint import Failed, program
from router.cli.options import Common, asks, hint
from router.cli.output import say, say_json, warn
from router.errors import ConfigError
from router.explain.figures import count

NEEDS = {"": "", "restart": "  (needs a restart)", "confirmation": "  (needs reload --yes)"}


@asks
def config_diff(common: Common) -> None:
    """Show what a reload would change.

    It compares config.toml with what is in force in the running daemon. Key by key, the old value and the new one; of `filters` and of
    tables only what differs. Of a secret it says only that it changes, also where its file or variable has another content. Nothing is changed. The exit code is 0 unless config.toml
    is faulty.

    Examples:
        config diff
        config diff --json
    """
    with running_daemon(common) as admin:
        answer = admin.get("api", "configuration")
    plan = answer["reload"]
    if plan["code"] == "invalid_config":
        raise ConfigError(plan["errors"])
    if plan["code"] == "busy":
        raise Failed("\n".join(plan["errors"]))
    if common.as_json:
        say_json({"path": answer["path"], **plan})
        return
    warn(*(f"warning: {warning}" for warning in plan["changes"]["warnings"]))
    for change in plan["keys"]:
        say(*_lines(change))
    for name in plan["changes"]["restart_required"]:
        say(f"{name}: another version of its plugin is installed than runs; only a restart takes it")
    say(_conclusion(plan, answer["path"], common))


def _lines(change: dict[str, Any]) -> list[str]:
    first, *more = key_changes.lines(change["key"], change["change"], change["old"], change["new"])
    return [f"{first}{NEEDS[change['needs']]}", *more]


def _conclusion(plan: dict[str, Any], path: str, common: Common) -> str:
    if plan["code"] == "restart_required":
        return f"a reload is refused: {path} changes what only a restart of the daemon can change"
    if plan["code"] == "confirmation_required":
        return f"a reload must be confirmed: {program()} reload --yes{hint(common)}"
    if not plan["keys"]:
        return f"nothing would change: {path} is what is in force"
    return f"{count(len(plan['keys']), 'key')} would change; put it in force: {program()} reload{hint(common)}"
