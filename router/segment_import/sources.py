"""Sources of a workspace, written as `[[source]]` tables with their tracking plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from router.segment_import.names import Names
from router.segment_import.plans import forward, on_violation, plan_fault, plan_text
from router.segment_import.result import Result
from router.segment_import.workspace import Source, Workspace

FETCHED = (
    "Segment fetches from it; nothing sends to it. Let Segment send its events here: docs/clients.md, Segment itself"
)


def write_sources(
    workspace: Workspace, result: Result, new_key: Callable[[], str], *, inline: bool
) -> Mapping[str, str]:
    """Write them. Returns their names here, by their ids.

    Args:
        new_key: makes a write key for a source of which the export has none.
        inline: write keys stand in config.toml, and not in files of their own.
    """
    names, given = Names(), []
    for source in workspace.sources:
        if source.is_fetched:
            result.leave("source", source.name, FETCHED)
        else:
            given.append((source, names.give(source.name, "source")))
    connected: dict[str, list[str]] = {}
    for connection in workspace.connections:
        connected.setdefault(connection.source_id, []).append(connection.plan_id)
    files = _write_plans(workspace, result)
    enabled = {source.id: name for source, name in given if source.id and source.is_enabled}
    for source, name in given:
        _write_source(source, name, result, new_key, inline)
        mine = [files[id] for id in connected.get(source.id, ()) if id in files] if source.id else []
        _write_plan_keys(source, mine, workspace, result, enabled)
    return {source.id: name for source, name in given if source.id}


def _write_source(source: Source, name: str, result: Result, new_key: Callable[[], str], inline: bool) -> None:
    page, keys = result.page, source.write_keys
    page.blank()
    page.comment(f'source "{source.name}" of Segment ({source.id})')
    if not keys:
        keys = (new_key(),)
        words = "the export has none of its write keys, so this one is new: put Segment's in its place, or change it in your applications"
        page.comment(words)
        result.notes.append(f'source "{source.name}": {words}')
    values = [key if inline else result.secret(f"{name}_write_key", key) for key in keys]
    page.header("[[source]]")
    page.key("name", name)
    page.key("write_key", values if len(values) > 1 else values[0])
    if not source.is_enabled:
        page.key("enabled", False)


def _write_plans(workspace: Workspace, result: Result) -> dict[str, str]:
    """Write the file of each plan that has rules. Returns the files that can be used, by the plan's id."""
    names, files, connected = Names(), {}, {one.plan_id for one in workspace.connections}
    for plan in workspace.plans:
        rules = workspace.rules.get(plan.id, [])
        if not rules:
            result.leave("tracking plan", plan.name, "the export has none of its rules")
            continue
        file = f"plans/{names.give(plan.name, 'plan')}.json"
        content = result.files[file] = plan_text(plan, rules)
        if fault := plan_fault(file, content):
            result.leave("tracking plan", plan.name, f"it is written to {file}, and no source names it: {fault}")
        else:
            files[plan.id] = file
            if plan.id not in connected:
                words = f'the export does not say which source has it; write plan = "{file}" at that [[source]]'
                result.notes.append(f'tracking plan "{plan.name}": {words}')
    return files


def _write_plan_keys(
    source: Source, plans: Sequence[str], workspace: Workspace, result: Result, enabled: Mapping[str, str]
) -> None:
    """`plans`: the files of its own. `enabled`: names of sources by their ids."""
    page = result.page
    settings = workspace.on_violation.get(source.id, {})
    reactions = on_violation(settings)
    forwards, notes = forward(settings, source.id, enabled)
    if not plans:
        if reactions or forwards:
            result.leave(
                "settings about violations of source", source.name, "no tracking plan of the export is its own"
            )
        return
    page.key("plan", plans[0])
    if reactions:
        page.header("[source.on_violation]")
        page.keys(reactions)
    if forwards:
        page.header("[source.forward]")
        page.keys(forwards)
    for note in notes:
        result.leave("source", source.name, note)
