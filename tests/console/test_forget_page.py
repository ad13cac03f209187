"""Forgetting a person or a company from the console."""

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


async def test_a_group_is_not_forgotten_as_a_person(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        page = await visitor.open("/users/group:acme/forget")
        assert (page.status, "Only a person can be forgotten" in page.text) == (404, True)


async def test_a_company_is_forgotten_once_its_id_is_typed(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("group", userId="u1", groupId="acme", messageId="m1", traits={"name": "Acme"})
        await daemon.settled()
        assert "Forget this company" in (await visitor.open("/groups/acme")).text
        page = await visitor.open("/groups/acme/forget")
        wrong = await visitor.send(page, "Forget this company", group="beta")
        assert (wrong.status, "Type acme to confirm; nothing was erased." in wrong.text) == (409, True)
        page = await visitor.send(page, "Forget this company", group="acme", tools="on")
        assert "DELETE_ONLY" in page.text
        await eventually(lambda: is_done(daemon))
        assert "hook: NOT_SUPPORTED" in (await visitor.open(page.url)).text
        assert (await daemon.message("m1"))["forgotten"]
        assert (await visitor.open("/groups/acme")).status == 404
        [line] = await daemon.logged("operator_acted")
        assert (line["action"], "acme" in str(line)) == ("forget", False)
