"""`held`: whose events wait on disk, and for what."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from router.cli.data_source import names, open_data_source
from router.cli.endpoint import program
from router.cli.options import After, Common, OneDestination, User, asks, hint
from router.cli.output import say, say_json, say_table, say_wrapped
from router.cli.removed import removed_lines
from router.cli.style import BOLD
from router.explain import code_phrases, event_phrases
from router.explain.figures import count, short_instant


@asks
def held(common: Common, destination: OneDestination = None, user: User = None, after: After = None) -> None:
    """Show whose events are held, for what they wait, until when.

    An event that is held for longer than `hold.max_age` of its destination becomes a dead letter with the reason hold_expired. `replay`
    sends dead letters again.

    Examples:
        held
        held clientsuccess --user u1
    """
    if after and not destination:
        raise typer.BadParameter("name the DESTINATION whose next page it is", param_hint="--after")
    with open_data_source(common) as data:
        found = {name: data.held(name, user, after) for name in names(data, destination)}
        gone = [] if destination or user or common.as_json else removed_lines(data.ledger(), common, ("held",))
    if common.as_json:
        say_json(found[destination] if destination else {"destinations": found})
        return
    if not any(page["users"] for page in found.values()):
        at = f" at {destination}" if destination else " at a destination of config.toml" if gone else ""
        say("nothing is held" + (f" for {user}" if user else "") + at)
    for number, (name, page) in enumerate((name, page) for name, page in found.items() if page["users"]):
        say(*([""] if number else []))
        say(f"{name} holds {count(page['held'], 'event')}:", style=BOLD)
        _say_users(page["users"])
        _say_calls(name, page["users"], common)
        if any(row.get("expires_at") for row in page["users"]):
            resend = f"{program()} replay {name} --dead --reason hold_expired{hint(common)}"
            say(
                "what is still held when it expires becomes a dead letter (hold_expired)",
                f"to send those again: {resend}",
            )
        if page["next"]:
            say(f"more: {program()} held {name} --after {shlex.quote(page['next'])}{hint(common)}")
    for sentence in gone:
        say_wrapped(sentence)


def _say_users(rows: Sequence[Mapping[str, Any]]) -> None:
    say_table(
        ["user", "events", "since (UTC)", "waits for", "expires (UTC)"],
        [
            [
                row["user"],
                row["events"],
                short_instant(row["since"]),
                code_phrases.waiting(row["waiting_for"], None, row["group_id"]),
                short_instant(row.get("expires_at")),
            ]
            for row in rows
        ],
        cut=["user"],
        wrap=["waits for"],
    )


def _say_calls(destination: str, rows: Sequence[Mapping[str, Any]], common: Common) -> None:
    """The group calls that came and do not count, and how to change that."""
    lines: dict[str, list[str]] = {}
    for row in rows:
        if refused := event_phrases.refused(row):
            say_wrapped(f"{row['user']}: {refused}")
        if mend := event_phrases.mend_refused(destination, row):
            lines.setdefault(mend[0], []).extend(filter(None, mend[1:]))
    for advice, verbs in lines.items():
        say_wrapped(advice + (":" if verbs else ""))
        say(*(f"    {program()} {verb}{hint(common)}" for verb in dict.fromkeys(verbs)))
