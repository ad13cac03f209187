"""Every bundled plugin is gold with its usual settings, but for the checks that take long. With `-m slow` it is so by all checks, and with
the settings that change what it sends."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from typing import Any

import pytest

from plugins.braze import Braze
from plugins.clientsuccess import ClientSuccess
from plugins.file import File
from plugins.freshsuccess import Freshsuccess
from plugins.http import Http
from plugins.postgres import Postgres
from plugins.segment import Segment
from plugins.webhook import Webhook
from router.testing import Received, Reply
from router.testing.checking.check import Tier
from router.testing.checking.report import FAILED, LACKING, Report, Runner, words_of
from router.testing.checking.subject import Subject
from router.testing.checks import CHECKS
from tests.contract.scenes import Database, Folder
from tests.docs.pages import ROOT
from tests.postgres_server import running
from tests.sampled import DEAR
from tests.vendors import http_examples

pytestmark = pytest.mark.usefixtures("prepared_apart")
ORDER = {
    "type": "track",
    "userId": "u1",
    "event": "Order Completed",
    "properties": {"products": [{"product_id": "p1", "price": 1}] * 3},
}
TAKEN = Reply(200, json={"status_is_ok": True})
KEYS = {"event_auth_key": "the-auth-key", "event_api_key": "the-api-key"}
BATCH = {
    "url": "https://api.example.com/v1",
    "format": "array",
    "max_items": 50,
    "query": {"key": "the-key-of-http"},
    "token": {"url": "https://api.example.com/token", "client_id": "the-client", "client_secret": "the-client-secret"},
    "identify": {"path": "/batch", "body": {"id": "${userId}", "traits": "${traits}"}},
    "track": {
        "path": "/batch",
        "body": {"id": "${messageId}", "name": "${event}", "plan": "${properties.plan | lower}"},
    },
}
RESULTS = {**BATCH, "answers": {"items": {"list": "results", "status": "status", "reason": "error"}}}


def takes_each(seen: Received) -> Reply:
    """Of a vendor that says so of each event."""
    if seen.url.endswith("/token"):
        return Reply(json={"access_token": "token-of-a-vendor", "expires_in": 3600})
    return Reply(json={"results": [{"status": 200} for _ in seen.json()]})


PLUGINS: dict[str, tuple[type[Any], dict[str, Any], dict[str, Any]]] = {
    "braze": (Braze, {"api_key": "the-api-key"}, {"calls": [ORDER]}),
    "braze with every option": (
        Braze,
        {
            "api_key": "the-api-key", "track_all_pages": True, "purchase_properties": True, "merge_on_alias": True,
            "drop_repeats": True, "anonymous_alias_label": "browser", "app_id": "A1",
        },
        {"calls": [ORDER]},
    ),
    "clientsuccess": (ClientSuccess, {"project_id": "P", "api_key": "the-api-key"}, {}),
    "file": (File, {"path": "events.jsonl"}, {"scene": Folder()}),
    "freshsuccess in event mode": (Freshsuccess, {**KEYS, "send_pages": True}, {}),
    "freshsuccess in account mode": (Freshsuccess, {**KEYS, "account_api_key": "the-account-key"}, {"vendor": TAKEN}),
    "http, ClientSuccess": (Http, http_examples.clientsuccess("https://usage.example.com"), {}),
    "http, Braze": (Http, http_examples.braze("https://rest.example.com"), {}),
    "http with a token and batches": (Http, BATCH, {}),
    "http with a result for each event": (Http, RESULTS, {"vendor": takes_each}),
    "segment": (Segment, {"write_key": "the-write-key"}, {}),
    "webhook": (Webhook, {"url": "https://example.com/hook", "shared_secret": "the-secret"}, {}),
    "webhook in batches": (Webhook, {"url": "https://example.com/hook", "batch": 20, "final_statuses": [410, 501]}, {}),
}  # fmt: skip


def told(report: Report) -> str:
    found = [result for result in report.results if result.result in (FAILED, LACKING)]
    return "\n".join(line for result in found for line in words_of(result))


USUAL = {plugin: name for name, (plugin, _, _) in reversed(PLUGINS.items())}.values()
"""The first ones of each plugin."""


@pytest.mark.parametrize(
    "dear", [DEAR, pytest.param((), marks=pytest.mark.slow)], ids=["but for what is dear", "whole"]
)
@pytest.mark.parametrize(
    "name", [name if name in USUAL else pytest.param(name, marks=pytest.mark.slow) for name in PLUGINS]
)
def test_a_bundled_plugin_is_gold(name: str, dear: Collection[str]) -> None:
    plugin, settings, options = PLUGINS[name]
    runner = Runner(Subject(plugin, settings, **options), CHECKS)
    report = Report([runner.result(check) for check in CHECKS if check.name not in dear])
    assert report.tier is Tier.GOLD, told(report)


def test_postgres_is_gold_on_a_real_server() -> None:
    settings = {"dsn": "postgresql://loader:a-l0ng-password@localhost/events"}
    with running() as server:
        report = Runner(Subject(Postgres, settings, scene=Database(server)), CHECKS).report()
    assert report.tier is Tier.GOLD, told(report)


def test_no_bundled_plugin_is_left_out() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bundled = project["entry-points"]["segment_router.destinations"]
    checked = {*(plugin for plugin, _, _ in PLUGINS.values()), Postgres}
    assert {place.partition(":")[2] for place in bundled.values()} == {plugin.__name__ for plugin in checked}
