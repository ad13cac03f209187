"""The configurations that docs/destinations/http.md shows: they give the requests of the plugins of their vendors, and strict
vendors refuse nothing of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plugins.http import Http, HttpSettings
from router.plugin import Answer, Context, Delivered, Profile, Reject, RetryLater
from router.testing import Rehearsal, fixture_files
from router.testing.fixtures import came_of, played
from tests.contract.plugin_case import FIXTURES, event_of, mapped
from tests.docs.pages import blocks
from tests.vendors.braze import BrazeVendor
from tests.vendors.clientsuccess import ClientSuccessVendor
from tests.vendors.http_examples import PAGE, braze, clientsuccess, shown
from tests.vendors.strict import Seen, StrictVendor

Case = Mapping[str, Any]


def http(settings: dict[str, Any]) -> Http:
    return Http(HttpSettings.model_validate(settings))


def clientsuccess_of(case: Case) -> dict[str, Any]:
    """ClientSuccess by configuration, with the settings of a fixture."""
    given = case["settings"]
    base = given.get("base_url", "https://usage.clientsuccess.com")
    return clientsuccess(base, quote(given["project_id"], safe=""), given["api_key"])


def braze_of(case: Case) -> dict[str, Any]:
    """Braze by configuration, with the settings of a fixture."""
    return braze("https://rest.iad-01.braze.com", case["settings"]["api_key"])


def came(settings: Mapping[str, Any], case: Case) -> dict[str, Any]:
    """What comes of a fixture by configuration. Warnings are left out: it has none of its own."""
    rehearsal = Rehearsal(Http, settings)
    told = came_of(rehearsal, played(rehearsal, case))
    return {key: value for key, value in told.items() if key != "warnings"}


# ---------------------------------------------------------------- the fixtures of the vendors' own plugins

CONTRACT_ROWS = 20
"""The first fixtures of ClientSuccess are the rows of its contract."""
BEYOND = ("25", "26", "28", "31", "34", "36")
"""What it has in common with the plugin beyond these."""
OF_BRAZE = ("01", "02", "03", "06", "07", "08", "10", "13", "23", "29", "34", "44", "45", "46", "66")
"""What does not need a setting of the plugin, a purchase, a page, or a value brought into another form."""


def chosen(plugin: str, is_chosen: Callable[[str], bool]) -> list[Path]:
    found = [path for path in fixture_files(FIXTURES / plugin) if is_chosen(path.name[:2])]
    assert found
    return found


@pytest.mark.parametrize(
    "path",
    chosen("clientsuccess", lambda number: int(number) <= CONTRACT_ROWS or number in BEYOND),
    ids=lambda path: path.stem,
)
def test_clientsuccess_by_configuration_gives_the_requests_of_its_contract(path: Path) -> None:
    case = json.loads(path.read_text())
    assert came(clientsuccess_of(case), case) == {k: v for k, v in case["expected"].items() if k != "warnings"}


@pytest.mark.parametrize("path", chosen("braze", lambda number: number in OF_BRAZE), ids=lambda path: path.stem)
def test_braze_by_configuration_gives_the_requests_of_its_plugin(path: Path) -> None:
    case = json.loads(path.read_text())
    assert came(braze_of(case), case) == case["expected"]


# ---------------------------------------------------------------- strict vendors

NAMES = st.sampled_from(["Run", "A/B 50%?", "Émail envoyé", "..", " ", "x" * 300]) | st.text(max_size=5)
PLAIN = st.booleans() | st.integers(-9, 9) | st.sampled_from(["a", "Ada", "x@y.co", " ", "ü"]) | st.lists(st.just("t"))
TRAITS = st.dictionaries(
    st.sampled_from(["plan", "seats", "tags", "firstName", "email", "birthday"]), PLAIN, max_size=4
)
CALLS = st.fixed_dictionaries(
    {"type": st.sampled_from(["identify", "track", "page", "screen", "alias"])},
    optional={
        "userId": st.sampled_from(["u1", "Bob@Beta.io", "a/b"]),
        "event": NAMES,
        "name": NAMES,
        "category": NAMES,
        "traits": TRAITS,
        "properties": st.dictionaries(st.sampled_from(["value", "csValue", "plan", "name", "time"]), PLAIN, max_size=3),
    },
)
COMPANY = {"type": "group", "userId": "u1", "groupId": "acme", "traits": {"name": "Acme"}}


def refusals(
    vendor: StrictVendor, tables: Mapping[str, Any], settings: Case, base_url: str, calls: Sequence[Case]
) -> list[str]:
    """What the vendor finds wrong with all that these calls become. `tables`: the configuration."""
    found: list[str] = []
    rehearsal = Rehearsal(Http, tables)
    requests = []
    for call in calls:
        with suppress(ValueError):  # what ingestion refuses reaches no plugin
            requests += rehearsal.take(call).requests
    for request in requests:
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Seen(request.method, "base_url", request.url.removeprefix(base_url), headers, request.body, 0.0)
        found += vendor.read(seen, settings).words
    return found


@pytest.mark.long
@given(calls=st.lists(CALLS, min_size=1, max_size=4))
@example(calls=[{"type": "identify", "userId": "u1", "traits": {"email": False}}, {"type": "page", "userId": "u1"}])
def test_clientsuccess_refuses_nothing_of_it(calls: list[Case]) -> None:
    settings = {"project_id": "P/1", "api_key": "K Y"}
    tables = clientsuccess("http://cs.test", "P%2F1", "K Y")
    assert refusals(ClientSuccessVendor(), tables, settings, "http://cs.test", [COMPANY, *calls]) == []


@pytest.mark.long
@given(calls=st.lists(CALLS, min_size=1, max_size=4))
def test_braze_refuses_nothing_of_it(calls: list[Case]) -> None:
    of_text = [
        {**one, "traits": {k: v for k, v in one.get("traits", {}).items() if k in ("plan", "seats", "tags")}}
        for one in calls
    ]
    assert refusals(BrazeVendor(), braze("http://braze.test"), {"api_key": "KEY"}, "http://braze.test", of_text) == []


def test_braze_s_answer_says_what_became_of_each_object() -> None:
    plugin, vendor = http(braze("http://braze.test")), BrazeVendor()
    calls: list[Case] = [
        {"type": "track", "userId": "u1", "event": "Run"},
        {"type": "identify", "userId": "u1", "traits": {"plan": "pro"}},
        {"type": "track", "userId": "u2", "event": "Run", "properties": {"$set": 1}},
        {"type": "identify", "userId": "u2", "traits": {"country": False}},
    ]
    batch = [item for call in calls for item in mapped(plugin, event_of(call), Context())]
    assert len({item.kind for item in batch}) == 1
    request = plugin.request(batch)
    headers = {name.lower(): value for name, value in request.headers.items()}
    judged = vendor.read(Seen("POST", "base_url", "/users/track", headers, request.body, 0.0), {"api_key": "KEY"})
    found = plugin.verdict(batch, Answer(judged.reply.status, body=json.dumps(judged.reply.json).encode()))
    refused = [Reject("rejected", "a property's name is not valid"), Reject("rejected", "'country' is not valid")]
    assert found == [Delivered(), Delivered(), *refused]


# ---------------------------------------------------------------- the other examples of the page


@pytest.mark.parametrize(
    ("name", "at", "traits"),
    [("language", 0, {"name": "Ada"}), ("orders", 1, {"email": " Ada@Example.com"})],
    ids=["language", "orders"],
)
def test_an_example_of_the_language_is_the_request_that_is_shown(name: str, at: int, traits: dict[str, Any]) -> None:
    call, wanted = (json.loads(block.text) for block in blocks(PAGE, "json")[2 * at : 2 * at + 2])
    event = event_of({"type": "track", **call})
    plugin = http(shown(name, PRIVACY_KEY="a key for the example"))
    [item] = mapped(plugin, event, Context(user=Profile("u1", traits)))
    request = plugin.request([item])
    body = json.loads(request.body)
    assert {"method": request.method, "url": request.url, "headers": dict(request.headers), "body": body} == wanted


def test_the_example_of_results_per_event_means_what_is_said_of_it() -> None:
    plugin = http(shown("bulk"))
    batch = [item for _ in range(4) for item in mapped(plugin, event_of({"type": "track", "event": "a"}), Context())]
    body = b'{"results": [{"status": 200}, {"status": 429}, {"status": 400, "error": "bad name"}]}'
    found = plugin.verdict(batch, Answer(200, body=body))
    assert isinstance(found, list)
    first, second, third, left_out = found
    assert (first, third) == (Delivered(), Reject("rejected", "status_400: bad name"))
    assert isinstance(second, RetryLater)
    assert isinstance(left_out, RetryLater)
    assert left_out.reason == "no_item_result"
