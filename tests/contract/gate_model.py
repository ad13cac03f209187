"""What the gate and the lanes must do, said as slowly and plainly as it can be said.

The model is told what was accepted, what the vendor was asked and what it answered, and what an operator did. Everything else it
works out again from the whole list at each question. It says whether an event may go out at the moment it does (`asked`), and what
state each event may be in when nothing moves any more (`compare`). Where the rules leave something to timing it permits each of
the outcomes, and goes on from the one it is shown. Timing is open in these cases, of each call for itself, and in no others:

- An event was mapped at some instant between the last rest and its request: with any of what the vendor had said by then.
- A group call that was accepted before another that says the same, and was settled after that was accepted, may stand in for it: it
  does where the later one had been read by then (`lenient`).
- A lane whose tried event was dropped or has moved on may wait until that attempt would have been due (`waits_for_nothing`).
- A link takes over a group at its turn, which nobody sees before it is settled (`taking_nothing_over`).
- What a group call tells that is skipped or filtered counts from its turn on, which nobody sees (`may_supply`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

GATED = ("track", "page")
NO_GROUP, NO_NAME = "group_unknown", "group_name_unknown"
OK, LATER, NO = "ok", "later", "no"
"""The vendor's answers: taken, not now, never."""


@dataclass(frozen=True)
class Said:
    """One accepted call. `course`: what becomes of it when it may go: sent, skipped (the plugin has nothing to send) or filtered."""

    pos: int
    m: str
    type: str
    user: str | None = None
    anonymous: str | None = None
    previous: str | None = None
    group: str | None = None
    tells_name: bool = False
    course: str = "sent"
    before: bool = False  #: accepted before the destination began

    @property
    def key(self) -> str:
        """Its user key."""
        return f"u:{self.user}" if self.user else f"a:{self.anonymous}" if self.anonymous else f"g:{self.group}"

    @property
    def gated(self) -> bool:
        """Whether it needs a group with a name."""
        return self.type in GATED

    @cached_property
    def link(self) -> tuple[str, str] | None:
        """The anonymous key and the user key that it links."""
        other = {"identify": self.anonymous, "alias": self.previous}.get(self.type)
        return (f"a:{other}", f"u:{self.user}") if other and self.user else None


@dataclass(frozen=True)
class Seen:
    """What the store says of an event when nothing moves."""

    state: str
    reason: str
    lane: str = ""  #: of a parked one: in whose lane
    queue: str = ""  #: of a parked one: held or main


@dataclass(frozen=True)
class Gate:
    """What an event has been told: its group, and why it must wait ("": it need not)."""

    group: str | None
    reason: str


