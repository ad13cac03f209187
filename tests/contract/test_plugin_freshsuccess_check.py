"""Freshsuccess' check: the Account API is asked for a list, the Event API for nothing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator

import pytest

from plugins.freshsuccess import Freshsuccess
from router.plugin import Pause, Reject, RetryLater
from router.testing import open_sender
from router.testing.vendor import FakeVendor, Reply

ACCOUNTS = {"status_is_ok": True, "results": [{"account_id": "acme"}], "current_page": 0, "max_page_size": 1000}


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with FakeVendor(Reply(json=ACCOUNTS)) as vendor:
        yield vendor


async def check(vendor: FakeVendor, account_api_key: str = "AK") -> str:
    """Run the hook against this vendor."""
    settings = {"event_auth_key": "EA", "event_api_key": "ES", "account_api_key": account_api_key}
    async with open_sender(Freshsuccess, {**settings, "api_base_url": "https://api.test/"}, vendor) as sender:
        return await sender.check()


async def test_the_accounts_are_listed_and_nothing_is_written(vendor: FakeVendor) -> None:
    assert (await check(vendor)).startswith("the Account API takes our key")
    [seen] = vendor.requests
    assert (seen.method, seen.url, seen.body) == ("GET", "https://api.test/api/v2/accounts?page=0", b"")
    assert seen.headers["authorization"] == f"Basic {b64encode(b'api:AK').decode()}"


async def test_without_a_key_of_the_account_api_nothing_is_asked(vendor: FakeVendor) -> None:
    assert (await check(vendor, account_api_key="")).startswith("nothing was tried")
    assert vendor.requests == []


@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        (Reply(401, body=b"bad key"), Pause("credentials", "status 401: bad key")),
        (Reply(403, body=b"forbidden"), Pause("credentials", "status 403: forbidden", sure=False)),
        (Reply(400, body=b"what?"), Reject("rejected", "status_400: what?")),
        (Reply(503, body=b""), RetryLater("status_503")),
        (Reply(json={"status_is_ok": False, "message": "no such key"}), Reject("rejected", "no such key")),
    ],
)
async def test_a_refusal_is_raised_with_the_vendors_words(vendor: FakeVendor, reply: Reply, raised: Exception) -> None:
    vendor.script(reply)
    with pytest.raises(type(raised)) as caught:
        await check(vendor)
    assert caught.value == raised


async def test_a_list_that_was_cut_off_says_as_much_as_a_whole_one(vendor: FakeVendor) -> None:
    vendor.script(Reply(200, body=b'{"status_is_ok": true, "results": [{"account_id'))
    assert (await check(vendor)).startswith("the Account API takes our key")
