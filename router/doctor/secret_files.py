"""Who can read the store, config.toml and the secrets: not everybody, and the service."""

from __future__ import annotations

from collections.abc import Iterator

from router.config.exposure import exposed_config, remedy_of, unreadable_files
from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject
from router.durable import others_can_read
from router.explain.figures import count
from router.plugin_host.factory import inline_secrets
from router.store.sqlite.private_files import private_files


def exposed(subject: Subject) -> Iterator[Finding]:
    """Files with events or secrets that every user of the machine can read."""
    found = [*_exposed(subject)]
    yield from found
    if not found:
        words = "no other user of this machine can read the store, its copies or a secret"
        yield Finding("exposed", Level.OK, words)


def _exposed(subject: Subject) -> Iterator[Finding]:
    reader = subject.service[0] if subject.service else subject.draft.reader if subject.draft else None
    ours = private_files(subject.store) if subject.store else ()
    remedies = {path: f"chmod 600 {path}" for path in ours if others_can_read(path)}
    secret_files = subject.draft.secret_files.values() if subject.draft else ()
    remedies |= {path: remedy_of(path, reader) for path in secret_files if others_can_read(path)}
    for path, remedy in remedies.items():
        yield Finding("exposed", Level.WARNING, f"every user of this machine can read {path}", remedy)
    drafted = subject.draft.inline if subject.draft else []
    inline = [*drafted, *filter(None, map(inline_secrets, subject.destinations))]
    for warning in exposed_config(subject.path, inline, reader):
        words, _, remedy = warning.words.rpartition("; ")
        yield Finding("exposed", Level.WARNING, f"{subject.path}: {words}", remedy)


def readable(subject: Subject) -> Iterator[Finding]:
    """Whether the user of the service can read config.toml and the files with secrets. One that runs has read them; its next start fails."""
    if subject.draft is None or not subject.path.exists() or (ids := subject.service) is None:
        return
    of_config = [*unreadable_files({subject.path.name: subject.path}, *ids)]
    of_secrets = [*unreadable_files(subject.draft.secret_files, *ids)]
    level = Level.WARNING if subject.running else Level.ERROR
    for warning in of_config:
        remedy = f"chmod 644 {subject.path}, after its secrets were moved into files or credentials"
        yield Finding("secrets", level, f"{warning.key}: {warning.words}", remedy)
    for warning in of_secrets:
        remedy = f"chown {ids[0]} the file, or pass it by LoadCredential"
        yield Finding("secrets", level, f"{warning.key}: {warning.words}", remedy)
    if not of_config and not of_secrets:
        words = f"user {ids[0]}, who runs the daemon, can read config.toml and {count(len(subject.draft.secret_files), 'file')} with secrets"
        yield Finding("secrets", Level.OK, words)
