"""A stored call as a fixture for tests of a plugin (`router/testing/fixtures.py`), straight from the store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import typer

from router.cli.endpoint import NOT_YET, Failed, locate, store_file
from router.cli.lazy import lazy
from router.cli.options import Common
from router.clock import to_iso

if TYPE_CHECKING:
    from router import event
    from router.event import Call
    from router.store.sqlite import queries
else:
    event = lazy("router.event")
    queries = lazy("router.store.sqlite.queries")


def fixture_of(common: Common, message_id: str, source: str | None) -> dict[str, Any]:
    """The call as it was received, with what the router added to it. `pytest --segment-router-update` adds what is expected.

    Raises Failed where its body is not stored any more, and BadParameter for a store elsewhere.
    """
    if common.url is not None:
        raise typer.BadParameter("reads the store itself: run it on the machine of the store", param_hint="--fixture")
    store = store_file(locate(common.config), NOT_YET)

    async def ask() -> Call | None:
        async with queries.open_queries(store) as questions:
            return await questions.stored_call(message_id, source)

    call = asyncio.run(ask())
    if call is None:
        raise Failed(
            f"the body of {message_id!r} is not stored: it is unknown, older than store.retention, or forgotten"
        )
    received = event.decode_json(call.body.partition(b"\n")[2])
    added = {"type": call.type, "messageId": call.message_id, "receivedAt": to_iso(call.received_at)}
    return {"case": message_id, "calls": [{**received, **added}]}
