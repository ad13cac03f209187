"""A reload at all nodes that share a store. Each is asked by a command, carries it out with its own file, and answers what it came to."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from router.admin.daemon_port import Reloaded, ReloadedAt
from router.daemon.commands import ReloadOrder, SharedCommands, answer_of
from router.errors import CommandRefused, StoreError
from router.store import Cluster, Commands

ANSWER_S = 25.0
"""So long whoever asked waits for all nodes: the command line gives up after 30 s."""


async def reload_everywhere(
    stored: Commands, commands: SharedCommands, cluster: Cluster, order: ReloadOrder
) -> list[ReloadedAt]:
    """What it came to at each node that lives. Raises StoreError where it is not known that all were asked."""
    text = msgspec.json.encode(order)
    nodes = [node for node in (await cluster.look()).nodes if node.is_alive]
    asked = {await stored.ask_node(node.id, text): ReloadedAt(node.name, node.id) for node in nodes}
    ended = await commands.wait_for(asked, ANSWER_S)
    found = []
    for command, at in asked.items():
        try:
            if (row := ended.get(command)) is None:
                found.append(await _unanswered(stored, at, command))
            else:
                found.append(at._replace(done=Reloaded(**answer_of(row))))
        except CommandRefused as error:
            found.append(at._replace(code=error.code, problems=str(error).splitlines()))
    return found


async def _unanswered(stored: Commands, at: ReloadedAt, command: int) -> ReloadedAt:
    with suppress(StoreError):
        if await stored.withdraw(command):
            return at._replace(code="no_answer", problems=["it did not take the reload; nothing was changed there"])
    words = f"accepted as command {command}, and not done yet: GET /api/commands/{command} tells what it comes to"
    return at._replace(code="under_way", problems=[words], command=command)
