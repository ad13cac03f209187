"""The examples of docs/configuration.md: their tables load, and the real plugins send what the page promises."""

from __future__ import annotations

import hmac
from pathlib import Path

from tests.contract.page_examples import bodies, running, written


async def test_clientsuccess_gets_a_title_as_the_name_that_it_needs_first(tmp_path: Path) -> None:
    async with running(tmp_path, "clientsuccess", "base_url") as (rig, vendor):
        await rig.call(
            "identify", "i", userId="u1", traits={"birthday": "1990-01-01", "title": "Dr", "email": "a@b.co"}
        )
        await rig.call("track", "t", userId="u1", event="Signed Up", properties={"amount": "12"})
        await rig.call("track", "b", userId="u1", event="Heartbeat")
        await rig.quiet()
        assert await rig.fate("t") == ("held", "group_unknown")
        assert await rig.fate("b") == ("filtered", "event_name")
        await rig.call("group", "g", userId="u1", groupId="acme", traits={"title": "Acme Inc"})
        await rig.quiet()
        (sent,) = bodies(vendor)
        assert sent["identity"]["organization"] == {"id": "acme", "name": "Acme Inc"}
        assert sent["identity"]["user"] == {"id": "u1", "email": "a@b.co", "custom": {"title": "Dr"}}
        assert sent["value"] == 12
        assert "Signup" in vendor.requests[0].url


async def test_freshsuccess_gets_an_area_as_the_module(tmp_path: Path) -> None:
    async with running(tmp_path, "freshsuccess", "events_base_url") as (rig, vendor):
        await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "Acme"})
        await rig.call("track", "t", userId="u1", event="Exported", properties={"area": "Reports", "x": 1})
        await rig.call("track", "o", userId="u1", event="Imported", properties={"area": " "})
        await rig.quiet()
        feature, other = [sent for sent in bodies(vendor) if sent["action"] == "feature"]
        assert (feature["feature"], feature["module"], feature["product"]) == ("Exported", "Reports", "shop")
        assert (other["feature"], other["module"]) == ("Imported", "Other")


async def test_braze_gets_the_traits_and_properties_that_the_table_names_and_no_others(tmp_path: Path) -> None:
    async with running(tmp_path, "braze", "base_url") as (rig, vendor):
        traits = {"email": "a@b.co", "firstName": "Ann", "salary": 1, "contact": {"mobile": "+49", "home": "x"}}
        await rig.call("identify", "i", userId="u1", traits=traits)
        await rig.quiet()
        paid = {"plan": "a plan with a long name", "card": "4111", "due": "2026-01-31"}
        await rig.call("track", "t", userId="u1", event="Paid", properties=paid)
        await rig.quiet()
        identify, track = bodies(vendor)
        assert identify["attributes"] == [{"external_id": "u1", "email": "a@b.co", "first_name": "Ann", "phone": "+49"}]
        assert track["events"][0]["properties"] == {
            "plan": "a plan with a long n",
            "due": "2026-01-31T00:00:00.000Z",
        }


async def test_a_webhook_gets_what_its_receiver_knows_and_no_card_number(tmp_path: Path) -> None:
    async with running(tmp_path, "webhook", "url") as (rig, vendor):
        card = {"number": "4111", "kind": "visa"}
        await rig.call("track", "t", userId="u1", event="Paid", properties={"total": 12, "card": card})
        await rig.quiet()
        await rig.call("identify", "i", userId="u1", traits={"total": 1, "tenant": "other", "email": "A@b.co"})
        await rig.quiet()
        track, identify = bodies(vendor)
        assert track["properties"] == {"amount": 12, "card": {"kind": "visa"}, "tenant": "tenant-7"}
        email = hmac.digest(b"0123456789abcdef", b"a@b.co", "sha256").hex()
        assert identify["traits"] == {"total": 1, "tenant": "other", "email": email}


async def test_a_file_gets_of_a_users_traits_those_that_the_table_names(tmp_path: Path) -> None:
    async with running(tmp_path, "file", "path") as (rig, _):
        traits = {"email": "a@b.co", "name": "Ann", "plan": "pro", "company": {"size": 5, "owner": "Ann"}}
        await rig.call("identify", "i", userId="u1", traits=traits)
        await rig.call("track", "t", userId="u1", event="Paid", properties={"x": 1}, context={"traits": traits})
        await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "Acme"})
        identify, track, group = await written(rig, tmp_path / "events.jsonl")
        assert identify["traits"] == track["context"]["traits"] == {"plan": "pro", "company": {"size": 5}}
        assert (track["properties"], group["traits"]) == ({"x": 1}, {"name": "Acme"})
