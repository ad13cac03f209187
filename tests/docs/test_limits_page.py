"""docs/limits.md has the numbers that are in force."""

from __future__ import annotations

import pytest

from router.deliver.send import aiohttp_head, http_answer, http_client, sender
from router.deliver.settle import responses
from router.ingest import limits
from router.plugin_host import outcome_checks, redaction, secret_parts
from tests.docs.pages import ROOT

LINES = (ROOT / "docs/limits.md").read_text().splitlines()
ROWS = {cells[0]: cells for line in LINES if line.startswith("| ") and (cells := line.strip("| ").split(" | "))}
KIB = 1024


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("One call", f"{limits.MAX_ITEM_BYTES // KIB} KiB"),
        ("Nesting of a call", f"{limits.MAX_DEPTH} levels"),
        ("A message id", f"{limits.MAX_MESSAGE_ID} characters"),
        ("An id of a user or a group", f"{limits.MAX_ID} characters"),
        ("The body of a single call", f"{limits.MAX_SINGLE_BYTES / KIB} KiB"),
        ("The body of a batch", f"{limits.MAX_BATCH_BYTES // KIB} KiB, inflated"),
        ("The body of a webhook", f"{limits.MAX_WEBHOOK_BYTES // KIB // KIB} MiB, inflated"),
        ("The body of an admin command", f"{limits.MAX_ADMIN_BYTES // KIB} KiB"),
        ("The body of a regulation", f"{limits.MAX_REGULATION_BYTES // KIB // KIB} MiB"),
        ("People in a regulation", f"{limits.MAX_PEOPLE:,}"),
        ("Calls in a batch", f"{limits.MAX_BATCH_ITEMS:,}"),
        ("One line of a request head", f"{limits.MAX_LINE_BYTES // KIB} KiB"),
        ("A request head as a whole", f"{limits.MAX_HEAD_BYTES // KIB} KiB, {limits.MAX_HEADERS} lines"),
        ("Time for a head, from its first byte", f"{limits.HEAD_TIMEOUT_S:.0f} s"),
        ("Time for a body", f"{limits.BODY_TIMEOUT_S:.0f} s"),
        ("Time to read an answer", f"{limits.ANSWER_TIMEOUT_S:.0f} s"),
        ("A connection without a request", f"{limits.IDLE_TIMEOUT_S:.0f} s"),
        ("Debt of a source with a `rate`", f"{limits.MAX_DEBT_S:.0f} s"),
        ("Requests being stored", f"{limits.MAX_IN_FLIGHT:,}"),
        ("Bytes of unfinished heads and bodies, ingestion", f"{limits.INGEST.received_bytes // KIB // KIB} MiB"),
        ("Bytes of unfinished heads and bodies, admin", f"{limits.ADMIN.received_bytes // KIB // KIB} MiB"),
        ("Connections, ingestion", f"{limits.INGEST.connections:,}"),
        ("Connections, admin", f"{limits.ADMIN.connections}"),
        (
            "An answer up to the end of its headers, 1xx before it included",
            f"{http_client.MAX_HEAD // KIB} KiB",
        ),
        ("The body of an answer", f"{http_client.MAX_BODY // KIB} KiB"),
        ("An answer behind its headers, framing included", f"{http_answer.MAX_RAW_BODY // KIB} KiB"),
        ("An answer behind its headers, framing included", f"{aiohttp_head.MAX_RAW_BODY // KIB} KiB"),
        ("Time for a plugin's own `deliver`", f"{sender.CALL_TIMEOUTS} times `delivery.timeout`"),
        ("The detail of an outcome", f"{outcome_checks.MAX_DETAIL:,} bytes"),
        ("The error of an attempt", f"{responses.MAX_ERROR} bytes"),
        ("Secrets of run time, of one destination", f"{redaction.MAX_TOLD}"),
        ("A secret of run time", f"{redaction.MAX_TOLD_LENGTH:,} characters"),
        ("The shortest part of a secret that is masked", f"{secret_parts.MIN_PART} characters"),
    ],
)
def test_each_limit_is_the_one_in_force(row: str, words: str) -> None:
    assert ROWS[row][1] == words
