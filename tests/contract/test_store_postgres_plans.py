"""What people ask of the shared store runs on indexes, and in as many statements for many rows as for few. On tables that are large enough
for a planner to think of reading all of one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from router.store import DeadLetterFilter, EventQuery
from router.store.blocks import pack
from router.store.outcome_blocks import pack_codes
from router.store.postgres.database import SETTINGS, Work, snapshot
from router.testing.clock import START_MS, FakeClock
from tests.contract.postgres_case import OnServer, PostgresCase
from tests.contract.test_store import make

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the tables are filled once
ROWS = 20_000
SMALL = {"head", "meta", "unit", "code", "source", "version", "generation", "discard", "discard_count", "violation"} | {
    f"seen_{n}" for n in range(1, 8)
}
"""Tables that are bounded by the configuration, or by a number of rows that is read in a few milliseconds; and those that are empty here."""

TRAITS = b'{"email":"u1@example.com","name":"Acme"}'
FILLED = (
    "INSERT INTO block SELECT 0, n, 1, n, $3, $3, '', false, $4 FROM rows",
    "INSERT INTO seen_0 SELECT n, n, 0 FROM rows",
    "INSERT INTO kept SELECT 0, -n, n, $3, 'website', 'track', 'u:u' || n, 'k' || n, '' FROM rows",
    "INSERT INTO erased SELECT 0, n, -n FROM rows",
    "INSERT INTO person SELECT 0, 'u:u' || n, $5, n FROM rows",
    "INSERT INTO company SELECT 0, 'g' || n, $5, '{\"name\":1}', n FROM rows",
    "INSERT INTO membership SELECT 0, 'u:u' || n, n, 'g' || n % 100, n FROM rows",
    "INSERT INTO link SELECT 0, 'a:a' || n, n, 'u:u' || n FROM rows",
    "INSERT INTO consent SELECT 0, 'u:u' || n, '{\"ads\":[false,1]}', n FROM rows",
    "INSERT INTO lane SELECT 0, $2, 'u:u' || n, 0, CASE WHEN n % 2 = 0 THEN 'retry' ELSE 'waiting' END,"
    " CASE WHEN n % 3 = 0 THEN 'g:g1' ELSE 'u:u' || n END, 'group_unknown', 'g1', $3, 0, 1, 0, $3, 1, '', n FROM rows",
    "INSERT INTO parked SELECT 0, $2, n, 'u:u' || n, 0, CASE WHEN n % 2 = 0 THEN 'main' ELSE 'held' END, n << 24,"
    " CASE WHEN n % 2 = 0 THEN 'retrying' ELSE 'held' END, 'group_unknown', $3, '', '', NULL, '', 0, 0, 0 FROM rows",
    "INSERT INTO dead SELECT 0, $2, n, $3, 'u:u' || n, 0, 'rejected', '', '', NULL, '', 1, 9 FROM rows",
    "INSERT INTO outcome SELECT 0, $2, n, $3, 1, 0 FROM rows WHERE n % 2 = 0",
    "INSERT INTO receipt SELECT 0, $2, 0, n, n, $3, $6, '' FROM rows",
    "INSERT INTO attempt (part, destination, pos, at, duration_ms, status, error, reason, request)"
    " SELECT 0, $2, n, $3, 1, 503, '', '', '' FROM rows",
    "INSERT INTO supply SELECT 0, $2, n, 'u:u' || n, 0, 'g1', '[]' FROM rows",
    "INSERT INTO woken SELECT 0, $2, -n, $3, 'website', 'track', 'w' || n, '' FROM rows",
    "INSERT INTO counted SELECT 0, 60, 'destination', $2, n * 60000, '{}' FROM rows",
)
PLACES = ("d", "e")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(on_server: OnServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """A store whose tables are full, with two destinations. Its questions change nothing."""
    path = tmp_path_factory.mktemp("plans") / "db"
    async with on_server.open(path, lambda mark: FakeClock(), dedupe_window_s=60) as (store, _):
        for place in PLACES:
            await store.cursor(place, START_MS)
        await _fill(store)
        yield store


async def _fill(node: PostgresCase) -> None:
    """Many rows of each kind. The values are handed over as settings of the statement, since not each of them uses all."""
    data, codes = pack([make("m1")]), b"\x00" + pack_codes({1: 1})[2]
    connection = await asyncpg.connect(node.dsn)
    try:
        await connection.execute("INSERT INTO code (state, reason) VALUES ('delivered', '')")
        for place in PLACES:
            of_place = {
                "$2": f"'{place}'",
                "$3": str(START_MS),
                "$4": _bytes(data),
                "$5": _bytes(TRAITS),
                "$6": _bytes(codes),
            }
            for sql in FILLED:
                if "$2" not in sql and place != PLACES[0]:
                    continue
                for name, value in of_place.items():
                    sql = sql.replace(name, value)
                await connection.execute(sql.replace("FROM rows", f"FROM generate_series(1, {ROWS}) AS n"))
        await connection.execute(f"UPDATE head SET pos = {ROWS}")
        await connection.execute("UPDATE unit SET start = 0, pos = 0, held = 9, retrying = 9, letters = 9")
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


def _bytes(value: bytes) -> str:
    return f"'\\x{value.hex()}'::bytea"


class Asked:
    """The statements that a question sent, with their values."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, tuple[Any, ...]]] = []

    def note(self, record: Any) -> None:
        if record.query.startswith("SELECT"):  # not what the library asks for itself, nor BEGIN
            self.statements.append((record.query, record.args))


