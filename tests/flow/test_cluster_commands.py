"""Commands in a cluster: whichever node is asked, the one that has the destination carries them out, and each has one result."""

from __future__ import annotations

import asyncio
import os
import random as chance
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.testing.vendor import FakeVendor
from tests.flow.cluster import owner_of, owners, two_nodes
from tests.flow.harness import Daemon, eventually
from tests.postgres_server import Server, running

ROUNDS = int(os.environ.get("CLUSTER_ROUNDS", "3"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(fsync=True) as server:
        yield server


def arrived(vendor: FakeVendor, name: str) -> list[str]:
    """The message ids that came at a destination, in order."""
    return [item["id"] for seen in vendor.requests if seen.url.startswith(f"/{name}/") for item in seen.json()]


async def asked(node: Daemon, path: str, body: object = None, method: str = "POST") -> dict[str, Any]:
    """What a command is answered; it must be carried out."""
    status, answer = await node.admin(method, f"/api/destinations/{path}", body)
    assert status == 200, answer
    return answer


async def test_a_command_of_any_node_has_its_effect_at_the_owner_and_its_answer_where_it_was_asked(
    tmp_path: Path, server: Server
) -> None:
    async with FakeVendor() as vendor, two_nodes(tmp_path, server, vendor) as nodes:
        for n in range(3):
            await nodes[0].post("track", userId=f"u{n}", event="E", messageId=f"m{n}")
        await nodes[0].settled()
        _, other = owner_of("gated", nodes)
        group = {"id": "acme", "name": "Acme"}
        assert await asked(other, "gated/release", {"user": "u0", "group": group}) == {"released": 1}
        await other.becomes("m0", "gated", "delivered")
        assert await asked(other, "gated/release", {"user": "u1", "drop": True}) == {"dropped": 1}
        status, answer = await other.admin("POST", "/api/destinations/gated/release", {"user": "u1", "drop": True})
        assert (status, answer["code"]) == (404, "not_held")
        assert await asked(other, "gated/replay", {"dead": True, "count_only": True}) == {"count": 1}
        assert await asked(other, "gated/dead/drop", {}) == {"dropped": 1}
        owner, other = owner_of("open", nodes)
        assert await asked(other, "open/pause", {"reason": "the move"}) == {
            "state": "paused",
            "state_reason": "by_hand",
        }

        async def says_paused() -> bool:
            found = (await other.get("/api/destinations"))["destinations"]
            return [one["state_detail"] for one in found if one["state"] == "paused"] == ["the move"]

        await eventually(says_paused, what="the node that was asked says so, too")
        assert (await owner.get("/readyz"))["destinations"] == {"open": "by_hand"}
        assert (await asked(other, "open/resume"))["was"] == "paused"
        assert (await asked(other, "open/replay", {"since": "1h"}))["count"] == 3

        async def is_done() -> bool:
            found = await asked(other, "open/replay", method="GET")
            return bool(found["state"] == "done")

        await eventually(is_done, what="the replay is done, as both nodes say")
        await other.settled()
        assert arrived(vendor, "open") == [*("m0", "m1", "m2"), *("m0", "m1", "m2")]
        states = dict(other.rows("SELECT state, count(*) FROM command GROUP BY state"))
        assert states == {"done": 7, "refused": 1}


@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_a_command_outlives_the_owner_that_has_not_carried_it_out(
    tmp_path: Path, server: Server, how: str
) -> None:
    async with FakeVendor() as vendor, two_nodes(tmp_path, server, vendor) as nodes:
        for n in range(5):
            await nodes[0].post("track", userId="u1", event="E", messageId=f"m{n}")
        await nodes[0].settled()
        owner, other = owner_of("gated", nodes)
        assert owner.process is not None
        owner.process.send_signal(signal.SIGSTOP)
        asking = asyncio.create_task(asked(other, "gated/release", {"user": "u1", "drop": True}))

        async def is_asked() -> bool:
            return bool(other.rows("SELECT 1 FROM command"))

        await eventually(is_asked)
        if how == "killed":
            owner.kill()
        assert await asking == {"dropped": 5}, "the other node has the destination by then"
        assert (await other.counts("gated"))["dead"] == 5
        if how == "killed":
            await owner.restart()
        else:
            owner.process.send_signal(signal.SIGCONT)
        assert (await other.emptied("gated"))["destinations"]["gated"]["dead"] == 5
        assert other.rows("SELECT state, count(*) FROM command GROUP BY state") == [("done", 1)]


async def test_commands_while_destinations_move_are_carried_out_once_or_refused(tmp_path: Path, server: Server) -> None:
    """A replay of one message sends it once more: what arrives tells how often each command was carried out."""
    async with FakeVendor() as vendor, two_nodes(tmp_path, server, vendor, "30s") as nodes:
        answers: dict[str, int] = {}
        for number in range(ROUNDS):
            owner, other = owner_of("open", nodes)
            for n in range(10):
                await other.post("track", userId=f"u{n}", event="E", messageId=f"m{number}-{n}")
            await other.settled("open")
            leaving = asyncio.create_task(owner.terminate())
            for n in range(10):
                status, answer = await other.admin(
                    "POST", "/api/destinations/open/replay", {"message_id": f"m{number}-{n}"}
                )
                assert status in (200, 202, 409, 503), answer
                answers[f"m{number}-{n}"] = status
            assert await leaving == 0
            await owner.restart()
            assert owners(other)["open"]
        assert 202 not in answers.values()
        await nodes[0].settled()

        async def has_come() -> bool:
            came = arrived(vendor, "open")
            return [came.count(id) - 1 for id in answers] == [int(status == 200) for status in answers.values()]

        await eventually(has_come, what="each came once, and once more for each command that was carried out")
        done = sum(status == 200 for status in answers.values())
        print(f"{ROUNDS} moves, {len(answers)} commands, {done} carried out, {len(answers) - done} refused")
        assert done


GROUP = {"id": "acme", "name": "Acme"}
SOON = (200, 202, 409, 503)
"""What a command may be answered while the destination moves."""


class Orders:
    """Commands to the gated destination, each about a message of its own, and what each was answered."""

    def __init__(self, node: Daemon, round: int) -> None:
        self._node, self._round = node, round
        self.answers: dict[str, int] = {}  #: by message id
        self.others: list[tuple[str, int]] = []  #: of those that are about no message

    def named(self, kind: str) -> list[str]:
        """The message ids that a kind of command is about; each of a user of the same name."""
        return [f"{kind}-{self._round}-{n}" for n in range(4)]

    async def prepare(self) -> None:
        """Of each user an event is held; of some it is a dead letter."""
        for kind in ("release", "drop", "replay", "letter"):
            for id in self.named(kind):
                await self._node.post("track", userId=id, event="E", messageId=id)
        await self._node.settled()
        for id in (*self.named("replay"), *self.named("letter")):
            assert await asked(self._node, "gated/release", {"user": id, "drop": True}) == {"dropped": 1}

    async def ask(self, seed: int) -> None:
        """All of them, in any order."""
        orders: list[tuple[str, str, dict[str, Any]]] = [
            *((id, "release", {"user": id, "group": GROUP}) for id in self.named("release")),
            *((id, "release", {"user": id, "drop": True}) for id in self.named("drop")),
            *((id, "replay", {"message_id": id}) for id in self.named("replay")),
            *((id, "dead/drop", {"message_id": id}) for id in self.named("letter")),
            *(("", verb, {}) for verb in ("pause", "resume") * 2),
            ("", "replay", {"dead": True, "reason": "rejected"}),
            ("", "dead/drop", {"reason": "rejected"}),
            ("", "stop", {}),
        ]
        chance.Random(seed).shuffle(orders)
        for id, verb, body in orders:
            method, path = ("DELETE", "replay") if verb == "stop" else ("POST", verb)
            status, answer = await self._node.admin(method, f"/api/destinations/gated/{path}", body)
            assert status in SOON, answer
            if id:
                self.answers[id] = status
            else:
                self.others.append((verb, status))

    def done(self, kind: str) -> set[str]:
        """The message ids of the commands of a kind that were carried out."""
        return {id for id in self.named(kind) if self.answers[id] == 200}


async def test_each_command_while_its_destination_moves_is_carried_out_once_or_not_at_all(
    tmp_path: Path, server: Server
) -> None:
    """To let go sends an event, to drop makes a letter of it, to replay takes a letter back, to drop a letter deletes it: what each came to
    can be counted afterwards."""
    async with FakeVendor() as vendor, two_nodes(tmp_path, server, vendor, "30s") as nodes:
        rounds = []
        for number in range(ROUNDS):
            owner, other = owner_of("gated", nodes)
            orders = Orders(other, number)
            await orders.prepare()
            leaving = asyncio.create_task(owner.terminate())
            await orders.ask(number)
            assert await leaving == 0
            changes = [verb for verb, status in orders.others if status == 200 and verb in ("pause", "resume")]
            state = (await other.get("/api/destinations/gated"))["state"]
            assert state == ("paused" if changes and changes[-1] == "pause" else "running"), orders.others
            await owner.restart()
            await asked(other, "gated/resume")
            rounds.append(orders)
        await nodes[0].settled()
        assert [status for orders in rounds for status in orders.answers.values() if status == 202] == []
        sent = arrived(vendor, "gated")
        kept = {one["message_id"] for one in (await nodes[0].get("/api/destinations/gated/dead"))["items"]}
        for orders in rounds:
            assert sorted(id for id in sent if id in orders.named("release")) == sorted(orders.done("release"))
            assert kept & {*orders.named("drop")} == orders.done("drop")
            assert {*orders.named("letter")} - kept == orders.done("letter")
            for id in orders.named("replay"):
                expected = "held" if id in orders.done("replay") else "dead"
                assert (await nodes[0].fate(id, "gated"))[0] == expected, id
            for id in orders.answers:
                assert await nodes[0].message(id) == await nodes[1].message(id), "both nodes tell the same of it"
        answers = [status for orders in rounds for _, status in (*orders.answers.items(), *orders.others)]
        done = answers.count(200)
        before_and_after = ROUNDS * (len(rounds[0].named("replay")) + len(rounds[0].named("letter")) + 1)
        rows = dict(nodes[0].rows("SELECT state, count(*) FROM command GROUP BY state"))
        assert set(rows) <= {"done", "refused", "withdrawn"}
        assert rows["done"] == done + before_and_after, "each that was answered 200, and no other"
        print(f"{ROUNDS} moves, {len(answers)} commands, {done} carried out, {len(answers) - done} not at all; {rows}")
        assert done
