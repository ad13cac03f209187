"""A destination changed from its page: the form, the review, the file, the reload. The daemon and its files are real."""

from __future__ import annotations

import asyncio
import html
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from router.filters import compile_condition
from tests.console.editing import Commented, changes, saved, wanted_errors
from tests.console.pages import Visitor

EDIT = "/destinations/clientsuccess/edit"


async def test_a_change_is_shown_first_then_written_with_all_comments_kept_and_in_force(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        before = daemon.config.read_text()
        form = await visitor.open(EDIT)
        assert "Source Id required" in form.text
        changed = {
            "enabled": "off",
            "sources.*": "",
            "sources.website": "on",
            "setting.page_event": "Page viewed",
            "setting.base_url": "https://eu.example.com",
            "filter": "type = 'track'\r\nor type = 'page'",
            "mapping": form.forms[-1].fields["mapping"].replace("drop = []", 'drop = ["properties.password"]'),
        }
        review = await visitor.send(form, "Review the difference", do="review", **changed)
        assert daemon.config.read_text() == before, "a review writes nothing"
        assert '+base_url = "https://eu.example.com"' in review.text
        assert "The reload changes clientsuccess" in review.text
        done = await visitor.send(review, "Write and reload")
        assert "config.toml was written and is active" in done.text
        after = daemon.config.read_text()
        assert changes(before, after) == [
            "-enabled = true                       # false: new events are filtered; what waits here is kept",
            "+enabled = false                       # false: new events are filtered; what waits here is kept",
            '-sources = ["*"]                      # names of sources; "*": all',
            '+sources = ["website"]                      # names of sources; "*": all',
            '-filter = ""                          # FQL: only events for which it is true are sent, e.g. "type = \'track\' and properties.total > 100"',
            '+filter = """',
            "+type = 'track'",
            '+or type = \'page\'"""                          # FQL: only events for which it is true are sent, e.g. "type = \'track\' and properties.total > 100"',
            '-base_url = "https://usage.clientsuccess.com"',
            '+base_url = "https://eu.example.com"',
            '+page_event = "Page viewed"',
            '-drop = []                            # e.g. ["properties.password"]; "traits." means both "user." and "group."',
            '+drop = ["properties.password"]                            # e.g. ["properties.password"]; "traits." means both "user." and "group."',
        ]
        assert (daemon.config.stat().st_mode & 0o777) == 0o640
        described = (await daemon.get("/api/destinations"))["destinations"][0]
        assert (described["enabled"], described["sources"]) == (False, ["website"])
        (line,) = await daemon.logged("config_edited")
        assert (line["via"], line["destination"], line["action"]) == ("console", "clientsuccess", "changed")
        assert "eu.example.com" not in str(line)
        assert not [name for name in os.listdir(tmp_path) if name.endswith(".new")], "nothing is left beside it"


async def test_the_review_says_how_many_of_the_last_events_a_filter_changes_and_leads_back_to_the_destination(
    tmp_path: Path,
) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.post("page", userId="u1", name="Home", messageId="m2")
        await daemon.settled()
        form = await visitor.open(EDIT)
        review = await visitor.send(form, "Review the difference", do="review", filter="type = 'track'")
        assert (
            "Of its last 2 events, 1 would be handled differently: 1 filtered (filter), 1 would be sent." in review.text
        )
        back = await visitor.send(review, "Cancel")
        assert back.url == f"{daemon.admin_url}/destinations/clientsuccess"
        done = await saved(visitor, EDIT, filter="type = 'track'")
        assert done.url.startswith(f"{daemon.admin_url}/destinations/clientsuccess?")


async def test_a_form_that_is_sent_back_as_it_was_changes_nothing(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        for name in ("clientsuccess", "freshsuccess", "braze"):
            form = await visitor.open(f"/destinations/{name}/edit")
            again = await visitor.send(form, "Review the difference", do="review")
            assert (again.status, "nothing was changed" in again.text) == (422, True), again.text


async def test_a_new_secret_is_kept_in_a_file_of_its_own_and_never_shown(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        form = await visitor.open(EDIT)
        assert "Now: from the environment variable CLIENTSUCCESS_API_KEY" in form.text
        before = daemon.config.read_text()
        review = await visitor.send(form, "Review the difference", do="review", **{"setting.api_key": "new-secret-1"})
        assert 'api_key = { file = "secrets/clientsuccess_api_key" }'.replace(" ", "") in review.text.replace(" ", "")
        assert not (tmp_path / "secrets").exists(), "a review writes nothing"
        done = await visitor.send(review, "Write and reload")
        file = tmp_path / "secrets/clientsuccess_api_key"
        assert (file.read_text(), file.stat().st_mode & 0o777) == ("new-secret-1\n", 0o600)
        assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
        table = tomllib.loads(daemon.config.read_text())["destination"][0]
        assert table["settings"]["api_key"] == {"file": "secrets/clientsuccess_api_key"}
        again = await visitor.open(EDIT)
        pages = form.html + review.html + done.html + again.html
        assert "new-secret-1" not in pages
        assert "new-secret-1" not in str(daemon.log()) + daemon.config.read_text() + before
        # and once more, into the file that is named now
        file.chmod(0o644)
        text = daemon.config.read_text()
        await saved(visitor, EDIT, **{"setting.api_key": "new-secret-2"})
        assert (file.read_text(), file.stat().st_mode & 0o777) == ("new-secret-2\n", 0o600)
        assert daemon.config.read_text() == text
        assert (await daemon.logged("config_reloaded"))[-1]["changed"] == ["clientsuccess"]


async def test_a_secret_in_config_toml_itself_moves_to_a_file(tmp_path: Path) -> None:
    more = '\n[[destination]]\nname = "crm"\nplugin = "braze"\nmode = "dry-run"\nsettings = { api_key = "literal-1" } # old\n'
    async with Commented(tmp_path, more) as daemon, Visitor(daemon.admin_url) as visitor:
        form = await visitor.open("/destinations/crm/edit")
        assert "literal-1" not in form.html
        review = await visitor.send(form, "Review the difference", do="review", **{"setting.api_key": "literal-2"})
        assert "literal" not in review.text
        await visitor.send(review, "Write and reload")
        assert (tmp_path / "secrets/crm_api_key").read_text() == "literal-2\n"
        assert "literal" not in daemon.config.read_text()
        assert daemon.config.read_text().endswith('settings = { api_key = { file = "secrets/crm_api_key" } } # old\n')


async def test_each_fault_stands_at_its_field_and_nothing_is_written(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        before, form = daemon.config.read_bytes(), await visitor.open(EDIT)
        faults = {
            "setting.project_id": ("", "missing; add it"),
            "setting.base_url": ("ftp://x", "must begin with http:// or https://"),
            "filter": ("type = ", "line 1"),
            "mapping": ("drop = 5", "write a list"),
            "mode": ("sometimes", "choose one of live, dry-run"),
        }
        for field, (value, words) in faults.items():
            page = await visitor.send(form, "Review the difference", do="review", **{field: value})
            assert (page.status, words in page.text) == (422, True), (field, page.text)
            place = page.html.index(f'name="{field}"')
            assert words in page.html[place : place + 1500].replace("&#39;", "'"), field
        assert daemon.config.read_bytes() == before


async def test_a_faulty_filter_is_shown_with_its_place_below_the_reason_and_with_filters_that_are_faultless(
    tmp_path: Path,
) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        page = await visitor.send(
            await visitor.open(EDIT), "Review the difference", do="review", filter="type == 'page'"
        )
        assert 'Wrong: line 1, column 6: FQL has no "=="; write =. ' in page.text
        place = html.unescape(page.html).partition('class="words mono">')[2].partition("</span>")[0]
        assert place == "    type == 'page'\n         ^"
        shown = re.findall(r"<code>(.+?)</code> [^<]+<br>", page.html.partition("How to write a filter")[2])
        assert len(shown) > 3
        for example in shown:
            compile_condition(html.unescape(example))


async def test_a_live_destination_without_its_secret_is_refused_at_the_secret(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        form = await visitor.open(EDIT)
        page = await visitor.send(form, "Review the difference", do="review", mode="live")
        assert "the environment variable CLIENTSUCCESS_API_KEY is not set" in page.text
        review = await visitor.send(page, "Review the difference", do="review", **{"setting.api_key": "k-123456"})
        assert "and it is good" in review.text, review.text


VALUES = (
    'x"\n[[source]]\nname = "evil"\nwrite_key = "evil"\n#',
    "'''\n[admin]\ntoken = 'x'",
    '"""\n[admin]\n',
    "\\",
    "a\r\nb = 1",
    "\x7f\x00\x01\u2028",
    "\u202eright to left \N{PARTY POPPER}",
)
MAPPINGS = (
    'set = { "properties.x" = { file = "/etc/passwd" } }',
    "[[destination]]\nname = 'evil'",
    "drop = []\n[admin]\ntoken = 'x'",
)


async def test_no_value_can_become_anything_else_in_the_file(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        before = tomllib.loads(daemon.config.read_text())
        for value in VALUES:
            await saved(visitor, EDIT, **{"setting.page_event": f"x{value}x"})
            after = tomllib.loads(daemon.config.read_text())
            assert after["destination"][0]["settings"].pop("page_event") == f"x{value}x".replace("\r\n", "\n")
            assert after == before


async def test_a_mapping_can_neither_name_files_nor_hold_other_tables(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        before, form = daemon.config.read_bytes(), await visitor.open(EDIT)
        for mapping in MAPPINGS:
            page = await visitor.send(form, "Review the difference", do="review", mapping=mapping)
            assert page.status == 422, page.text
        assert daemon.config.read_bytes() == before


async def test_an_edit_made_meanwhile_is_never_lost(tmp_path: Path) -> None:
    """In an editor, between the form and its review, and between the review and the yes."""
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        form = await visitor.open(EDIT)
        review = await visitor.send(form, "Review the difference", do="review", **{"setting.page_event": "mine"})
        theirs = daemon.config.read_text().replace('app_id = ""', 'app_id = "theirs"')
        daemon.config.write_text(theirs)
        refused = await visitor.send(review, "Write and reload")
        assert (refused.status, "config.toml was changed since you read it" in refused.text) == (409, True)
        late = await visitor.send(form, "Review the difference", do="review", **{"setting.page_event": "mine"})
        assert (late.status, "config.toml was changed since this form was opened" in late.text) == (409, True)
        assert daemon.config.read_text() == theirs
        await saved(visitor, EDIT, **{"setting.page_event": "mine"})
        text = daemon.config.read_text()
        assert 'app_id = "theirs"' in text
        assert 'page_event = "mine"' in text


async def test_of_two_that_say_yes_at_once_one_is_told_that_the_file_changed(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as one, Visitor(daemon.admin_url) as other:
        reviews = []
        for visitor, key in ((one, "braze"), (other, "freshsuccess")):
            form = await visitor.open(f"/destinations/{key}/edit")
            reviews.append((visitor, await visitor.send(form, "Review the difference", do="review", enabled="off")))
        done = await asyncio.gather(*(visitor.send(review, "Write and reload") for visitor, review in reviews))
        assert sorted(page.status for page in done) == [200, 409]
        off = [t["name"] for t in tomllib.loads(daemon.config.read_text())["destination"] if not t.get("enabled", True)]
        assert len(off) == 1


async def test_a_review_belongs_to_the_browser_that_made_it(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as one, Visitor(daemon.admin_url) as other:
        form = await one.open(EDIT)
        review = await one.send(form, "Review the difference", do="review", enabled="off")
        assert (await other.open(review.url)).status == 404
        token = (await other.open("/settings")).form("Reload").fields["form_token"]
        stolen = await other.post(review.url, {"form_token": token}, {"Origin": daemon.admin_url})
        assert stolen.status == 404


async def test_a_form_without_its_token_writes_nothing(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        before, form = daemon.config.read_bytes(), await visitor.open(EDIT)
        review = await visitor.send(form, "Review the difference", do="review", enabled="off")
        for path in (EDIT, review.url, "/destinations/new?plugin=braze", "/destinations/braze/remove"):
            assert (await visitor.post(path, {"form_token": "x"}, {"Origin": daemon.admin_url})).status == 403
            evil = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
            assert (await visitor.post(path, dict(form.forms[-1].fields), evil)).status == 403
        assert daemon.config.read_bytes() == before


async def test_a_change_that_waits_for_a_restart_is_not_mixed_with_one_from_here(tmp_path: Path) -> None:
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        text = daemon.config.read_text().replace('level = "info"', 'level = "debug"')
        daemon.config.write_text(text)
        form = await visitor.open(EDIT)
        page = await visitor.send(form, "Review the difference", do="review", enabled="off")
        assert (page.status, "log.level: changed, which needs a restart" in page.text) == (422, True)
        assert daemon.config.read_text() == text


ONCE = '''
"""Can be made as often as the file beside it says."""
from pathlib import Path
from router.plugin import Item, Request, SecretStr, Settings, hookimpl

class OnceSettings(Settings):
    key: SecretStr = SecretStr("")

class Once:
    settings_model = OnceSettings

    def __init__(self, settings):
        file = Path(__file__).with_name("left")
        left = int(file.read_text())
        file.write_text(str(left - 1))
        if left <= 0:
            raise ValueError("made too often")

    @hookimpl
    def track(self, event):
        return Item({})

    @hookimpl
    def request(self, items):
        return Request("http://127.0.0.1:9", body=b"")
'''


async def test_a_reload_that_is_refused_after_the_write_takes_file_and_secret_back(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "once.py").write_text(ONCE)
    (folder / "left").write_text("1000")
    (tmp_path / "key").write_text("former")
    more = (
        '\n[[destination]]\nname = "once"\nplugin = "once"\nmode = "dry-run"\nsettings = { key = { file = "key" } }\n'
    )

    class Own(Commented):
        def write_config(self) -> None:
            super().write_config()
            lines = self.config.read_text().splitlines(keepends=True)
            self.config.write_text(
                "".join(line if "plugins_dir =" not in line else 'plugins_dir = "own"\n' for line in lines)
            )

    async with Own(tmp_path, more) as daemon, Visitor(daemon.admin_url) as visitor:
        form = await visitor.open("/destinations/once/edit")
        review = await visitor.send(form, "Review the difference", do="review", enabled="off", **{"setting.key": "new"})
        before = daemon.config.read_bytes()
        (folder / "left").write_text("1")  # enough for the check before the write, not for the reload after it
        page = await visitor.send(review, "Write and reload")
        assert "the reload was refused, and the file has its former content again" in page.text
        assert "made too often" in page.text
        assert (daemon.config.read_bytes(), (tmp_path / "key").read_text()) == (before, "former")
        await wanted_errors(daemon)


async def test_a_file_that_cannot_be_written_is_told_and_the_lines_offered_to_copy(tmp_path: Path) -> None:
    """It is made immutable, which stops root, too."""
    async with Commented(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        form = await visitor.open(EDIT)
        review = await visitor.send(form, "Review the difference", do="review", **{"setting.page_event": "mine"})
        before = daemon.config.read_bytes()
        if not _immutable(daemon.config, "+i"):
            pytest.skip("this file system has no immutable files")
        try:
            page = await visitor.send(review, "Write and reload")
            assert "Nothing was written: a file cannot be written." in page.text
            assert "To copy into config.toml" in page.text
            assert 'page_event = "mine"' in page.text
            assert daemon.config.read_bytes() == before
            assert not [name for name in os.listdir(tmp_path) if name.endswith(".new")]
        finally:
            _immutable(daemon.config, "-i")


def _immutable(path: Path, how: str) -> bool:
    return (
        shutil.which("chattr") is not None and not subprocess.run(["chattr", how, path], capture_output=True).returncode
    )
