"""What is wrong now, from the answers that operators get: one list for the pages and for whoever is notified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.admin.answers import Answers
from router.admin.daemon_port import DaemonPort
from router.admin.lookups import Lookups
from router.admin.standing import coded_problems, notices_of, without_owner_s
from router.explain.troubles import Trouble, troubles
from router.personal_data.mask import words_masked


async def troubles_now(daemon: DaemonPort, answers: Answers, lookups: Lookups) -> list[Trouble]:
    """What somebody should know of now, gravest first. Raises StoreError where the store cannot be read."""
    rows, recent = (await answers.destinations())["destinations"], await lookups.recent()
    return troubles_in(daemon, answers, lookups, rows, recent["destinations"])


def troubles_in(
    daemon: DaemonPort,
    answers: Answers,
    lookups: Lookups,
    destinations: Sequence[Mapping[str, Any]],
    recent: Mapping[str, Mapping[str, Any]],
) -> list[Trouble]:
    """The same from answers that are there already: rows of `/api/destinations`, and what was done of late, by destination. Addresses
    in the words of vendors are masked as on the pages: messages go further than those."""
    standing_s, missing_s = daemon.standing_s, without_owner_s(daemon)
    rows = [
        {
            **row,
            "stands_s": standing_s.get(row["name"], 0.0),
            "without_owner_s": missing_s.get(row["name"], 0.0),
        }
        for row in destinations
    ]
    found = troubles(coded_problems(daemon), rows, lookups.sources(), recent, notices_of(daemon))
    mask = daemon.config.console.mask
    return [one._replace(sentence=words_masked(one.sentence, mask)) for one in found]
