"""A destination added from the pages, tried, and removed again."""

from __future__ import annotations

import tomllib
from pathlib import Path

from router.testing.vendor import FakeVendor, Reply
from tests.console.editing import Commented, changes
from tests.console.pages import Visitor

NEW = "/destinations/new?plugin=webhook"


async def test_every_plugin_is_offered_with_its_words_and_a_broken_one_with_its_fault(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        page = await visitor.open("/destinations/new")
        assert "ClientSuccess: one usage event for each track and page call" in page.text
        assert "Webhook: every event as a POST to a URL" in page.text
        form = await visitor.open("/destinations/new?plugin=clientsuccess")
        assert "Source Id required" in form.text
        assert "API Key required" in form.text
        assert "Where to find it: ClientSuccess gives it to you with the Source Id" in form.text
        assert (await visitor.open("/destinations/new?plugin=nothing")).text.count("there is no plugin nothing") == 1


async def test_a_new_destination_begins_in_dry_run_with_its_secrets_in_files(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        before, form = daemon.config.read_text(), await visitor.open(NEW)
        given = {
            "name": "audit",
            "setting.url": "https://example.com/hook",
            "setting.shared_secret": "sign-1234",
            "setting.headers+name": "Authorization",
            "setting.headers+value": "Bearer 5678",
        }
        review = await visitor.send(form, "Review the difference", do="review", **given)
        assert "The reload adds audit" in review.text, review.text
        done = await visitor.send(review, "Write and reload")
        assert "is active" in done.text
        after = daemon.config.read_text()
        assert after.startswith(before)
        assert tomllib.loads(after)["destination"][-1] == {
            "name": "audit",
            "plugin": "webhook",
            "mode": "dry-run",
            "settings": {
                "url": {"file": "secrets/audit_url"},
                "shared_secret": {"file": "secrets/audit_shared_secret"},
                "headers": {"Authorization": {"file": "secrets/audit_headers_Authorization"}},
            },
        }
        assert (tmp_path / "secrets/audit_headers_Authorization").read_text() == "Bearer 5678\n"
        assert (tmp_path / "secrets/audit_url").read_text() == "https://example.com/hook\n"
        assert all(file.stat().st_mode & 0o777 == 0o600 for file in (tmp_path / "secrets").iterdir())
        assert (await daemon.get("/api/destinations"))["destinations"][-1]["mode"] == "dry-run"
        again = await visitor.open("/destinations/audit/edit")
        assert "Headers: Authorization" in again.text
        pages = form.html + review.html + done.html + again.html
        assert not [secret for secret in ("5678", "example.com/hook") if secret in pages]


async def test_a_new_destination_is_given_its_filter_and_mapping_at_once(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        given = {
            "name": "audit",
            "setting.url": "https://example.com/hook",
            "filter": "type = 'track'",
            "mapping": 'drop = ["properties.password"]',
        }
        wrong = await visitor.send(
            await visitor.open(NEW), "Review the difference", do="review", **{**given, "filter": "type == 'track'"}
        )
        assert 'FQL has no "=="' in wrong.text
        review = await visitor.send(wrong, "Review the difference", do="review", filter="type = 'track'")
        done = await visitor.send(review, "Write and reload")
        assert (done.url.partition("?")[0], "config.toml was written" in done.text) == (
            f"{daemon.admin_url}/destinations/audit",
            True,
        )
        table = tomllib.loads(daemon.config.read_text())["destination"][-1]
        assert (table["filter"], table["mapping"]) == ("type = 'track'", {"drop": ["properties.password"]})


async def test_the_test_button_asks_the_tool_and_keeps_the_secret_for_the_review(tmp_path: Path) -> None:
    async with FakeVendor() as vendor, Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        form = await visitor.open("/destinations/new?plugin=braze")
        vendor.default = Reply(401, json={"message": "Invalid API key"})
        given = {"name": "second", "setting.base_url": vendor.url, "setting.api_key": "k-987654321"}
        tried = await visitor.send(form, "Review the difference", do="test", **given)
        assert "check: FAILED" in tried.text, tried.text
        assert "k-987654321" not in tried.html
        assert not (tmp_path / "secrets").exists()
        vendor.default = Reply(400, json={"message": "nothing to do"})
        tried = await visitor.send(tried, "Review the difference", do="test")
        assert "check: FAILED" not in tried.text
        assert "check" in tried.text
        assert "k-987654321" in str([request.headers for request in vendor.requests])
        review = await visitor.send(tried, "Review the difference", do="review")
        await visitor.send(review, "Write and reload")
        assert (tmp_path / "secrets/second_api_key").read_text() == "k-987654321\n"


async def test_a_name_that_is_none_or_is_taken_is_refused_at_its_field(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        before, form = daemon.config.read_bytes(), await visitor.open(NEW)
        for name in ("", "../../etc/x", "a/b", "A", "all", "new", 'x"\n[admin]', "braze"):
            page = await visitor.send(
                form, "Review the difference", do="review", name=name, **{"setting.url": "http://x/"}
            )
            assert page.status == 422, (name, page.text)
            assert "not a name" in page.text or "another destination has this name" in page.text
        bad = {"name": "ok", "setting.url": "http://x/", "setting.headers+name": "../x", "setting.headers+value": "v"}
        page = await visitor.send(form, "Review the difference", do="review", **bad)
        assert "use letters, digits, - and _" in page.text
        assert daemon.config.read_bytes() == before
        assert not (tmp_path / "secrets").exists()


async def test_all_that_was_typed_is_kept_when_the_name_is_taken_or_the_file_was_changed_meanwhile(
    tmp_path: Path,
) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        given = {
            "name": "braze",
            "setting.url": "https://example.com/hook",
            "setting.headers+name": "X-Key",
            "setting.headers+value": "k-5678",
        }
        taken = await visitor.send(await visitor.open(NEW), "Review the difference", do="review", **given)
        assert "another destination has this name" in taken.text
        assert "Entered: kept for half an hour" in taken.text
        assert "Now: not set." not in taken.text.partition("URL required")[2].partition("Shared Secret")[0]
        daemon.config.write_text(daemon.config.read_text() + "\n# a remark\n")
        stale = await visitor.send(taken, "Review the difference", do="review", name="audit")
        assert (stale.status, "What you typed is still here" in stale.text) == (409, True)
        assert not [secret for secret in ("k-5678", "example.com/hook") if secret in taken.html + stale.html]
        review = await visitor.send(stale, "Review the difference", do="review")
        await visitor.send(review, "Write and reload")
        assert (tmp_path / "secrets/audit_url").read_text() == "https://example.com/hook\n"
        assert (tmp_path / "secrets/audit_headers_X-Key").read_text() == "k-5678\n"


async def test_a_secret_of_another_destination_is_never_overwritten(tmp_path: Path) -> None:
    """`a_b` with the key `c` and `a` with the key `b_c` would have the same file."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/audit_shared_secret").write_text("of somebody else")
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        given = {"name": "audit", "setting.url": "http://x/", "setting.shared_secret": "mine-123"}
        review = await visitor.send(await visitor.open(NEW), "Review the difference", do="review", **given)
        await visitor.send(review, "Write and reload")
        assert (tmp_path / "secrets/audit_shared_secret").read_text() == "of somebody else"
        assert (tmp_path / "secrets/audit_shared_secret_2").read_text() == "mine-123\n"


async def test_removing_asks_for_the_name_and_tells_what_is_kept(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        before = daemon.config.read_text()
        page = await visitor.open("/destinations/clientsuccess/remove")
        assert "held 1 event" in page.text, page.text
        wrong = await visitor.send(page, "Review the removal", name="braze")
        assert (wrong.status, "write clientsuccess to confirm" in wrong.text) == (422, True)
        review = await visitor.send(wrong, "Review the removal", name="clientsuccess")
        assert "The reload removes clientsuccess" in review.text
        assert daemon.config.read_text() == before
        await visitor.send(review, "Write and reload")
        after = daemon.config.read_text()
        assert [table["name"] for table in tomllib.loads(after)["destination"]] == ["freshsuccess", "braze"]
        assert not [line for line in changes(before, after) if line.startswith("+")]
        (left,) = (await daemon.get("/api/destinations"))["removed"]
        assert (left["name"], left["held"]) == ("clientsuccess", 1)
