"""The reading verbs: what was accepted, what became of it, and why. Each prints JSON too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from router.cli import words
from router.cli.answers import Answers, open_answers
from router.cli.options import AsJson, ConfigFile, Source, User, config_hint
from router.cli.place import Failed, locate, program
from router.cli.show import count, instant, say, say_json, say_table, warn

SEVEN = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")
FEW_ATTEMPTS = 10

MessageId = Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="The sender's message id.")]
OneDestination = Annotated[str | None, typer.Argument(metavar="[DESTINATION]", help="All, unless one is named.")]
After = Annotated[str | None, typer.Option("--after", metavar="KEY", help="Where the page before ended.")]


def status(config: ConfigFile = Path("config.toml"), as_json: AsJson = False) -> None:
    """One screen: is it running, what was accepted, how is each destination."""
    with open_answers(config) as answers:
        ready, ledger = answers.readiness(), answers.ledger()
        waiting = {row["name"]: row["waiting"] for row in answers.destinations()["destinations"]}
    if as_json:
        say_json({"running": answers.running, **ready, "ledger": ledger, "waiting": waiting})
        return
    place = locate(config)
    state = "is running" if answers.running else "is not running"
    say(f"segment-router {state}; ingestion {place.ingest}, admin {place.admin}, store {place.store}")
    say(*(f"problem: {problem}" for problem in ready["problems"] if answers.running), "")
    _say_counts(ledger)
    say(*_troubles(ledger))
    say(*filter(None, (words.waits_of(name, waits) for name, waits in waiting.items())))


def ledger(config: ConfigFile = Path("config.toml"), as_json: AsJson = False) -> None:
    """Count every accepted event, per destination, by its state: the seven add up to what was accepted since it began."""
    with open_answers(config) as answers:
        ledger = answers.ledger()
    if as_json:
        say_json(ledger)
    else:
        _say_counts(ledger)
    wrong, right = check_sums(ledger)
    if not as_json:
        say("", *right)
    if wrong:
        raise Failed("\n".join(wrong))


def check_sums(ledger: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Where a ledger does not add up, and where it does; a sentence for each destination."""
    wrong, right = [], []
    for name, counts in ledger["destinations"].items():
        total = sum(counts[state] for state in SEVEN)
        if total > ledger["accepted"] or any(counts[state] < 0 for state in SEVEN):
            wrong.append(f"{name}: the seven states DO NOT add up: {total} of {ledger['accepted']} accepted")
        else:
            right.append(words.adds_up(name, total, ledger["accepted"]))
    return wrong, right


def _say_counts(ledger: Mapping[str, Any]) -> None:
    accepted, duplicates = count(ledger["accepted"], "event"), count(ledger["duplicates"], "duplicate")
    discarded = count(ledger["discarded"], "call")
    say(f"accepted {accepted}; {duplicates} ignored; {discarded} discarded (see `discards`)", "")
    rows = [
        [name, counts.get("mode", "-"), counts["state"], *(counts[state] for state in SEVEN)]
        for name, counts in ledger["destinations"].items()
    ]
    if rows:
        say_table(["destination", "mode", "state", *SEVEN], rows)


def _troubles(ledger: Mapping[str, Any]) -> list[str]:
    sentences = [words.trouble_of(name, counts) for name, counts in ledger["destinations"].items()]
    sentences.append(words.dry_runs(ledger["destinations"]))
    found = [sentence for sentence in sentences if sentence]
    return ["", *found] if found else []


def why(
    message_id: MessageId,
    source: Source = None,
    config: ConfigFile = Path("config.toml"),
    as_json: AsJson = False,
) -> None:
    """What became of an event at each destination, when, and why."""
    with open_answers(config) as answers:
        found = answers.message(message_id, source)
        if found is None:
            at = f" from source {source}" if source else ""
            look = f"{program()} discards{config_hint(config)}"
            raise Failed(f"no message {message_id!r}{at} is known; calls that could not be used are told by: {look}")
        if as_json:
            say_json(found)
            return
        user = words.user_of(found)
        received = instant(found["received_at"])
        say(f"{message_id}: {found['type'] or 'call'} of {user}, from {found['source']}, accepted {received}")
        names = answers.ledger()["destinations"]
        for name in {**found["destinations"], **names}:
            say("", *_fate_lines(name, found, names.get(name, {}), answers))


