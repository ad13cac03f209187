"""`destinations test NAME`: its check is a real request to a vendor, the samples take a real turn, and nothing else is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, NamedTuple

import pytest

from router.cli import main
from router.testing.samples import CALLS
from router.testing.vendor import FakeVendor, Garbage, Hang, Reply, Reset

PLUGIN = '''
"""Sends everything to a desk; `ping` says whether the token is good."""

from contextlib import asynccontextmanager

from router.plugin import (
    Batch, Context, Delivered, Event, Group, Item, Pause, Reject, Request, RetryLater, SecretStr, Settings, Skip, UserId,
    by_status, hookimpl, json_request,
)


class DeskSettings(Settings):
    base_url: str
    token: SecretStr = SecretStr("")


class Desk:
    settings_model = DeskSettings
    kinds = {"": Batch(), "note": Batch(max_items=2)}
    requires = {"track": (UserId(), Group("id", "name"))}

    def __init__(self, settings: DeskSettings) -> None:
        self.settings = settings

    def authorization(self):
        return {"Authorization": f"Bearer {self.settings.token.get_secret_value()}"}

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        return Item({"who": context.user.traits["email"], "at": context.group.traits["name"], "did": event.name})

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        return json_request(f"{self.settings.base_url}/desk", [i.body for i in items], headers=self.authorization())
'''

CHECK = """
    @hookimpl
    async def check(self, sender) -> str:
        answer = await sender.send(Request(f"{self.settings.base_url}/ping", method="GET", headers=self.authorization()))
        outcome = by_status(answer, 1)
        if isinstance(outcome, Delivered):
            return f"the desk knows us: {answer.body.decode()}"
        raise outcome
"""


class Ran(NamedTuple):
    """What a run of the command line left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Bench:
    """A folder with one plugin and a config.toml that names it."""

    def __init__(self, folder: Path, vendor: FakeVendor, capsys: pytest.CaptureFixture[str]) -> None:
        self.vendor = vendor
        self.config = folder / "config.toml"
        self._plugins, self._capsys = folder / "plugins.d", capsys
        self._plugins.mkdir()
        self.plugin(CHECK)

    def plugin(self, *hooks: str) -> None:
        """Write the plugin, with these hooks too; and a configuration that names it."""
        more = "\n".join(indent(dedent(hook), "    ") for hook in hooks)
        (self._plugins / "desk.py").write_text(f"{dedent(PLUGIN)}\n{more}\n")
        self.table()

    def table(self, keys: str = "", token: str = '"t0psecret"', delivery: str = "", rest: str = "") -> None:
        """Write a config.toml with one destination named desk, and what comes after it."""
        self.config.write_text(
            'plugins_dir = "plugins.d"\n'
            '[[source]]\nname = "app"\nwrite_key = "wk"\n'
            f'[[destination]]\nname = "desk"\nplugin = "desk"\n{keys}\n'
            f'settings = {{ base_url = "{self.vendor.url}", token = {token} }}\n'
            f"[destination.delivery]\n{delivery}\n{rest}\n"
        )

    async def run(self, *words: str, name: str = "desk") -> Ran:
        """`destinations test NAME`, in a thread: the vendor lives in this one."""
        code = await asyncio.to_thread(main, ["destinations", "test", name, "--config", str(self.config), *words])
        return Ran(code, *self._capsys.readouterr())

    async def event(self, type: str) -> Any:
        """What the JSON says of the sample of a type."""
        return (await self.run("--json")).json["events"][type]


@pytest.fixture
async def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Bench]:
    async with FakeVendor(Reply(200, body=b"pong")) as vendor:
        yield Bench(tmp_path, vendor, capsys)


# ---------------------------------------------------------------- the check


async def test_a_check_that_succeeds_prints_its_words_and_sends_nothing_else(bench: Bench) -> None:
    ran = await bench.run()
    assert ran.code == 0
    assert "check: the desk knows us: pong" in ran.out
    assert [(seen.method, seen.url) for seen in bench.vendor.requests] == [("GET", "/ping")]
    assert bench.vendor.requests[0].headers["authorization"] == "Bearer t0psecret"


async def test_the_words_of_a_check_that_succeeds_are_shown_without_secrets(bench: Bench) -> None:
    bench.vendor.script(Reply(200, body=b"hello t0psecret"))
    assert "check: the desk knows us: hello ***" in (await bench.run()).out


async def test_a_vendor_that_refuses_the_key_fails_the_check_with_its_words(bench: Bench) -> None:
    bench.vendor.script(Reply(401, body=b"no such token: t0psecret"))
    ran = await bench.run()
    assert ran.code == 1
    assert "check: FAILED (credentials): status 401: no such token: ***" in ran.out
    assert "t0psecret" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(400, body=b"what?"), "rejected"),
        (Reply(503), "status_503"),
        (Reply(302, headers={"Location": "/elsewhere"}), "set_up"),
        (Reset(), "connection"),
    ],
)
async def test_every_other_trouble_of_a_check_is_a_failure_with_its_reason(
    bench: Bench, reply: Reply, reason: str
) -> None:
    bench.vendor.default = reply
    ran = await bench.run("--json")
    assert ran.code == 1
    assert (ran.json["check"]["result"], ran.json["check"]["reason"]) == ("failed", reason)
    assert {seen.url for seen in bench.vendor.requests} == {"/ping"}  # no redirect is followed


