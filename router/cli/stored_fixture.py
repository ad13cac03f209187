"""A stored call as a fixture for tests of a plugin (`router/testing/fixtures.py`), straight from the store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from router.cli.endpoint import NOT_YET, Failed, locate, store_file
from router.cli.lazy import lazy
from router.cli.options import Common
from router.clock import to_iso

if TYPE_CHECKING:
    from router import event, trial
    from router.event import Call
    from router.store.sqlite import queries
    from router.trial import Known
else:
    event = lazy("router.event")
    trial = lazy("router.trial")
    queries = lazy("router.store.sqlite.queries")


def fixture_of(common: Common, message_id: str, source: str | None) -> dict[str, Any]:
    """The call as it was received, with what the router added to it. `before` has calls that tell what was known of its user and group.
    `pytest --segment-router-update` adds what is expected.

    Raises Failed where its body is not stored any more, and BadParameter for a store elsewhere.
    """
    if common.url is not None:
        raise typer.BadParameter("reads the store itself: run it on the machine of the store", param_hint="--fixture")
    store = store_file(locate(common.config), NOT_YET)

    async def ask() -> tuple[Call | None, Known]:
        async with queries.open_queries(store) as questions:
            call = await questions.stored_call(message_id, source)
            pos = await questions.position(message_id, source)
            if call is None or pos is None:
                return None, trial.NOTHING_KNOWN
            return call, trial.known_of(call, pos, await questions.known(*trial.asked_of(call, pos)))

    call, known = asyncio.run(ask())
    if call is None:
        raise Failed(
            f"the body of {message_id!r} is not stored: it is unknown, older than store.retention, or forgotten"
        )
    received = event.decode_json(call.body.partition(b"\n")[2])
    added = {"type": call.type, "messageId": call.message_id, "receivedAt": to_iso(call.received_at)}
    before = list(_before(call, known))
    return {"case": message_id, **({"before": before} if before else {}), "calls": [{**received, **added}]}


def _before(call: Call, known: Known) -> Iterator[dict[str, Any]]:
    """Calls that tell what the router knew of the user and the group of this one. Without them a test of it would hold it."""
    id_field = {"u:": "userId", "a:": "anonymousId"}.get(call.user_key[:2])
    if id_field is None:
        return
    who = {id_field: call.user_key[2:]}
    if known.user_traits:
        yield {"type": "identify", **who, "traits": known.user_traits}
    if known.group_id and call.type != "group":
        yield {"type": "group", **who, "groupId": known.group_id, "traits": known.group_traits}
