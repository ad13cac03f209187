"""What docs/cluster/compose.yaml starts in containers, with processes: two routers with its config.toml, a PostgreSQL, and HAProxy with its
haproxy.cfg. And the questions of the monitoring page are ones that the database answers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from router.testing.ports import HeldPort
from tests.contract.postgres_case import connected
from tests.docs.pages import ROOT, blocks
from tests.flow.harness import Daemon, eventually
from tests.patience import HANG_S
from tests.postgres_server import Server, running

FOLDER = ROOT / "docs/cluster"
KEY = {"Authorization": aiohttp.encode_basic_auth("demo", "")}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(fsync=True) as server:
        yield server


class Node(Daemon):
    """With the configuration of the folder, on ports of its own."""

    def write_config(self) -> None:
        words = (FOLDER / "config.toml").read_text(encoding="utf-8")
        for shown, here in (
            ("0.0.0.0:8080", f"127.0.0.1:{self.port}"),
            ("0.0.0.0:8081", f"127.0.0.1:{self.admin_port}"),
            ('token = { env = "SEGMENT_ROUTER_ADMIN_TOKEN" }\n', "\n"),
            ('{ env = "STORE_URL" }', f'"{self.database}"'),
            (
                "[cluster]\n",
                f'[cluster]\nnode = "{self.folder.name}"\n',
            ),  # in a container it has a host name of its own
        ):
            assert shown in words
            words = words.replace(shown, here)
        self.config.write_text(f'{words}\n[log]\nformat = "json"\n', encoding="utf-8")

    async def _is_open(self) -> bool:
        return True


def _start(program: str, folder: Path, nodes: Sequence[Node], port: int) -> subprocess.Popen[bytes]:
    words = (FOLDER / "haproxy.cfg").read_text(encoding="utf-8").replace("bind :8080", f"bind 127.0.0.1:{port}")
    for node in nodes:
        shown = f"{node.folder.name}:8080 check port 8081"
        assert shown in words
        words = words.replace(shown, f"127.0.0.1:{node.port} check port {node.admin_port}")
    (folder / "haproxy.cfg").write_text(words)
    with (folder / "haproxy.log").open("wb") as said:
        return subprocess.Popen([program, "-db", "-f", str(folder / "haproxy.cfg")], stdout=said, stderr=said)


@asynccontextmanager
async def balanced(folder: Path, *nodes: Node) -> AsyncIterator[str]:
    """The address of HAProxy before these nodes."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("there is no haproxy on this machine: apt-get install haproxy")
    held = HeldPort()
    process = _start(program, folder, nodes, held.number)
    try:
        yield f"http://127.0.0.1:{held.number}"
    finally:
        process.terminate()
        process.wait()
        held.close()


async def test_a_node_is_killed_and_the_other_one_goes_on_and_the_database_stops_and_comes_back(
    tmp_path: Path, server: Server
) -> None:
    database = server.dsn(await server.database())
    for name in ("router-a", "router-b"):
        (tmp_path / name).mkdir()
    first, second = [Node(tmp_path / name, [], store={"url": database}) for name in ("router-a", "router-b")]
    timeout = aiohttp.ClientTimeout(total=HANG_S)
    async with (
        first,
        second,
        balanced(tmp_path, first, second) as url,
        aiohttp.ClientSession(headers=KEY, timeout=timeout) as http,
    ):

        async def sent(id: str) -> int:
            call = {"userId": "u1", "event": "Hello", "messageId": id}
            try:
                async with http.post(f"{url}/v1/track", json=call) as answer:
                    return answer.status
            except aiohttp.ClientError:  # HAProxy does not listen yet
                return 0

        async def taken(id: str) -> None:
            async def is_taken() -> bool:
                return await sent(id) == 200

            await eventually(is_taken, what=f"{id} is taken")

        await taken("m1")
        ledgers = [await node.settled() for node in (first, second)]
        assert [ledger["accepted"] for ledger in ledgers] == [1, 1], "the same at each"
        first.kill()
        await taken("m2")

        async def has_all() -> bool:
            owners = second.rows("SELECT DISTINCT owner_name FROM unit WHERE expires > clock_timestamp()")
            return [row[0] for row in owners] == ["router-b"]

        await eventually(has_all, what="router-b has all destinations")
        ledger = await second.settled()
        assert [ledger["destinations"][name]["dry_run"] for name in ("hook", "another-hook")] == [2, 2]
        await first.restart()

        server.stop()

        async def is_refused() -> bool:
            return await sent("m3") == 503

        await eventually(is_refused, what="503 while the database is away")
        server.start()
        await server.ready()
        await taken("m3")
        for node in (first, second):
            await node.ready()
        assert (await second.settled())["accepted"] == 3


async def test_the_database_answers_each_question_of_the_monitoring_page(tmp_path: Path, server: Server) -> None:
    database = server.dsn(await server.database())
    questions = [block.text for block in blocks(FOLDER / "monitoring.md", "sql")]
    (tmp_path / "router-a").mkdir()
    async with Node(tmp_path / "router-a", [], store={"url": database}) as node, connected(database) as connection:
        assert len(questions) >= 6
        answers = [await connection.fetch(question) for question in questions]
        assert answers[0] == [], "each destination has a node"
        behind = {row["destination"]: row["behind"] for row in answers[1]}
        assert behind == {"hook": 0, "another-hook": 0}
        assert [(row["name"], row["lives"]) for row in answers[2]] == [("router-a", True)]
        assert {row["relname"] for row in answers[-1]} == {"head", "unit", "lane", "parked"}
        node.kill()
        await connection.execute("UPDATE unit SET expires = clock_timestamp() - interval '1 minute'")
        assert len(await connection.fetch(questions[0])) == 2
        await node.restart()
