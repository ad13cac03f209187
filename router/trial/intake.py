"""What a source does with a call before it is stored: it takes personal data out, asks its tracking plan, and keeps nothing of who is
suppressed."""

from __future__ import annotations

from typing import NamedTuple

from router.config import PrivacyConfig, SourceConfig
from router.judge import SourcePlan
from router.plans import Plan
from router.privacy import SourcePrivacy, hasher_of
from router.store import Suppressions

NOBODY = Suppressions(b"", ())


class Intake(NamedTuple):
    """As the source is configured; whatever is left out is not."""

    source: str  #: its name
    privacy: SourcePrivacy | None = None
    plan: SourcePlan | None = None
    suppressions: Suppressions = NOBODY

    @classmethod
    def of(
        cls, source: SourceConfig, plan: Plan | None, privacy: PrivacyConfig, suppressions: Suppressions = NOBODY
    ) -> Intake:
        """As config.toml says."""
        takes = source.privacy.drop or source.privacy.hash
        return cls(
            source.name,
            SourcePrivacy(source.privacy, hasher_of(privacy)) if takes else None,
            SourcePlan.of(source, plan) if plan is not None else None,
            suppressions,
        )