async def test_a_vendor_that_does_not_answer_fails_the_check_at_the_time_out(bench: Bench) -> None:
    bench.table(delivery='timeout = "50ms"')
    bench.vendor.script(Hang())
    ran = await bench.run("--json")
    assert ran.code == 1
    assert ran.json["check"]["reason"] == "timeout"


async def test_a_fault_of_the_plugin_in_its_check_is_shown_with_the_traceback_and_without_secrets(bench: Bench) -> None:
    bench.plugin("""
        @hookimpl
        async def check(self, sender) -> str:
            raise ValueError(self.settings.token.get_secret_value())
    """)
    ran = await bench.run()
    assert ran.code == 1
    assert "check: FAILED (plugin_error): Traceback" in ran.out
    assert "    ValueError: ***" in ran.out


async def test_no_secret_is_shown_of_an_outcome_that_a_check_raises_one_told_at_run_time_neither(bench: Bench) -> None:
    bench.plugin("""
        @hookimpl
        async def check(self, sender) -> str:
            sender.secret("session-" + "s3cret")
            raise Reject("bad_" + self.settings.token.get_secret_value(), "no session-" + "s3cret")
    """)
    ran = await bench.run()
    assert "check: FAILED (bad_***): no ***" in ran.out


async def test_a_check_that_returns_no_text_is_a_fault_of_the_plugin(bench: Bench) -> None:
    bench.plugin("""
        @hookimpl
        async def check(self, sender) -> str:
            pass
    """)
    checked = (await bench.run("--json")).json["check"]
    assert checked["reason"] == "plugin_error"
    assert "check returned NoneType: want text" in checked["detail"]


async def test_a_check_finds_open_what_the_plugin_opens_for_its_life(bench: Bench) -> None:
    bench.plugin(
        """
        @hookimpl
        @asynccontextmanager
        async def lifetime(self):
            self.door = "open"
            yield
            self.door = "shut"
        """,
        """
        @hookimpl
        async def check(self, sender) -> str:
            return f"the door is {self.door}"
        """,
    )
    assert "check: the door is open" in (await bench.run()).out


async def test_a_plugin_without_a_check_says_so_and_that_is_no_failure(bench: Bench) -> None:
    bench.plugin()
    ran = await bench.run()
    assert ran.code == 0
    assert (
        "check: not tried: this plugin has no request that only tries the credentials, so the first event shows"
        in ran.out
    )
    assert bench.vendor.requests == []


# ---------------------------------------------------------------- secrets, names, configuration


async def test_in_a_dry_run_the_check_says_which_secret_is_missing(bench: Bench) -> None:
    bench.table(keys='mode = "dry-run"', token='{ env = "NOT_SET_ANYWHERE" }')
    ran = await bench.run()
    assert ran.code == 1
    assert "check: not made: settings.token: the environment variable NOT_SET_ANYWHERE is not set" in ran.out
    assert "track: would be sent" in ran.out
    assert bench.vendor.requests == []


async def test_a_live_destination_whose_secret_is_missing_is_a_bad_configuration(bench: Bench) -> None:
    bench.table(token='{ env = "NOT_SET_ANYWHERE" }')
    ran = await bench.run()
    assert ran.code == 78
    assert "settings.token: the environment variable NOT_SET_ANYWHERE is not set" in ran.err


async def test_what_is_wrong_with_another_destination_does_not_matter(bench: Bench) -> None:
    bench.table(rest='[[destination]]\nname = "other"\nplugin = "nowhere"\nmood = "bad"')
    assert (await bench.run()).code == 0
    ran = await bench.run(name="other")
    assert ran.code == 78
    assert "mood" in ran.err
    assert "nowhere" in ran.err


async def test_a_name_that_no_destination_has_is_answered_with_those_there_are(bench: Bench) -> None:
    ran = await bench.run(name="crm")
    assert ran.code == 2
    assert 'unknown destination "crm"; there is desk' in ran.err


async def test_a_file_that_cannot_be_read_is_a_bad_configuration(bench: Bench) -> None:
    bench.config.write_text("[[destination\n")
    assert (await bench.run()).code == 78


