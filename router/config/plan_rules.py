"""The tracking plans of sources: read with config.toml, so that a faulty plan is refused with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from router.config.messages import unknown
from router.config.model import ConfigWarning, SourceConfig, SourcePrivacyConfig
from router.config.partial import Draft
from router.config.plan_tables import Forward, OnViolation
from router.plans import Plan, PlanError, load_plan


def check_plans(draft: Draft) -> None:
    """Read the plan of each source that has one, and report the faults. Sources with the same files share one plan."""
    read: dict[tuple[Path, ...], Plan | PlanError] = {}
    names = {source.name: source for _, source in draft.sources}
    for where, source in draft.sources:
        draft.problems += [f"{where}.{fault}" for fault in _faults(source, names)]
        if not source.plan:
            continue
        paths = tuple(draft.path.parent / path for path in source.plan)
        if paths not in read:
            read[paths] = _read(paths)
        plan = read[paths]
        if isinstance(plan, PlanError):
            draft.problems += [f"{where}.plan: {problem}" for problem in plan.problems]
        else:
            draft.plans[source.name] = plan
            draft.warnings += [ConfigWarning(source.name, "plan", words) for words in plan.warnings]
            draft.warnings += _forwarded_after_all(draft, source)


def _read(paths: tuple[Path, ...]) -> Plan | PlanError:
    try:
        return load_plan(paths)
    except PlanError as error:
        return error


FORWARDED = {
    "violations": '"Violation Generated" of every violation, as events of a user "schema-violations"',
    "blocked": "the events that the plan blocks after all",
}


def _forwarded_after_all(draft: Draft, source: SourceConfig) -> Iterator[ConfigWarning]:
    """Destinations of the source that get what is forwarded, too. `sources` is all of them where it is left out, so this is easily missed."""
    for key, what in FORWARDED.items():
        target = getattr(source.forward, key)
        both = [
            table.name
            for _, table in draft.destinations
            if table.enabled and all("*" in table.sources or name in table.sources for name in (source.name, target))
        ]
        if target and both:
            words = f'also at {", ".join(both)}, which gets {what}; name its `sources` there, without "{target}"'
            yield ConfigWarning(source.name, f"forward.{key}", words)


def _faults(source: SourceConfig, names: dict[str, SourceConfig]) -> Iterator[str]:
    if not source.plan:
        for key, is_set in (
            ("on_violation", source.on_violation != OnViolation()),
            ("forward", source.forward != Forward()),
        ):
            if is_set:
                yield f'{key}: only for a source with a tracking plan; add e.g. plan = "plans/acme.json", or leave it out'
        return
    for key in ("violations", "blocked"):
        target = getattr(source.forward, key)
        if target == source.name:
            yield f"forward.{key}: this is the source itself; name another one"
        elif target and target not in names:
            yield f"forward.{key}: {unknown(target, names, 'source')}"
        elif target and names[target].privacy != SourcePrivacyConfig():
            yield (
                f'forward.{key}: source "{target}" has [source.privacy], which forwarded events do not pass;'
                f" name a source without it, and drop or hash at {source.name} instead"
            )
        elif target and not names[target].enabled:
            yield f'forward.{key}: source "{target}" is disabled, so it would take nothing; enable it, or name another one'
