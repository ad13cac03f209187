"""`privacy scan`: what looks personal in the log, as tables for config.toml."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.data_source import DataSource, open_data_source
from router.cli.lazy import lazy
from router.cli.options import Common, Since, asks
from router.cli.output import say, say_json
from router.explain.figures import count, instant

if TYPE_CHECKING:
    from router import privacy
    from router.privacy import Suggestion
else:
    privacy = lazy("router.privacy")

SourceName = Annotated[str | None, typer.Argument(metavar="SOURCE", help="Only events of this source.")]

WORDS = {
    "address": "postal address",
    "bank": "bank account",
    "birthday": "birthday or age",
    "card": "card number",
    "device": "device id",
    "email": "e-mail address",
    "id": "number of a document",
    "ip": "IP address",
    "person": "name of a person",
    "phone": "phone number",
    "secret": "secret",
}


def about_personal_data() -> None:
    """Find personal data in the log.

    Examples:
        privacy scan
    """


@asks
def privacy_scan(common: Common, source: SourceName = None, since: Since = None) -> None:
    """Find what looks personal in the log.

    It prints tables that take it out. Names of keys and shapes of values are counted: e-mail addresses, phone numbers, card numbers,
    IBANs, IP addresses. No value is printed. The output is TOML for config.toml; remove the lines that you do not want.

    Examples:
        privacy scan
        privacy scan website --since 7d
    """
    with open_data_source(common) as data:
        found = _whole(data, source, since)
    if common.as_json:
        say_json(found)
        return
    of = f" of {source}" if source else ""
    if not found["events"]:
        say(f"# No event{of} is stored{' since then' if since else ''}, so nothing was looked at.")
        return
    if not found["found"]:
        say(f"# {count(found['events'], 'event')}{of}: nothing in them looks personal")
        return
    say(
        f"# What looks personal in {count(found['events'], 'event')}{of}, back to {instant(found['oldest'])}. No value is shown."
    )
    say("# Remove the lines that you do not want, and add each [source.privacy] to the [[source]] of that name.")
    suggested = privacy.suggest(found["found"])
    if any(each.hash for each in suggested.values()):
        say('# A hash needs a key in config.toml, under [privacy], for example: key = { file = "secrets/privacy_key" }')
    if found["left_out"]:
        say(
            f"# There was too much to count it all: {count(found['left_out'], 'more finding')}. Apply this, then scan again."
        )
    for name, suggestion in suggested.items():
        say(*_table(name, suggestion))


def _whole(data: DataSource, source: str | None, since: str | None) -> dict[str, Any]:
    """The pages of a scan as one."""
    counts: Counter[tuple[str, str, str, str]] = Counter()
    whole: dict[str, Any] = {"events": 0, "oldest": None, "left_out": 0}
    before: int | None = None
    while True:
        page = data.personal_data(source, since, before)
        for one in page["found"]:
            counts[one["source"], one["path"], one["what"], one["by"]] += one["events"]
        whole["events"] += page["events"]
        whole["left_out"] += page["left_out"]
        whole["oldest"] = page["oldest"] or whole["oldest"]
        before = page["next"]
        if before is None:
            break
    keys = ("source", "path", "what", "by")
    return {**whole, "found": [{**dict(zip(keys, key, strict=True)), "events": n} for key, n in sorted(counts.items())]}


def _table(name: str, suggestion: Suggestion) -> Iterator[str]:
    yield from ("", "[[source]]", f"name = {json.dumps(name)}", "[source.privacy]")
    for key in ("drop", "hash"):
        paths = getattr(suggestion, key)
        if paths:
            entries = [f"    {json.dumps(path, ensure_ascii=False)}," for path in paths]
            width = max(map(len, entries))
            yield f"{key} = ["
            for path, entry in zip(paths, entries, strict=True):
                yield f"{entry:<{width}}  # {_reasons(suggestion.reasons[path])}"
            yield "]"
    for path in suggestion.only_told:
        why = "has a key that cannot be named" if "*" in path else "is not taken without your decision"
        yield f"# {path} {why}: {_reasons(suggestion.reasons[path])}"


def _reasons(reasons: Mapping[str, Mapping[str, int]]) -> str:
    """`e-mail address: by name in 3, by shape in 2`."""
    return "; ".join(
        f"{WORDS.get(what, what)}: {', '.join(f'by {how} in {n:,}' for how, n in sorted(by.items()))}"
        for what, by in sorted(reasons.items())
    )
