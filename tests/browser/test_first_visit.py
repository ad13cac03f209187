"""A first visit of each reader: questions, each answered in at most three clicks from the first page, by the words that it shows.

What is typed into a field that is shown is no click; the search box with the key Enter is one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, NamedTuple

import pytest
import pytest_asyncio

from tests.browser.world import world
from tests.flow.harness import Daemon
from tests.patience import HANG_S

if TYPE_CHECKING:
    from playwright.async_api import Browser, Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]
MOST_CLICKS = 3
FEWER_CLICKS = {"release on behalf of a group": 2}


class Click(NamedTuple):
    """On the first link or button of the page's content, or its head, that shows this."""

    words: str


class Number(NamedTuple):
    """On the number in the row of a destination and the column of this word."""

    row: str
    column: str


class Search(NamedTuple):
    """With the box at the top."""

    words: str


class Type(NamedTuple):
    """Into the field that is labelled so."""

    label: str
    text: str


class Choose(NamedTuple):
    """Of the list that is labelled so."""

    label: str
    option: str


Step = Click | Number | Search | Type | Choose
Tasks = dict[str, tuple[list[Step], str]]

CUSTOMER_SUCCESS: Tasks = {
    "why does Acme see nothing": ([Search("acme")], "wait for the name of this company"),
    "a tool shows nothing though it said yes": (
        [Search("bob"), Click("If the tool shows nothing …")],
        "You look at another account, workspace or environment of the tool",
    ),
    "find a person by user id": ([Search("bob")], "Where their events are"),
    "what did one event come to": ([Search("ann-1")], "waits for"),
    "who waits for a group": ([Number("clientsuccess", "held")], "user:dan"),
    "which company does a person belong to": ([Search("ann")], "Company: without a name"),
    "who belongs to a company": ([Search("globex")], "user:bob"),
    "an answer for a ticket": ([Search("ann"), Click("copy as text")], "copied"),
    "somebody asks to be forgotten": ([Search("bob"), Click("Forget this person …")], "It cannot be undone."),
    "release on behalf of a group": (
        [
            Number("clientsuccess", "held"),
            Type("Group id for user:cid", "umbrella"),
            Type("Group name for user:cid", "Umbrella"),
            Click("Release 3 events"),
        ],
        "3 events may go now, in order.",
    ),
}
OPERATOR: Tasks = {
    "is anything lost": ([], "none unaccounted for"),
    "send the dead letters again": (
        [Number("billing", "dead"), Click("Replay all …"), Click("Replay 16 dead letters")],
        "The replay has begun: 16 events",
    ),
    "pause a tool": (
        [Click("freshsuccess"), Type("Reason of the pause", "moving house"), Click("Pause")],
        "It is paused: its events wait",
    ),
    "what was refused today": ([Click("2 discarded today")], "Calls that could not be used"),
    "is the key of crm wrong": ([Click("Test or resume")], "paused because the vendor refused our key"),
    "what config is in force": ([Click("Configuration")], "The active config.toml"),
    "how fast is delivery": ([Click("freshsuccess"), Click("1 h")], "p95"),
    "how much room is left": ([], "before events are refused"),
    "until when does mail wait": ([Click("mail")], "next try"),
    "what is kept of a tool that was taken out": ([Click("gone")], "What it had is kept"),
    "where is a dry run set live": (
        [Click("braze"), Click("Change it")],
        "Nothing is written before you have seen the difference",
    ),
    "why is the warehouse down": ([Click("warehouse"), Click("Errors")], "is busy"),
}
PLUGIN_DEVELOPER: Tasks = {
    "what does the plugin make of this event": (
        [Click("Try"), Type("Event, as a library sends it", '{"type": "track", "userId": "u1", "event": "E"}'), Click("Try")],
        "What the plugin makes of it",
    ),
    "what does the plugin make of a 429": (
        [Click("Try"), Choose("The vendor answers", "429"), Click("Try")], "If the vendor answers 429",
    ),
    "what does the plugin make of an identify": (
        [Click("Try"), Click("identify"), Click("Try")], "What the plugin makes of it",
    ),
    "what if the group were known": (
        [Click("Try"), Choose("Destination", "clientsuccess"), Type("Group id", "acme"), Type("Group traits", '{"name": "Acme"}'), Click("Try")],
        "would be delivered",
    ),
    "the request as curl": ([Search("bob-1"), Click("request")], "copy as curl"),
    "is the plugin installed": ([Click("Configuration"), Click("Add a destination")], "saboteur"),
    "why did the plugin raise": ([Search("raises")], "Traceback"),
    "what did the vendor answer": ([Search("bob-1"), Click("answer")], "has no account here"),
    "what does the plugin get": ([Search("bob-1"), Click("as each plugin sees it")], "The event, normalised and mapped"),
    "the same event once more": ([Search("bob-1"), Click("Try this event"), Click("Try")], "The same as pytest"),
}  # fmt: skip
TASKS = {**CUSTOMER_SUCCESS, **OPERATOR, **PLUGIN_DEVELOPER}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def router(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """One of its own: visitors change it."""
    async with world(tmp_path_factory.mktemp("visited")) as daemon:
        yield daemon


async def _shown(found: Locator) -> Locator:
    await found.first.wait_for()
    for one in await found.all():
        if await one.is_visible():
            return one
    raise AssertionError("nothing of it is shown")


async def _click(page: Page, words: str) -> None:
    link, button = (page.get_by_role(role, name=words, exact=True) for role in ("link", "button"))
    inside = page.locator("main").get_by_role("button", name=words, exact=True)
    await (await _shown(inside if await inside.count() else link.or_(button))).click()


async def _number(page: Page, row: str, column: str) -> None:
    heads = await page.locator("#destinations-title + .scroll thead th").all_inner_texts()
    line = page.locator("tbody tr").filter(has=page.get_by_role("rowheader", name=row, exact=True)).first
    await line.locator("th, td").nth(heads.index(column)).get_by_role("link").click()


async def _take(page: Page, step: Step) -> int:
    """Carry out a step. Returns how many clicks it is."""
    match step:
        case Click(words):
            await _click(page, words)
        case Number(row, column):
            await _number(page, row, column)
        case Search(words):
            await page.get_by_role("searchbox").first.fill(words)
            await page.keyboard.press("Enter")
        case Type(label, text):
            await page.get_by_label(label).fill(text)
            return 0
        case Choose(label, option):
            await page.get_by_label(label).select_option(option)
    return 1


@pytest.mark.parametrize("task", TASKS)
async def test_a_first_visitor_finds(router: Daemon, browser: Browser, task: str) -> None:
    steps, answer = TASKS[task]
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(HANG_S * 1000)
    page = await context.new_page()
    await page.goto(router.admin_url)
    clicks = 0
    for step in steps:
        clicks += await _take(page, step)
    await page.locator("main").get_by_text(answer).filter(visible=True).first.wait_for()
    assert clicks <= FEWER_CLICKS.get(task, MOST_CLICKS)
    await context.close()
