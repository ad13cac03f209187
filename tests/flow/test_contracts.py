"""The worked examples of each vendor's contract, from the Segment call to the vendor's answer, through the running daemon.

Each fixture in `tests/fixtures/<plugin>` has a destination, a source and a place at a strict vendor of its own; all of one
plugin are replayed in one daemon, beside each other. As they share the directory, every id gets a mark of its fixture on the
way in, which is taken out of what the vendor received. The format of a fixture is told in `tests/contract/plugin_case.py`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.flow.harness import destination, eventually
from tests.vendors.braze import BrazeVendor
from tests.vendors.cases import CaseDaemon
from tests.vendors.clientsuccess import ClientSuccessVendor
from tests.vendors.freshsuccess import FreshsuccessVendor
from tests.vendors.strict import Seen, StrictVendor

FIXTURES = Path(__file__).parent.parent / "fixtures"
VENDORS: Mapping[str, Callable[[], StrictVendor]] = {
    "braze": BrazeVendor,
    "clientsuccess": ClientSuccessVendor,
    "freshsuccess": FreshsuccessVendor,
}
NOW = "2024-03-01T10:00:00.000Z"
"""When a call happens that does not say it."""

NOT_EVEN_ACCEPTED = {("clientsuccess", "32-group-call-without-a-group-id"): "discarded: group_id_required"}
"""What the router's own door keeps out, so that the plugin's word for it is never needed."""

Case = dict[str, Any]
KEYS = {"case", "settings", "before", "calls", "expected"}
EXPECTED_KEYS = {"outcome", "requests", "warnings"}
REQUEST_KEYS = {"method", "url", "headers", "json", "lines"}
LONGEST_NAME = 64
"""The longest name that a destination may have."""

LONG_ID = 100
"""An id longer than this keeps its length, which is what its fixture is about, and gets no mark."""


@dataclass
class Came:
    """What came of a fixture."""

    outcome: str = ""
    requests: list[Seen] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)


def cases(plugin: str) -> dict[str, Case]:
    """The fixtures of a plugin by name, but for those whose timers would let real time pass. What this runner would not
    replay as it is meant is refused."""
    paths = sorted((FIXTURES / plugin).glob("*.json"))
    read = {path.stem[:LONGEST_NAME]: json.loads(path.read_text()) for path in paths}
    assert len({word_of(name) for name in read}) == len(paths), f"two fixtures of {plugin} have the same number"
    found = {name: case for name, case in read.items() if "until" not in case}
    unmarked: Counter[str] = Counter()
    for name, case in found.items():
        unknown = {*(case.keys() - KEYS), *(case["expected"].keys() - EXPECTED_KEYS)}
        for request in case["expected"].get("requests", []):
            unknown |= request.keys() - REQUEST_KEYS
        assert not unknown, f"{plugin}/{name} has {sorted(unknown)}: teach this runner what that means"
        calls = [*case.get("before", []), *case["calls"]]
        unmarked.update({str(id) for call in calls for id in ids(call) if not is_marked(id)})
    shared = [id for id, n in unmarked.items() if n > 1]
    assert not shared, f"fixtures of {plugin} would disturb each other: {shared} cannot be told apart"
    return found


# ---------------------------------------------------------------- ids of a fixture's own


def ids(call: Mapping[str, Any]) -> Iterator[Any]:
    """The ids in a call by which the router knows people and groups."""
    for name in ("userId", "anonymousId", "groupId", "previousId"):
        if name in call:
            yield call[name]
    if isinstance(call.get("context"), dict) and "groupId" in call["context"]:
        yield call["context"]["groupId"]


def is_marked(id: Any) -> bool:
    """Whether an id can carry a mark: a number cannot."""
    return isinstance(id, str) and len(id) <= LONG_ID


def mark(call: Mapping[str, Any], word: str) -> dict[str, Any]:
    """The call with marked ids."""
    found = dict(call)
    for name in ("userId", "anonymousId", "groupId", "previousId"):
        if is_marked(found.get(name)):
            found[name] = re.sub(r"(?=\S)", word, found[name], count=1)
    if isinstance(found.get("context"), dict):
        found["context"] = mark(found["context"], word)
    return found


def without(word: str, value: Any) -> Any:
    """A JSON value without the mark, in keys as well."""
    return json.loads(json.dumps(value, ensure_ascii=False).replace(word, ""))


# ---------------------------------------------------------------- the replay


class Replay:
    """The fixtures of one plugin in one daemon."""

    def __init__(self, plugin: str, vendor: StrictVendor, folder: Path) -> None:
        self.cases = cases(plugin)
        self.vendor = vendor
        self.sent: dict[str, list[str]] = {name: [] for name in self.cases}
        self.waiting: dict[str, list[Mapping[str, Any]]] = {}
        tables = [destination(name, plugin, vendor.enrol(name, case["settings"])) for name, case in self.cases.items()]
        self.daemon = CaseDaemon(folder, tables, log={"decisions": "exceptions"})

    async def run(self) -> dict[str, Came]:
        """What came of each."""
        async with self.daemon:
            await self._send({name: case.get("before", []) for name, case in self.cases.items()})
            begins = {name: len(self.vendor.seen[name]) for name in self.cases}
            warned = await self._warnings()
            self.waiting = {name: await self._held(name) for name in self.cases}
            calls = {
                name: [c for c in case["calls"] if c not in self.waiting[name]] for name, case in self.cases.items()
            }
            await self._send(calls)
            warnings = await self._warnings()
            return {
                name: Came(
                    await self._outcome(name),
                    self.vendor.seen[name][begins[name] :],
                    warnings[name] - warned[name],
                    self.vendor.refusals[name],
                )
                for name in self.cases
            }

    async def _send(self, calls: Mapping[str, list[Mapping[str, Any]]]) -> None:
        """One call of each fixture at a time, the next when all are settled: so nothing shares a request."""
        for at in range(max(map(len, calls.values()))):
            for name, own in calls.items():
                if at < len(own):
                    await self.daemon.send(name, self._call(name, own[at]))
            await self.daemon.settled()

    def _call(self, name: str, call: Mapping[str, Any]) -> dict[str, Any]:
        id = f"{name}/{len(self.sent[name])}"
        self.sent[name].append(id)
        when = {} if "timestamp" in call or "originalTimestamp" in call else {"timestamp": NOW}
        return {**mark(call, word_of(name)), **when, "messageId": id}

    async def _held(self, name: str) -> list[Mapping[str, Any]]:
        """The calls made before that wait for their group. Where a fixture has one of them among its calls, it is meant to
        go out by itself."""
        before = zip(self.sent[name], self.cases[name].get("before", []), strict=True)
        return [call for id, call in before if (await self.daemon.fate(id, name))[0] == "held"]

    async def _warnings(self) -> dict[str, Counter[str]]:
        told = (await self.daemon.get("/api/destinations"))["destinations"]
        return {one["name"]: Counter(one["warnings"]) for one in told}

    async def _outcome(self, name: str) -> str:
        """The fate of the last call, in a fixture's words."""
        last = self.cases[name]["calls"][-1]
        id = self.sent[name][self.cases[name]["before"].index(last) if last in self.waiting[name] else -1]
        discards = await self.daemon.get("/api/discards")
        for discard in discards["items"]:
            if discard["message_id"] == id:
                return f"discarded: {discard['code']}"
        state, reason = await self.daemon.fate(id, name)
        return "sent" if (state, reason) == ("delivered", "") else f"{state}: {reason}"