@asynccontextmanager
async def noted(node: PostgresCase, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Asked, Any]]:
    """What is asked meanwhile, and the connection that it goes through."""
    asked, claims = Asked(), node.claims
    database: Any = claims._database  # type: ignore[attr-defined]
    connection = await asyncpg.connect(node.dsn, server_settings=SETTINGS)

    async def ask(question: Work[Any], *args: Any) -> Any:
        async with snapshot(connection):
            return await read(lambda: None, question, *args)

    async def read(until: Callable[[], None], work: Work[Any], *args: Any) -> Any:
        answer = await work(connection, *args)
        await asyncio.sleep(0)  # asyncpg tells a logger in the turn after the statement
        return answer

    try:
        with connection.query_logger(asked.note), monkeypatch.context() as patches:
            patches.setattr(database, "ask", ask)
            patches.setattr(database, "read", read)
            yield asked, connection
    finally:
        await connection.close()


Question = Callable[[Any], Coroutine[Any, Any, Any]]
KEYS = [f"u:u{n}" for n in range(1, 41)]
WAITING = [(f"u:u{n}", "main", -1) for n in range(2, 22, 2)]
QUESTIONS: dict[str, Question] = {
    "parked": lambda s: s.parked("d", WAITING, 10),
    "profile": lambda s: s.lookups.profile("u:u7"),
    "lanes": lambda s: s.lookups.lanes(KEYS, PLACES),
    "events_of": lambda s: s.lookups.events_of(KEYS[:3], PLACES, None, 20),
    "group": lambda s: s.lookups.group("g1", PLACES),
    "members": lambda s: s.lookups.members("g7", "", 50),
    "exact": lambda s: s.lookups.exact("u7"),
    "by_trait": lambda s: s.lookups.by_trait("u7@example.com"),
    "recent": lambda s: s.lookups.recent(PLACES),
    "newest_of_sources": lambda s: s.lookups.newest_of_sources(1_000),
    "events": lambda s: s.queries.events(EventQuery(type="track"), PLACES, None, 50),
    "events of a person": lambda s: s.queries.events(EventQuery(user_key="u:u7"), PLACES, None, 50),
    "events of a company": lambda s: s.queries.events(EventQuery(group_id="g1"), PLACES, None, 50),
    "held events": lambda s: s.queries.events(EventQuery(state="held"), PLACES, None, 50),
    "held events of a person": lambda s: s.queries.events(EventQuery(user_key="u:u7", state="held"), PLACES, None, 50),
    "dead events": lambda s: s.queries.events(EventQuery(state="dead", destination="d"), PLACES, None, 50),
    "delivered events": lambda s: s.queries.events(EventQuery(state="delivered"), PLACES, 10_000, 50),
    "why": lambda s: s.queries.message("m1", "website", PLACES),
    "held": lambda s: s.queries.held("d", None, ""),
    "dead": lambda s: s.queries.dead("d", DeadLetterFilter(), None),
    "failures": lambda s: s.output_reports.failures("d", 100),
    "dead_reasons": lambda s: s.output_reports.dead_reasons("d", 1_000),
    "newest_calls": lambda s: s.output_reports.newest_calls("d", 100),
    "clients": lambda s: s.input_reports.clients("website", 100),
    "personal_data": lambda s: s.input_reports.personal_data(None, 0, None),
    "violations": lambda s: s.input_reports.violations(None, None, 0),
    "buckets": lambda s: s.counters.buckets(60, (ROWS - 10) * 60_000),
    "denied": lambda s: s.directory.denied([(key, 1) for key in KEYS]),
    "withdrawals": lambda s: s.directory.withdrawals(0, ROWS, 50),
}


