"""Which checks there are, in the order in which they are shown."""

from __future__ import annotations

from functools import partial

from router.doctor.configuration import configuration
from router.doctor.database import database
from router.doctor.descriptors import descriptors
from router.doctor.disk_sync import disk_sync
from router.doctor.examine import Check
from router.doctor.mount import mount
from router.doctor.permissions import store_files, store_folder
from router.doctor.program import python, sqlite
from router.doctor.secret_files import exposed, readable
from router.doctor.service_unit import credentials, program
from router.doctor.space import inodes, space
from router.doctor.store_file import store_file, upgrade
from router.doctor.store_locks import store_locks
from router.doctor.subject import Subject
from router.doctor.time_of_day import clock, time_source
from router.doctor.units import units
from router.doctor.vendors import own_addresses, vendor

ALWAYS = (
    Check("python", python),
    Check("sqlite", sqlite),
    Check("configuration", configuration),
    Check("store", store_file),
    Check("locked", store_locks),
    Check("database", database),
    Check("upgrade", upgrade),
    Check("space", space),
    Check("inodes", inodes),
    Check("mount", mount),
    Check("sync", disk_sync),
    Check("descriptors", descriptors),
    Check("clock", clock),
    Check("time_source", time_source),
    Check("store_folder", store_folder),
    Check("store_folder", store_files, "its files"),
    Check("exposed", exposed),
    Check("secrets", readable),
    Check("credentials", credentials),
    Check("program", program),
    Check("units", units),
    Check("connect", own_addresses, "config.toml"),
)


def checks_of(subject: Subject) -> list[Check]:
    """All of them, with one for each destination that is enabled."""
    enabled = [one for one in subject.destinations if one.config.enabled]
    return [*ALWAYS, *(Check("connect", partial(vendor, one), one.name) for one in enabled)]
