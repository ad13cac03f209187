"""What forgetting a group takes from nobody else."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from router.plugin import Context, Event, Item, hookimpl
from router.store import DirectoryUpdate
from tests.contract.rig import Plain, Rig, line
from tests.contract.test_forget_group import demand_of_group, forget, joins, track

pytestmark = pytest.mark.usefixtures("backend")


class Tiers(Plain):
    """Keeps what each user has bought."""

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        return f"bought/{event.user_id}"

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        context.state = {"tier": "Pro"}
        return line(event, context)


async def test_state_of_another_user_stays_though_it_says_the_word_that_is_the_group_s_name(rig: Rig) -> None:
    rig.start(Tiers)
    await joins(rig, "user-one", "call", name="Pro")
    for user in ("user-one", "user-two"):
        await track(rig, user, f"t-{user}")
    await rig.quiet()
    await forget(rig, "acme-1")
    assert set(await rig.store.state("d", "bought/user-one", "bought/user-two")) == {"bought/user-two"}


async def test_a_replay_teaches_traits_of_users_while_a_group_called_none_is_forgotten(rig: Rig) -> None:
    rig.start(Plain)
    await joins(rig, "user-one", "call", "None", "None at all")
    await track(rig, "user-two", "t1")
    await rig.quiet()
    await rig.store.people.begin(demand_of_group("None"))
    told = DirectoryUpdate("u:user-two", user_traits={"city": "Oslo"})
    await (await rig.runner.worker()).context.claim.replays.teach([(1, told)])
    with closing(rig.store.image()) as db:
        [(traits,)] = db.execute("SELECT traits FROM person WHERE user_key = 'u:user-two'").fetchall()
    assert json.loads(traits) == {"city": "Oslo"}