def scanned(plan: dict[str, Any]) -> set[str]:
    """The tables that a plan reads from one end to the other."""
    found = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    return found.union(*(scanned(one) for one in plan.get("Plans", ())))


@pytest.mark.parametrize("name", QUESTIONS)
async def test_a_question_goes_by_indexes(node: PostgresCase, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async with noted(node, monkeypatch) as (asked, connection):
        await QUESTIONS[name](node)
        assert asked.statements
        for sql, values in asked.statements[:]:
            [told] = await connection.fetchrow(f"EXPLAIN (FORMAT JSON) {sql}", *values)
            assert scanned(json.loads(told)[0]["Plan"]) <= SMALL, sql


def rows_read(plan: dict[str, Any], table: str) -> int:
    """How many rows of a table were read, also those that were of no use. `plan`: analyzed."""
    found = sum(rows_read(one, table) for one in plan.get("Plans", ()))
    if plan.get("Relation Name") == table:
        found += (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return int(found)


@pytest.mark.parametrize("name", ["held events of a person", "events_of"])
async def test_what_waits_for_others_is_not_read(
    node: PostgresCase, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async with noted(node, monkeypatch) as (asked, connection):
        await QUESTIONS[name](node)
        plans = [
            (
                sql,
                json.loads((await connection.fetchrow(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *values))[0])[0]["Plan"],
            )
            for sql, values in asked.statements[:]
        ]
    assert any("FROM parked" in sql for sql, _ in plans)
    for sql, plan in plans:
        assert rows_read(plan, "parked") < 100, sql


# Few are three: of each kind of row one.
FEW_AND_MANY: dict[str, tuple[Question, Question]] = {
    "lanes": (lambda s: s.lookups.lanes(KEYS[:3], PLACES[:1]), lambda s: s.lookups.lanes(KEYS, PLACES)),
    "parked": (lambda s: s.parked("d", WAITING[:3], 10), QUESTIONS["parked"]),
    "members": (lambda s: s.lookups.members("g7", "", 1), lambda s: s.lookups.members("g7", "", 50)),
    "group": (lambda s: s.lookups.group("g1", PLACES[:1]), lambda s: s.lookups.group("g1", PLACES)),
    "recent": (lambda s: s.lookups.recent(PLACES[:1]), lambda s: s.lookups.recent(PLACES)),
    "why": (
        lambda s: s.queries.message("m1", "website", PLACES[:1]),
        lambda s: s.queries.message("m1", "website", PLACES),
    ),
    "events": (
        lambda s: s.queries.events(EventQuery(), PLACES[:1], None, 3),
        lambda s: s.queries.events(EventQuery(), PLACES, None, 50),
    ),
    "events_of": (
        lambda s: s.lookups.events_of(["u:u1"], PLACES[:1], None, 3),
        lambda s: s.lookups.events_of(["u:u1"], PLACES, None, 50),
    ),
    "newest_calls": (lambda s: s.output_reports.newest_calls("d", 2), lambda s: s.output_reports.newest_calls("d", 99)),
    "failures": (lambda s: s.output_reports.failures("d", 2), lambda s: s.output_reports.failures("d", 99)),
}


@pytest.mark.parametrize("name", FEW_AND_MANY)
async def test_many_rows_take_no_more_statements_than_few(
    node: PostgresCase, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    counts = []
    blocks: Any = node.queries._blocks  # type: ignore[attr-defined]
    for question in FEW_AND_MANY[name]:
        blocks.clear()
        async with noted(node, monkeypatch) as (asked, _):
            await question(node)
        counts.append(len(asked.statements))
    assert counts[1] <= counts[0]