def _fate_lines(name: str, event: Mapping[str, Any], counts: Mapping[str, Any], answers: Answers) -> list[str]:
    told = event["destinations"].get(name)
    if told is None:
        return [f"{name}: began after this event was accepted"]
    waits = _lane(name, event, answers) if told["state"] == "held" else None
    lines = [f"{name}: {words.fate(told, event, waits)}"]
    if told["state"] in ("queued", "retrying") and (trouble := words.trouble_of(name, counts)):
        lines.append(f"    {trouble}")
    if waits and waits.get("expires_at"):
        lines.append(f"    given up {instant(waits['expires_at'])} unless it is released before")
    attempts = told["attempts"]
    if len(attempts) > FEW_ATTEMPTS:
        lines.append(f"    {count(len(attempts) - FEW_ATTEMPTS, 'earlier attempt')}: --json shows all")
    for tried in attempts[-FEW_ATTEMPTS:]:
        if tried.get("request"):
            lines += ["    would send:", *(f"        {line}" for line in words.request_lines(tried["request"]))]
        else:
            lines.append(f"    {words.attempt(tried)}")
    return lines


def _lane(name: str, event: Mapping[str, Any], answers: Answers) -> Mapping[str, Any] | None:
    """The row of `held` about the event's user. An anonymous user's lane may have joined a user's since."""
    users = answers.held(name, words.user_of(event), None)["users"]
    return users[0] if users else None


def held(
    destination: OneDestination = None,
    user: User = None,
    after: After = None,
    config: ConfigFile = Path("config.toml"),
    as_json: AsJson = False,
) -> None:
    """Whose events wait on disk, since when, and for what."""
    if after and not destination:
        raise typer.BadParameter("name the DESTINATION whose next page it is", param_hint="--after")
    with open_answers(config) as answers:
        names = [destination] if destination else list(answers.ledger()["destinations"])
        found = {name: answers.held(name, user, after) for name in names}
    if as_json:
        say_json(found[destination] if destination else {"destinations": found})
        return
    waits = [(name, row) for name, page in found.items() for row in page["users"]]
    if not waits:
        say("nothing is held" + (f" for {user}" if user else "") + (f" at {destination}" if destination else ""))
        return
    say_table(
        ["destination", "user", "events", "since", "waits for", "given up"],
        [
            [
                name,
                row["user"],
                row["events"],
                instant(row["since"]),
                words.waiting(row["waiting_for"], row["user"], row["group_id"]),
                instant(row.get("expires_at")),
            ]
            for name, row in waits
        ],
    )
    for name, page in found.items():
        if page["next"]:
            say("", f"more at {name}: held {name} --after {page['next']}")


def destinations(config: ConfigFile = Path("config.toml"), as_json: AsJson = False) -> None:
    """What is configured to receive, and how it is."""
    with open_answers(config) as answers:
        found = answers.destinations()
    if as_json:
        say_json(found)
        return
    rows = found["destinations"]
    numbers = ("held", "retrying", "queued", "dead")
    say_table(
        ["destination", "plugin", "mode", "sources", "state", *numbers],
        [
            [row["name"], row["plugin"], row["mode"], ", ".join(row["sources"]), row["state"]]
            + [row.get(number, 0) for number in numbers]
            for row in rows
        ],
    )
    for row in rows:
        if waits := words.waits_of(row["name"], row["waiting"]):
            say(waits)
        if trouble := words.trouble_of(row["name"], row):
            detail = f": {row['state_detail']}" if row.get("state_detail") else ""
            say(f"{trouble}{detail}")
        for reason, n in row.get("warnings", {}).items():
            mapped = row.get("mapped", 0)
            share = f" ({n / mapped:.1%})" if 0 < n <= mapped else ""
            say(f"{row['name']} warned of {reason} {count(n, 'time')} while it mapped {count(mapped, 'event')}{share}")


def discards(config: ConfigFile = Path("config.toml"), as_json: AsJson = False) -> None:
    """Calls that were answered 200 but could not be used, and why: counts, and the newest ones."""
    with open_answers(config) as answers:
        found = answers.discards()
    if as_json:
        say_json(found)
        return
    if not found["counts"]:
        say("nothing was discarded")
        return
    say_table(
        ["source", "code", "calls"],
        [[source, code, n] for source, codes in found["counts"].items() for code, n in codes.items()],
    )
    say("")
    say_table(
        ["at", "source", "type", "message id", "why", "beginning"],
        [
            [instant(row["at"]), row["source"], row["type"], row["message_id"], row["message"], row["excerpt"][:60]]
            for row in found["items"]
        ],
    )
    if not found["items"]:
        warn("the calls themselves are no longer kept")
