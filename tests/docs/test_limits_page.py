"""docs/limits.md has the numbers that are in force."""

from __future__ import annotations

import pytest

from router import in_thread, plugin
from router.deliver import worker
from router.deliver.commit import unit_of_work
from router.deliver.lanes import parked_rows
from router.deliver.send import aiohttp_head, batcher, http_answer, http_client
from router.deliver.settle import responses
from router.ingest import limits
from router.judge import forwarding, source_plans
from router.plans import loading
from router.plans.check import MAX_ERRORS, MAX_NOTED
from router.plugin_host import exchange, outcome_checks, plugin_threads, redaction, secret_parts
from router.plugin_host.preview import MAX_BODY as MAX_SHOWN_BODY
from router.plugin_host.time_budgets import CALL_TIMEOUTS
from router.store import fate_words, violation_kinds
from router.store.sqlite import replay_reads
from router.tracing import bounded_http, exporting
from router.vocabulary import Line
from tests.docs.pages import ROOT

LINES = (ROOT / "docs/limits.md").read_text().splitlines()
ROWS = {cells[0]: cells for line in LINES if line.startswith("| ") and (cells := line.strip("| ").split(" | "))}
KIB = 1024


def mb(n: int) -> str:
    return f"{n // 1_000_000} MB"


IN_FORCE = [
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
    ("A request head as a whole", f"{limits.MAX_HEAD_BYTES // KIB} KiB, {limits.MAX_HEADERS} headers"),
    ("Time for a head, from its first byte", f"{limits.HEAD_TIMEOUT_S:.0f} s"),
    ("Time for a body", f"{limits.BODY_TIMEOUT_S:.0f} s"),
    ("Time to read an answer", f"{limits.ANSWER_TIMEOUT_S:.0f} s"),
    ("A connection without a request", f"{limits.IDLE_TIMEOUT_S:.0f} s"),
    ("Debt of a source with a `rate`", f"{limits.MAX_DEBT_S:.0f} s"),
    ("Requests being stored", f"{limits.MAX_IN_FLIGHT:,}"),
    ("Connections that are read in one turn of the event loop", f"{limits.MAX_READ}"),
    ("Connections that are accepted in one turn, while others are busy", f"{limits.MAX_ACCEPTED}"),
    ("Bytes of unfinished heads and bodies, ingestion", f"{limits.INGEST.received_bytes // KIB // KIB} MiB"),
    ("Bytes of unfinished heads and bodies, admin", f"{limits.ADMIN.received_bytes // KIB // KIB} MiB"),
    ("Connections, ingestion", f"{limits.INGEST.connections:,}"),
    ("Connections, admin", f"{limits.ADMIN.connections}"),
    ("Pages of the console that refresh, each with a connection", f"{limits.STREAMS}"),
    ("Bytes in flight to these pages", f"{limits.STREAMS_BYTES // KIB // KIB} MiB, and 64 KiB of each page"),
    (
        "An answer up to the end of its headers, 1xx before it included",
        f"{http_client.MAX_HEAD // KIB} KiB",
    ),
    ("Headers of an answer", f"{http_client.MAX_HEADERS:,}"),
    ("The body of an answer", f"{http_client.MAX_BODY // KIB} KiB"),
    ("An answer behind its headers, framing included", f"{http_answer.MAX_RAW_BODY // KIB} KiB"),
    ("An answer behind its headers, framing included", f"{aiohttp_head.MAX_RAW_BODY // KIB} KiB"),
    ("Time for a plugin's own `deliver`", f"{CALL_TIMEOUTS} times `delivery.timeout`"),
    ("The items that a hook returns for one event, as JSON", f"{plugin.MAX_ITEMS_BYTES // KIB // KIB} MiB"),
    ("The number of these items", f"{plugin.MAX_ITEMS:,}"),
    ("The state of one key, as JSON", f"{plugin.MAX_STATE_BYTES // KIB} KiB, {plugin.MAX_STATE_DEPTH} levels"),
    ("A state key", f"{plugin.MAX_STATE_KEY:,} characters"),
    ("The URL of a request", f"{plugin.MAX_URL // KIB} KiB"),
    ("The headers of a request together", f"{plugin.MAX_HEADERS_BYTES // KIB} KiB"),
    ("The body of a request", f"{plugin.MAX_BODY // KIB // KIB} MiB"),
    ("The body of a request that a dry run or a trial shows", f"{MAX_SHOWN_BODY // KIB // KIB} MiB"),
    ("The reason of an outcome", f"{outcome_checks.MAX_REASON} bytes"),
    ("The detail of an outcome", f"{outcome_checks.MAX_DETAIL:,} bytes"),
    ("The error of an attempt", f"{responses.MAX_ERROR} bytes"),
    ("The attempts that `why` and a dead letter show of an event", f"{fate_words.TOLD_ATTEMPTS}"),
    (
        "Events that are read and neither settled nor parked",
        f"{worker.WINDOW_EVENTS:,}, {mb(worker.WINDOW_BYTES)} of their bodies",
    ),
    (
        "Items of live events that wait for a request or are in flight, as JSON",
        mb(batcher.ITEM_BYTES[Line.LIVE]),
    ),
    ("Items of retries, and of released or replayed events, as JSON", f"{mb(batcher.ITEM_BYTES[Line.RETRY])} each"),
    (
        "Items of retries, and of released or replayed events, as JSON",
        f"{mb(batcher.ITEM_BYTES[Line.RELEASE])} each",
    ),
    ("Bodies of requests in flight", mb(batcher.SENT_BYTES)),
    (
        "Rows of waiting events that are read ahead, of one user",
        f"{parked_rows.ROWS_PER_LANE}, {parked_rows.BYTES_PER_LANE // 1_000} KB",
    ),
    ("Rows of waiting events that are read in one round", mb(parked_rows.BYTES_PER_ROUND)),
    ("Events and dead letters that a replay reads at once", mb(replay_reads.SLICE_BYTES)),
    ("What one commit stores", f"{unit_of_work.BATCH_EVENTS} records, {mb(unit_of_work.BATCH_BYTES)}"),
    (
        "The last request that went well and the last that did not, with their answers",
        f"{(exchange.MAX_BODY + redaction.MAX_TOLD_LENGTH) // KIB} KiB of each body, {exchange.MAX_HEADERS} headers of each answer",
    ),
    (
        "Threads that do the same work for a page, a reload or the store, for example to read config.toml",
        f"{in_thread.MOST}",
    ),
    ("Secrets of run time, of one destination", f"{redaction.MAX_TOLD}"),
    ("A secret of run time", f"{redaction.MAX_TOLD_LENGTH:,} characters"),
    ("The shortest part of a secret that is masked", f"{secret_parts.MIN_PART} characters"),
    ("A body that is worked on at once", f"{limits.MAX_LIGHT_BYTES // KIB} KiB, inflated"),
    ("The first event of a webhook's array, which is signed", f"{limits.MAX_SIGNED_BYTES // KIB} KiB"),
    (
        "Bytes of answers that clients have not read, ingestion",
        f"{limits.INGEST.unread_bytes // KIB // KIB} MiB",
    ),
    ("Bytes of answers that clients have not read, admin", f"{limits.ADMIN.unread_bytes // KIB // KIB} MiB"),
    (
        "Send buffer of a connection (`SO_SNDBUF`)",
        f"{limits.INGEST.send_buffer // KIB} KiB, admin {limits.ADMIN.send_buffer // KIB} KiB",
    ),
    ("Rules of a plan", f"{loading.MAX_RULES:,}"),
    ("Files of a plan together", mb(loading.MAX_BYTES)),
    ("Violations noted of one event", f"{MAX_NOTED}"),
    ("Violations looked for in the calls of one request", f"{MAX_ERRORS:,}"),
    ("Values of a call that is checked in full", f"{source_plans.MAX_VALUES:,}"),
    ("Violations forwarded of one source and type", f"{forwarding.PER_MINUTE} a minute"),
    ("Kinds of violations that are kept", f"{violation_kinds.KEPT:,}"),
    ("Different violations in one transaction", f"{violation_kinds.KINDS_AT_ONCE:,}"),
    (
        "Threads for trials and tests, for forms, for previews of a reload, for reloads, for instances that get a thread of"
        " their own",
        f"{plugin_threads.MOST} of each",
    ),
    ("An answer with its headers and framing", f"{bounded_http.MAX_ANSWER // KIB} KiB"),
    ("Time for an export, with its attempts", f"{exporting.TIMEOUT_S:.0f} s"),
    ("The log line of a failure", f"{exporting.MAX_DETAIL} characters"),
]
SETTINGS = {"Time for a request"}
"""Rows whose limit is a setting."""


@pytest.mark.parametrize(("row", "words"), IN_FORCE)
def test_each_limit_is_the_one_in_force(row: str, words: str) -> None:
    assert ROWS[row][1] == words


def test_no_limit_on_the_page_is_left_out_here() -> None:
    assert set(ROWS) - {"What"} - SETTINGS == {row for row, _ in IN_FORCE}


def test_the_threat_model_has_the_same_figures() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    for words in (
        f"{limits.INGEST.connections:,} connections, {limits.INGEST.received_bytes // KIB // KIB} MiB unfinished",
        f"{limits.ADMIN.connections} connections, commands of {limits.MAX_ADMIN_BYTES // KIB} KiB",
        f"a head of {limits.MAX_HEAD_BYTES // KIB} KiB, {limits.MAX_HEADERS} headers",
        f"a batch of {limits.MAX_BATCH_BYTES // KIB} KiB and {limits.MAX_BATCH_ITEMS:,} calls, debt of {limits.MAX_DEBT_S:.0f} s",
        f"{http_client.MAX_HEAD // KIB} KiB up to the end of the headers, {http_client.MAX_BODY // KIB} KiB of body",
    ):
        assert words in text, words
