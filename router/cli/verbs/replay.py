"""`replay`: send events again, and see how far that is."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from typing import Annotated, Any

import typer

from router.cli.client import running_daemon
from router.cli.endpoint import program
from router.cli.options import Common, DestinationName, Reason, Since, Source, Until, asks, hint
from router.cli.output import say, say_json
from router.explain import destination_phrases
from router.explain.figures import count

Dead = Annotated[bool, typer.Option("--dead", help="Dead letters; --reason, --since, --until choose among them.")]
Filtered = Annotated[
    bool,
    typer.Option("--filtered", help="With --since: only what was filtered, and so never sent, which is decided again."),
]
OneMessage = Annotated[str | None, typer.Option("--message-id", metavar="ID", help="Only this message.")]
CountOnly = Annotated[bool, typer.Option("--count", help="Only tell how many events that would be.")]
Stop = Annotated[bool, typer.Option("--stop", help="Stop the replay. What is queued by then is still sent.")]


@asks
def replay(
    common: Common,
    destination: DestinationName,
    dead: Dead = False,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    filtered: Filtered = False,
    message_id: OneMessage = None,
    source: Source = None,
    count_only: CountOnly = False,
    stop: Stop = False,
) -> None:
    """Send events again, or show how far the last replay is.

    Dead letters (--dead), everything that was accepted in a time (--since), or one message (--message-id). With --since, what was delivered
    is delivered a second time, unless --filtered is given.

    Examples:
        replay braze
        replay braze --dead --reason rejected --count
        replay braze --since 7d
        replay braze --since 7d --filtered
    """
    body = {
        "dead": dead or None,
        "filtered": filtered or None,
        "reason": reason,
        "since": since,
        "until": until,
        "message_id": message_id,
        "source": source,
    }
    _refuse_contradictions(body, stop=stop, count_only=count_only)
    path = ("api", "destinations", destination, "replay")
    with running_daemon(common) as admin:
        if stop:
            answer = admin.delete(*path)
        elif any(body.values()):
            answer = admin.post(
                *path,
                body={
                    **{key: value for key, value in body.items() if value is not None},
                    **({"count_only": True} if count_only else {}),
                },
            )
        else:
            answer = admin.get(*path)
    if common.as_json:
        say_json(answer)
    elif "state" in answer:
        say(f"{destination}: {destination_phrases.replay(answer)}")
        for state in ("dead", "held"):
            if answer.get("became", {}).get(state):
                say(f"    {state}: {program()} {state} {shlex.quote(destination)}{hint(common)}")
    else:
        say(
            f"{destination}: {count(answer['count'], 'event')} {_what_happens(answer['count'], count_only)}{_beside(answer)}"
        )


def _refuse_contradictions(body: Mapping[str, object], *, stop: bool, count_only: bool) -> None:
    """Raises BadParameter for options that would be ignored."""
    given = {f"--{key.replace('_', '-')}" for key, value in body.items() if value is not None}
    if stop and (given or count_only):
        raise typer.BadParameter("goes alone", param_hint="--stop")
    if "--message-id" in given and (others := given - {"--message-id", "--source"}):
        raise typer.BadParameter(f"one message is sent whatever {_listed(others)} says", param_hint="--message-id")
    if "--source" in given and "--message-id" not in given:
        raise typer.BadParameter("goes with --message-id", param_hint="--source")
    if "--reason" in given and "--dead" not in given:
        raise typer.BadParameter("chooses among dead letters: add --dead", param_hint="--reason")
    if "--filtered" in given and "--since" not in given:
        raise typer.BadParameter("chooses among what was accepted in a time: add --since", param_hint="--filtered")
    if "--filtered" in given and "--dead" in given:
        raise typer.BadParameter("no dead letter is filtered: leave one of the two out", param_hint="--filtered")
    if "--until" in given and not given & {"--dead", "--since"}:
        raise typer.BadParameter("goes with --since or --dead", param_hint="--until")
    if count_only and not given:
        raise typer.BadParameter("say of what: --dead, --since or --message-id", param_hint="--count")


def _listed(options: Collection[str]) -> str:
    return ", ".join(sorted(options))


def _beside(answer: Mapping[str, Any]) -> str:
    """What was not sent at first, and may be sent now."""
    apart = [f"{answer[state]:,} {state}" for state in ("skipped", "filtered") if answer.get(state)]
    return f"; {' and '.join(apart)} would be decided again" if apart else ""


def _what_happens(n: int, count_only: bool) -> str:
    if count_only:
        return "would be sent"
    return "is on its way" if n == 1 else "are on their way"
