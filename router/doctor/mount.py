"""What the mount of the store says: whether the disk is one, and whether it is told to write things down in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from router.doctor.finding import Finding, Level
from router.doctor.subject import Subject

NETWORK = re.compile(r"nfs\d?|cifs|smb3?|smbfs|9p|ceph|fuse\.(ceph|sshfs|glusterfs|s3fs|rclone|gcsfuse).*|glusterfs|afs|lustre|virtiofs|vboxsf")  # fmt: skip
IN_MEMORY = {"tmpfs", "ramfs"}
OF_A_CONTAINER = {"overlay", "aufs", "fuse.fuse-overlayfs"}
CARELESS = {"nobarrier", "barrier=0", "data=writeback", "volatile"}
"""Options with which a power cut can take what was synced. Sources: ext4(5), xfs(5), and overlayfs in the kernel's documentation"""


class Mount(NamedTuple):
    """The mount that a folder is on."""

    place: str
    kind: str
    options: frozenset[str]


def mount(subject: Subject) -> Iterator[Finding]:
    """The file system of the store."""
    if (disk := subject.disk) is not None:
        yield about_mount(disk, mount_of(disk.resolve(), subject.mountinfo.read_text()))


def about_mount(disk: Path, on: Mount) -> Finding:
    """What is to be said of a mount that the store is on."""
    words = f"{disk} is on {on.kind} ({on.place})"
    if "ro" in on.options:
        return Finding(
            "mount", Level.ERROR, f"{words}, mounted read-only", "mount it with rw; look into the kernel's log for why"
        )
    if NETWORK.fullmatch(on.kind):
        remedy = "put the store on a local disk"
        return Finding(
            "mount", Level.WARNING, f"{words}, a network file system: locks and the WAL are not safe there", remedy
        )
    if on.kind in IN_MEMORY:
        remedy = "put the store on a disk"
        return Finding(
            "mount", Level.WARNING, f"{words}, in memory: a restart of the machine loses every event", remedy
        )
    if on.kind in OF_A_CONTAINER:
        remedy = "put the store on a volume"
        return Finding(
            "mount", Level.WARNING, f"{words}, a layer of a container: it is gone with the container", remedy
        )
    if careless := sorted(on.options & CARELESS):
        remedy = f"mount it without {', '.join(careless)}"
        return Finding(
            "mount", Level.WARNING, f"{words} with {', '.join(careless)}: a power cut can lose events", remedy
        )
    return Finding("mount", Level.OK, words)


def mount_of(folder: Path, mountinfo: str) -> Mount:
    """The mount of a folder, by the text of /proc/self/mountinfo: the last of the deepest ones. Source: proc_pid_mountinfo(5)"""
    found = Mount("/", "unknown", frozenset())
    for line in mountinfo.splitlines():
        of_mount, _, of_system = line.partition(" - ")
        fields, (kind, _, more) = of_mount.split(), of_system.split(maxsplit=2)
        place = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), fields[4])
        if folder.is_relative_to(place) and len(Path(place).parts) >= len(Path(found.place).parts):
            found = Mount(place, kind, frozenset([*fields[5].split(","), *more.split(",")]))
    return found
