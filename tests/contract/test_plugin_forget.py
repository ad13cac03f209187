"""Deletions of the bundled plugins: what each sends for a person, and that a strict vendor takes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plugins.braze import Braze, BrazeSettings
from plugins.clientsuccess import ClientSuccess
from plugins.file import File, FileSettings
from plugins.freshsuccess import Freshsuccess
from plugins.segment import Segment
from plugins.webhook import Webhook, WebhookSettings
from router.plugin import Delivered, Person
from tests.vendors.braze import BrazeVendor
from tests.vendors.strict import Seen

PERSON = Person("u1", ("anon-1", "anon-2"))
BROWSER = Person(None, ("anon-1",))


def braze(**settings: Any) -> Braze:
    return Braze(BrazeSettings(**{"api_key": "KEY", **settings}))


def test_braze_deletes_the_profile_of_a_user_and_of_nobody_it_cannot_have() -> None:
    assert [item.body for item in braze().forget(PERSON)] == [{"external_ids": ["u1"]}]
    assert braze().forget(BROWSER) == []


def test_braze_deletes_the_profiles_of_anonymous_ids_where_they_are_sent() -> None:
    items = braze(anonymous_alias_label="browser").forget(PERSON)
    aliases = [{"alias_name": name, "alias_label": "browser"} for name in PERSON.anonymous_ids]
    assert [item.body for item in items] == [{"external_ids": ["u1"]}, *({"user_aliases": [one]} for one in aliases)]


def test_a_strict_braze_takes_fifty_of_them_in_a_request() -> None:
    plugin = braze(anonymous_alias_label="browser")
    items = [item for n in range(20) for item in plugin.forget(Person(f"u{n}", (f"a{n}",)))]
    assert {plugin.kinds[item.kind].max_items for item in items} == {50}
    request = plugin.request(items)
    path = request.url.removeprefix(plugin.settings.base_url.rstrip("/"))
    headers = {name.lower(): value for name, value in request.headers.items()}
    seen = Seen("POST", "base_url", path, headers, request.body, 0)
    answer = BrazeVendor().judge(seen, {"api_key": "KEY"}).reply
    assert (path, answer.status) == ("/users/delete", 200)


@pytest.mark.parametrize("person", [PERSON, BROWSER], ids=["user", "anonymous"])
def test_a_webhook_gets_a_delete_call_for_each_id(person: Person) -> None:
    plugin = Webhook(WebhookSettings(url="https://example.com/hook"))
    users = [{"type": "delete", "userId": person.user_id}] if person.user_id else []
    browsers = [{"type": "delete", "anonymousId": one} for one in person.anonymous_ids]
    assert [item.body for item in plugin.forget(person)] == [*users, *browsers]
    assert json.loads(plugin.request(plugin.forget(person)[:1]).body)["type"] == "delete"


async def test_a_file_gets_a_line_for_each_id(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    plugin = File(FileSettings(path=path))
    assert isinstance(await plugin.deliver(plugin.forget(PERSON), None), Delivered)  # type: ignore[arg-type]
    lines = [json.loads(line) for line in lines_of(path)]
    assert lines[0] == {"type": "delete", "userId": "u1"}
    assert [line["anonymousId"] for line in lines[1:]] == ["anon-1", "anon-2"]


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


async def test_a_webhook_and_a_file_get_a_delete_call_for_a_group(tmp_path: Path) -> None:
    path, call = tmp_path / "events.jsonl", {"type": "delete", "groupId": "acme"}
    webhook, file = Webhook(WebhookSettings(url="https://example.com/hook")), File(FileSettings(path=path))
    assert json.loads(webhook.request([webhook.forget_group("acme")]).body) == call
    assert isinstance(await file.deliver([file.forget_group("acme")], None), Delivered)  # type: ignore[arg-type]
    assert [json.loads(line) for line in lines_of(path)] == [call]


@pytest.mark.parametrize(("plugin", "what"), [(ClientSuccess, "client"), (Freshsuccess, "account"), (Segment, "group")])
def test_one_that_cannot_delete_a_group_says_what_to_do_by_hand(plugin: Any, what: str) -> None:
    assert not hasattr(plugin, "forget_group")
    assert f"delete the {what} there" in plugin.forget_group_by_hand


@pytest.mark.parametrize(("plugin", "what"), [(ClientSuccess, "contact"), (Freshsuccess, "contact"), (Segment, "user")])
def test_one_that_cannot_says_what_to_do_by_hand(plugin: Any, what: str) -> None:
    assert not hasattr(plugin, "forget")
    assert f"delete the {what} there" in plugin.forget_by_hand
