"""What a response says about the whole destination, as one table, and the outcomes as they count for the events."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.deliver.settle.destination_verdict import Failed, Health, Stop, Succeeded, Suspected, Verdict, Wait, judge
from router.plugin import Delivered, Outcome, Pause, Reject, RetryLater, Split

UNTRUSTED = RetryLater("tls", "self-signed certificate")
OK, LATER, NO, HALVES = Delivered(), RetryLater("status_503"), Reject("rejected"), Split("rejected")
KEY = Pause("credentials", "status 401")
PERHAPS = Pause("credentials", "status 403", sure=False)
DOUBT = Suspected("status_403", "status 403")
"""What becomes of a 403 that is not believed yet."""
U1, U2, U3 = frozenset({"u:1"}), frozenset({"u:2"}), frozenset({"u:1", "u:2", "u:3"})


def case(
    name: str,
    status: int | None,
    outcomes: Sequence[Outcome],
    expected: Verdict,
    *,
    wait: float | None = None,
    users: frozenset[str] = U1,
    suspects: frozenset[str] = frozenset(),
) -> object:
    return pytest.param(status, wait, outcomes, users, suspects, expected, id=name)


@pytest.mark.parametrize(
    ("status", "wait", "outcomes", "users", "suspects", "expected"),
    [
        # what was taken, and what was refused
        case("taken", 200, [OK], Verdict([OK], (Succeeded(),))),
        case("refused for good: the vendor is there", 400, [NO], Verdict([NO], (Succeeded(),))),
        case("some taken, some not", 207, [OK, LATER], Verdict([OK, LATER], (Succeeded(),))),
        case("some refused, some later", 207, [NO, LATER], Verdict([NO, LATER], (Succeeded(),))),
        case("to be split says nothing", 400, [HALVES, HALVES], Verdict([HALVES, HALVES])),
        case("split and later say nothing", 500, [HALVES, LATER], Verdict([HALVES, LATER])),
        # trouble that may pass
        case("all later", 503, [LATER, LATER], Verdict([LATER, LATER], (Failed("status_503"),))),
        case("its words are kept", None, [UNTRUSTED], Verdict([UNTRUSTED], (Failed("tls", "self-signed certificate"),))),
        case("no answer", None, [RetryLater("timeout")], Verdict([RetryLater("timeout")], (Failed("timeout"),))),
        # waits
        case("a wait with a success", 200, [OK], Verdict([OK], (Wait(30.0), Succeeded())), wait=30.0),
        case("a wait with a failure", 503, [LATER], Verdict([LATER], (Wait(30.0), Failed("status_503"))), wait=30.0),
        case("a wait of nothing is told", 503, [LATER], Verdict([LATER], (Wait(0.0), Failed("status_503"))), wait=0.0),
        case("a wait with a split", 400, [HALVES], Verdict([HALVES], (Wait(5.0),)), wait=5.0),
        case(
            "a 429 burns no attempt and is no failure", 429, [RetryLater("status_429", after_s=9)],
            Verdict([RetryLater("status_429")], (Wait(30.0),), burns_attempt=False), wait=30.0,
        ),
        case(
            "a 429 without a wait has the one that the plugin read", 429, [RetryLater("busy", after_s=9)],
            Verdict([RetryLater("status_429")], (Wait(9),), burns_attempt=False),
        ),
        case(
            "a 429 that says nothing of time", 429, [RetryLater("busy")],
            Verdict([RetryLater("status_429")], (Wait(None),), burns_attempt=False),
        ),
        case(
            "what a plugin refuses at a 429 stays refused", 429, [NO, RetryLater("busy")],
            Verdict([NO, RetryLater("status_429")], (Wait(None),), burns_attempt=False),
        ),
        case(
            "a 429 keeps the suspects", 429, [RetryLater("busy")],
            Verdict([RetryLater("status_429")], (Wait(None),), U2, burns_attempt=False), suspects=U2,
        ),
        # the key or the set-up
        case("a wrong key", 401, [KEY], Verdict([KEY], (Stop(KEY),))),
        case("a wrong key beside a failure", 401, [LATER, KEY], Verdict([LATER, KEY], (Stop(KEY),))),
        case("a wrong key beside a refusal", 401, [NO, KEY], Verdict([NO, KEY], (Stop(KEY),))),
        case("a wrong key beside a success", 207, [OK, KEY], Verdict([OK, KEY], (Stop(KEY),))),
        case("a wrong key and a wait", 401, [KEY], Verdict([KEY], (Wait(30.0), Stop(KEY))), wait=30.0),
        # suspicion: 403 and 404
        case("one user meets a 403", 403, [PERHAPS], Verdict([DOUBT], (), U1)),
        case("a second user", 403, [PERHAPS], Verdict([DOUBT], (), U1 | U2), users=U2, suspects=U1),
        case("the same user again", 403, [PERHAPS], Verdict([DOUBT], (), U1), suspects=U1),
        case(
            "a third user makes it sure", 403, [PERHAPS], Verdict([PERHAPS], (Stop(PERHAPS),), U3),
            users=frozenset({"u:3"}), suspects=U1 | U2,
        ),
        case("a batch of three users", 403, [PERHAPS] * 3, Verdict([PERHAPS] * 3, (Stop(PERHAPS),), U3), users=U3),
        case("a suspicion without a status", None, [PERHAPS], Verdict([Suspected("credentials", "status 403")], (), U1)),
        case("a suspicion and a wait", 403, [PERHAPS], Verdict([DOUBT], (Wait(5.0),), U1), wait=5.0),
        case("one success outweighs it", 403, [OK, PERHAPS], Verdict([OK, DOUBT], (Succeeded(),)), suspects=U1 | U2),
        case("a success ends all suspicion", 200, [OK], Verdict([OK], (Succeeded(),)), suspects=U1 | U2),
        case("so does a refusal", 400, [NO], Verdict([NO], (Succeeded(),)), suspects=U1 | U2),
        case("a failure does not", 503, [LATER], Verdict([LATER], (Failed("status_503"),), U1), suspects=U1),
        case("a sure pause beside a suspicion", 403, [PERHAPS, KEY], Verdict([PERHAPS, KEY], (Stop(KEY),))),
        case("nothing at all", 200, [], Verdict([])),
    ],
)  # fmt: skip
def test_a_response_judges_its_destination(
    status: int | None,
    wait: float | None,
    outcomes: Sequence[Outcome],
    users: frozenset[str],
    suspects: frozenset[str],
    expected: Verdict,
) -> None:
    assert judge(status, wait, outcomes, users, suspects) == expected


ANY = st.sampled_from([OK, LATER, NO, HALVES, KEY, PERHAPS])


@given(
    status=st.sampled_from([None, 200, 401, 403, 404, 429, 503]),
    wait=st.sampled_from([None, 0.0, 30.0]),
    outcomes=st.lists(ANY, min_size=1, max_size=4),
    suspects=st.sets(st.sampled_from(["u:1", "u:2", "u:3"])),
)
def test_whatever_a_vendor_says_items_keep_their_order_and_only_doubt_and_a_429_change_an_outcome(
    status: int | None, wait: float | None, outcomes: list[Outcome], suspects: set[str]
) -> None:
    verdict = judge(status, wait, outcomes, U1, frozenset(suspects))
    assert len(verdict.outcomes) == len(outcomes)
    for before, after in zip(outcomes, verdict.outcomes, strict=True):
        is_changed = before != after
        assert not is_changed or isinstance(after, RetryLater)
        assert not is_changed or isinstance(before, RetryLater if status == 429 else Pause)
    kinds: list[type[Health]] = [type(health) for health in verdict.health]
    assert len(kinds) == len(set(kinds)) <= 2
    assert Wait not in kinds[1:], "a wait comes first"