@dataclass
class Model:
    """All that was told, and the questions about it."""

    events: list[Said] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)  #: by message id, the vendor's last word
    mapped: dict[str, tuple[str | None, str | None]] = field(
        default_factory=dict
    )  #: by message id, its user and group when it was asked
    received: list[str] = field(default_factory=list)  #: message ids, in order
    given: dict[str, str] = field(default_factory=dict)  #: by message id, the group an operator released it with
    dropped: set[str] = field(default_factory=set)
    waits_for_nothing: dict[str, set[str]] = field(default_factory=dict)
    """By message id, lanes that a retry may block though its event was dropped or has moved on."""
    taking_nothing_over: frozenset[str] = frozenset()  #: linking calls with which nobody takes over a group, yet
    moment: int = 0  #: counts what was accepted and answered
    accepted_at: dict[str, int] = field(default_factory=dict)
    answered_at: dict[str, int] = field(default_factory=dict)  #: of the last word
    said_lately: list[tuple[str, str]] = field(default_factory=list)  #: the vendor's words since nothing moved last
    lenient: bool = False  #: whether a group call stands in for a later one of the same user where it may
    paused: bool = False
    unread: set[str] = field(default_factory=set)  #: accepted while the destination was paused
    seen: dict[str, Seen] = field(default_factory=dict)  #: by message id, when nothing moved last
    answers_then: dict[str, str] = field(default_factory=dict)  #: `answers`, at that time
    complaints: list[str] = field(default_factory=list)

    def accepted(self, said: Said) -> None:
        """A call got its 200."""
        self.moment += 1
        self.accepted_at[said.m] = self.moment
        self.events.append(said)

    # ------------------------------------------------------------ the directory, as of a position

    def links(self, anonymous_key: str) -> list[Said]:
        """The calls that linked an anonymousId, in order."""
        return [said for said in self.events if said.link is not None and said.link[0] == anonymous_key]

    def linked_user(self, anonymous_key: str, pos: int) -> str | None:
        """Whose the anonymousId was as of a position."""
        users = [said.link[1] for said in self.links(anonymous_key) if said.link is not None and said.pos <= pos]
        return users[-1] if users else None

    def memberships(self, key: str) -> list[tuple[int, str, Said]]:
        """(since, group, the call that said so), on change only, in order."""
        told: dict[str, list[tuple[int, str, Said]]] = {}
        users: dict[str, str] = {}  # by anonymous key, whose it is

        def join(who: str, since: int, group: str, call: Said) -> None:
            history = told.setdefault(who, [])
            if not history or history[-1][1] != group:
                history.append((since, group, call))

        for said in self.events:
            if said.type == "group" and said.group is not None and not said.key.startswith("g:"):
                join(said.key, said.pos, said.group, said)
                if said.key in users and not told.get(users[said.key]):  # it speaks for its user, who has none
                    join(users[said.key], said.pos, said.group, said)
            if said.link is not None and said.link[1] != users.get(said.link[0]):
                anonymous, user = said.link
                users[anonymous] = user
                takes_over = said.m not in self.taking_nothing_over
                if (
                    takes_over and told.get(anonymous) and not told.get(user)
                ):  # a user without a group takes it over with the link
                    _, group, call = told[anonymous][-1]
                    join(user, said.pos, group, call)
        return told.get(key, [])

    def people(self, said: Said, lane: str) -> list[str]:
        """Whose membership counts for an event that stands in this lane."""
        keys = [lane]
        if said.anonymous is not None:
            keys.append(f"a:{said.anonymous}")
            if said.user is None and lane == said.key:
                keys += filter(None, [self.linked_user(said.key, said.pos)])
        return keys

    # ------------------------------------------------------------ the gate

    def supplies(self, call: Said) -> bool:
        """Whether a group call is settled here, and not dead."""
        settled = self.seen.get(call.m, Seen("", "")).state in ("skipped", "filtered")
        return call.before or settled or self.answers.get(call.m) == OK

    def may_supply(self, call: Said) -> bool:
        """The same of calls that nobody sees being settled: they may be, by now."""
        return self.supplies(call) or call.course != "sent"

    def gate(self, said: Said, lane: str, supplies: Callable[[Said], bool]) -> Gate:
        """The gate of a track or page that stands in this lane."""
        if said.m in self.given:
            return Gate(self.given[said.m], "")
        if said.group is not None:
            return Gate(said.group, "" if self.name_is_known(said.group, supplies) else NO_NAME)
        found = self.standing(said, lane, supplies)
        if found is None:
            return Gate(None, NO_GROUP)
        group, call = found
        if not any(supplies(other) for other in self.kin(group, call)):
            return Gate(group, NO_GROUP)
        return Gate(group, "" if self.name_is_known(group, supplies) else NO_NAME)

    def candidates(self, said: Said, lane: str) -> list[tuple[str, Said]]:
        """The memberships that are asked in turn: the one as of the event, and then those after it."""
        current: list[tuple[int, str, Said]] = []
        later: list[tuple[int, str, Said]] = []
        for key in self.people(said, lane):
            members = self.memberships(key)
            current = [member for member in members if member[0] <= said.pos][-1:]
            later += [member for member in members if member[0] > said.pos]
            if current:
                break
        return [member[1:] for member in (*current, *sorted(later, key=lambda member: member[0]))]

    def standing(self, said: Said, lane: str, supplies: Callable[[Said], bool]) -> tuple[str, Said] | None:
        """The membership as of the event, unless that was refused here; else the first one after it that was not."""
        asked = self.candidates(said, lane)
        return next((member for member in asked if not self.was_refused(*member, supplies)), None)

    def was_refused(self, group: str, call: Said, supplies: Callable[[Said], bool]) -> bool:
        """Whether a membership does not count here: the call that told it is dead, and no other that says the same is settled."""
        return self.answers.get(call.m) == NO and not any(supplies(other) for other in self.kin(group, call))

    def group_calls(self, group: str) -> list[Said]:
        """All that was said of a group."""
        return [said for said in self.events if said.type == "group" and said.group == group]

    def name_is_known(self, group: str, supplies: Callable[[Said], bool]) -> bool:
        """Whether some call that supplies tells the group's name, whoever made it."""
        return any(call.tells_name and supplies(call) for call in self.group_calls(group))

    def kin(self, group: str, call: Said) -> list[Said]:
        """A call that told of a membership, and those that stand in for it: they say the same of the same user, and were accepted
        after it, or settled after it was refused."""
        calls = [other for other in self.group_calls(group) if self.speaks_for(other, call.key)]
        return [other for other in calls if other.pos >= call.pos or self.stands_in(other, call)]

    def stands_in(self, earlier: Said, call: Said) -> bool:
        """Whether a group call from before another one counts in its place."""
        settled = self.answered_at.get(earlier.m, 0) if self.answers.get(earlier.m) == OK else 0
        if self.answers.get(call.m) == NO and settled > self.answered_at[call.m]:
            return True
        unseen = earlier.course != "sent"
        return self.lenient and (unseen or settled > self.accepted_at[call.m])

    def speaks_for(self, call: Said, key: str) -> bool:
        """Whether a group call is one of this user's."""
        spoken = {call.key}
        if call.anonymous is not None:
            anonymous = f"a:{call.anonymous}"
            spoken |= {anonymous, self.linked_user(anonymous, call.pos) or call.key}
        return key in spoken

    # ------------------------------------------------------------ lanes

    def lane(self, said: Said) -> str:
        """In whose lane an event stood when nothing moved last."""
        seen = self.seen.get(said.m)
        return seen.lane if seen is not None and seen.lane else said.key

    def owner(self, said: Said) -> str | None:
        """Whose an event is that names no user: the user's that its anonymousId belonged to as of then, else the next one's."""
        after = [link.link[1] for link in self.links(said.key) if link.link is not None]
        return self.linked_user(said.key, said.pos) or next(iter(after), None)

    def owners_links(self, said: Said) -> list[Said]:
        """The calls that link its anonymousId to its owner, as far as they were read."""
        links = self.links(said.key) if said.gated and not said.user else []
        return [link for link in links if link.m not in self.unread and link.link == (said.key, self.owner(said))]

    def joined_by(self, said: Said) -> list[Said]:
        """The linking calls that take an event along into its owner's lane, if it is held when they have their turn."""
        return [link for link in self.owners_links(said) if link.pos > said.pos]

    def joined_late_by(self, said: Said) -> list[Said]:
        """Linking calls from before the event that may have their turn after it: they stood behind a retry, or came just now. They
        take along what is held when they go."""
        return [link for link in self.owners_links(said) if link.pos < said.pos and self.is_queued(link)]

    def makes_way_for(self, said: Said) -> list[Said]:
        """Events of the same anonymousId and of another owner that may have their turn now: what is held goes to its own first."""
        if not said.gated or said.user is not None:
            return []
        others = [
            other for other in self.events if other.gated and other.key == said.key and other.m not in self.unread
        ]
        return [other for other in others if self.is_queued(other) and self.owner(other) != self.owner(said)]

    def is_queued(self, said: Said) -> bool:
        """Whether it came just now, or stood in a queue when nothing moved last."""
        return self.seen.get(said.m, Seen("queued", "")).state == "queued"

    def had_its_turn(self, said: Said) -> bool:
        """Whether it had, when nothing moved last."""
        seen = self.seen.get(said.m)
        return seen is not None and (seen.state, seen.reason) not in (("queued", "in_flight"), ("queued", "paused"))

    def lanes_by_now(self, said: Said) -> set[str]:
        """In which lanes it may stand while things move."""
        lane, owner = self.lane(said), self.owner(said)
        moves = lane == said.key and (self.joined_by(said) or self.joined_late_by(said) or self.makes_way_for(said))
        return {lane, owner} if moves and owner is not None else {lane}

    def lanes_at_rest(self, said: Said, now: Seen) -> set[str]:
        """In which lanes it may stand when nothing moves."""
        possible = self.lanes_by_now(said)
        if now.queue == "main":
            return {said.key}
        if now.state != "held" or possible == {said.key} or self.lane(said) != said.key:
            return possible
        before = self.seen.get(said.m)
        if before is not None and before.queue == "main":
            return possible
        return possible - {said.key} if any(not self.had_its_turn(link) for link in self.joined_by(said)) else possible

    def final(self, said: Said) -> bool:
        """Whether nothing of it is to be sent any more."""
        gone = said.before or said.m in self.dropped or self.answers.get(said.m) in (OK, NO)
        return gone or said.course != "sent"

    # ------------------------------------------------------------ while things move

    def asked(self, body: Mapping[str, Any]) -> None:
        """The vendor is asked to take an event: may it go now, for this group and this user?"""
        said = next(one for one in self.events if one.m == body["m"])
        words = f"{said.m} ({said.type} of {said.key})"
        if self.paused:
            self.complaints.append(f"{words} went out during a pause")
        told = [one for then in self.instants() for one in then.mappings(said)]
        again = said.m in self.mapped
        if again:  # what is tried again was mapped once: perhaps before it joined its user
            told.append(self.mapped[said.m])
        self.mapped[said.m] = (body["user"], body["group"])
        if not told:
            self.complaints.append(f"{words} went out though its gate is shut")
        elif (body["user"], body["group"]) not in told:
            self.complaints.append(f"{words} went out as {body['user']} of {body['group']}, not as one of {told}")
        for other in self.events:
            if other.pos >= said.pos or self.final(other):
                continue
            here = self.lanes_by_now(other) == self.lanes_by_now(said) == {self.lane(said)}
            # Perhaps after this one was mapped: then it does not stand before it.
            joined = other.key != self.lane(other)
            if here and not (again and joined) and not self.may_overtake(said, other):
                self.complaints.append(f"{words} overtook {other.m} ({other.type})")

    def instants(self) -> list[Model]:
        """The model at each instant since nothing moved last, as far as the vendor's words go."""
        words = [dict(self.said_lately[:n]) for n in range(len(self.said_lately) + 1)]
        return [replace(self, answers={**self.answers_then, **said}) for said in words]

    def mappings(self, said: Said) -> list[tuple[str | None, str | None]]:
        """As whose event, and on behalf of which group it may be mapped now."""
        told: list[tuple[str | None, str | None]] = []
        for lane in self.lanes_by_now(said):
            user = lane[2:] if lane.startswith("u:") else said.user
            if not said.gated:
                told += [(user, group) for group in ([said.group] if said.group else self.groups_as_of(said))]
                continue
            told += [(user, group) for group in self.groups_by_now(said, lane)]
        return told

    def groups_by_now(self, said: Said, lane: str) -> list[str | None]:
        """On behalf of which groups an event may have been mapped: what is open of each membership fell this way or that."""
        most = replace(self, lenient=True)
        if said.m in self.given or said.group is not None:
            gate = most.gate(said, lane, self.may_supply)
            return [] if gate.reason else [gate.group]
        found: list[str | None] = []
        for group, call in self.candidates(said, lane):
            counts = any(self.may_supply(other) for other in most.kin(group, call))
            if counts and self.name_is_known(group, self.may_supply):
                found.append(group)
            if not self.was_refused(group, call, self.supplies):
                break
        return found

    def groups_as_of(self, said: Said) -> list[str | None]:
        """The group of a call without requirement: what is known as of its position. Of one that was refused it may know."""
        for key in self.people(said, said.key):
            members = [(group, call) for since, group, call in self.memberships(key) if since <= said.pos]
            if members:
                refused = self.was_refused(*members[-1], self.supplies)
                return [members[-1][0], None] if refused else [members[-1][0]]
        return [None]

    def open_for_sure(self, said: Said, lane: str) -> bool:
        """Whether the gate is open, also if what is not settled yet told nothing."""
        sober = replace(self, taking_nothing_over=self.unsettled_links())
        return not (self.gate(said, lane, self.supplies).reason or sober.gate(said, lane, self.supplies).reason)

    def unsettled_links(self) -> frozenset[str]:
        """Linking calls that are not settled: with which users may or may not have taken over a group."""
        links = [said for said in self.events if said.link is not None and not said.before]
        return frozenset(said.m for said in links if self.answers.get(said.m) not in (OK, NO))

    def may_overtake(self, said: Said, other: Said) -> bool:
        """A call without the requirement goes past what a shut gate holds, and past the gated ones behind that."""
        if said.gated or not other.gated:
            return False
        then, lane = self.then(), self.lane(other)
        first = [one for one in self.events if one.gated and one.pos <= other.pos and lane in self.lanes_by_now(one)]
        stand = [one for one in first if not then.final(one)]
        return any(not then.open_for_sure(one, lane) or self.gate(one, lane, self.supplies).reason for one in stand)

    def then(self) -> Model:
        """The model when nothing moved last. A link that is not settled opens nothing: what it opens goes behind it."""
        return replace(
            self,
            events=[said for said in self.events if said.before or said.m in self.seen],
            answers=self.answers_then,
        )

    def answered(self, m: str, word: str) -> None:
        """The vendor's word."""
        self.moment += 1
        self.answers[m], self.answered_at[m] = word, self.moment
        self.said_lately.append((m, word))
        if word == OK:
            self.received.append(m)

    # ------------------------------------------------------------ when nothing moves

    def compare(self, now: Mapping[str, Seen]) -> list[str]:
        """What is wrong with this, and with all that happened since the last time. The model goes on from it."""
        wrong, self.complaints = self.complaints, []
        for said in self.events:
            shown = now[said.m]
            if shown.lane and shown.lane not in self.lanes_at_rest(said, shown):
                lanes = sorted(self.lanes_at_rest(said, shown))
                wrong.append(f"{said.m} ({said.type} of {said.key}) stands in {shown.lane}, not in {lanes}")
        for key in {shown.lane for shown in now.values() if shown.lane.startswith("a:")}:
            owners = {
                self.owner(said) for said in self.events if (now[said.m].lane, now[said.m].queue) == (key, "held")
            }
            if len(owners) > 1:
                wrong.append(f"{key} holds events of {sorted(map(str, owners))}")
        if not wrong:
            for said in self.events:
                if self.was_retried(said) and len(self.lanes_by_now(said)) > 1:
                    self.waits_for_nothing.setdefault(said.m, set()).update(self.lanes_by_now(said))
            before, self.seen = self.seen, dict(now)
            self.answers_then, self.said_lately = dict(self.answers), []
            for said in self.events:
                shown, permitted = now[said.m], self.permitted(said, before.get(said.m))
                if (shown.state, shown.reason) not in permitted:
                    words = f"{said.m} ({said.type} of {said.key}) is {shown.state} {shown.reason!r}"
                    wrong.append(f"{words}, not one of {sorted(permitted)}")
        return wrong

    def permitted(self, said: Said, before: Seen | None) -> set[tuple[str, str]]:
        """The states and reasons that an event may have when nothing moves."""
        word = self.answers.get(said.m)
        if said.before:
            return {("before", "")}
        if said.m in self.dropped:
            return {("dead", "dropped")}
        if word in (OK, NO):
            return {("delivered", "")} if word == OK else {("dead", "rejected")}
        if said.m in self.unread:
            return {("queued", "paused" if self.paused else "in_flight")}
        if self.paused and before is not None:
            return {(before.state, before.reason)}
        if said.course == "filtered":
            return {("filtered", "integrations")}
        if word == LATER:
            return {("retrying", "status_503")}
        return self.permitted_untried(said, before)

    def permitted_untried(self, said: Said, before: Seen | None) -> set[tuple[str, str]]:
        """The same of an event that the vendor was not asked to take, or that it need not be asked to take."""
        lane = self.lane(said)
        retried = self.retried_in(lane)
        skipped = {("skipped", "nothing")} if said.course == "skipped" else set()
        if skipped and (not retried or (before is not None and before.state == "skipped")):
            return skipped
        if not said.gated:
            if retried and retried[0].pos < said.pos:  # a retry parks everything; what was skipped before it, is so
                return {("queued", "behind_lane")} | (skipped if retried[0].gated else set())
            return skipped  # nothing stops it: it cannot be here
        shut = self.gate(said, lane, self.supplies).reason and not self.unsure(said, lane)
        if retried:
            held = {("held", NO_GROUP), ("held", NO_NAME)}
            apart = said.key == lane and any(self.owner(one) != self.owner(said) for one in self.standing_in(lane))
            stays = before is not None and before.state == "queued"  # it was parked behind the retry, which ends later
            return held if shut and not (apart or stays) else held | {("queued", "behind_lane")}
        first = next(one for one in self.standing_in(lane) if one.gated)
        reason = self.gate(first, lane, self.supplies).reason
        if self.unsure(first, lane):
            return {("held", NO_GROUP), ("held", NO_NAME)}
        return {("held", reason)} if reason else set()

    def unsure(self, said: Said, lane: str) -> bool:
        """Whether the gate may be shut though all that was told would open it, or tell of another need."""
        reason = self.gate(said, lane, self.supplies).reason
        others = (replace(self, taking_nothing_over=self.unsettled_links()), replace(self, lenient=True))
        return any(other.gate(said, lane, self.supplies).reason != reason for other in others)

    def retried_in(self, lane: str) -> list[Said]:
        """What blocks a lane. Where that is dropped, the lane waits on until the next attempt would have been."""
        tried = [said for said in self.standing_in(lane) if self.answers.get(said.m) == LATER]
        return [one for one in self.events if lane in self.waits_for_nothing.get(one.m, ()) or one in tried]

    def was_retried(self, said: Said) -> bool:
        """Whether it was tried again, or is to be."""
        return self.answers.get(said.m) == LATER or self.answers_then.get(said.m) == LATER

    def standing_in(self, lane: str) -> list[Said]:
        """What is not through yet in a lane, in order."""
        return [said for said in self.events if self.lane(said) == lane and not self.final(said)]

    # ------------------------------------------------------------ the operator

    def held_in(self, lane: str) -> list[Said]:
        """What stands in a lane's held queue, in order."""
        return [
            said
            for said in self.events
            if (seen := self.seen.get(said.m)) and (seen.lane, seen.queue) == (lane, "held")
        ]