def word_of(name: str) -> str:
    """The mark of a fixture: its number, in letters that no fixture holds."""
    return f"~{name.split('-')[0]}~"


# ---------------------------------------------------------------- the examples


@pytest.mark.parametrize("plugin", VENDORS)
async def test_each_worked_example_comes_out_of_the_daemon_as_its_contract_says(
    plugin: str, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """Outcome, warnings and requests, and the vendor has no objection."""
    async with VENDORS[plugin]() as vendor:
        replay = Replay(plugin, vendor, tmp_path)
        came = await replay.run()
    for name, case in replay.cases.items():
        with subtests.test(name):
            compare(plugin, name, came[name], case["expected"])


def compare(plugin: str, name: str, came: Came, expected: Mapping[str, Any]) -> None:
    """What came of a fixture, and what its contract says."""
    assert came.refusals == []
    assert came.outcome == NOT_EVEN_ACCEPTED.get((plugin, name), expected["outcome"])
    assert came.warnings == Counter(expected.get("warnings", []))
    requests = expected.get("requests", [])
    assert [seen.url for seen in came.requests] == [path_of(wanted["url"]) for wanted in requests]
    for seen, wanted in zip(came.requests, requests, strict=True):
        assert (seen.method, seen.place) == (wanted.get("method", "POST"), place_of(wanted["url"]))
        headers = {"Content-Type": "application/json", **wanted.get("headers", {})}
        assert {name: seen.headers.get(name.lower()) for name in headers} == headers
        if "lines" in wanted:
            assert [without(word_of(name), json.loads(line)) for line in seen.body.splitlines()] == wanted["lines"]
        else:
            assert without(word_of(name), seen.json()) == wanted["json"]


def path_of(url: str) -> str:
    """What stands behind the host, byte for byte."""
    return re.sub(r"^https?://[^/]+", "", url)


def place_of(url: str) -> str:
    """The setting that says where this host is."""
    found = re.match(r"https?://(events|api)-[a-z]+\.freshsuccess\.com/", url)
    return f"{found[1]}_base_url" if found else "base_url"


# ---------------------------------------------------------------- what takes many calls, or time


async def test_two_hundred_tracks_reach_braze_in_requests_of_75_75_and_50(tmp_path: Path) -> None:
    """Of as many users, gathered behind a pause; the limit counts objects."""
    async with BrazeVendor() as vendor:
        linger = {"linger": "5s"}  # a request goes before it is full only if mapping the events takes longer than this
        table = destination("braze", "braze", vendor.enrol("braze", {"api_key": "KEY"}), delivery=linger)
        async with CaseDaemon(tmp_path, [table]) as daemon:
            await daemon.admin("POST", "/api/destinations/braze/pause")
            calls = [{"type": "track", "userId": f"u{n}", "event": f"E{n}", "timestamp": NOW} for n in range(200)]
            await daemon.send("braze", *calls)
            await daemon.admin("POST", "/api/destinations/braze/resume")
            await daemon.settled()
        sent = [[event["name"] for event in seen.json()["events"]] for seen in vendor.seen["braze"]]
        assert vendor.refusals["braze"] == []
        assert sorted(map(len, sent)) == [50, 75, 75]
        assert sorted(name for names in sent for name in names) == sorted(f"E{n}" for n in range(200))


async def test_a_session_that_nothing_followed_is_told_to_freshsuccess_by_the_daemons_own_timer(tmp_path: Path) -> None:
    """moduleEnd and sessionSync in one body, with the last call's time."""
    keys = {"event_auth_key": "AUTH", "event_api_key": "KEY", "account_api_key": "AKEY"}
    async with FreshsuccessVendor() as vendor:
        settings = vendor.enrol("timed", {**keys, "session_timeout_minutes": 0.02})
        async with CaseDaemon(tmp_path, [destination("timed", "freshsuccess", settings)]) as daemon:
            call = {"type": "track", "userId": "u1", "anonymousId": "anon-1", "groupId": "acme", "event": "Opened"}
            await daemon.send(
                "timed",
                {**call, "originalTimestamp": NOW, "properties": {"module": "Dashboard"}},
                {**call, "originalTimestamp": "2024-03-01T10:00:01.000Z"},
            )

            async def closed() -> bool:
                return b"sessionSync" in b"".join(seen.body for seen in vendor.seen["timed"])

            await eventually(closed, what="the session is closed")
        who = {"account_id": "acme", "user_id": "u1", "created_at": 1709287201000, "session_id": "anon-1"}
        assert [json.loads(line) for line in vendor.seen["timed"][-1].body.splitlines()] == [
            {**who, "action": "moduleEnd", "module": "Dashboard", "time_spent": 1000},
            {**who, "action": "sessionSync", "active_duration": 1000},
        ]
        assert vendor.refusals["timed"] == []