async def test_options_may_stand_before_the_word_test_too(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    before = ["destinations", "--config", str(bench.config), "--json", "test", "desk"]
    assert await asyncio.to_thread(main, before) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "desk"


async def test_no_store_is_made(bench: Bench) -> None:
    await bench.run()
    assert sorted(path.name for path in bench.config.parent.iterdir()) == ["config.toml", "plugins.d"]


# ---------------------------------------------------------------- the samples


async def test_each_type_is_told_and_what_would_be_sent_is_shown_without_secrets(bench: Bench) -> None:
    ran = await bench.run("--json")
    assert list(ran.json["events"]) == list(CALLS)
    [request] = ran.json["events"]["track"]["requests"]
    assert (request["method"], request["url"]) == ("POST", f"{bench.vendor.url}/desk")
    assert request["headers"]["Authorization"] == "Bearer ***"
    sent = {"who": "mira.lindt@acme.example", "at": "Acme Inc", "did": "Report Exported"}
    assert json.loads(request["body"]) == [sent]
    assert ran.json["events"]["page"]["reason"] == "unsupported"
    assert "t0psecret" not in ran.out


async def test_people_read_the_request_that_would_go_out(bench: Bench) -> None:
    out = (await bench.run()).out
    assert f"track: would be sent\n    POST {bench.vendor.url}/desk\n" in out
    assert "alias: would be skipped: its plugin has no use for alias calls as configured" in out


async def test_items_of_one_event_are_shown_as_requests_carry_them(bench: Bench) -> None:
    bench.plugin("""
        @hookimpl
        def page(self, event: Event, context: Context):
            yield Item("first")
            yield from (Item(n, "note") for n in range(3))
    """)
    requests = (await bench.event("page"))["requests"]
    assert [json.loads(request["body"]) for request in requests] == [["first"], [0, 1], [2]]


async def test_without_a_request_hook_the_items_are_shown_without_secrets(bench: Bench) -> None:
    source = (bench.config.parent / "plugins.d/desk.py").read_text()
    (bench.config.parent / "plugins.d/desk.py").write_text(
        source[: source.index("    @hookimpl\n    def request")]
        + indent(
            dedent("""
                @hookimpl
                async def deliver(self, items, sender):
                    return Delivered()

                @hookimpl
                def identify(self, event: Event, context: Context) -> Item:
                    return Item({"with": [self.settings.token.get_secret_value()], "n": 4711})
            """),
            "    ",
        )
    )
    bench.table(token='"4711"')  # a number that happens to read the same stays: the text is to be JSON
    assert (await bench.event("identify"))["requests"] == [{"items": [{"with": ["***"], "n": 4711}]}]


@pytest.mark.parametrize(
    ("raises", "outcome", "words"),
    [
        ('Skip("remembered")', "skipped", "would be skipped: nothing to send: what it says is remembered"),
        ('Reject("invalid_id", "too long: t0psecret")', "dead", "would be a dead letter: its id cannot be one at the vendor: too long: ***"),
        ('RetryLater("busy", "wait")', "retrying", "would be retrying: busy: wait"),
        ('Pause("set_up", "no project")', "paused", "would be paused: set_up: no project"),
        ('ValueError("oops")', "dead", "would be a dead letter: the plugin failed on it: plugin desk, hook screen:"),
    ],
)  # fmt: skip
async def test_what_a_mapping_hook_raises_is_what_would_come_of_it(
    bench: Bench, raises: str, outcome: str, words: str
) -> None:
    bench.plugin(f"""
        @hookimpl
        def screen(self, event: Event, context: Context) -> Item:
            context.warn("odd")
            raise {raises}
    """)
    told = await bench.event("screen")
    assert (told["outcome"], told["warnings"], told["requests"]) == (outcome, ["odd"], [])
    out = (await bench.run()).out
    assert f"screen: {words}" in out
    assert "    its plugin warns: odd" in out


async def test_a_requirement_that_the_sample_group_does_not_meet_is_told(bench: Bench) -> None:
    bench.table(rest='[destination.hold]\nrequire = ["group.region"]')
    assert (await bench.event("track"))["reason"] == "group_region_unknown"
    assert "track: would be held until there is the region of the group of its user" in (await bench.run()).out


async def test_a_disabled_destination_is_tried_as_if_it_were_enabled_and_says_that_it_is_not(bench: Bench) -> None:
    bench.table(keys="enabled = false")
    ran = await bench.run()
    assert "desk: plugin desk, live, disabled: it gets no events" in ran.out
    assert "track: would be sent" in ran.out


async def test_samples_come_from_a_source_that_is_connected(bench: Bench) -> None:
    bench.table(keys='sources = ["app"]')
    assert (await bench.event("track"))["outcome"] == "deliver"


async def test_keyed_state_is_that_of_an_empty_store_and_goes_on_from_sample_to_sample(bench: Bench) -> None:
    hook = """
        @hookimpl
        def {0}(self, event: Event, context: Context) -> Item:
            context.state = (context.state or 0) + 1
            return Item(context.state)
    """
    key = """
        @hookimpl
        def state_key(self, event: Event) -> str:
            return event.user_id
    """
    bench.plugin(hook.format("page"), hook.format("screen"), key)
    events = (await bench.run("--json")).json["events"]
    assert [events[type]["requests"][0]["body"] for type in ("page", "screen")] == ["[1]", "[2]"]


async def test_an_answer_that_is_no_text_does_not_trouble_the_terminal(bench: Bench) -> None:
    bench.vendor.script(Garbage(400))
    assert (await bench.run()).code == 1


async def test_samples_are_shown_where_an_event_without_consent_is_kept_back(bench: Bench) -> None:
    bench.table(keys='consent = ["ads"]\nconsent_missing = "block"')
    assert (await bench.event("track"))["outcome"] == "deliver"
