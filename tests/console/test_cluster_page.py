"""The page of the nodes: there where a store can be shared, and the same answer as the API gives."""

from __future__ import annotations

from pathlib import Path

from tests.console.editing import wanted_errors
from tests.console.pages import Visitor
from tests.flow.harness import Daemon, destination, eventually
from tests.postgres_server import running

HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")


async def test_with_a_store_in_a_file_no_page_leads_there_and_it_says_why(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        assert "Cluster" not in (await visitor.open("/")).links
        page = await visitor.open("/cluster")
        assert "The store is a file, so this is the only node." in page.text
        assert "hook" in page.text


async def test_with_a_database_it_has_the_nodes_who_delivers_and_what_is_not_alike(tmp_path: Path) -> None:
    with running(fsync=True) as server:
        store = {"url": server.dsn(await server.database())}
        daemon = Daemon(tmp_path, [HOOK], store=store, cluster={"node": "router-a"})
        async with daemon, Visitor(daemon.admin_url) as visitor:

            async def is_owned() -> bool:
                return bool((await daemon.get("/api/cluster"))["units"][0]["node"])

            await eventually(is_owned)
            page = await visitor.open((await visitor.open("/")).links["Cluster"])
            assert "router-a (this one) ● yes" in page.text
            assert "hook router-a" in page.text
            assert "router-a trims the log" in page.text or "No node trims the log now" in page.text
            assert "Nothing: the nodes that live have the same config.toml and version" in page.text
            assert "Nobody" not in page.text


async def test_with_a_database_a_reload_is_of_this_node_or_of_all_and_says_where_one_failed(tmp_path: Path) -> None:
    with running(fsync=True) as server:
        store = {"url": server.dsn(await server.database())}
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
        a, b = (Daemon(tmp_path / name, [HOOK], store=store, cluster={"node": name}) for name in ("a", "b"))
        async with a, b, Visitor(a.admin_url) as visitor:
            done = await visitor.send(await visitor.open("/settings"), "Reload this node")
            assert "config.toml was read again and is active." in done.text
            assert (len(a.log("config_reloaded")), b.log("config_reloaded")) == (1, [])
            done = await visitor.send(await visitor.open("/settings"), "Reload all nodes")
            assert "Each node that lives has read its config.toml again" in done.text
            assert [line["via"] for line in b.log("config_reloaded")] == ["console"]
            b.config.write_text("[server]\nlisten = 7\n", encoding="utf-8")
            done = await visitor.send(await visitor.open("/settings"), "Reload all nodes")
            assert "At least one node was not reloaded." in done.text
            await wanted_errors(b)
