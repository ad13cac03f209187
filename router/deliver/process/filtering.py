"""Where a destination asks for consent or has filters: they are asked when an event is opened, also one that was mapped before and
is tried again.

A destination without either is served by the Preparer itself and runs nothing of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from router.consent import Withheld
from router.decide.decide import Settled, decide_unopened, wanted
from router.decide.group_readiness import GroupReadiness
from router.deliver.lanes.delivery import Announcement, Delivery
from router.deliver.process.mapper import NO_EVENT, Mapper
from router.deliver.process.prepare import Prepared, PreparedTurn, Preparer, told_by
from router.input_warnings import InputWarnings
from router.plugin import Event
from router.plugin_host import Destination
from router.store import Directory, DirectorySnapshot
from router.vocabulary import EventState

ANY = -1
"""Asked for an event that waits in a row: the denials of its user count, whenever they were made."""


def make_preparer(
    destination: Destination,
    directory: Directory,
    readiness: GroupReadiness,
    mapper: Mapper,
    input_warnings: InputWarnings | None = None,
) -> Preparer:
    """The Preparer of a destination: one that asks for consent and its filters, if it has any."""
    consent = destination.consent
    if consent is not None and consent.follows:
        return FollowingPreparer(destination, directory, readiness, mapper, input_warnings)
    kind = Preparer if consent is None and destination.filter is None else FilteringPreparer
    return kind(destination, directory, readiness, mapper, input_warnings)


class FilteringPreparer(Preparer):
    """Asks for consent, and the filters of one destination, before anything else is asked about an event that is connected to it."""

    def _prepare_alone(self, delivery: Delivery) -> PreparedTurn:
        return self._kept_back(delivery) or super()._prepare_alone(delivery)

    def _kept_back(self, delivery: Delivery) -> PreparedTurn | None:
        """The turn of an event that is kept back. What comes before that in the order of reasons is asked first: the event's own
        `integrations` come behind consent and before the filters. Of what was mapped before nothing else is asked: a stored call
        may still say that the plan blocks it, though a replay has let it through."""
        destination, log_event = self._destination, delivery.log_event
        if log_event.type in NO_EVENT:
            return None
        if delivery.items is None and decide_unopened(log_event.source, delivery.body, destination) is not None:
            return None
        event = self.open(delivery)
        stopped = delivery.stopped = delivery.stopped or self._withdrawn(delivery)
        if stopped is None:
            return None
        is_filter = not isinstance(stopped, Withheld)
        if is_filter and delivery.items is None and not wanted(event.payload.get("integrations"), destination.names):
            return None
        return PreparedTurn(Settled(EventState.FILTERED, stopped.reason))

    def _withdrawn(self, delivery: Delivery) -> Withheld | None:
        """What its user has withdrawn since it was accepted: nothing, where consent is not followed."""
        return None

    def open(self, delivery: Delivery) -> Event:
        """The event, as this destination's plugin sees it, with what consent and the filters say."""
        if delivery.event is not None:
            return delivery.event
        mapping, (consent, filters) = self._destination.mapping, self._destination.conditions
        shown = event = self._opened(delivery)
        call = _as_accepted(event, delivery)
        delivery.stopped = consent.withheld(call) if consent is not None else None
        if event.type == "group":
            delivery.announcement = told_by(delivery, event)
        if filters is not None:
            delivery.stopped = delivery.stopped or filters.stopped(call)
            shown = filters.changed(event, call)
        delivery.event = shown if mapping is None else mapping.event(shown)
        return delivery.event

    def _announcement(self, delivery: Delivery, known: DirectorySnapshot) -> Announcement:
        told, event = super()._announcement(delivery, known), delivery.event
        if delivery.stopped is None or event is None or event.type != "group":
            return told
        return msgspec.structs.replace(told, is_asked_for=_refers_to(known, event, told.callers, delivery.pos))


class FollowingPreparer(FilteringPreparer):
    """Asks the users' latest preferences too: of events that wait in a row, and of those that were accepted before their user denied
    something. One trip to the store for a batch."""

    def __init__(
        self,
        destination: Destination,
        directory: Directory,
        readiness: GroupReadiness,
        mapper: Mapper,
        input_warnings: InputWarnings | None = None,
    ) -> None:
        super().__init__(destination, directory, readiness, mapper, input_warnings)
        self._denied: Mapping[int, frozenset[str]] = {}  #: by id of the delivery, of the batch that is being prepared

    async def prepare(self, deliveries: Iterable[Delivery]) -> Prepared:
        """See `Preparer.prepare`."""
        asks = [(one, (one.user_key, ANY if one.is_parked else one.pos)) for one in deliveries]
        denied = await self._directory.denied(sorted({ask for _, ask in asks})) if asks else {}
        self._denied = {id(one): denied[ask] for one, ask in asks if ask in denied}
        deliveries = [one for one, _ in asks]
        return await super().prepare(deliveries)

    def _withdrawn(self, delivery: Delivery) -> Withheld | None:
        consent, denied = self._destination.consent, self._denied.get(id(delivery))
        if consent is None or denied is None:
            return None
        return consent.withdrawn(_as_accepted(self._opened(delivery), delivery), denied)


def _refers_to(known: DirectorySnapshot, event: Event, callers: Iterable[str], pos: int) -> bool:
    """Whether the directory has a membership, or since when a trait is known, from the group call at this position. Only of such
    a call it matters that it does not count here; most repeat what was said before."""
    memberships = (one.call_pos for key in callers for one in known.memberships.get(key, ()))
    group = known.companies.get(event.group_id or "")
    return pos in memberships or (group is not None and pos in group.since.values())


def _as_accepted(event: Event, delivery: Delivery) -> Mapping[str, Any]:
    """The call without the userId that an anonymous event was joined to since."""
    if delivery.row is None or not delivery.row.linked:
        return event.payload
    return {key: value for key, value in event.payload.items() if key != "userId"}
