"""Nodes with different files: only who has what is in force delivers, and all say what differs until the files agree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.testing.vendor import FakeVendor
from tests.flow.cluster import owners, two_nodes
from tests.flow.drill import Drilled
from tests.flow.harness import Daemon, eventually
from tests.flow.test_shutdown import Tuned
from tests.flow.verbs import verb
from tests.postgres_server import Server, running


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(fsync=True) as server:
        yield server


class Impatient(Tuned):
    """Goes on with a file of its own a second after it missed the one in force."""

    tuning = "import router.store.postgres.in_force as module; module.PATIENCE_S = 1.0"


class Mistaken(Drilled):
    """Somebody gives it a file that cannot be used."""

    tuning = ""
    expected = ("config_reload_failed",)


async def differing(node: Daemon) -> list[str]:
    """What the node says of files that differ."""
    found = (await node.get("/healthz"))["troubles"]
    return [one["text"] for one in found if one["code"] == "config_differs"]


async def says(node: Daemon, *words: str) -> None:
    """Wait until it says this of files that differ; without words, until it says nothing."""

    async def told() -> bool:
        found = await differing(node)
        return all(word in found[0] for word in words) if found and words else not found and not words

    await eventually(told, what=f"{node.folder.name} says {words}")


async def delivers(node: Daemon, name: str = "open") -> None:
    """Wait until it has a destination."""

    async def has() -> bool:
        return owners(node).get(name) == node.folder.name

    await eventually(has, what=f"{node.folder.name} delivers to {name}")


def came(vendor: FakeVendor, folder: str) -> list[str]:
    """The message ids that came at one of the vendor's addresses."""
    return [item["id"] for seen in vendor.requests if seen.url.startswith(f"/{folder}/") for item in seen.json()]


def change(node: Daemon, vendor: FakeVendor, folder: str) -> None:
    """Another address for the open destination, in the file of this node."""
    node.destinations[0]["settings"] = {"base_url": f"{vendor.url}/{folder}"}
    node.write_config()


async def send(node: Daemon, id: str) -> None:
    await node.post("track", userId="u1", event="E", messageId=id)
    await node.becomes(id, "open", "delivered")


async def test_a_node_with_another_file_is_named_at_both(tmp_path: Path, server: Server) -> None:
    async with FakeVendor() as vendor, two_nodes(tmp_path, server, vendor) as (first, second):
        assert await differing(first) == await differing(second) == []
        second.source["strict"] = True
        await second.reload()
        await says(first, "of node b says", "source website")
        await says(second, "of node a says", "source website")
        assert (await first.admin("GET", "/readyz"))[0] == 200, "it takes events all the same"
        [line] = await first.logged("config_differs")
        assert "source website" in line["detail"]
        first.source["strict"] = True
        await first.reload()
        await says(first)
        await says(second)


async def test_whoever_has_the_file_in_force_delivers_through_reloads_restarts_and_kills(
    tmp_path: Path, server: Server
) -> None:
    async with FakeVendor() as vendor, two_nodes(tmp_path, server, vendor, kind=Impatient) as (a, b):
        await send(a, "before")
        change(b, vendor, "changed")
        await b.reload()
        await delivers(b)
        await send(a, "b was reloaded")
        await says(a, "destination open", "config.toml of this node is not active for open")
        assert await a.terminate() == 0
        await a.restart()
        await says(a, "not active for open")
        await delivers(b)
        await send(a, "a has yesterday's file")
        b.kill()
        await delivers(a)
        await send(a, "nobody has today's file")
        await says(
            a, "no node that lives has the active configuration of open, so any node delivers there with its own"
        )
        await b.restart()
        await delivers(b)
        await send(b, "b is back")
        change(a, vendor, "changed")
        await a.reload()
        await says(a)
        await says(b)
        assert came(vendor, "open") == ["before", "nobody has today's file"]
        assert came(vendor, "changed") == ["b was reloaded", "a has yesterday's file", "b is back"]


async def test_a_reload_everywhere_is_carried_out_by_each_node_and_answered_with_what_it_came_to(
    tmp_path: Path, server: Server
) -> None:
    async with FakeVendor() as vendor, two_nodes(tmp_path, server, vendor, kind=Mistaken) as nodes:
        for node in nodes:
            change(node, vendor, "changed")
        code, out, err = await verb(nodes[0], "reload", "--everywhere")
        assert (code, err) == (0, "")
        assert out.splitlines() == [f"{name}: config.toml is in force: changed open" for name in ("a", "b")]
        await send(nodes[1], "m1")
        assert came(vendor, "changed") == ["m1"]
        for node in nodes:
            assert [line["via"] for line in node.log("config_reloaded")] == ["api"]
        nodes[1].config.write_text("[server]\nlisten = 7\n", encoding="utf-8")
        status, told = await nodes[0].admin("POST", "/api/reload?everywhere=true")
        assert (status, told["code"], told["error"]) == (409, "not_everywhere", "not reloaded: b")
        a, b = told["nodes"]
        assert (a["reloaded"], b["reloaded"], b["code"]) == (True, False, "invalid_config")
        assert any("server.listen" in error for error in b["errors"])
        nodes[1].write_config()
        status, told = await nodes[1].admin("POST", "/api/reload?everywhere=true")
        assert (status, [one["reloaded"] for one in told["nodes"]]) == (200, [True, True])


async def test_every_node_tells_of_all_nodes(tmp_path: Path, server: Server) -> None:
    async with FakeVendor() as vendor, two_nodes(tmp_path, server, vendor) as (a, b):
        await send(a, "m1")

        async def is_known() -> bool:
            told: dict[str, Any] = await b.get("/api/cluster")
            return all(node["admin"] for node in told["nodes"]) and all(unit["node"] for unit in told["units"])

        await eventually(is_known, what="all have said where they listen")
        told = await a.get("/api/cluster")
        assert [(node["name"], node["is_alive"], node["is_this"]) for node in told["nodes"]] == [
            ("a", True, True),
            ("b", True, False),
        ]
        assert [node["admin"] for node in told["nodes"]] == [a.admin_url, b.admin_url]
        assert [node["ingest"] for node in told["nodes"]] == [a.url, b.url]
        assert {unit["destination"]: unit["node"] for unit in told["units"]} == owners(a)
        assert {unit["configured_by"] for unit in told["units"]} == {"a"}
        assert told["differs"] == []
        code, out, _ = await verb(b, "cluster")
        assert code == 0
        assert "b *" in out
        assert max(map(len, out.splitlines())) <= 80
        b.kill()

        async def is_dead() -> bool:
            found = await a.get("/api/cluster")
            return not found["nodes"][1]["is_alive"] and {one["node"] for one in found["units"]} == {"a"}

        await eventually(is_dead, what="it is told as dead, and the other one has everything")
        await b.restart()
