"""What mapping costs: the plugins that come along, fed with a mix of events on one core, beside plain JSON and a delivery;
and what a filter, a need of consent, a source that takes personal data, a mapping that hashes, and a tracking plan cost of the same
events, each alone, and all that a source and a destination can be set to beside nothing of it.

Counted is what a worker does with an event between reading its row and sending: open it, call the hooks, encode the items as
they are stored, build the request. What the router does around it (decisions, lanes, commits) is in the figure of the daemon.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from statistics import median
from typing import Any

import msgspec

from router.bench import tracking_plan
from router.bench.child import SERVER_CORE, call
from router.bench.delivery import SCENARIOS, Course, run_scenario
from router.bench.every_setting import EXPRESSION, NEEDED, all_on, nothing_on, with_consent
from router.bench.measure import foreign_share, read_usage
from router.bench.plan import Outcome, Plan
from router.bench.report import Line, line
from router.bench.stores import Stored
from router.bench.workload import USERS, random_id, track_call, user_id
from router.clock import to_iso
from router.config import DestinationConfig, MappingConfig, SourcePrivacyConfig
from router.event import Envelope, normalize_event
from router.plugin import Batch, Context, Item, Profile, Reject, Skip
from router.plugin_host import compile_consent, compile_filter, find
from router.plugin_host.event_mapping import compile_mapping
from router.plugin_host.hook_binding import bind
from router.privacy import Hasher, SourcePrivacy

PLUGINS = ("braze", "clientsuccess", "freshsuccess")
EVENTS = 2_000
RECEIVED_MS = 1_767_323_045_678
REFERENCE = "JSON decoded and encoded"
FILTER = "a filter"
TRACKING_PLAN = f"a tracking plan of {tracking_plan.RULES} rules"
NOTHING_ON = "nothing on"
ALL_ON = f"all of it on: {TRACKING_PLAN}, consent, a filter, a mapping table"
"""Both with the opening of the event, beside which the others stand."""
CONSENT = "a need of consent"
SOURCE_PRIVACY, HASHING = "a source that drops and hashes", "a mapping that hashes"
TAKEN = SourcePrivacyConfig(drop=("context.ip", "traits.birthday"), hash=("traits.email", "userId"))
HASHED = MappingConfig(drop=("user.birthday",), hash=("user.email",))
KEY = b"0123456789abcdef"

Row = tuple[str, str, bytes]
"""Type, message id and stored body of an event."""


def mixed_events(seed: int = 1) -> list[Row]:
    """Of ten events six are tracks, two identifies, one is an order of three products and one a group call."""
    chance = random.Random(seed)
    return [row for _ in range(EVENTS // 10) for row in islice(_ten(chance), 10)]


def _ten(chance: random.Random) -> Iterator[Row]:
    person = {
        "firstName": "Eva", "lastName": "Holm", "email": "eva@example.com", "birthday": "1975-04-30", "gender": "female",
        "address": {"city": "Gent", "country": "BE"}, "plan": "business", "seats": 12,
    }  # fmt: skip
    products = [{"product_id": f"k{n}", "price": "12.90", "quantity": 2, "name": "Shirt"} for n in range(3)]
    order = {"order_id": "o1", "currency": "EUR", "total": 77.4, "products": products}
    for _ in range(6):
        yield _row(chance, "track")
    for _ in range(2):
        yield _row(chance, "identify", event=None, properties=None, traits=person)
    yield _row(chance, "track", event="Order Completed", properties=order)
    group = {"name": "Acme Inc", "plan": "pro", "employees": 120}
    yield _row(chance, "group", event=None, properties=None, groupId="acme", traits=group)


def _row(chance: random.Random, type: str, **changes: Any) -> Row:
    message_id = random_id(chance)
    whole: dict[str, Any] = msgspec.json.decode(track_call(message_id, user_id(chance.randrange(USERS))))
    whole |= {"type": type, "timestamp": to_iso(RECEIVED_MS - chance.randrange(10_000_000)), **changes}
    body = msgspec.json.encode({key: value for key, value in whole.items() if value is not None})
    return type, message_id, Envelope().line() + body


# ---------------------------------------------------------------- in a process of its own


def map_events(plugin: str, seconds: float) -> Stored:
    """Map the mix again and again for this long. Without a plugin: decode and encode the same events; with a name of
    OTHERS in its place: do that with them."""
    rows = mixed_events()
    work = OTHERS[plugin](rows) if plugin in OTHERS else _mapper(plugin, rows)
    work()  # caches fill before the clock runs
    rounds, before = 0, read_usage(os.getpid(), (os.getpid(), os.getppid()))
    while not rounds or time.perf_counter() - before.at < seconds:
        work()
        rounds += 1
    after = read_usage(os.getpid(), (os.getpid(), os.getppid()))
    cpu_s, written = after.cpu_s - before.cpu_s, after.written - before.written
    return Stored(after.at - before.at, rounds * len(rows), cpu_s, written, foreign_share(before, after))


def _recoder(rows: list[Row]) -> Callable[[], None]:
    def work() -> None:
        for _, _, body in rows:
            msgspec.json.encode(msgspec.json.decode(body.partition(b"\n")[2]))

    return work


def _taker(rows: list[Row]) -> Callable[[], None]:
    take = SourcePrivacy(TAKEN, Hasher(KEY, normalize=True)).call
    bodies = [body.partition(b"\n")[2] for _, _, body in rows]

    def work() -> None:
        for body in bodies:
            take(body, [])

    return work


def _hashing(rows: list[Row]) -> Callable[[], None]:
    table = compile_mapping(HASHED, {}, Hasher(KEY, normalize=True))
    assert table is not None
    events = [normalize_event("bench", type, m, RECEIVED_MS, body) for type, m, body in rows]

    def work() -> None:
        for event in events:
            table.event(event)

    return work


def _judge(rows: list[Row]) -> Callable[[], None]:
    return tracking_plan.judge(rows, RECEIVED_MS)


def _filterer(rows: list[Row]) -> Callable[[], None]:
    filters = compile_filter(DestinationConfig(name="bench", plugin="bench", filter=EXPRESSION))
    assert filters is not None
    calls, stopped = _opened(rows), filters.stopped

    def work() -> None:
        for accepted in calls:
            stopped(accepted)

    return work


def _consent_asker(rows: list[Row]) -> Callable[[], None]:
    consent = compile_consent(DestinationConfig(name="bench", plugin="bench", consent=NEEDED))
    assert consent is not None
    calls, withheld = _opened(with_consent(rows)), consent.withheld

    def work() -> None:
        for accepted in calls:
            withheld(accepted)

    return work


def _opened(rows: list[Row]) -> list[Mapping[str, Any]]:
    return [normalize_event("bench", type, m, RECEIVED_MS, body).payload for type, m, body in rows]


OTHERS: dict[str, Callable[[list[Row]], Callable[[], None]]] = {
    "": _recoder, FILTER: _filterer, CONSENT: _consent_asker, SOURCE_PRIVACY: _taker, HASHING: _hashing,
    TRACKING_PLAN: _judge, NOTHING_ON: lambda rows: nothing_on(rows, RECEIVED_MS), ALL_ON: lambda rows: all_on(rows, RECEIVED_MS),
}  # fmt: skip
"""What is measured beside the plugins, by name; "": plain JSON."""


def _mapper(name: str, rows: list[Row]) -> Callable[[], None]:
    plugin = find(name).load()
    fields = plugin.settings_model.model_fields
    instance = plugin(plugin.settings_model(**{key: "bench" for key, field in fields.items() if field.is_required()}))
    hooks, kinds = bind(instance, name), getattr(instance, "kinds", {"": Batch()})
    names = frozenset(shown.lower() for shown in instance.display_names)
    user, group = Profile("u1", {"name": "Eva Holm", "plan": "business"}), Profile("acme", {"name": "Acme Inc"})
    states: dict[str | None, bytes] = {}

    def work() -> None:
        waiting: dict[str, list[Item]] = {kind: [] for kind in kinds}
        for type, message_id, body in rows:
            event = normalize_event("bench", type, message_id, RECEIVED_MS, body, names=names)
            key = hooks["state_key"](event) if "state_key" in hooks else None
            state = msgspec.json.decode(states[key]) if key in states else None
            context = Context(user=user, group=group, state=state)
            try:
                found = hooks[type](event, context)
            except (Skip, Reject):
                found = ()
            if context.state is not state:
                states[key] = msgspec.json.encode(context.state)
            items = [found] if isinstance(found, Item) else list(found)
            msgspec.json.encode([item.body for item in items])
            for item in items:
                batch = waiting[item.kind]
                batch.append(item)
                if len(batch) >= kinds[item.kind].max_items:
                    hooks["request"](batch)
                    batch.clear()

    return work


# ---------------------------------------------------------------- the suite


def mapping(plan: Plan) -> Outcome:
    """Each plugin on one core, beside plain JSON of the same events and beside a daemon that delivers."""
    plain: list[Stored] = []
    mapped: dict[str, list[Stored]] = {name: [] for name in (*PLUGINS, *filter(None, OTHERS))}
    courses: list[Course] = []
    for number in range(plan.rounds):
        plan.progress(f"mapping {number + 1}/{plan.rounds}")
        plain.append(_mapped("", plan))
        for name, runs in mapped.items():
            runs.append(_mapped(name, plan))
        courses.append(run_scenario(plan, SCENARIOS[0], seed=number))
    lines = [
        line("mapping", name, runs, plain, REFERENCE, **{"us an event": _us(runs)}) for name, runs in mapped.items()
    ]
    more = _us(mapped[ALL_ON]) - _us(mapped[NOTHING_ON])
    lines = [
        msgspec.structs.replace(one, more={**one.more, "us more": more}) if one.name == ALL_ON else one for one in lines
    ]
    lines.append(line("mapping", REFERENCE, plain, (), "", **{"us an event": _us(plain)}))
    lines.append(_delivered(courses, {name: mapped[name] for name in PLUGINS}))
    return Outcome(lines, [f"mapping: {problem}" for course in courses for problem in course.problems])


def _mapped(plugin: str, plan: Plan) -> Stored:
    return call("mapping", SERVER_CORE, Stored, plugin=plugin, seconds=plan.seconds)


def _us(runs: list[Stored]) -> float:
    """Processor time of an event, in microseconds."""
    return median([1e6 * run.cpu_s / run.events for run in runs])


def _delivered(courses: list[Course], mapped: dict[str, list[Stored]]) -> Line:
    """The whole path of a daemon, and how much of its processor time the mapping of each plugin would be."""
    rate, per_cpu = median([c.whole_rate for c in courses]), median([c.whole_rate_per_cpu for c in courses])
    cost = 1e6 / per_cpu if per_cpu else 0.0
    shares = {f"{name} in % of it": 100 * _us(runs) / cost if cost else 0.0 for name, runs in mapped.items()}
    return Line(
        "mapping", f"a daemon, whole path, {SCENARIOS[0].name}", rate, per_cpu, more={"us an event": cost, **shares}
    )
