"""Forgetting a person from the console."""

from __future__ import annotations

from pathlib import Path

from tests.console.pages import Visitor
from tests.flow.harness import Daemon, destination, eventually

HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")


async def test_a_person_is_forgotten_once_the_name_is_typed(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("identify", userId="u1", anonymousId="a-1", messageId="m1", traits={"name": "Ann"})
        await daemon.settled()
        page = await visitor.open("/users/user:u1/forget")
        assert "Also of 1 anonymousId that belong to the same person: a-1" in page.text
        wrong = await visitor.send(page, "Forget this person", user="u2")
        assert (wrong.status, "Type user:u1 to confirm; nothing was erased." in wrong.text) == (409, True)
        page = await visitor.send(page, "Forget this person", user="user:u1", suppress="on")
        assert "SUPPRESS_WITH_DELETE_INTERNAL" in page.text
        await eventually(lambda: is_done(daemon))
        assert "Done" in (await visitor.open(page.url)).text
        told = await daemon.message("m1")
        assert (told["forgotten"], told["user_id"]) == (True, None)
        await daemon.post("track", userId="u1", event="E", messageId="m2")
        assert (await daemon.admin("GET", "/api/messages/m2"))[0] == 404
        [line] = await daemon.logged("operator_acted")
        assert (line["action"], line["via"]) == ("forget", "console")
        assert "u1" not in str(line)


async def is_done(daemon: Daemon) -> bool:
    [regulation] = (await daemon.get("/api/regulations"))["data"]["regulations"]
    return bool(regulation["finishedAt"])


async def test_a_group_cannot_be_forgotten(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        page = await visitor.open("/users/group:acme/forget")
        assert (page.status, "Only a person can be forgotten" in page.text) == (404, True)
