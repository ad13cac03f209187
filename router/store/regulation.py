"""What is recorded of a demand to forget people or groups, or to suppress people: a regulation."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from router.vocabulary import DELETION


class Step(StrEnum):
    """What a regulation does next. Each step can be repeated: what it has erased is not found again."""

    ROWS = "rows"  #: parked rows, dead letters and keyed state, destination by destination
    LOG = "log"  #: bodies in the log, in slices
    KEPT = "kept"  #: bodies that outlived the log
    TOOLS = "tools"  #: what the destinations are asked to delete
    TEXTS = "texts"  #: error texts and excerpts that name the person, also those of the deletions
    CLEAN = "clean"  #: free pages and the WAL
    NOTE = "note"  #: the line beside the store, of a demand that erases nothing
    DONE = "done"


class Demand(msgspec.Struct, frozen=True):
    """What was asked for. Keys are user keys."""

    id: str
    kind: str  #: Segment's regulationType
    subject_type: str  #: Segment's subjectType, or GROUP_ID
    subjects: tuple[str, ...]
    also: tuple[str, ...] = ()  #: anonymous keys that belong to the same person
    deletes: bool = False
    suppresses: bool = False
    unsuppresses: bool = False
    tools: tuple[str, ...] = ()  #: destinations that are asked to delete, too


def deletions_of(regulation_id: str) -> str:
    """What the message ids of its deletions begin with."""
    return f"{DELETION}{regulation_id}:"


class Tool(msgspec.Struct):
    """A destination that is asked to delete, too."""

    status: str = ""  #: "": not asked yet; RUNNING, FINISHED, FAILED or NOT_SUPPORTED as Segment has them
    words: str = ""  #: what an operator has to do, or what went wrong
    rows: list[int] = []  #: where its deletions stand; empty at the end
    finished_at: int = 0  #: ms


class Regulation(msgspec.Struct):
    """A demand and how far it is. While it is under way it knows whom it means; at the end only the hashes are left."""

    id: str
    kind: str
    subject_type: str
    subjects: int  #: how many were named
    created_at: int  #: ms
    bound: int  #: events up to this position are erased; later ones are new
    step: str
    hashes: list[str]  #: HMACs of the user keys, hex: each person's, the one that was named first
    named: list[str] = []  #: of these, those of the ids that were named: where the next person begins
    key: str = ""  #: tells which key made the hashes
    keys: list[str] = []  #: user keys that are erased, "g:<groupId>" of a group; empty at the end
    people: list[list[str]] = []  #: the same by person, the key that was named first; empty at the end
    tools: dict[str, Tool] = {}  #: by destination
    near: list[str] = []  #: these, and users whose lanes may hold events of them; empty once the rows are erased
    names: list[str] = []  #: of the groups that are erased, written as keys are: texts may tell those; empty at the end
    pos: int = 0  #: how far the log was looked through
    kept_pos: int = 0  #: how far what outlived it was looked through
    counts: dict[str, int] = {}  #: what was erased
    note: str = ""  #: what an operator still has to do
    finished_at: int = 0  #: ms; 0: it is under way

    @property
    def is_under_way(self) -> bool:
        """Whether anything is left to do."""
        return self.step != Step.DONE

    @property
    def groups(self) -> frozenset[str]:
        """The groups that are erased."""
        return frozenset(key[2:] for key in self.keys if key.startswith("g:"))

    @property
    def told_as(self) -> list[str]:
        """What a text says that names one of them, written as keys are."""
        return [*self.keys, *self.names]

    def count(self, **erased: int) -> None:
        """Add to what was erased."""
        self.counts = {**self.counts, **{name: self.counts.get(name, 0) + n for name, n in erased.items() if n}}
